//! # Learning rate range test
//!
//! The learning rate decides more than any other setting, and its useful range spans decades. One
//! short run finds it: start far too low, multiply the rate after every step, watch the loss.
//!
//! ```text
//! loss │‾‾‾‾‾‾‾‾\                     η_k = η_min · (η_max / η_min)^(k / (n − 1))
//!      │  too    \  learns      /
//!      │  low     \            /  diverges
//!      │           \__________/
//!      └──────────────────────────── log η
//!                 ↑    ↑     ↑
//!          steepest    │     minimum
//!                      minimum / 10, the suggestion
//! ```
//!
//! Two readings are in use. The **steepest** descent is where the loss falls fastest per decade; being a
//! derivative of a noisy curve it moves from run to run. The **minimum** is where the gain of larger
//! steps and the damage they do cancel: at that rate training no longer improves, so the custom is
//! to stay a factor of ten below. [`LrFind::suggestion`] is minimum / 10, because it is read off
//! the flat part of the curve, where noise shifts it least; [`LrFind::steepest`] is there to compare. With
//! a schedule that rises and falls (one-cycle) the suggestion is its peak.
//!
//! ```
//! use fornax_nn_core::lr_find::{LrFindConfig, lr_find};
//!
//! // Gradient descent on ½·λ·w² diverges beyond η = 2/λ; here that is 0.1.
//! let (lambda, mut w) = (20.0, 1.0);
//! let found = lr_find(&LrFindConfig::new().with_min_lr(1e-5), |lr| {
//!     let loss = 0.5 * lambda * w * w + 1.0;
//!     w -= lr * lambda * w;
//!     Ok(loss as f32)
//! })?;
//! let suggestion = found.suggestion().unwrap();
//! assert!(suggestion > 1e-3 && suggestion < 2.0 / lambda, "{suggestion}");
//! # Ok::<(), fornax_nn_core::lr_find::LrFindError>(())
//! ```
//!
//! The closure trains: it owns a *copy* of model and optimiser, which are spent afterwards.
//!
//! ```text
//! let (mut copy, mut optim) = (Some(model.clone()), optim_config.init());
//! let found = lr_find(&config, |lr| {
//!     let (model, loss) = train_step(copy.take()…, &mut optim, lr, next_batch())?;
//!     copy = Some(model);
//!     Ok(loss)
//! })?;
//! ```
//!
//! Paper: L. N. Smith, *Cyclical learning rates for training neural networks*, 2017,
//! <https://arxiv.org/abs/1506.01186>.
//!
//! ## Differs from the paper
//!
//! 1. The rate rises exponentially, not linearly: what is looked for is a power of ten.
//! 2. The loss is watched, not the validation accuracy: it is there every step.
//! 3. The test ends when the loss has clearly diverged.

use burn::config::Config;
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::gradient::NonFinite;

/// The loss must fall by this share of its first value, or there is nothing to read off …
const LEAST_DESCENT: f64 = 0.02;
/// … and by this many standard deviations of its noise from step to step: the lowest of a hundred
/// averages of noise alone lies about one and a half below the first.
const NOISE: f64 = 3.0;

/// Range and length of the sweep; pure data.
#[derive(Config, Debug, PartialEq)]
pub struct LrFindConfig {
    /// First learning rate. Default: 1e-6, too low for any common optimiser and loss.
    #[config(default = 1e-6)]
    pub min_lr: f64,
    /// Last learning rate, unless the loss diverges before. Default: 10, too high for any.
    #[config(default = 10.0)]
    pub max_lr: f64,
    /// Steps of the sweep. Default: 100, fourteen a decade.
    #[config(default = 100)]
    pub steps: usize,
    /// Weight of the past in the exponential average of the loss, in [0, 1). Default: 0.8, which averages
    /// over five steps, a third of a decade.
    #[config(default = 0.8)]
    pub smoothing: f64,
    /// The sweep ends when the smoothed loss exceeds its best by this many times its best, or what was
    /// gained since the start if that is more. Default: 3, so that a loss which has hardly fallen must
    /// rise to four times its best.
    #[config(default = 3.0)]
    pub divergence: f64,
}

