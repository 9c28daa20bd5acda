//! Images: from files to samples, to batches, to tensors.
//!
//! A photograph is a file of compressed bytes of any size; a network takes numbers of one shape, around zero.
//!
//! ```text
//! file ──decode──▶ Image ──transform──▶ Image ──collate──▶ Tensor
//! jpeg, png, …     [h, w, c] bytes      of one size         [b, c, h, w] numbers, normalised
//!                  + label, boxes, mask, keypoints, which go where the image goes
//! ```
//!
//! There are two ways through this module. **In memory**, for sets that fit: everything is decoded once, batches are
//! gathered from it. **Lazily**, for sets that do not, and for annotations beyond a label: files are listed, and a
//! [`Loader`] decodes and transforms them on several threads, ahead of the training step.
//!
//! ```text
//! folder ─┐                                                   seed, epoch
//! IDX    ─┤                                                        │
//! CSV    ─┼──▶ ImageSet ──gather──▶ ImageBatch ──▶ RandomAffine ──▶│──▶ Normalisation ──▶ Tensor<4>
//! CIFAR  ─┘    [n, c, h, w]         [b, c, h, w]   (training only)     (fitted on the      and labels
//!                                                                      training part)
//! folder, COCO, VOC, ─┐
//! masks, CSV of paths ┴─▶ Listing ──▶ FileSamples ──▶ Loader(Transform, Normalisation) ──▶ SampleBatch ──▶ tensors
//! ```
//!
//! | what | where |
//! |---|---|
//! | classes | [`folder`], [`paths`], [`idx`], [`csv`], [`cifar`] |
//! | boxes | [`coco`], [`voc`] |
//! | masks | [`mask`] |
//! | changes, fitting and augmenting | [`transform`], [`mix`] |
//! | batches, statistics | [`loader`], [`SampleBatch`], [`Normalisation`] |
//!
//! ## Why these steps
//!
//! - **Bytes.** Images stay in 8 bits a channel, pixel after pixel, until the last step: a quarter of the memory, and
//!   what decoders and resizers are fast on. Numbers, planes and normalisation are made in one pass when a batch is.
//! - **Colour.** Files hold sRGB: byte values about even in perceived lightness. Networks take them as they are.
//!   Grey is luma, the weighted sum that the eye makes of the three. Orientation tags are applied, transparency is put
//!   on a background, 16 bits are rounded to 8.
//! - **One size.** Shrinking without smoothing makes patterns that are not in the scene; see [`transform`].
//! - **Zero mean, unit deviation.** What initial weights are drawn for; see [`Normalisation`].

mod augment;
mod batch;
pub mod cifar;
pub mod coco;
pub mod csv;
mod decode;
pub mod folder;
pub mod idx;
mod listing;
pub mod loader;
pub mod mask;
pub mod mix;
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
