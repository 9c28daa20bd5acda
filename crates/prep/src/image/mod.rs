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
mod batch;
pub mod cifar;
pub mod coco;
pub mod csv;
mod decode;
pub mod folder;
pub mod idx;
mod listing;
mod loader;
pub mod mask;
mod mix;
mod normalise;
mod open;
pub mod paths;
mod resize;
mod sample;
mod set;
pub mod transform;
pub mod voc;

pub use augment::RandomAffine;
pub use batch::{Collate, PaddedBoxes, RaggedBoxes, SampleBatch};
pub use decode::{Background, Channels, ImageSpec, load_image, load_images};
pub use listing::{Entry, FileSamples, Listing, Samples};
pub use loader::{Epoch, Loader, LoaderConfig, Skipped};
pub use mix::{Mix, MixedBatch};
pub use normalise::Normalisation;
pub use open::{Kind, OpenSpec, Opened, open};
pub use sample::{BoundingBox, Image, Keypoint, Mask, Object, Sample, Transform};
pub use set::{ImageBatch, ImageSet};
