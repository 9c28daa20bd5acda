//! What can be wrong with a file of weights.

use std::io;
use std::path::{Path, PathBuf};

use super::Report;

/// Weights that cannot be read, written, or that belong to another model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The operating system refused.
    #[error("{}: cannot {action} the file: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What it said.
        cause: io::Error,
    },
    /// The file is none of those that are read, or a damaged one.
    #[error("{}: not a sound file of weights: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The pickle in a file of `torch.save` has something that no state dict needs. Nothing of it was executed.
    #[error("{}: byte {at} of its pickle {problem}", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
        /// Where in the pickle.
        at: u64,
        /// What stands there.
        problem: PickleProblem,
    },
    /// One tensor is to blame.
    #[error("{}: tensor {tensor:?} {problem}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name in the file.
        tensor: String,
        /// What is wrong with it.
        problem: Box<TensorProblem>,
    },
    /// The file holds the weights of another model.
    #[error("{}: does not fit the model: {report}", path.display())]
    Incompatible {
        /// The file.
        path: PathBuf,
        /// What fits and what does not.
        report: Box<Report>,
    },
    /// The parts of a tensor that several parameters share do not make a whole.
    #[error("{}: cannot write tensor {tensor:?}: {reason}", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// What is missing or contradicts itself.
        reason: String,
    },
}

/// What is wrong with a tensor in a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorProblem {
    /// There is none of that name.
    #[error("is not in the file{}", nearest.as_ref().map_or_else(String::new, |name| format!(" (nearest: {name})")))]
    Absent {
        /// The name that is most like it.
        nearest: Option<String>,
    },
    /// The header names it twice.
    #[error("is there twice")]
    Duplicate,
    /// Its entry in the header is not understood.
    #[error("has a malformed entry: {reason}")]
    Entry {
        /// What is wrong.
        reason: String,
    },
    /// It has no floating-point numbers, or some that are not read.
    #[error("has values of type {dtype}, where F32, F16, BF16 or F64 is needed")]
    Type {
        /// The type.
        dtype: String,
    },
    /// Its bytes begin before those of the tensor before it end, or leave a gap.
    #[error(
        "begins at byte {begin}, where {expected} is expected: tensors must follow each other without overlap or gap"
    )]
    Offset {
        /// Where it begins.
        begin: usize,
        /// Where the one before it ends.
        expected: usize,
    },
    /// Its bytes are not as many as its shape and type need.
    #[error("has {found} bytes, where shape {shape:?} of {dtype} needs {expected}")]
    Size {
        /// The shape.
        shape: Vec<usize>,
        /// The type.
        dtype: String,
        /// The bytes the header gives it.
        found: usize,
        /// The bytes it needs; "more than there are" when the product overflows.
        expected: String,
    },
    /// It is a view that shows some numbers more than once.
    #[error("of shape {shape:?} by strides {strides:?} has more elements than the {span} numbers it spans")]
    Repeats {
        /// The shape.
        shape: Vec<usize>,
        /// Steps along each dimension.
        strides: Vec<usize>,
        /// How many numbers there are from its first to its last.
        span: usize,
    },
    /// It ends after the file does.
    #[error("ends at byte {end} of the values, of which there are {available}")]
    Truncated {
        /// Where it ends.
        end: usize,
        /// Bytes in the file after the header.
        available: u64,
    },
}

/// What is wrong with a pickle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleProblem {
    /// It names a function or class.
    #[error(
        "asks for {name}, which no state dict needs and which is not run; in Python, save model.state_dict() alone"
    )]
    Global {
        /// Module and name.
        name: String,
    },
    /// It has an instruction that is not known here.
    #[error("has instruction {code:#04x}, which no state dict needs")]
    Instruction {
        /// The instruction.
        code: u8,
    },
    /// It ends too early.
    #[error("is in the middle of an instruction, where the pickle ends")]
    Truncated,
    /// It contradicts itself.
    #[error("is malformed: {reason}")]
    Malformed {
        /// How.
        reason: String,
    },
    /// It is larger than any state dict.
    #[error("goes beyond {allowed} {what}")]
    Limit {
        /// What there are too many of.
        what: &'static str,
        /// How many there may be.
        allowed: u64,
    },
}

impl WeightsError {
    pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { path, action, cause }
    }

    pub(super) fn format(path: &Path, reason: impl Into<String>) -> Self {
        Self::Format { path: path.to_owned(), reason: reason.into() }
    }

    pub(super) fn tensor(path: &Path, tensor: &str, problem: TensorProblem) -> Self {
        Self::Tensor { path: path.to_owned(), tensor: tensor.to_owned(), problem: Box::new(problem) }
    }
}
