//! Early stopping: train until the validation metric no longer improves, and go back to the best.
//!
//! Training error falls on, validation error falls and then rises. The step at its minimum is the best
//! model there was. How long to wait for another is `patience`; what counts as better is `min_delta`.
//! For a quadratic loss and gradient descent, stopping after t steps at rate η acts like L2 with
//! strength about 1/(ηt) ([Goodfellow et al. 2016](https://www.deeplearningbook.org/contents/regularization.html),
//! section 7.8).

use burn::config::Config;
use serde::{Deserialize, Serialize};

use crate::ConfigError;

/// Whether a metric is better small or large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Losses and errors.
    #[default]
    Min,
    /// Accuracies and scores.
    Max,
}

/// Settings of [`EarlyStopping`].
#[derive(Config, Debug, PartialEq)]
pub struct EarlyStoppingConfig {
    /// Observations without improvement before stopping, at least 1. Default 10, as common.
    #[config(default = 10)]
    pub patience: usize,
    /// An improvement must exceed this; at least 0.
    #[config(default = 0.0)]
    pub min_delta: f64,
    /// Default: smaller is better.
    #[config(default = "Mode::Min")]
    pub mode: Mode,
}

impl EarlyStoppingConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `patience` or `min_delta`.
    pub fn init(&self) -> Result<EarlyStopping, ConfigError> {
        if self.patience == 0 {
            return Err(ConfigError::new("patience", "must be at least 1, got 0"));
        }
        if !(self.min_delta.is_finite() && self.min_delta >= 0.0) {
            let reason = format!("must be at least 0 and finite, got {}", self.min_delta);
            return Err(ConfigError::new("min_delta", reason));
        }
        Ok(EarlyStopping { config: self.clone(), best: None, best_step: 0, waited: 0 })
    }
}

/// What an observation means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The best so far: keep this model.
    Improved,
    /// Not better; this many more such observations and it is over.
    Waiting {
        /// At least 1.
        left: usize,
    },
    /// Patience is exhausted: stop and restore the best.
    Stop,
}

/// The state: plain data that belongs in a checkpoint.
///
/// ```
/// use fornax_nn_core::regularization::{EarlyStoppingConfig, Progress};
///
/// let mut stopping = EarlyStoppingConfig::new().with_patience(2).init()?;
/// let losses = [1.0, 0.8, 0.9, 0.85];
/// let progress: Vec<Progress> = (0u64..).zip(losses).map(|(step, loss)| stopping.observe(step, loss)).collect();
/// assert_eq!(progress[2..], [Progress::Waiting { left: 1 }, Progress::Stop]);
/// assert_eq!(stopping.best(), Some((1, 0.8)));
/// # Ok::<(), fornax_nn_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    config: EarlyStoppingConfig,
    best: Option<f64>,
    best_step: u64,
    waited: usize,
}

impl EarlyStopping {
    /// Takes the metric of `step`. A NaN or an infinity never is an improvement.
    pub fn observe(&mut self, step: u64, metric: f64) -> Progress {
        let better = metric.is_finite()
            && self.best.is_none_or(|best| match self.config.mode {
                Mode::Min => metric < best - self.config.min_delta,
                Mode::Max => metric > best + self.config.min_delta,
            });
        if better {
            (self.best, self.best_step, self.waited) = (Some(metric), step, 0);
            return Progress::Improved;
        }
        self.waited = self.waited.saturating_add(1);
        match self.config.patience.saturating_sub(self.waited) {
            0 => Progress::Stop,
            left => Progress::Waiting { left },
        }
    }

    /// The best observation so far, as `(step, metric)`.
    pub fn best(&self) -> Option<(u64, f64)> {
        self.best.map(|best| (self.best_step, best))
    }
}

/// [`EarlyStopping`] that holds on to the best model. A clone of a Burn module shares its tensors, so
/// keeping one costs memory only once training has moved on.
#[derive(Debug, Clone)]
pub struct RestoreBest<M> {
    stopping: EarlyStopping,
    model: Option<M>,
}

impl<M: Clone> RestoreBest<M> {
    /// Nothing kept yet.
    pub fn new(stopping: EarlyStopping) -> Self {
        Self { stopping, model: None }
    }

    /// Takes the metric of `step` and keeps `model` if it is the best.
    pub fn observe(&mut self, step: u64, metric: f64, model: &M) -> Progress {
        let progress = self.stopping.observe(step, metric);
        if progress == Progress::Improved {
            self.model = Some(model.clone());
        }
        progress
    }

    /// The best model kept, or `last` when none ever was better than nothing.
    pub fn restore(self, last: M) -> M {
        self.model.unwrap_or(last)
    }

    /// The state to put in a checkpoint, beside the model of its best step.
    pub fn stopping(&self) -> &EarlyStopping {
        &self.stopping
    }
}
