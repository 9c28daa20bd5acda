//! Lower the learning rate when a metric stops improving.

use burn::config::Config;
use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use burn::optim::LearningRate;
use serde::{Deserialize, Serialize};

use super::config::floor;
use crate::ConfigError;
use crate::config::positive;

/// Whether small or large values of the metric are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Small, as of a loss.
    #[default]
    Lower,
    /// Large, as of an accuracy.
    Higher,
}

/// How much better than the best so far counts as improvement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// By this share of the best.
    Relative(f64),
    /// By this much.
    Absolute(f64),
}

/// Settings of [`Plateau`]; the defaults are PyTorch's.
#[derive(Config, Debug, PartialEq)]
pub struct PlateauConfig {
    /// Which way is better. Default: lower.
    #[config(default = "Goal::Lower")]
    pub goal: Goal,
    /// What the learning rate is multiplied by, in (0, 1).
    #[config(default = 0.1)]
    pub factor: f64,
    /// How many observations in a row may fail to improve before it is lowered.
    #[config(default = 10)]
    pub patience: usize,
    /// What counts as improvement.
    #[config(default = "Threshold::Relative(1e-4)")]
    pub threshold: Threshold,
    /// How many observations after a lowering are not held against it.
    #[config(default = 0)]
    pub cooldown: usize,
    /// It never goes below.
    #[config(default = 0.0)]
    pub min_lr: f64,
    /// Changes smaller than this are not made.
    #[config(default = 1e-8)]
    pub smallest_change: f64,
}

impl PlateauConfig {
    /// Checks every field for the learning rate `lr`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `lr` or the first field that cannot be used.
    pub fn validate(&self, lr: f64) -> Result<(), ConfigError> {
        positive("lr", lr)?;
        if !(self.factor > 0.0 && self.factor < 1.0) {
            return Err(ConfigError::new("factor", format!("must lie in (0, 1), got {}", self.factor)));
        }
        let (Threshold::Relative(threshold) | Threshold::Absolute(threshold)) = self.threshold;
        for (field, value) in [("threshold", threshold), ("smallest_change", self.smallest_change)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(ConfigError::new(
                    field,
                    format!("must be zero or positive and finite, got {value}"),
                ));
            }
        }
        floor(self.min_lr, lr)
    }

    /// The schedule, starting at `lr`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, lr: f64) -> Result<Plateau, ConfigError> {
        self.validate(lr)?;
        Ok(Plateau { config: self.clone(), lr, best: None, bad: 0, cooling: 0 })
    }
}

/// The one schedule that depends on more than the step, so the one with a state to save: it is serde data.
///
/// ```
/// use fornax_nn_core::schedule::PlateauConfig;
///
/// let mut plateau = PlateauConfig::new().with_patience(1).init(0.1)?;
/// assert_eq!(plateau.observe(2.0), 0.1); // the first is the best so far
/// assert_eq!(plateau.observe(2.0), 0.1); // one failure is allowed
/// assert!((plateau.observe(2.0) - 0.01).abs() < 1e-12);
/// # Ok::<(), fornax_nn_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    config: PlateauConfig,
    lr: f64,
    best: Option<f64>,
    bad: usize,
    cooling: usize,
}

impl Plateau {
    /// The current learning rate.
    pub fn lr(&self) -> f64 {
        self.lr
    }

    /// The best value observed.
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// Takes an observation of the metric, usually once an epoch, and returns the learning rate from here on. NaN is no
    /// improvement.
    pub fn observe(&mut self, metric: f64) -> f64 {
        let better = match (self.best, self.config.goal, self.config.threshold) {
            (None, ..) => !metric.is_nan(),
            (Some(best), Goal::Lower, Threshold::Relative(share)) => metric < best * (1.0 - share),
            (Some(best), Goal::Lower, Threshold::Absolute(by)) => metric < best - by,
            (Some(best), Goal::Higher, Threshold::Relative(share)) => metric > best * (1.0 + share),
            (Some(best), Goal::Higher, Threshold::Absolute(by)) => metric > best + by,
        };
        if better {
            self.best = Some(metric);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.cooling > 0 {
            self.cooling -= 1;
            self.bad = 0;
        }
        if self.bad > self.config.patience {
            let lower = (self.lr * self.config.factor).max(self.config.min_lr);
            if self.lr - lower > self.config.smallest_change {
                self.lr = lower;
            }
            self.cooling = self.config.cooldown;
            self.bad = 0;
        }
        self.lr
    }
}

/// For Burn's groups of schedulers: `step` returns the current learning rate, [`Plateau::observe`] changes it.
impl LrScheduler for Plateau {
    fn step(&mut self) -> LearningRate {
        self.lr
    }

    fn to_record(&self) -> LrSchedulerRecord {
        let record = LrSchedulerRecord::new()
            .with_scalar("lr", self.lr)
            .with_scalar("bad", self.bad)
            .with_scalar("cooling", self.cooling);
        match self.best {
            Some(best) => record.with_scalar("best", best),
            None => record,
        }
    }

    /// A record of something else leaves the state as it is.
    fn load_record(&mut self, record: LrSchedulerRecord) {
        if let (Some(lr), Some(bad), Some(cooling)) =
            (record.scalar("lr"), record.scalar("bad"), record.scalar("cooling"))
        {
            (self.lr, self.bad, self.cooling) = (lr, bad, cooling);
            self.best = record.scalar("best");
        }
    }
}
