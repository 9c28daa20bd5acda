//! Whether Burn's default device can be opened.
//!
//! `ModuleOptimizer::load_record` puts the state on `Device::default()` before each tensor moves to its
//! parameter's device at the next step. The default depends on what is compiled in and on the environment
//! variable `BURN_DEVICE`; where it names a device that is not there, Burn panics. So it is asked first.

use crate::device::compiled;

/// Why `Device::default()` would not work, if it would not.
pub(super) fn problem() -> Option<String> {
    let chosen = std::env::var("BURN_DEVICE").ok().map(|name| name.to_lowercase());
    check(chosen.as_deref(), &compiled(), has_adapter)
}

fn check(chosen: Option<&str>, compiled: &[&str], has_adapter: impl FnOnce() -> bool) -> Option<String> {
    let wgpu = match chosen {
        None => compiled.contains(&"wgpu"),
        Some(name @ ("flex" | "ndarray" | "wgpu")) if !compiled.contains(&name) => {
            return Some(format!("BURN_DEVICE={name} is not compiled into this build"));
        }
        Some(name) => name == "wgpu",
    };
    (wgpu && !has_adapter()).then(|| "that is wgpu, for which this machine has no adapter".to_owned())
}

#[cfg(feature = "wgpu-unfused")]
fn has_adapter() -> bool {
    use burn::tensor::{Device, DeviceType};
    !Device::enumerate(DeviceType::Wgpu).into_vec().is_empty()
}

#[cfg(not(feature = "wgpu-unfused"))]
fn has_adapter() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wgpu_as_the_default_needs_an_adapter() {
        let all = ["flex", "ndarray", "wgpu"];
        assert!(check(None, &all, || false).unwrap().contains("no adapter"));
        assert!(check(Some("wgpu"), &all, || false).unwrap().contains("no adapter"));
        assert_eq!(check(None, &all, || true), None);
    }

    #[test]
    fn a_cpu_default_needs_nothing() {
        assert_eq!(check(Some("flex"), &["flex", "ndarray", "wgpu"], || false), None);
        assert_eq!(check(None, &["flex", "ndarray"], || false), None);
    }

    #[test]
    fn a_default_left_out_of_the_build_is_said() {
        let reason = check(Some("flex"), &["ndarray"], || true).unwrap();
        assert!(reason.contains("BURN_DEVICE=flex is not compiled"), "{reason}");
    }
}
