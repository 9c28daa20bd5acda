//! What can be chosen.

use serde::Serialize;

use crate::images::Source;
use crate::network::Kind;

#[derive(clap::Args, Serialize)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(crate) source: Source,
    /// Fully connected layers or convolutions
    #[arg(long, value_enum, default_value_t = Kind::Dense)]
    pub(crate) model: Kind,
    /// Numbers in the code
    #[arg(long, default_value_t = 8)]
    pub(crate) code: usize,
    /// Passes over the training images
    #[arg(long, default_value_t = 100)]
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
    /// Deviation of the noise that the second network learns to remove; pixels lie in [0, 1]
    #[arg(long, default_value_t = 0.3)]
    pub(crate) noise: f64,
}
