//! What can be chosen.

use clap::ValueEnum;
use serde::Serialize;

use crate::images::Source;

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
    #[command(flatten)]
    pub(crate) source: Source,
    /// Latent units
    #[arg(long, default_value_t = 2)]
    pub(crate) latent: usize,
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
