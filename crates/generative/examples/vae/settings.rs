//! What can be chosen.

use std::path::PathBuf;

use clap::ValueEnum;
use fornax_prep::Split;
use fornax_prep::image::ImageSet;
use serde::Serialize;

use crate::{Outcome, images};

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Model {
    /// The evidence lower bound
    Vae,
    /// The divergence weighs four times as much
    Beta,
    /// Encoder and decoder are told the class
    Conditional,
    /// A code of words from a list, and a prior over them (grey pixels, no bound)
    Vq,
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Settings {
    /// Which variant
    #[arg(long, value_enum, default_value_t = Model::Vae)]
    pub(crate) model: Model,
    /// Images of your own: a folder per class, an IDX pair (plain or .gz) or a CSV file of pixels
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Side in pixels that the images are resized to
    #[arg(long, default_value_t = 8)]
    pub(crate) image_size: usize,
    /// Latent units
    #[arg(long, default_value_t = 2)]
    pub(crate) latent: usize,
    /// Which fifth of the images is held out
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..5))]
    pub(crate) fold: u8,
    /// Passes over the training images
    #[arg(long, default_value_t = 60)]
    pub(crate) epochs: usize,
    /// Images per step
    #[arg(long, default_value_t = 64)]
    pub(crate) batch_size: usize,
    /// Highest learning rate, reached after a tenth of the steps
    #[arg(long, default_value_t = 3e-3)]
    pub(crate) lr: f64,
    /// Decoupled weight decay of AdamW
    #[arg(long, default_value_t = 0.01)]
    pub(crate) weight_decay: f64,
    /// Nats that each latent unit has for nothing
    #[arg(long, default_value_t = 0.0)]
    pub(crate) free_bits: f64,
    /// Draws of the importance-weighted bound
    #[arg(long, default_value_t = 64)]
    pub(crate) draws: usize,
    /// Words in the list of `--model vq`
    #[arg(long, default_value_t = 32)]
    pub(crate) codes: usize,
}

impl Settings {
    /// The images, and which of them are held out.
    pub(crate) fn images(&self) -> Outcome<(ImageSet, Split)> {
        images::load(self.data.as_deref(), self.image_size, self.fold)
    }
}
