//! Schedules as data.

use serde::{Deserialize, Serialize};

use super::Schedule;
use crate::ConfigError;
use crate::config::{at_least_one, positive};

/// How a learning rate changes with the step; pure data, as JSON an object whose `name` says which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScheduleConfig {
    /// The learning rate as it is.
    Constant,
    /// Times `factor` every `every` steps.
    Step {
        /// T.
        every: usize,
        /// γ.
        factor: f64,
    },
    /// Times `factor` at each of the milestones.
    MultiStep {
        /// The steps from which on the factor applies, ascending.
        milestones: Vec<usize>,
        /// γ.
        factor: f64,
    },
    /// Times `factor` every step; above 1 it rises, as in a range test.
    Exponential {
        /// γ.
        factor: f64,
    },
    /// Down to zero along a power of the way left; linear for power 1.
    Polynomial {
        /// T.
        steps: usize,
        /// p.
        power: f64,
    },
    /// Down to `min_lr` along half a cosine.
    Cosine {
        /// T.
        steps: usize,
        /// η_min.
        min_lr: f64,
    },
    /// Half cosines, each starting at the top again.
    CosineRestarts {
        /// T, the length of the first cycle.
        first: usize,
        /// m, how much longer each cycle is than the one before.
        multiplier: usize,
        /// η_min.
        min_lr: f64,
    },
    /// Linearly up to the start of another schedule, then that one from its beginning.
    WarmUp {
        /// How many steps.
        steps: usize,
        /// The share of the target at step 0; above 0, so that the first step is not lost.
        start: f64,
        /// What comes after.
        then: Box<ScheduleConfig>,
    },
    /// Up to the learning rate, which is the peak, and down to almost nothing.
    OneCycle {
        /// T, of the whole cycle.
        steps: usize,
        /// The share of the steps spent rising.
        warm_up: f64,
        /// The peak divided by the first value.
        start_divisor: f64,
        /// The first value divided by the last.
        end_divisor: f64,
        /// Along straight lines instead of half cosines.
        linear: bool,
        /// Down as long as up, to the first value, and only then to the last one (the paper's form).
        three_phases: bool,
    },
    /// The transformer's: linear up, then with the inverse square root of the step.
    Noam {
        /// d, the model's width.
        model_size: usize,
        /// w.
        warm_up: usize,
    },
}

impl ScheduleConfig {
    /// A half cosine down to zero over `steps`.
    pub fn cosine(steps: usize) -> Self {
        Self::Cosine { steps, min_lr: 0.0 }
    }

    /// One cycle of `steps` with PyTorch's defaults: 30 % of it rising, from 1/25 of the peak to 1/250,000 of it.
    pub fn one_cycle(steps: usize) -> Self {
        Self::OneCycle {
            steps,
            warm_up: 0.3,
            start_divisor: 25.0,
            end_divisor: 1e4,
            linear: false,
            three_phases: false,
        }
    }

    /// This schedule after `steps` of linear warm-up from a thousandth.
    #[must_use]
    pub fn with_warm_up(self, steps: usize) -> Self {
        Self::WarmUp { steps, start: 1e-3, then: Box::new(self) }
    }

    /// Checks every field for the learning rate `lr`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `lr` or the first field that cannot be used.
    pub fn validate(&self, lr: f64) -> Result<(), ConfigError> {
        positive("lr", lr)?;
        match self {
            Self::Constant => Ok(()),
            Self::Step { every, factor } => {
                at_least_one(&[("every", *every)]).and_then(|()| positive("factor", *factor))
            }
            Self::MultiStep { milestones, factor } => {
                if !milestones.is_sorted_by(|a, b| a < b) {
                    return Err(ConfigError::new("milestones", format!("must ascend, got {milestones:?}")));
                }
                positive("factor", *factor)
            }
            Self::Exponential { factor } => positive("factor", *factor),
            Self::Polynomial { steps, power } => {
                at_least_one(&[("steps", *steps)]).and_then(|()| positive("power", *power))
            }
            Self::Cosine { steps, min_lr } => {
                at_least_one(&[("steps", *steps)]).and_then(|()| floor(*min_lr, lr))
            }
            Self::CosineRestarts { first, multiplier, min_lr } => {
                at_least_one(&[("first", *first)])?;
                at_least_one(&[("multiplier", *multiplier)])?;
                floor(*min_lr, lr)
            }
            Self::WarmUp { steps, start, then } => {
                at_least_one(&[("steps", *steps)])?;
                if !(*start > 0.0 && *start <= 1.0) {
                    return Err(ConfigError::new("start", format!("must lie in (0, 1], got {start}")));
                }
                then.validate(lr).map_err(|error| error.within("then"))
            }
            Self::OneCycle { steps, warm_up, start_divisor, end_divisor, three_phases, .. } => {
                positive("start_divisor", *start_divisor)?;
                positive("end_divisor", *end_divisor)?;
                at_least_one(&[("steps", *steps)])?;
                let (rising, steps) = (warm_up * *steps as f64, *steps as f64);
                // Every phase needs an end after its start.
                let fits =
                    rising > 1.0 && if *three_phases { 2.0 * rising - 1.0 < steps } else { rising < steps };
                if fits {
                    return Ok(());
                }
                let share = if *three_phases { "half of the steps" } else { "all steps" };
                let reason =
                    format!("must be more than one step and less than {share}, got {rising} of {steps}");
                Err(ConfigError::new("warm_up", reason))
            }
            Self::Noam { model_size, warm_up } => at_least_one(&[("model_size", *model_size)])
                .and_then(|()| at_least_one(&[("warm_up", *warm_up)])),
        }
    }

    /// The schedule for the learning rate `lr`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, lr: f64) -> Result<Schedule, ConfigError> {
        self.validate(lr)?;
        Ok(Schedule { config: self.clone(), lr })
    }
}

pub(super) fn floor(min_lr: f64, lr: f64) -> Result<(), ConfigError> {
    if (0.0..=lr).contains(&min_lr) {
        return Ok(());
    }
    Err(ConfigError::new("min_lr", format!("must lie between 0 and the learning rate {lr}, got {min_lr}")))
}
