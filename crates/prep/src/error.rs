//! One error type for everything that comes from outside: it names the file, or the argument, and says
//! what was expected and what was found.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why data could not be made ready.
///
/// ```
/// use fornax_prep::partition::Folds;
///
/// let error = Folds::stratified(&[0, 1, 0, 1], 5, 0).unwrap_err();
/// assert_eq!(error.to_string(), "k: expected at most the number of samples, 4; found 5");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be used.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file or folder at fault.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: Problem,
    },
    /// An argument or setting cannot be used.
    #[error("{argument}: expected {expected}; found {found}")]
    Argument {
        /// Its name, as the function or field spells it.
        argument: &'static str,
        /// What would have been accepted.
        expected: String,
        /// What was given.
        found: String,
    },
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The operating system refused: not there, not allowed, broken medium.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is of another kind or format than asked for.
    #[error("expected {expected}; found {found}")]
    Unexpected {
        /// What would have been accepted.
        expected: String,
        /// What is there.
        found: String,
    },
    /// It ends before all it announces has come.
    #[error("ends too early: expected {expected} bytes of {part}; found {found}")]
    Truncated {
        /// The part that is short.
        part: &'static str,
        /// Bytes announced.
        expected: u64,
        /// Bytes there.
        found: u64,
    },
    /// It goes on after all it announces has come.
    #[error("goes on after its end: expected {expected} bytes of {part}; found more")]
    TrailingData {
        /// The part that is over-long.
        part: &'static str,
        /// Bytes announced.
        expected: u64,
    },
    /// Reading it would take more than the caller allows; see [`Limits`](crate::Limits).
    #[error("is over the limit `{limit}`: allowed {allowed}; found {found}")]
    OverLimit {
        /// The field of [`Limits`](crate::Limits).
        limit: &'static str,
        /// Its value.
        allowed: u64,
        /// What the file asks for.
        found: u64,
    },
    /// Its content contradicts its format.
    #[error("is not valid {format}: {reason}")]
    Invalid {
        /// The format it was read as.
        format: &'static str,
        /// What the decoder found.
        reason: String,
    },
    /// A field of a structured file (JSON, XML) cannot be used.
    #[error("{field}: expected {expected}; found {found}")]
    Field {
        /// Its path, such as `annotations[17].bbox`.
        field: String,
        /// What would have been accepted.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A line of a text file cannot be used.
    #[error("line {line}: expected {expected}; found {found}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// What would have been accepted.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A label lies outside the announced classes.
    #[error("label {index} (counted from 0): expected a class below {classes}; found {found}")]
    LabelOutOfRange {
        /// Position of the label.
        index: usize,
        /// Number of classes.
        classes: usize,
        /// The label.
        found: usize,
    },
    /// An entry of an archive cannot be used.
    #[error("entry {entry:?}: {problem}")]
    Entry {
        /// The entry's name, as far as it can be shown.
        entry: String,
        /// What is wrong with it.
        #[source]
        problem: Box<Problem>,
    },
    /// It could be fetched from nowhere.
    #[error("cannot be fetched ({}); put {name} there yourself, {bytes} bytes, from {source_url}", reasons.join("; "))]
    NotFetched {
        /// The file's name.
        name: String,
        /// Its size in bytes.
        bytes: u64,
        /// Where it is published.
        source_url: String,
        /// What went wrong at each place.
        reasons: Vec<String>,
    },
    /// Its content is not the published one.
    #[error("expected content of SHA-256 {expected}; found {found}")]
    Digest {
        /// The published digest in hexadecimal.
        expected: String,
        /// The digest of what is there.
        found: String,
    },
}

impl Error {
    /// The file at fault, if it is a file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            Self::Argument { .. } => None,
        }
    }

    /// What is wrong with the file, if it is a file.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::File { problem, .. } => Some(problem),
            Self::Argument { .. } => None,
        }
    }

    pub(crate) fn file(path: &Path, problem: impl Into<Problem>) -> Self {
        Self::File { path: path.to_owned(), problem: problem.into() }
    }

    pub(crate) fn argument(
        argument: &'static str,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Self::Argument { argument, expected: expected.to_string(), found: found.to_string() }
    }
}

impl Problem {
    pub(crate) fn unexpected(expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self::Unexpected { expected: expected.to_string(), found: found.to_string() }
    }

    #[cfg(any(feature = "archive", feature = "video"))]
    pub(crate) fn invalid(format: &'static str, reason: impl fmt::Display) -> Self {
        Self::Invalid { format, reason: reason.to_string() }
    }

    #[cfg(any(feature = "archive", feature = "video"))]
    pub(crate) fn over(limit: &'static str, allowed: u64, found: u64) -> Self {
        Self::OverLimit { limit, allowed, found }
    }

    pub(crate) fn field(
        field: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        let [field, expected, found] = [field.to_string(), expected.to_string(), found.to_string()];
        Self::Field { field, expected, found }
    }
}
