//! Several adapters beside one base.

use std::collections::BTreeMap;

use burn::module::Module;

use super::{Adapter, AdapterError, fingerprint};

/// One base and its adapters by name. A model made of both shares the base's tensors with all others, so switching copies
/// nothing but the adapter.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::Device;
/// use fornax_transfer::adapter::{self, Adapter, Adapters};
/// use fornax_transfer::lora::LoraConfig;
///
/// let base: Linear = LinearConfig::new(8, 8).init(&Device::flex());
/// let method = LoraConfig::new(2);
/// let mut adapters = Adapters::new(base.clone());
/// for (seed, name) in [(0, "poems"), (1, "code")] {
///     let adapted = adapter::attach(base.clone(), &method, seed)?; // … and trained
///     adapters.insert(name, Adapter::of(&adapted, method.clone())?)?;
/// }
/// assert!(adapters.names().eq(["code", "poems"]));
/// let model = adapters.model("code")?;
/// assert!(adapters.model("prose").is_err());
/// # Ok::<(), fornax_transfer::adapter::AdapterError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Adapters<M> {
    base: M,
    fingerprint: String,
    named: BTreeMap<String, Adapter>,
}

impl<M: Module> Adapters<M> {
    /// A base without adapters.
    pub fn new(base: M) -> Self {
        Self { fingerprint: fingerprint(&base), base, named: BTreeMap::new() }
    }

    /// Adds an adapter, or replaces the one of that name.
    ///
    /// # Errors
    ///
    /// [`AdapterError::OtherBase`] when it was learnt beside other weights.
    pub fn insert(&mut self, name: impl Into<String>, adapter: Adapter) -> Result<(), AdapterError> {
        adapter.check_base(&self.fingerprint)?;
        self.named.insert(name.into(), adapter);
        Ok(())
    }

    /// Takes an adapter out.
    pub fn remove(&mut self, name: &str) -> Option<Adapter> {
        self.named.remove(name)
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }

    /// The base alone.
    pub fn base(&self) -> &M {
        &self.base
    }

    /// The base with an adapter.
    ///
    /// # Errors
    ///
    /// [`AdapterError::Unknown`] when there is none of that name, others when its tensors do not fit its settings.
    pub fn model(&self, name: &str) -> Result<M, AdapterError> {
        match self.named.get(name) {
            Some(adapter) => adapter.attach_unchecked(self.base.clone()),
            None => Err(AdapterError::Unknown {
                name: name.to_owned(),
                known: self.named.keys().cloned().collect(),
            }),
        }
    }
}