impl LrFindConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in
            [("min_lr", self.min_lr), ("max_lr", self.max_lr), ("divergence", self.divergence)]
        {
            if !(value > 0.0 && value.is_finite()) {
                return Err(ConfigError::new(field, format!("must be positive and finite, got {value}")));
            }
        }
        if self.max_lr <= self.min_lr {
            let reason = format!("must be above min_lr = {}, got {}", self.min_lr, self.max_lr);
            return Err(ConfigError::new("max_lr", reason));
        }
        if self.steps < 10 {
            return Err(ConfigError::new("steps", format!("must be at least 10, got {}", self.steps)));
        }
        if !(0.0..1.0).contains(&self.smoothing) {
            return Err(ConfigError::new("smoothing", format!("must lie in [0, 1), got {}", self.smoothing)));
        }
        Ok(())
    }

    /// The rate of step `k`, equally spaced in the logarithm.
    pub fn rate(&self, k: usize) -> f64 {
        let share = k as f64 / (self.steps - 1) as f64;
        self.min_lr * (self.max_lr / self.min_lr).powf(share)
    }
}

/// Why there is no curve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LrFindError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The very first step failed: the rate is not to blame.
    #[error("the first step of the range test failed, at the lowest rate: {0}")]
    FirstStep(#[source] NonFinite),
}

/// Loss against learning rate, and what to read off it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LrFind {
    /// The curve, rates ascending.
    pub points: Vec<RangePoint>,
    /// How the sweep ended.
    pub stop: Stop,
    /// Rate of the lowest smoothed loss; `None` when the loss never fell clearly (by 2 % and
    /// by three times its noise).
    pub minimum: Option<f64>,
    /// Rate of the steepest descent before the minimum; `None` like `minimum`.
    pub steepest: Option<f64>,
}

/// One step of the sweep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RangePoint {
    /// Learning rate of the step.
    pub lr: f64,
    /// Loss before the step, so after the step at the rate before.
    pub loss: f64,
    /// Loss averaged over the neighbours on both sides, which does not lag.
    pub smoothed: f64,
}

/// How a sweep ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stop", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stop {
    /// At the highest rate, without divergence: the true minimum may lie beyond.
    ReachedMaximum,
    /// The loss rose far above its best.
    Diverged {
        /// Rate of the last step.
        lr: f64,
    },
    /// A step failed with a NaN or an infinity.
    NotFinite {
        /// Rate of the step before, which did the damage.
        lr: f64,
        /// What was not finite.
        error: String,
    },
}

impl LrFind {
    /// The rate to train with: a tenth of the minimum's. `None` when the loss never fell
    /// clearly, which a sweep from a lower rate, or one with more steps, may change.
    pub fn suggestion(&self) -> Option<f64> {
        self.minimum.map(|lr| lr / 10.0)
    }
}

/// Sweeps the learning rate upwards and says which one to use.
///
/// `step` makes one step of training at the given rate, each on a new batch, and returns the loss before
/// the update. What it trains is spent afterwards: give it a copy.
///
/// # Errors
///
/// [`LrFindError`] when a setting cannot be used, or when the very first step fails. Later failures end
/// the sweep and are its [`Stop`].
pub fn lr_find(
    config: &LrFindConfig,
    mut step: impl FnMut(f64) -> Result<f32, NonFinite>,
) -> Result<LrFind, LrFindError> {
    config.validate()?;
    let mut curve: Vec<(f64, f64)> = Vec::with_capacity(config.steps);
    let mut average = Average::new(config.smoothing);
    let mut best = f64::INFINITY;
    let mut stop = Stop::ReachedMaximum;
    for k in 0..config.steps {
        let lr = config.rate(k);
        let loss = match step(lr) {
            Ok(loss) if loss.is_finite() => f64::from(loss),
            Ok(loss) if k > 0 => {
                let error = format!("loss of the batch is not finite ({loss})");
                stop = Stop::NotFinite { lr: config.rate(k - 1), error };
                break;
            }
            // A closure that does not check its loss; nothing can be read off it.
            Ok(loss) => f64::from(loss),
            Err(error) if k == 0 => return Err(LrFindError::FirstStep(error)),
            Err(error) => {
                stop = Stop::NotFinite { lr: config.rate(k - 1), error: error.to_string() };
                break;
            }
        };
        curve.push((lr, loss));
        let smoothed = average.push(loss);
        best = best.min(smoothed);
        let first = curve[0].1;
        if smoothed > best + config.divergence * best.abs().max(first - best) {
            stop = Stop::Diverged { lr };
            break;
        }
    }
    Ok(read_off(curve, stop, config))
}

