//! # Learning-rate schedules
//!
//! A large step covers ground, a small one settles: most runs end better when the learning rate falls, and many start better
//! when it first rises. With η the learning rate given, t the step counted from 0, and T a number of steps:
//!
//! | schedule | η(t) |
//! |---|---|
//! | constant | η |
//! | step | η·γ^⌊t/T⌋ |
//! | multi-step | η·γ^(milestones passed) |
//! | exponential | η·γᵗ |
//! | polynomial | η·(1 − t/T)^p |
//! | cosine | η_min + ½·(η − η_min)·(1 + cos(π·t/T)) |
//! | cosine with restarts | the same over cycles of T, m·T, m²·T, … steps |
//! | warm-up | linear to another schedule's start, then that schedule |
//! | one-cycle | up from η/25 to η, then down to η/(25·10⁴) |
//! | Noam | η·d^(−½)·min((t + 1)^(−½), (t + 1)·w^(−3⁄2)) |
//! | plateau | lowered when a metric stops improving: [`Plateau`] |
//!
//! All but the last are functions of the step alone: nothing to save, nothing to restore, and a resumed run cannot go
//! astray. Past the end of a finite schedule its last value holds (PyTorch's cosine rises again, its one-cycle fails).
//!
//! - **Cosine** and its restarts: I. Loshchilov, F. Hutter, *SGDR*, 2017 (<https://arxiv.org/abs/1608.03983>). A restart kicks
//!   the weights out of a minimum; take checkpoints at the ends of cycles.
//! - **Warm-up**: P. Goyal et al., 2017 (<https://arxiv.org/abs/1706.02677>), for large batches; transformers and Adam's
//!   young second moment want it too.
//! - **One-cycle**: L. Smith, N. Topin, 2018 (<https://arxiv.org/abs/1708.07120>). η is the peak, found by a range test.
//! - **Noam**: A. Vaswani et al., 2017 (<https://arxiv.org/abs/1706.03762>), section 5.3; d the model's width, w the warm-up.
//!
//! **When they fail**: each needs to know how long the run will be, except constant, step, exponential, Noam and plateau; a
//! run that is stopped early in a cosine has been trained at high learning rates only.
//!
//! ```
//! use fornax_nn_core::schedule::ScheduleConfig;
//!
//! let schedule = ScheduleConfig::cosine(1_000).with_warm_up(100).init(0.1)?;
//! assert!((schedule.lr(50) - 0.05).abs() < 1e-3); // half-way up
//! assert_eq!(schedule.lr(100), 0.1);
//! assert!((schedule.lr(600) - 0.05).abs() < 1e-12); // half-way down
//! let error = ScheduleConfig::cosine(0).with_warm_up(100).init(0.1).unwrap_err();
//! assert_eq!(error.field, "then.steps");
//! # Ok::<(), fornax_nn_core::ConfigError>(())
//! ```

mod config;
mod plateau;

use std::f64::consts::PI;

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use burn::optim::LearningRate;

pub use config::ScheduleConfig;
pub use plateau::{Goal, Plateau, PlateauConfig, Threshold};

/// A learning rate as a function of the step; see the [module page](self).
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    config: ScheduleConfig,
    lr: f64,
}

impl Schedule {
    /// The learning rate of step `step`, the first being 0.
    pub fn lr(&self, step: usize) -> f64 {
        value(&self.config, self.lr, step)
    }

    /// The same as Burn wants it, with a counter that starts at `step`.
    pub fn scheduler(self, step: usize) -> Scheduler {
        Scheduler { schedule: self, step }
    }
}

fn value(config: &ScheduleConfig, lr: f64, step: usize) -> f64 {
    let t = step as f64;
    match config {
        ScheduleConfig::Constant => lr,
        ScheduleConfig::Step { every, factor } => lr * factor.powf((step / every) as f64),
        ScheduleConfig::MultiStep { milestones, factor } => {
            lr * factor.powf(milestones.partition_point(|&milestone| milestone <= step) as f64)
        }
        ScheduleConfig::Exponential { factor } => lr * factor.powf(t),
        ScheduleConfig::Polynomial { steps, power } => {
            lr * (1.0 - t.min(*steps as f64) / *steps as f64).powf(*power)
        }
        ScheduleConfig::Cosine { steps, min_lr } => half_cosine(lr, *min_lr, (t / *steps as f64).min(1.0)),
        ScheduleConfig::CosineRestarts { first, multiplier, min_lr } => {
            let (mut length, mut left) = (*first, step);
            if *multiplier == 1 {
                left %= length;
            }
            while left >= length {
                left -= length;
                length = length.saturating_mul(*multiplier);
            }
            half_cosine(lr, *min_lr, left as f64 / length as f64)
        }
        ScheduleConfig::WarmUp { steps, start, then } => match step.checked_sub(*steps) {
            Some(after) => value(then, lr, after),
            None => value(then, lr, 0) * (start + (1.0 - start) * t / *steps as f64),
        },
        ScheduleConfig::OneCycle { steps, warm_up, start_divisor, end_divisor, linear, three_phases } => {
            let (first, last) = (lr / start_divisor, lr / start_divisor / end_divisor);
            let (rising, end) = (warm_up * *steps as f64, (*steps - 1) as f64);
            // Where each phase ends, and at what value; phases start where the one before ended.
            let two = [(rising - 1.0, lr), (end, last), (end, last)];
            let three = [(rising - 1.0, lr), (2.0 * rising - 2.0, first), (end, last)];
            let (mut from_step, mut from) = (0.0, first);
            for (to_step, to) in if *three_phases { three } else { two } {
                if t <= to_step {
                    let part = (t - from_step) / (to_step - from_step);
                    return if *linear { from + (to - from) * part } else { half_cosine(from, to, part) };
                }
                (from_step, from) = (to_step, to);
            }
            last
        }
        ScheduleConfig::Noam { model_size, warm_up } => {
            let t = t + 1.0;
            let w = *warm_up as f64;
            lr * (*model_size as f64).powf(-0.5) * t.powf(-0.5).min(t * w.powf(-1.5))
        }
    }
}

/// From `from` at 0 to `to` at 1.
fn half_cosine(from: f64, to: f64, part: f64) -> f64 {
    to + 0.5 * (from - to) * (1.0 + (PI * part).cos())
}

/// A [`Schedule`] with a counter: Burn's [`LrScheduler`]. Each call of `step` returns the next learning rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheduler {
    schedule: Schedule,
    step: usize,
}

impl LrScheduler for Scheduler {
    fn step(&mut self) -> LearningRate {
        self.step += 1;
        self.schedule.lr(self.step - 1)
    }

    fn to_record(&self) -> LrSchedulerRecord {
        LrSchedulerRecord::new().with_scalar("step", self.step)
    }

    /// A record without a step leaves the counter as it is.
    fn load_record(&mut self, record: LrSchedulerRecord) {
        if let Some(step) = record.scalar("step") {
            self.step = step;
        }
    }
}
