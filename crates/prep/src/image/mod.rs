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
pub mod csv;
mod decode;
pub mod folder;
pub mod idx;
mod normalise;
mod open;
mod resize;
mod sample;
mod set;
pub mod transform;

pub use augment::RandomAffine;
pub use decode::{Background, Channels, ImageSpec, load_images};
pub use normalise::Normalisation;
pub use open::{Kind, OpenSpec, Opened, open};
pub use sample::{BoundingBox, Image, Keypoint, Mask, Object, Sample, Transform};
pub use set::{ImageBatch, ImageSet};
