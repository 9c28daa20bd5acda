//! What can be chosen.

use clap::ValueEnum;
use serde::Serialize;

use crate::images::Source;

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Model {
    /// Diffusion: learns v on the cosine schedule
    Ddpm,
    /// Flow matching: learns the velocity of straight lines
    Flow,
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Settings {
    /// How the network is trained and sampled from
    #[arg(long, value_enum, default_value_t = Model::Ddpm)]
    pub(crate) model: Model,
    #[command(flatten)]
    pub(crate) source: Source,
    /// Passes over the training images
    #[arg(long, default_value_t = 80)]
    pub(crate) epochs: usize,
    /// Images per step
    #[arg(long, default_value_t = 64)]
    pub(crate) batch_size: usize,
    /// Highest learning rate, reached after a tenth of the steps
    #[arg(long, default_value_t = 2e-3)]
    pub(crate) lr: f64,
    /// Channels of each level of the U-Net
    #[arg(long, value_delimiter = ',', default_values_t = [16, 32])]
    pub(crate) channels: Vec<usize>,
    /// T of the diffusion, and passes of the slow sampler
    #[arg(long, default_value_t = 100)]
    pub(crate) steps: usize,
    /// w of classifier-free guidance; 0 for none
    #[arg(long, default_value_t = 0.2)]
    pub(crate) guidance: f64,
    /// Share of the labels that are withheld in training
    #[arg(long, default_value_t = 0.1)]
    pub(crate) label_dropout: f64,
    /// Samples that are judged
    #[arg(long, default_value_t = 500)]
    pub(crate) samples: usize,
}