/// Exponential average, corrected for its start at zero.
struct Average {
    beta: f64,
    sum: f64,
    weight: f64,
}

impl Average {
    fn new(beta: f64) -> Self {
        Self { beta, sum: 0.0, weight: 0.0 }
    }

    fn push(&mut self, value: f64) -> f64 {
        self.sum = self.beta * self.sum + (1.0 - self.beta) * value;
        self.weight = self.beta * self.weight + (1.0 - self.beta);
        self.sum / self.weight
    }
}

/// The mean of the averages from the left and from the right: no lag.
fn smooth(values: &[f64], beta: f64) -> Vec<f64> {
    let (mut left, mut right) = (Average::new(beta), Average::new(beta));
    let mut smoothed: Vec<f64> = values.iter().map(|&value| left.push(value)).collect();
    for (smoothed, &value) in smoothed.iter_mut().zip(values).rev() {
        *smoothed = f64::midpoint(*smoothed, right.push(value));
    }
    smoothed
}

fn read_off(curve: Vec<(f64, f64)>, stop: Stop, config: &LrFindConfig) -> LrFind {
    let losses: Vec<f64> = curve.iter().map(|(_, loss)| *loss).collect();
    // The last losses of a diverging run are out of all proportion; one of them, averaged, would move
    // the minimum by half a decade. Beyond the first loss they say no more than "diverged".
    let first = losses[0];
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let ceiling = first + (first - lowest);
    let bounded: Vec<f64> = losses.iter().map(|loss| loss.min(ceiling)).collect();
    let smoothed = smooth(&bounded, config.smoothing);
    let points: Vec<RangePoint> = curve
        .into_iter()
        .zip(&smoothed)
        .map(|((lr, loss), &smoothed)| RangePoint { lr, loss, smoothed })
        .collect();

    let lowest = (0..points.len()).min_by(|&a, &b| smoothed[a].total_cmp(&smoothed[b])).unwrap_or(0);
    let descent = smoothed[0] - smoothed[lowest];
    let descended = descent > LEAST_DESCENT * smoothed[0].abs() && descent > NOISE * step_noise(&bounded);
    let (minimum, steepest) = if descended {
        // Rates are equally spaced in the logarithm, so differences are slopes.
        let slope = |i: usize| smoothed[i + 1] - smoothed[i - 1];
        let steepest = (1..lowest).min_by(|&a, &b| slope(a).total_cmp(&slope(b)));
        (Some(points[lowest].lr), steepest.map(|i| points[i].lr))
    } else {
        (None, None)
    };
    LrFind { points, stop, minimum, steepest }
}

