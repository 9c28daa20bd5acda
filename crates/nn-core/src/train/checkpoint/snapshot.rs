//! Everything a run needs to go on, collected in memory and then written at once.

use std::collections::BTreeMap;

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::RecordError;
use serde::Serialize;

use super::Progress;
use super::manifest::{Entry, Kind, Manifest, is_part_name};
use crate::train::Error;
use crate::train::files::sha256;

/// The state of a run, part by part; [`Store::save`](super::Store::save) writes it.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::optim::AdamWConfig;
/// use burn::tensor::Device;
/// use fornax_nn_core::train::checkpoint::{Progress, Retain, Snapshot, Store};
///
/// # fn main() -> Result<(), fornax_nn_core::train::Error> {
/// # let directory = tempfile::tempdir().unwrap();
/// let model = LinearConfig::new(2, 1).init(&Device::flex().autodiff());
/// let optim = AdamWConfig::new().init();
/// let progress = Progress { step: 120, epoch: 3, ..Default::default() };
///
/// let mut store = Store::open(directory.path().join("checkpoints"), Retain::default())?;
/// let snapshot = Snapshot::new(progress).module("model", &model)?.optimizer("optimizer", &optim)?;
/// store.save(snapshot.json("baseline", &0.5)?)?;
///
/// let saved = store.newest()?.loaded.expect("it was just saved");
/// let model = saved.module("model", model)?;
/// assert_eq!(saved.progress().step, 120);
/// assert_eq!(saved.json::<f64>("baseline")?, 0.5);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a snapshot is only in memory until a store saves it"]
pub struct Snapshot {
    pub(super) manifest: Manifest,
    /// In the order of `manifest.files`.
    pub(super) contents: Vec<Vec<u8>>,
}

impl Snapshot {
    /// An empty snapshot taken at `progress`.
    pub fn new(progress: Progress) -> Self {
        Self { manifest: Manifest::new(progress, 0, BTreeMap::new()), contents: Vec::new() }
    }

    /// Notes the run's seed in the manifest.
    pub fn seed(mut self, seed: u64) -> Self {
        self.manifest.seed = seed;
        self
    }

    /// Notes a figure in the manifest, by which the best generation is found. One that is not finite
    /// has no rank and is left out.
    pub fn metric(mut self, name: &str, value: f64) -> Self {
        if value.is_finite() {
            self.manifest.metrics.insert(name.to_owned(), value);
        }
        self
    }

    /// Adds a module: parameters and running statistics with their identities.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] when the name is taken or unusable or the module cannot be encoded.
    pub fn module<M: Module>(self, part: &str, module: &M) -> Result<Self, Error> {
        settle(module);
        let bytes = module.clone().into_record().into_bytes().map_err(|error| encode(part, &error))?;
        self.add(part, Kind::Module, bytes.to_vec())
    }

    /// Adds the state of an optimiser.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] as for [`module`](Self::module).
    pub fn optimizer(self, part: &str, optim: &ModuleOptimizer) -> Result<Self, Error> {
        let bytes = optimizer_bytes(optim).map_err(|error| encode(part, &error))?;
        self.add(part, Kind::Optimizer, bytes)
    }

    /// Adds the state of a learning rate schedule.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] as for [`module`](Self::module).
    pub fn scheduler(self, part: &str, scheduler: &ModuleLrScheduler) -> Result<Self, Error> {
        let bytes = scheduler.to_record().into_bytes().map_err(|error| encode(part, &error))?;
        self.add(part, Kind::Scheduler, bytes.to_vec())
    }

    /// Adds any other state that serde can write, say an environment's or a normaliser's. Numbers come
    /// back bit for bit, but JSON has no NaN and no infinity (serde writes `null`): what may hold them
    /// goes through [`bytes`](Self::bytes).
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] as for [`module`](Self::module).
    pub fn json<T: Serialize>(self, part: &str, value: &T) -> Result<Self, Error> {
        let bytes = serde_json::to_vec_pretty(value).map_err(|error| encode(part, &error))?;
        self.add(part, Kind::Json, bytes)
    }

    /// Adds bytes as they are, say a replay buffer.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] when the name is taken or unusable.
    pub fn bytes(self, part: &str, bytes: Vec<u8>) -> Result<Self, Error> {
        self.add(part, Kind::Bytes, bytes)
    }

    fn add(mut self, part: &str, kind: Kind, bytes: Vec<u8>) -> Result<Self, Error> {
        let refuse = |reason: &str| Error::Snapshot { part: part.to_owned(), reason: reason.to_owned() };
        if !is_part_name(part) {
            return Err(refuse("a name is 1 to 64 of a-z, 0-9, _ and -, and not `manifest`"));
        }
        if self.manifest.files.iter().any(|entry| entry.part == part) {
            return Err(refuse("there is already a part of this name"));
        }
        self.manifest.files.push(Entry {
            part: part.to_owned(),
            kind,
            file: kind.file_name(part),
            size: bytes.len() as u64,
            sha256: sha256(&bytes),
        });
        self.contents.push(bytes);
        Ok(self)
    }
}

/// Makes running statistics (batch normalisation's) current. Burn keeps each thread's last update aside
/// until the next forward pass, and records and loads without it; of all its operations only `valid` and
/// `train` take it in, in the state that all clones of the module share.
pub(super) fn settle<M: Module>(module: &M) {
    drop(module.valid());
}

fn encode(part: &str, error: &dyn std::error::Error) -> Error {
    Error::Snapshot { part: part.to_owned(), reason: format!("cannot be encoded: {error}") }
}

/// Burn writes optimiser state in the order of a hash map; read back and written again it is sorted
/// by name, so equal states have equal bytes.
pub(super) fn optimizer_bytes(optim: &ModuleOptimizer) -> Result<Vec<u8>, RecordError> {
    Ok(OptimizerRecord::from_bytes(optim.into_bytes()?)?.into_bytes()?.to_vec())
}
