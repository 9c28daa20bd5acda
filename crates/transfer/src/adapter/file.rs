//! An adapter by itself: its tensors, its settings, and which base it belongs to.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use fornax_nn_core::config::from_json;
use fornax_nn_core::weights::Weights;
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::visit::{Fill, Place, Values};
use super::{AdapterError, attach};
use crate::dora::DoraConfig;
use crate::ia3::Ia3Config;
use crate::lora::LoraConfig;

/// The entry of the file's metadata that makes it an adapter's.
const KEY: &str = "fornax_adapter";

/// The settings of any adapter that has a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterConfig {
    /// [`crate::lora`]
    Lora(LoraConfig),
    /// [`crate::dora`]
    Dora(DoraConfig),
    /// [`crate::ia3`]
    Ia3(Ia3Config),
}

impl From<LoraConfig> for AdapterConfig {
    fn from(config: LoraConfig) -> Self {
        Self::Lora(config)
    }
}

impl From<DoraConfig> for AdapterConfig {
    fn from(config: DoraConfig) -> Self {
        Self::Dora(config)
    }
}

impl From<Ia3Config> for AdapterConfig {
    fn from(config: Ia3Config) -> Self {
        Self::Ia3(config)
    }
}

/// What the file says besides its tensors.
#[derive(Serialize, Deserialize)]
struct Head {
    base: String,
    config: AdapterConfig,
}

/// All that training has changed, without the base: kilobytes to store or send.
#[derive(Debug, Clone)]
pub struct Adapter {
    base: String,
    config: AdapterConfig,
    tensors: BTreeMap<String, TensorData>,
}

impl Adapter {
    /// The adapter of a model to which these settings were attached.
    ///
    /// # Errors
    ///
    /// [`AdapterError::None`] when it has none.
    pub fn of<M: Module>(model: &M, config: impl Into<AdapterConfig>) -> Result<Self, AdapterError> {
        let mut values = Values::default();
        model.visit(&mut values);
        if values.tensors.is_empty() {
            return Err(AdapterError::None);
        }
        Ok(Self { base: fingerprint(model), config: config.into(), tensors: values.tensors })
    }

    /// The base with this adapter, as it was when it was taken off.
    ///
    /// # Errors
    ///
    /// [`AdapterError::OtherBase`] when it was learnt beside other weights; others when `base` is adapted already or the
    /// tensors are not those that the settings call for.
    pub fn attach<M: Module>(&self, base: M) -> Result<M, AdapterError> {
        self.check_base(&fingerprint(&base))?;
        self.attach_unchecked(base)
    }

    /// [`attach`](Self::attach) to a base whose fingerprint is known to be right.
    pub(super) fn attach_unchecked<M: Module>(&self, base: M) -> Result<M, AdapterError> {
        let model = match &self.config {
            AdapterConfig::Lora(config) => attach(base, config, 0),
            AdapterConfig::Dora(config) => attach(base, config, 0),
            AdapterConfig::Ia3(config) => attach(base, config, 0),
        }?;
        let mut slots = Values::default();
        model.visit(&mut slots);
        let problem =
            |tensor: &str, reason: String| Err(AdapterError::Tensor { tensor: tensor.to_owned(), reason });
        for (name, slot) in &slots.tensors {
            match self.tensors.get(name) {
                Some(data) if data.shape() == slot.shape() => {}
                Some(data) => {
                    let (found, expected) = (data.shape().as_slice(), slot.shape().as_slice());
                    return problem(name, format!("has shape {found:?}, expected {expected:?}"));
                }
                None => return problem(name, "is missing".to_owned()),
            }
        }
        if let Some(name) = self.tensors.keys().find(|name| !slots.tensors.contains_key(*name)) {
            return problem(name, "has no place in the model".to_owned());
        }
        Ok(model.map(&mut Fill { place: Place::default(), tensors: &self.tensors }))
    }

    pub(super) fn check_base(&self, actual: &str) -> Result<(), AdapterError> {
        if self.base == actual {
            return Ok(());
        }
        Err(AdapterError::OtherBase { expected: self.base.clone(), actual: actual.to_owned() })
    }

    /// Its settings.
    pub fn config(&self) -> &AdapterConfig {
        &self.config
    }