/// Standard deviation of the noise from step to step: that of the differences, over √2, by their
/// median, which the few real jumps do not move.
fn step_noise(values: &[f64]) -> f64 {
    let mut differences: Vec<f64> = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    differences.sort_by(f64::total_cmp);
    let median = differences.get(differences.len() / 2).copied().unwrap_or(0.0);
    // The median of |N(0, 1)| is 0.6745.
    median / 0.6745 / std::f64::consts::SQRT_2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{from_json, to_json};
    use crate::gradient::gradients;
    use crate::landscape::{Landscape, Point};
    use crate::noise::Normal;
    use burn::optim::SgdConfig;
    use burn::tensor::Device;

    /// A loss that falls once the rate passes 1e-3 and diverges beyond 1e-1.
    fn textbook(lr: f64) -> f64 {
        let x = lr.log10();
        let fall = 1.0 / (1.0 + (-(x + 2.5) * 4.0).exp());
        let rise = ((x + 0.8) * 6.0).exp();
        2.3 - 2.0 * fall + rise
    }

    #[test]
    fn rates_are_equally_spaced_in_the_logarithm() {
        let config = LrFindConfig::new().with_min_lr(1e-4).with_max_lr(1.0).with_steps(41);
        assert!((config.rate(0) - 1e-4).abs() < 1e-18 && (config.rate(40) - 1.0).abs() < 1e-12);
        assert!((config.rate(10) / config.rate(0) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_textbook_curve_is_read_off_right() {
        let found = lr_find(&LrFindConfig::new(), |lr| Ok(textbook(lr) as f32)).unwrap();
        let minimum = found.minimum.unwrap();
        // The curve's own minimum is at 10^−1.45; smoothing may move it by a third of a decade.
        assert!((minimum.log10() + 1.45).abs() < 0.33, "{minimum}");
        assert_eq!(found.suggestion(), Some(minimum / 10.0));
        let steepest = found.steepest.unwrap();
        assert!((steepest.log10() + 2.5).abs() < 0.25, "{steepest}");
        assert!(matches!(found.stop, Stop::Diverged { lr } if lr < 1.0), "{:?}", found.stop);
        assert!(found.points.len() < 100);
    }

    #[test]
    fn noise_moves_the_suggestion_by_less_than_half_a_decade() {
        for seed in 0..20 {
            let mut noise = Normal::new(seed);
            let found =
                lr_find(&LrFindConfig::new(), |lr| Ok((textbook(lr) + 0.1 * noise.next().unwrap()) as f32))
                    .unwrap();
            let suggestion = found.suggestion().unwrap();
            assert!((suggestion.log10() + 2.45).abs() < 0.5, "seed {seed}: {suggestion}");
        }
    }

    #[test]
    fn descent_on_a_ravine_is_stable_at_the_suggestion() {
        let device = Device::flex().autodiff();
        let mut point = Some(Point::new(Landscape::Ravine.start(), &device));
        let mut optim = SgdConfig::new().init();
        let config = LrFindConfig::new().with_steps(200);
        let found = lr_find(&config, |lr| {
            let model = point.take().expect("put back each step");
            let loss = Landscape::Ravine.loss(model.position.val());
            let (loss, gradients) = gradients(loss, &model)?;
            point = Some(optim.step(lr, model, gradients));
            Ok(loss)
        })
        .unwrap();
        // Stable below 2/λ = 0.02, and useless far below.
        let suggestion = found.suggestion().unwrap();
        assert!(suggestion < 0.02 && suggestion > 2e-4, "{suggestion}");
    }

    #[test]
    fn a_failure_ends_the_sweep_and_names_the_rate_before() {
        let bad = || {
            let device = Device::flex().autodiff();
            let point = Point::new([f64::NAN, 0.0], &device);
            gradients(Landscape::Bowl.loss(point.position.val()), &point).unwrap_err()
        };
        let config = LrFindConfig::new();
        let mut k = 0;
        let found = lr_find(&config, |_| {
            k += 1;
            if k > 50 { Err(bad()) } else { Ok(3.0 - 0.05 * k as f32) }
        })
        .unwrap();
        assert_eq!(found.points.len(), 50);
        let Stop::NotFinite { lr, error } = &found.stop else { panic!("{:?}", found.stop) };
        assert!(*lr == config.rate(49) && error.contains("position"), "{lr} {error}");
        assert!(found.suggestion().is_some());

        let error = lr_find(&config, |_| Err(bad())).unwrap_err();
        assert!(error.to_string().contains("lowest rate"), "{error}");
    }

    #[test]
    fn noise_alone_suggests_nothing() {
        for seed in 0..50 {
            let mut noise = Normal::new(seed);
            let found =
                lr_find(&LrFindConfig::new(), |_| Ok(2.3 + 0.3 * noise.next().unwrap() as f32)).unwrap();
            assert_eq!(found.suggestion(), None, "seed {seed}");
        }
    }

    #[test]
    fn a_flat_curve_suggests_nothing() {
        let found = lr_find(&LrFindConfig::new(), |_| Ok(2.3)).unwrap();
        assert_eq!((found.suggestion(), found.steepest, found.stop), (None, None, Stop::ReachedMaximum));
    }

    #[test]
    fn the_curve_survives_json() {
        let found = lr_find(&LrFindConfig::new(), |lr| Ok(textbook(lr) as f32)).unwrap();
        assert_eq!(from_json::<LrFind>(&to_json(&found).unwrap()).unwrap(), found);
    }

    #[test]
    fn bad_settings_are_named() {
        let bad = [
            ("min_lr", LrFindConfig::new().with_min_lr(-1.0)),
            ("max_lr", LrFindConfig::new().with_max_lr(1e-7)),
            ("steps", LrFindConfig::new().with_steps(2)),
            ("smoothing", LrFindConfig::new().with_smoothing(1.0)),
            ("divergence", LrFindConfig::new().with_divergence(f64::NAN)),
        ];
        for (field, config) in bad {
            match lr_find(&config, |_| Ok(1.0)).unwrap_err() {
                LrFindError::Config(error) => assert_eq!(error.field, field),
                error => panic!("{error}"),
            }
        }
    }
}
