//! The device as a run-time choice: parse what a user typed, say what is compiled in.
//!
//! Libraries take a `&Device`; only a program chooses one, and this is the helper it does it with.
//!
//! # Operator fusion is off
//!
//! On wgpu, Burn 0.22.1 can put several operations into one kernel. Together with autotuning those kernels are silently wrong now and
//! then ([burn#5257](https://github.com/tracel-ai/burn/issues/5257), and `docs/log.md` for what was seen here: a loss off by a third, with
//! the same program right in the next run). So the first [`DeviceChoice::open`] of a process tells Burn not to look for such kernels,
//! unless the environment variable `BURN_FUSION_MAX_EXPLORATIONS` or a `burn.toml` gives a number, or the program has set or used Burn's
//! configuration before. To have fusion, set the variable to a large number and compare with flex.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// Where to run, as typed by a user: `flex`, `ndarray`, `wgpu`, `wgpu:<index>` or `wgpu:cpu`.
///
/// Parsing never touches hardware; [`open`](Self::open) does.
///
/// ```
/// use fornax_nn_core::DeviceChoice;
///
/// let choice: DeviceChoice = "wgpu:1".parse().unwrap();
/// assert_eq!(choice, DeviceChoice::Wgpu(fornax_nn_core::device::Adapter::Gpu(1)));
/// assert!("cuda".parse::<DeviceChoice>().unwrap_err().to_string().contains("flex"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// CPU through burn-flex, the default.
    Flex,
    /// CPU through burn-ndarray: slower than flex and deprecated by Burn, kept because asked for.
    NdArray,
    /// GPU through wgpu (Vulkan, Metal, DirectX 12 or WebGPU).
    Wgpu(Adapter),
}

/// Which of the machine's wgpu adapters to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Adapter {
    /// What wgpu thinks best, usually the fastest GPU.
    #[default]
    Best,
    /// The GPU with this index among those listed by wgpu, discrete ones first.
    Gpu(usize),
    /// A software adapter, such as Mesa's llvmpipe.
    Cpu,
}

/// Why a device name did not lead to a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The name is none of the known ones.
    #[error(
        "unknown device {name:?}: expected flex, ndarray, wgpu, wgpu:<index> or wgpu:cpu (this build has: {})",
        compiled().join(", ")
    )]
    Unknown {
        /// What was typed.
        name: String,
    },
    /// The backend exists but was not compiled in.
    #[error(
        "device {name} is not compiled into this build (it has: {}); add `--features {feature}` to the cargo command",
        compiled().join(", ")
    )]
    NotCompiled {
        /// The device asked for.
        name: String,
        /// The cargo feature that brings it.
        feature: &'static str,
    },
    /// The backend is compiled in but this machine has no such adapter.
    #[error(
        "no wgpu adapter for {name}: this machine offers {}; install a Vulkan driver (Debian: mesa-vulkan-drivers libvulkan1 for a software one) or use --device flex",
        if available.is_empty() { "none".to_owned() } else { available.join(", ") }
    )]
    NoAdapter {
        /// The device asked for.
        name: String,
        /// The adapters wgpu lists.
        available: Vec<String>,
    },
}

/// Names of the backends compiled into this build, the default first.
pub fn compiled() -> Vec<&'static str> {
    let mut names = Vec::new();
    if cfg!(feature = "flex") {
        names.push("flex");
    }
    if cfg!(feature = "ndarray") {
        names.push("ndarray");
    }
    if cfg!(feature = "wgpu-unfused") {
        names.push("wgpu");
    }
    names
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown { name: name.to_owned() };
        match name.split_once(':') {
            None => match name {
                "flex" => Ok(Self::Flex),
                "ndarray" => Ok(Self::NdArray),
                "wgpu" => Ok(Self::Wgpu(Adapter::Best)),
                _ => Err(unknown()),
            },
            Some(("wgpu", "cpu")) => Ok(Self::Wgpu(Adapter::Cpu)),
            Some(("wgpu", index)) => {
                index.parse().map(|index| Self::Wgpu(Adapter::Gpu(index))).map_err(|_| unknown())
            }
            Some(_) => Err(unknown()),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flex => f.write_str("flex"),
            Self::NdArray => f.write_str("ndarray"),
            Self::Wgpu(Adapter::Best) => f.write_str("wgpu"),
            Self::Wgpu(Adapter::Gpu(index)) => write!(f, "wgpu:{index}"),
            Self::Wgpu(Adapter::Cpu) => f.write_str("wgpu:cpu"),
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = DeviceError;

    fn try_from(name: String) -> Result<Self, DeviceError> {
        name.parse()
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> Self {
        choice.to_string()
    }
}

impl DeviceChoice {
    /// Opens the device, without autodiff: call `.autodiff()` on it to train.
    ///
    /// # Errors
    ///
    /// [`DeviceError::NotCompiled`] when the backend's feature is off and
    /// [`DeviceError::NoAdapter`] when wgpu finds no matching adapter on this machine.
    pub fn open(self) -> Result<Device, DeviceError> {
        #[cfg(feature = "wgpu-unfused")]
        wgpu::leave_fusion_off();
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Ok(Device::flex()),
            #[cfg(not(feature = "flex"))]
            Self::Flex => Err(self.not_compiled("flex")),
            #[cfg(feature = "ndarray")]
            #[allow(
                deprecated,
                reason = "asked for by users; docs/architecture.md says why flex is the default"
            )]
            Self::NdArray => Ok(Device::ndarray()),
            #[cfg(not(feature = "ndarray"))]
            Self::NdArray => Err(self.not_compiled("ndarray")),
            #[cfg(feature = "wgpu-unfused")]
            Self::Wgpu(adapter) => wgpu::open(self, adapter),
            #[cfg(not(feature = "wgpu-unfused"))]
            Self::Wgpu(_) => Err(self.not_compiled("wgpu")),
        }
    }

    #[cfg(not(all(feature = "flex", feature = "ndarray", feature = "wgpu-unfused")))]
    fn not_compiled(self, feature: &'static str) -> DeviceError {
        DeviceError::NotCompiled { name: self.to_string(), feature }
    }
}

