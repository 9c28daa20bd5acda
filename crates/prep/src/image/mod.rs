//! Images: from files to sets in memory, to batches of tensors.
//!
//! ```text
//! folder ─┐                                                   seed, epoch
//! IDX    ─┤                                                        │
//! CSV    ─┼──▶ ImageSet ──gather──▶ ImageBatch ──▶ RandomAffine ──▶│──▶ Normalisation ──▶ Tensor<4>
//! digits ─┘    [n, c, h, w]         [b, c, h, w]   (training only)     (fitted on the      and labels
//!                                                                      training part)
//! ```

mod augment;
mod normalise;
mod resize;
mod set;

pub use augment::RandomAffine;
pub use normalise::Normalisation;
pub use set::{ImageBatch, ImageSet};
