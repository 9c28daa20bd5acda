//! # fornax-prep
//!
//! From files to tensors. A network takes arrays of numbers of one shape; a user has files of many. Between
//! the two lie decisions that move a result as much as the network does (what is held out, how images are
//! shrunk, which mean is subtracted) and files that are broken, mislabelled or hostile. Here the former are
//! functions with their reasons beside them, and the latter are errors with names.
//!
//! | module | what it does |
//! |---|---|
//! | [`balance`] | class weights, samplers for classes of unequal size |
//! | [`digits`] | real handwritten digits, embedded |
//! | [`image`] | images with labels, boxes, masks and keypoints from files of many kinds; transformations, loading, batches |
//! | [`partition`] | stratified folds and hold-outs, of samples or of groups |
//! | [`random`] | keys: randomness that does not depend on order |
//! | `video` (feature `video`) | films as frames with times; clips, differences, optical flow |
//! | `archive`, `download` (features of these names) | archives unpacked safely; named data sets fetched into a cache |
//! | `text` (feature) | tokenisers, vocabularies, text files, batches and windows of tokens |
//! | [`worlds`] | endless generated data of which the truth is known: scenes, shapes, curves, densities, text tasks |
//! | [`source`], [`limits`], [`error`] | files, plain or gzip, read within limits; errors that name them |
//!
//! Nothing here picks a device or prints; tensors are made on the device that is passed in.
#![doc = include_str!("../README.md")]

#[cfg(feature = "archive")]
pub mod archive;
pub mod balance;
pub mod digits;
#[cfg(feature = "download")]
pub mod download;
pub mod error;
pub mod image;
mod json;
pub mod limits;
pub mod partition;
pub mod random;
pub mod source;
#[cfg(feature = "text")]
pub mod text;
#[cfg(feature = "video")]
pub mod video;
pub mod worlds;

pub use digits::Digits;
pub use error::{Error, Problem};
pub use limits::Limits;
pub use partition::{Folds, Split};
pub use random::Key;