#[cfg(feature = "wgpu-unfused")]
mod wgpu {
    use burn::BurnConfig;
    use burn::tensor::{Device, DeviceKind, DeviceType};
    use burn_std::config::RuntimeConfig;
    use serde_json::{Value, json};

    use super::{Adapter, DeviceChoice, DeviceError};

    /// Burn reads its settings once, at the first use of any device: hence before the first is opened.
    pub(super) fn leave_fusion_off() {
        let loaded = BurnConfig::from_current_dir();
        if let Some(unfused) = without_fusion(&loaded) {
            // Where the program was earlier, its settings stay.
            BurnConfig::try_set(unfused.override_from_env());
        }
    }

    /// The same settings without fusion, where they leave it open.
    pub(super) fn without_fusion(config: &BurnConfig) -> Option<BurnConfig> {
        let mut config = serde_json::to_value(config).ok()?;
        let explorations = config.pointer_mut("/fusion/beam_search/max_explorations")?;
        if *explorations == Value::Null {
            *explorations = json!(0);
        }
        serde_json::from_value(config).ok()
    }

    /// Opening an adapter that is not there panics deep inside the runtime, so ask first.
    pub(super) fn open(choice: DeviceChoice, adapter: Adapter) -> Result<Device, DeviceError> {
        let listed: Vec<Device> = Device::enumerate(DeviceType::Wgpu).into_vec();
        let none = || DeviceError::NoAdapter {
            name: choice.to_string(),
            available: listed.iter().map(|device| format!("{device:?}")).collect(),
        };
        if listed.is_empty() {
            return Err(none());
        }
        match adapter {
            Adapter::Best => Ok(Device::wgpu(DeviceKind::DefaultDevice)),
            Adapter::Gpu(index) => listed.get(index).cloned().ok_or_else(none),
            Adapter::Cpu => {
                let cpu = Device::wgpu(DeviceKind::Cpu);
                if listed.contains(&cpu) { Ok(cpu) } else { Err(none()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["flex", "ndarray", "wgpu", "wgpu:0", "wgpu:3", "wgpu:cpu"] {
            assert_eq!(name.parse::<DeviceChoice>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn bad_names_are_refused_with_what_to_do() {
        for name in ["", "cpu", "Flex", "wgpu:", "wgpu:-1", "flex:0", "cuda"] {
            let error = name.parse::<DeviceChoice>().unwrap_err();
            assert_eq!(error, DeviceError::Unknown { name: name.to_owned() });
            assert!(error.to_string().contains("expected flex"), "{error}");
        }
    }

    #[cfg(feature = "flex")]
    #[test]
    fn flex_opens_without_autodiff() {
        let device = DeviceChoice::Flex.open().unwrap();
        assert!(!device.is_autodiff());
        assert!(device.autodiff().is_autodiff());
    }

    #[cfg(feature = "wgpu-unfused")]
    #[test]
    fn fusion_is_off_unless_asked_for() {
        use burn::BurnConfig;

        let explorations = |config: &BurnConfig| config.fusion().beam_search.max_explorations;
        let unfused = wgpu::without_fusion(&BurnConfig::default()).unwrap();
        assert_eq!(explorations(&unfused), Some(0));
        assert_eq!(
            unfused.fusion().beam_search.max_blocks,
            BurnConfig::default().fusion().beam_search.max_blocks
        );

        let asked: BurnConfig = serde_json::from_str(
            r#"{"fusion": {"beam_search": {"max_explorations": 7}, "growth_patience": 32}}"#,
        )
        .unwrap();
        assert_eq!(explorations(&wgpu::without_fusion(&asked).unwrap()), Some(7));

        if std::env::var_os("BURN_FUSION_MAX_EXPLORATIONS").is_none() {
            let _ = DeviceChoice::Wgpu(Adapter::Best).open();
            assert_eq!(explorations(&burn::runtime_config()), Some(0));
        }
    }

    #[cfg(not(feature = "wgpu-unfused"))]
    #[test]
    fn a_backend_left_out_names_its_feature() {
        let error = DeviceChoice::Wgpu(Adapter::Best).open().unwrap_err();
        assert!(error.to_string().contains("--features wgpu"), "{error}");
    }
}
