//! What can go wrong around a training loop, and which exit code it deserves.

use std::io;
use std::path::{Path, PathBuf};

use super::checkpoint::Invalid;
use crate::ConfigError;
use crate::device::DeviceError;
use crate::gradient::NonFinite;

/// An error of the training kit; every variant names the file, field or part it is about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused: full disk, missing directory, no permission.
    #[error("{}: cannot {action}: {cause}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, as a verb phrase.
        action: &'static str,
        /// The operating system's answer.
        cause: io::Error,
    },
    /// A setting that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No such device in this build or on this machine.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The run directory holds the results of a finished run.
    #[error(
        "{} holds a finished run: give another --out, go on from it with --resume, or replace it with --force",
        dir.display()
    )]
    Finished {
        /// The run directory.
        dir: PathBuf,
    },
    /// The run directory holds a run that was stopped before its end.
    #[error("{} holds an unfinished run: go on with --resume or replace it with --force", dir.display())]
    Unfinished {
        /// The run directory.
        dir: PathBuf,
    },
    /// The run directory holds something that no run wrote.
    #[error(
        "{} is not a run directory ({reason}); nothing was touched: give an empty or new directory to --out",
        dir.display()
    )]
    NotARun {
        /// The directory.
        dir: PathBuf,
        /// What was found there.
        reason: String,
    },
    /// `--resume` with a directory that does not exist.
    #[error("{}: nothing to resume, there is no such directory", dir.display())]
    NothingToResume {
        /// The directory asked for.
        dir: PathBuf,
    },
    /// Another process is training in the run directory.
    #[error("{} is in use by another process", dir.display())]
    Busy {
        /// The run directory.
        dir: PathBuf,
    },
    /// `--resume` with settings that would not continue the same run.
    #[error(
        "{}: cannot resume with another {field}: the run was started with {was}, now it is {now}",
        dir.display()
    )]
    Changed {
        /// The run directory.
        dir: PathBuf,
        /// Dotted path of the setting.
        field: String,
        /// Its value when the run was started.
        was: String,
        /// Its value now.
        now: String,
    },
    /// The state returned by [`Run::resume`](super::Run::resume) was never asked for.
    #[error("the run was resumed but its state was not restored: call `run.resume()` before the first step")]
    NotRestored,
    /// There are generations, and not one of them is intact.
    #[error("{}: no intact checkpoint among {}{}", dir.display(), skipped.len(), list(skipped))]
    NoIntactGeneration {
        /// The directory of the generations.
        dir: PathBuf,
        /// Why each was refused, newest first.
        skipped: Vec<Invalid>,
    },
    /// A part of a checkpoint does not fit what it is loaded into.
    #[error("{}: part {part:?}: {problem}", generation.display())]
    Part {
        /// Directory of the generation.
        generation: PathBuf,
        /// Name of the part.
        part: String,
        /// Why it cannot be used.
        problem: PartProblem,
    },
    /// A part cannot be written into a checkpoint.
    #[error("checkpoint part {part:?}: {reason}")]
    Snapshot {
        /// Name of the part.
        part: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint could not be written; older ones are untouched. The source says why.
    #[error("no checkpoint could be written at step {step}; {}", kept(last.as_deref()))]
    CheckpointFailed {
        /// The step the checkpoint was for.
        step: u64,
        /// The newest intact generation.
        last: Option<PathBuf>,
        /// What stopped it.
        source: Box<Error>,
    },
    /// `metrics.csv` lacks rows that were there when the checkpoint was written.
    #[error(
        "{}: has {found} bytes but the checkpoint was written after {expected}: rows are missing, \
         restore the file or start again with --force",
        path.display()
    )]
    MetricsLost {
        /// The file.
        path: PathBuf,
        /// Its length at the checkpoint.
        expected: u64,
        /// Its length now.
        found: u64,
    },
    /// A NaN or an infinity stopped training. The source names the tensor.
    #[error("training diverged at step {step}; {}", kept(checkpoint.as_deref()))]
    Diverged {
        /// The step that was not taken, counting from zero.
        step: u64,
        /// The newest intact generation, from before that step.
        checkpoint: Option<PathBuf>,
        /// Which tensor is not finite.
        source: NonFinite,
    },
    /// A NaN or an infinity, seen outside [`Run::guard`](super::Run::guard).
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
    /// A signal asked to stop; a checkpoint was written.
    #[error("interrupted after step {step}; checkpoint in {}; go on with: {command}", checkpoint.display())]
    Interrupted {
        /// Steps done.
        step: u64,
        /// The generation written.
        checkpoint: PathBuf,
        /// The command that continues this run.
        command: String,
    },
    /// The run finished, but a documented target was missed and `--check` was given.
    #[error("missed target: {}", missed.join("; "))]
    TargetMissed {
        /// One sentence per target missed.
        missed: Vec<String>,
    },
}

/// Why a part of an intact checkpoint cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartProblem {
    /// No part has this name.
    #[error("there is none; this checkpoint has {}", known.join(", "))]
    Missing {
        /// The names there are.
        known: Vec<String>,
    },
    /// The part is of another kind, say JSON where a module is asked for.
    #[error("is a {found}, not a {expected}")]
    Kind {
        /// The kind asked for.
        expected: &'static str,
        /// The kind saved.
        found: &'static str,
    },
    /// The record cannot be decoded.
    #[error("cannot be decoded: {0}")]
    Decode(String),
    /// The module has other parameters or shapes than the one saved.
    #[error("does not fit this module: {0}")]
    Mismatch(String),
    /// Burn left out state without a word, so training would not continue as it was.
    #[error("the {0} saved is of another type or has other settings: not all of its state was taken over")]
    Incomplete(&'static str),
    /// Burn would rebuild the state on a default device that does not exist.
    #[error(
        "optimiser state is rebuilt on Burn's default device, and {0}; set the environment variable BURN_DEVICE to a device of this build, as in BURN_DEVICE=flex"
    )]
    DefaultDevice(String),
}

impl Error {
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { path, action, cause }
    }

    /// The exit code a program should end with: 130 when interrupted, 3 when a target was missed under
    /// `--check`, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted { .. } => 130,
            Self::TargetMissed { .. } => 3,
            _ => 1,
        }
    }
}

fn kept(checkpoint: Option<&Path>) -> String {
    match checkpoint {
        Some(path) => format!("the last good checkpoint is {}", path.display()),
        None => "there is no earlier checkpoint".to_owned(),
    }
}

fn list(skipped: &[Invalid]) -> String {
    skipped.iter().map(|invalid| format!("\n  {invalid}")).collect()
}
