//! A verified generation, handed out part by part.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::lr_scheduler::LrSchedulerRecord;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use serde::de::DeserializeOwned;

use super::Progress;
use super::manifest::{Contents, Kind};
use super::snapshot::{optimizer_bytes, settle};
use crate::train::Error;
use crate::train::error::PartProblem;

/// A generation whose every byte was verified, held in memory.
#[derive(Debug)]
pub struct Loaded {
    dir: PathBuf,
    contents: Contents,
}

impl Loaded {
    pub(super) fn new(dir: PathBuf, contents: Contents) -> Self {
        Self { dir, contents }
    }

    /// The generation's directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// How far training was.
    pub fn progress(&self) -> Progress {
        self.contents.manifest.progress
    }

    /// The run's seed.
    pub fn seed(&self) -> u64 {
        self.contents.manifest.seed
    }

    /// The figures noted with the generation, named `split/metric` when a run wrote it.
    pub fn metrics(&self) -> &BTreeMap<String, f64> {
        &self.contents.manifest.metrics
    }

    /// `module` with the saved parameters, running statistics and parameter identities (by which
    /// optimisers know their state). It may live on another device than the saved one did.
    ///
    /// # Errors
    ///
    /// [`Error::Part`] naming the parameter when one is missing, left over or of another shape.
    pub fn module<M: Module>(&self, part: &str, module: M) -> Result<M, Error> {
        let bytes = self.part(part, Kind::Module)?;
        settle(&module);
        let record =
            ModuleRecord::from_bytes(copy(bytes)).map_err(|error| self.decode(part, &error.to_string()))?;
        module
            .try_load_record(record)
            .map_err(|error| self.problem(part, PartProblem::Mismatch(error.to_string())))
    }

    /// `optim` with the saved state. Load the module it belongs to as well: state is found by the
    /// identities saved with the parameters.
    ///
    /// # Errors
    ///
    /// [`Error::Part`]: when the state is of another optimiser, which Burn would drop in silence; or when
    /// Burn's default device, on which it rebuilds state, is not there.
    pub fn optimizer(&self, part: &str, optim: ModuleOptimizer) -> Result<ModuleOptimizer, Error> {
        let bytes = self.part(part, Kind::Optimizer)?;
        if let Some(reason) = crate::train::default_device::problem() {
            return Err(self.problem(part, PartProblem::DefaultDevice(reason)));
        }
        let record = OptimizerRecord::from_bytes(copy(bytes))
            .map_err(|error| self.decode(part, &error.to_string()))?;
        let optim = optim.load_record(record);
        match optimizer_bytes(&optim) {
            Ok(restored) if restored == *bytes => Ok(optim),
            Ok(_) => Err(self.problem(part, PartProblem::Incomplete("optimiser"))),
            Err(error) => Err(self.decode(part, &error.to_string())),
        }
    }

    /// `scheduler` with the saved position.
    ///
    /// # Errors
    ///
    /// [`Error::Part`] when the position is of another kind of schedule.
    pub fn scheduler(&self, part: &str, scheduler: ModuleLrScheduler) -> Result<ModuleLrScheduler, Error> {
        let bytes = self.part(part, Kind::Scheduler)?;
        let decode = |error: burn::store::RecordError| self.decode(part, &error.to_string());
        let record = LrSchedulerRecord::from_bytes(copy(bytes)).map_err(decode)?;
        let scheduler = scheduler.load_record(record);
        let restored = scheduler.to_record().into_bytes().map_err(decode)?;
        if *restored != **bytes {
            return Err(self.problem(part, PartProblem::Incomplete("schedule")));
        }
        Ok(scheduler)
    }

    /// A value saved with [`Snapshot::json`](super::Snapshot::json).
    ///
    /// # Errors
    ///
    /// [`Error::Part`] when the JSON is of another type.
    pub fn json<T: DeserializeOwned>(&self, part: &str) -> Result<T, Error> {
        let bytes = self.part(part, Kind::Json)?;
        serde_json::from_slice(bytes).map_err(|error| self.decode(part, &error.to_string()))
    }

    /// Bytes saved with [`Snapshot::bytes`](super::Snapshot::bytes).
    ///
    /// # Errors
    ///
    /// [`Error::Part`] when there is no such part.
    pub fn bytes(&self, part: &str) -> Result<&[u8], Error> {
        self.part(part, Kind::Bytes).map(Vec::as_slice)
    }

    fn part(&self, part: &str, expected: Kind) -> Result<&Vec<u8>, Error> {
        match self.contents.parts.get(part) {
            None => {
                let known = self.contents.parts.keys().cloned().collect();
                Err(self.problem(part, PartProblem::Missing { known }))
            }
            Some((kind, _)) if *kind != expected => {
                let (expected, found) = (expected.name(), kind.name());
                Err(self.problem(part, PartProblem::Kind { expected, found }))
            }
            Some((_, bytes)) => Ok(bytes),
        }
    }

    fn decode(&self, part: &str, reason: &str) -> Error {
        self.problem(part, PartProblem::Decode(reason.to_owned()))
    }

    fn problem(&self, part: &str, problem: PartProblem) -> Error {
        Error::Part { generation: self.dir.clone(), part: part.to_owned(), problem }
    }
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::from_bytes_vec(bytes.to_vec())
}
