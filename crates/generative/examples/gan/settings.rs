//! The game that is played.

use clap::ValueEnum;
use fornax_generative::Constraint;
use fornax_nn_core::loss::GanLoss;
use serde::Serialize;

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Model {
    /// The game as first written
    Minimax,
    /// The generator maximises ln D instead
    NonSaturating,
    /// Wasserstein's distance, weights clipped
    Wgan,
    /// Wasserstein's distance, slopes near 1
    WganGp,
    /// Hinge loss, spectral normalisation
    Sngan,
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Settings {
    /// Losses and what holds the critic back
    #[arg(long, value_enum, default_value_t = Model::WganGp)]
    pub(crate) model: Model,
    /// Laps of 100 steps
    #[arg(long, default_value_t = 30)]
    pub(crate) epochs: usize,
    /// Points per step, fresh ones every time
    #[arg(long, default_value_t = 256)]
    pub(crate) batch_size: usize,
    /// Learning rate of both networks, falling to 0 along a cosine
    #[arg(long, default_value_t = 1e-3)]
    pub(crate) lr: f64,
    /// Steps of the critic for each of the generator
    #[arg(long, default_value_t = 2)]
    pub(crate) critic_steps: u64,
    /// λ of the gradient penalty
    #[arg(long, default_value_t = 1.0)]
    pub(crate) penalty: f64,
    /// c of the clipping
    #[arg(long, default_value_t = 0.1)]
    pub(crate) clip: f64,
}

impl Settings {
    /// The loss, and what holds the critic back.
    pub(crate) fn game(&self) -> (GanLoss, Constraint) {
        match self.model {
            Model::Minimax => (GanLoss::Minimax, Constraint::None),
            Model::NonSaturating => (GanLoss::NonSaturating, Constraint::None),
            Model::Wgan => (GanLoss::Wasserstein, Constraint::Clip { limit: self.clip }),
            Model::WganGp => (GanLoss::Wasserstein, Constraint::Penalty { weight: self.penalty }),
            Model::Sngan => (GanLoss::Hinge, Constraint::Spectral),
        }
    }
}