    /// Fingerprint of the base it belongs to.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Its tensors by path.
    pub fn tensors(&self) -> &BTreeMap<String, TensorData> {
        &self.tensors
    }

    /// Numbers it consists of.
    pub fn num_params(&self) -> usize {
        self.tensors.values().map(|data| data.shape().num_elements()).sum()
    }

    /// Writes the adapter as a `.safetensors` file, as F32, settings and fingerprint in its metadata. The file is written
    /// whole or not at all.
    ///
    /// # Errors
    ///
    /// [`AdapterError::Io`] or [`AdapterError::Format`] when it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), AdapterError> {
        let path = path.as_ref();
        let format = |reason: String| AdapterError::Format { path: path.to_owned(), reason };
        let head = Head { base: self.base.clone(), config: self.config.clone() };
        let head = serde_json::to_string(&head).map_err(|error| format(error.to_string()))?;
        let tensors: Vec<(&str, Vec<usize>, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, data)| {
                let bytes = data.iter::<f32>().flat_map(f32::to_le_bytes).collect();
                (name.as_str(), data.shape().as_slice().to_vec(), bytes)
            })
            .collect();
        let write = || {
            let views = tensors.iter().map(|(name, shape, bytes)| {
                TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (*name, view))
            });
            let views = views.collect::<Result<Vec<_>, _>>()?;
            serialize_to_file(views, Some(HashMap::from([(KEY.to_owned(), head.clone())])), path)
        };
        write().map_err(|error| match error {
            safetensors::SafeTensorError::IoError(source) => {
                AdapterError::Io { path: path.to_owned(), action: "write", source }
            }
            other => format(other.to_string()),
        })
    }

    /// Reads what [`save`](Self::save) wrote. The file is not trusted: it holds no code, and nothing larger than itself is
    /// allocated.
    ///
    /// # Errors
    ///
    /// [`AdapterError`] naming the file when it is damaged or no adapter's.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, AdapterError> {
        let path = path.as_ref();
        let weights = Weights::open(path)?; // the header is sound from here on
        let format = |reason: String| AdapterError::Format { path: path.to_owned(), reason };
        let head: Head = from_json(&head(path)?).map_err(|error| format(error.to_string()))?;
        let tensors = weights.names().map(|name| Ok((name.to_owned(), weights.tensor(name)?)));
        let tensors = tensors.collect::<Result<_, AdapterError>>()?;
        Ok(Self { base: head.base, config: head.config, tensors })
    }
}

/// The metadata entry of a file whose header is known to be sound.
fn head(path: &Path) -> Result<String, AdapterError> {
    let io = |source| AdapterError::Io { path: path.to_owned(), action: "read", source };
    let format = |reason: String| AdapterError::Format { path: path.to_owned(), reason };
    let mut file = File::open(path).map_err(io)?;
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(io)?;
    let mut header = Vec::new();
    file.take(u64::from_le_bytes(size)).read_to_end(&mut header).map_err(io)?;
    let header: Header = serde_json::from_slice(&header).map_err(|error| format(error.to_string()))?;
    let mut entries = header.metadata.unwrap_or_default();
    entries
        .remove(KEY)
        .ok_or_else(|| format(format!("has no entry {KEY:?}: the file of a model, not of an adapter?")))
}

/// What of the file's header is no tensor.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "__metadata__")]
    metadata: Option<HashMap<String, String>>,
}

/// SHA-256 of every parameter and running statistic: paths, shapes, types and values. Adapters do not count.
pub fn fingerprint<M: Module>(model: &M) -> String {
    struct Hash {
        place: Place,
        hash: Sha256,
    }
    impl ModuleVisitor for Hash {
        fn enter_module(&mut self, name: &str, container_type: &str) {
            self.place.enter(name, container_type);
        }

        fn exit_module(&mut self, _name: &str, container_type: &str) {
            self.place.exit(container_type);
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.place.is_inside() {
                return;
            }
            let data = param.base().into_data();
            self.hash.update(format!("{} {:?} {:?}\n", self.place.path(), data.shape(), data.dtype()));
            self.hash.update(data.as_bytes());
        }
    }
    let mut visitor = Hash { place: Place::default(), hash: Sha256::new() };
    model.visit(&mut visitor);
    visitor.hash.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
