//! What can go wrong with adapters.

use std::path::PathBuf;

use fornax_nn_core::ConfigError;
use fornax_nn_core::weights::WeightsError;

/// Why an adapter does not fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A name fits no weight of a linear layer, convolution or embedding.
    #[error("no weight is named {name:?}; the model has: {}", known.join(", "))]
    NoTarget {
        /// The name.
        name: String,
        /// The weights there are.
        known: Vec<String>,
    },
    /// The correction would not be smaller than the weight.
    #[error("{path}: rank {rank} is not below the {smallest} of a weight of {rows} × {columns}")]
    Rank {
        /// The weight.
        path: String,
        /// The rank asked for.
        rank: usize,
        /// The smaller of rows and columns.
        smallest: usize,
        /// Rows of the weight as a matrix.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
    /// There is an adapter already; [`detach`](super::detach) or merge it first.
    #[error("{path} has an adapter already")]
    Adapted {
        /// The first weight that has one.
        path: String,
    },
    /// The model has no adapter to take off it.
    #[error("the model has no adapter")]
    None,
    /// The adapter was learnt beside other weights.
    #[error("the adapter belongs to the base {expected}, this one is {actual}")]
    OtherBase {
        /// Fingerprint of the base it was learnt on.
        expected: String,
        /// Fingerprint of the base at hand.
        actual: String,
    },
    /// The adapter's tensors are not those that its settings call for.
    #[error("{tensor}: {reason}")]
    Tensor {
        /// The tensor.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
    /// No adapter of that name was added.
    #[error("no adapter named {name:?}; there are: {}", known.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The file is sound but no adapter's.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file cannot be read as tensors.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The file cannot be read or written.
    #[error("{}: cannot {action}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}
