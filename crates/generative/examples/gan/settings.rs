//! The game that is played, and on what.

use std::path::PathBuf;

use clap::ValueEnum;
use fornax_generative::Constraint;
use fornax_nn_core::ConfigError;
use fornax_nn_core::loss::GanLoss;
use serde::Serialize;

use crate::images::Source;

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Model {
    /// The game as first written
    Minimax,
    /// The generator maximises ln D instead (the ring's networks are fully connected all the same)
    Dcgan,
    /// As dcgan, both networks being told the class
    Cgan,
    /// Wasserstein's distance, weights clipped
    Wgan,
    /// Wasserstein's distance, slopes near 1
    WganGp,
    /// Hinge loss, spectral normalisation
    Sngan,
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Settings {
    /// digits, ring (eight Gaussians), or images of your own: a folder per class, an IDX pair or a CSV file of pixels
    #[arg(long, value_name = "PATH", default_value = "digits")]
    pub(crate) data: String,
    /// Losses and what holds the critic back [default: dcgan; on the ring wgan-gp]
    #[arg(long, value_enum)]
    pub(crate) model: Option<Model>,
    /// Passes over the images, or laps of 100 steps on the ring [default: 120; on the ring 30]
    #[arg(long)]
    pub(crate) epochs: Option<usize>,
    /// Images or points per step [default: 64; on the ring 256]
    #[arg(long)]
    pub(crate) batch_size: Option<usize>,
    /// Learning rate of both networks [default: 5e-4; on the ring 1e-3, falling to 0 along a cosine]
    #[arg(long)]
    pub(crate) lr: Option<f64>,
    /// Steps of the critic for each of the generator [default: 1; on the ring 2]
    #[arg(long)]
    pub(crate) critic_steps: Option<u64>,
    /// Units of z [default: 32; on the ring 2]
    #[arg(long)]
    pub(crate) noise: Option<usize>,
    /// Units of the hidden layers of the ring's networks
    #[arg(long, value_delimiter = ',', default_values_t = [128, 128, 128])]
    pub(crate) hidden: Vec<usize>,
    /// λ of the gradient penalty
    #[arg(long, default_value_t = 1.0)]
    pub(crate) penalty: f64,
    /// c of the clipping
    #[arg(long, default_value_t = 0.1)]
    pub(crate) clip: f64,
    /// Side in pixels that images are resized to: 16, 32 or 64
    #[arg(long, default_value_t = 16)]
    pub(crate) image_size: usize,
}

impl Settings {
    pub(crate) fn ring(&self) -> bool {
        self.data == "ring"
    }

    /// The digits, or the user's own images.
    pub(crate) fn source(&self) -> Source {
        let own = self.data != "digits" && !self.ring();
        Source { data: own.then(|| PathBuf::from(&self.data)), image_size: self.image_size, fold: 0 }
    }

    pub(crate) fn model(&self) -> Model {
        self.model.unwrap_or(if self.ring() { Model::WganGp } else { Model::Dcgan })
    }

    pub(crate) fn epochs(&self, quick: bool) -> usize {
        let epochs = self.epochs.unwrap_or(if self.ring() { 30 } else { 120 });
        if quick { epochs.min(2) } else { epochs }
    }

    pub(crate) fn batch_size(&self) -> usize {
        self.batch_size.unwrap_or(if self.ring() { 256 } else { 64 })
    }

    pub(crate) fn lr(&self) -> f64 {
        self.lr.unwrap_or(if self.ring() { 1e-3 } else { 5e-4 })
    }

    pub(crate) fn critic_steps(&self) -> u64 {
        self.critic_steps.unwrap_or(if self.ring() { 2 } else { 1 })
    }

    pub(crate) fn noise(&self) -> usize {
        self.noise.unwrap_or(if self.ring() { 2 } else { 32 })
    }

    /// The loss, and what holds the critic back.
    pub(crate) fn game(&self) -> (GanLoss, Constraint) {
        match self.model() {
            Model::Minimax => (GanLoss::Minimax, Constraint::None),
            Model::Dcgan | Model::Cgan => (GanLoss::NonSaturating, Constraint::None),
            Model::Wgan => (GanLoss::Wasserstein, Constraint::Clip { limit: self.clip }),
            Model::WganGp => (GanLoss::Wasserstein, Constraint::Penalty { weight: self.penalty }),
            Model::Sngan => (GanLoss::Hinge, Constraint::Spectral),
        }
    }

    /// Levels of the image networks.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `image_size` when it is no such side.
    pub(crate) fn channels(&self) -> Result<Vec<usize>, ConfigError> {
        match self.image_size {
            16 => Ok(vec![64, 32]),
            32 => Ok(vec![128, 64, 32]),
            64 => Ok(vec![128, 64, 32, 16]),
            other => Err(ConfigError::new("image_size", format!("must be 16, 32 or 64, got {other}"))),
        }
    }
}
