//! What is done to an image before a network sees it, and to its boxes, masks and keypoints with it.
//!
//! Two things are mixed up under one name. Some steps make images **fit**: size, channels, range. They are the same
//! in training and in use. Others **augment**: they make new training images out of old ones, and each of them
//! states something about the task: "a thing moved, mirrored, darker is the same thing". A network that is
//! shown both learns what was stated. State what is false, and it learns that: a six turned by 180° is a
//! nine, a mirrored "b" a "d", a red light made green no red light.
//!
//! | step | states |
//! |---|---|
//! | [`RandomResizedCrop`], [`RandomCrop`] | things appear anywhere, at any scale, not always whole |
//! | [`HorizontalFlip`], [`VerticalFlip`] | left and right (above and below) mean nothing |
//! | [`Rotation`], [`Affine`], [`Perspective`] | the camera is held askew, the thing seen from the side |
//! | [`ColorJitter`], [`Grayscale`] | light and camera differ; colour is not the answer |
//! | [`GaussianBlur`], [`GaussianNoise`] | focus and grain mean nothing |
//! | [`RandomErasing`] | a part suffices |
//! | [`RandAugment`] | many of these, softly |
//! | [mixup and CutMix](crate::image::Mix) | between two examples the answer changes evenly |
//!
//! Steps that only fit: [`Resize`], [`Crop`], [`CenterCrop`], [`Pad`]. Pipelines: [`Compose`], [`RandomApply`],
//! [`OneOf`].
//!
//! ## Sampling and aliasing
//!
//! A pixel is a sample of a continuous picture. Samples of spacing s can hold what varies more slowly than 2s; what
//! varies faster comes back as something slower that was never there: moiré, broken lines, stairs. Shrinking widens
//! the spacing, so the picture must be smoothed to what the new spacing can hold *before* it is sampled again.
//! [`Resize`] does (except by [`Filter::Nearest`]); the warps ([`Rotation`], [`Affine`], [`Perspective`]) change scale
//! little and do not. A network trained on one kind of resizing and used with the other loses accuracy.
//!
//! ## Numbers a result depends on
//!
//! Semantics and defaults are those of torchvision's `transforms.v2`, each default with its source beside it.
//! Measured on committed fixtures (`tests/fixtures/transforms.json`): crops, pads, flips and nearest resizing are equal;
//! resized images differ by at most 1 level of 255, everything on colours and blur by at most 1, warps by 1 where both
//! read the same pixels. One exception: cubic and Lanczos filters overshoot at hard edges, and values beyond a byte are cut
//! between the passes across and down, whose order differs; Pillow and torchvision differ from each other there too.
//!
//! ## Random, and yet a function
//!
//! A [`Transform`](crate::image::Transform) is a pure function of the sample and a [`Key`](crate::Key). Nothing is drawn
//! from a hidden state, so an epoch can be repeated, resumed in its middle, or computed on any number of threads.
//!
//! ## Boxes, masks, keypoints
//!
//! They go where the image goes, by the same [`Projection`]; what leaves the image is clipped or dropped by the rules of
//! [`OutOfFrame`]. A geometric step of your own that ends in [`Warp::apply`] has all of this.

mod affine;
mod blur;
pub(crate) mod color;
mod compose;
mod crop;
mod draw;
mod erase;
mod flip;
mod frame;
mod jitter;
mod noise;
mod pad;
mod perspective;
mod projection;
mod rand_augment;
mod resize;
mod resized_crop;
mod warp;

pub use affine::{Affine, Rotation};
pub use blur::GaussianBlur;
pub use compose::{Compose, OneOf, RandomApply, Step};
pub use crop::{CenterCrop, Crop, RandomCrop};
pub use erase::{Erased, RandomErasing};
pub use flip::{HorizontalFlip, VerticalFlip};
pub use frame::OutOfFrame;
pub use jitter::{ColorJitter, Grayscale};
pub use noise::GaussianNoise;
pub(crate) use noise::two_normals;
pub use pad::{Pad, PadMode};
pub use perspective::Perspective;
pub use projection::Projection;
pub use rand_augment::{AugmentOp, RandAugment};
pub use resize::{Filter, Resize, Size};
pub use resized_crop::RandomResizedCrop;
pub use warp::{Fill, Sampling, Warp};
