//! # Convergence
//!
//! Has training arrived, and where? A flat loss curve alone does not tell: it is flat at a minimum, on a
//! plateau, near a saddle and when the step bounces between two walls. Gradient and curvature do:
//!
//! ```text
//!                    ‖∇f‖        Hessian's eigenvalues λ      what to do
//! global, local min  ≈ 0         all ≥ 0, some > 0            stop
//! saddle             ≈ 0         some < 0                     noise, momentum: it is unstable
//! plateau            ≈ 0         all ≈ 0                      larger steps, adaptive rates
//! bouncing           not small   whatever                     smaller steps
//! ```
//!
//! [`Detector`] keeps the recent losses and answers in two stages. [`Detector::trend`] costs nothing:
//! falling, flat or rising, by a straight line through the window and the noise around it. Only when
//! that is flat does [`Detector::judge`] ask the model: for its gradient, and for the ends of the
//! Hessian's spectrum.
//!
//! The Hessian is never formed. Its product with a vector is a difference of gradients,
//!
//! ```text
//! H·v ≈ (∇f(w + ε·v) − ∇f(w − ε·v)) / 2ε
//! ```
//!
//! and Lanczos' iteration finds from a few dozen such products the extreme eigenvalues, whatever the
//! number of parameters ([`curvature`]).
//!
//! Whether a minimum is **global** cannot be seen from inside: that takes knowledge of the lowest
//! possible loss. Where there is one (0 for squared errors), set [`DetectorConfig::floor`]. A minimum
//! at which all curvature vanishes (x⁴, or a classifier that is certain of everything) looks like a
//! plateau to second order; the floor resolves that, too.
//!
//! ```
//! use burn::tensor::Device;
//! use fornax_nn_core::convergence::{DetectorConfig, State};
//! use fornax_nn_core::landscape::{Landscape, Point};
//!
//! // Gradient descent that starts on the ridge of the saddle ends on the saddle point.
//! let mut detector = DetectorConfig::new().init()?;
//! let mut at = [1.5, 0.0];
//! for _ in 0..300 {
//!     detector.push(Landscape::Saddle.value(at));
//!     let [dx, dy] = Landscape::Saddle.gradient(at);
//!     at = [at[0] - 0.1 * dx, at[1] - 0.1 * dy];
//! }
//! let point = Point::new(at, &Device::flex().autodiff());
//! let state = detector.judge(&point, |point| Landscape::Saddle.loss(point.position.val()))?;
//! let State::Saddle { curvature, .. } = state else { panic!("{state}") };
//! assert!((curvature.smallest + 1.0).abs() < 0.01); // ∂²f/∂y² = −1
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod hessian;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::gradient::{NonFinite, global_norm, gradients};

pub use hessian::{Curvature, curvature};

/// A change counts as real from this many standard errors of the fitted slope on. Four keeps false
/// alarms rare although successive losses are not quite independent.
const SIGNIFICANT: f64 = 4.0;

/// What counts as flat, small and curved; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct DetectorConfig {
    /// Losses that count as recent. Default: 100, an epoch of a small data set.
    #[config(default = 100)]
    pub window: usize,
    /// The loss is flat when it changes within the window by less than this share of its scale, the
    /// larger of its first value and its present one. Default: 1e-4, as reduce-on-plateau schedules.
    #[config(default = 1e-4)]
    pub tolerance: f64,
    /// The loss diverges when it rises within the window by more than this share of its scale.
    /// Default: 0.1.
    #[config(default = 0.1)]
    pub divergence: f64,
    /// The gradient is small below this norm. Default: 1e-3; the usual 1e-5 of second-order methods
    /// is below what f32 and mini-batches resolve.
    #[config(default = 1e-3)]
    pub gradient_tolerance: f64,
    /// The loss is flat to second order when no eigenvalue exceeds this in size. Default: 1e-3: a step
    /// of length 1 changes the gradient by no more than its tolerance.
    #[config(default = 1e-3)]
    pub curvature_tolerance: f64,
    /// Negative curvature makes a saddle from this share of the largest positive one on. Default: 0.05:
    /// trained networks keep a few eigenvalues slightly below zero that no optimiser can use.
    #[config(default = 0.05)]
    pub saddle_ratio: f64,
    /// The lowest value the loss can have, if known: 0 for squared errors and for cross-entropy without
    /// label smoothing. Default: unknown.
    pub floor: Option<f64>,
    /// Converged when the distance to the floor is below this share of the first one. Default: 1e-3.
    #[config(default = 1e-3)]
    pub floor_tolerance: f64,
    /// Hessian-vector products for the spectrum, of two gradients each. Default: 20.
    #[config(default = 20)]
    pub iterations: usize,
    /// Seed of the vector the iteration starts from. Default: 0.
    #[config(default = 0)]
    pub seed: u64,
}

impl DetectorConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value, least) in [("window", self.window, 10), ("iterations", self.iterations, 2)] {
            if value < least {
                return Err(ConfigError::new(field, format!("must be at least {least}, got {value}")));
            }
        }
        let positive = [
            ("tolerance", self.tolerance),
            ("divergence", self.divergence),
            ("gradient_tolerance", self.gradient_tolerance),
            ("curvature_tolerance", self.curvature_tolerance),
            ("saddle_ratio", self.saddle_ratio),
            ("floor_tolerance", self.floor_tolerance),
        ];
        for (field, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                return Err(ConfigError::new(field, format!("must be positive and finite, got {value}")));
            }
        }
        match self.floor {
            Some(floor) if !floor.is_finite() => {
                Err(ConfigError::new("floor", format!("must be finite, got {floor}")))
            }
            _ => Ok(()),
        }
    }

    /// A detector that has seen no loss.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self) -> Result<Detector, ConfigError> {
        self.validate()?;
        Ok(Detector { config: self.clone(), recent: VecDeque::new(), first: None })
    }
}

/// Where the loss is going, by the losses alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "trend", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trend {
    /// The window is not full.
    Unknown {
        /// Losses seen.
        seen: usize,
        /// Losses needed.
        needed: usize,
    },
    /// It falls, beyond noise.
    Falling(Change),
    /// It neither falls nor rises beyond noise and tolerance.
    Flat(Change),
    /// It rises, beyond noise and the share that counts as divergence.
    Rising(Change),
    /// The last loss is NaN or infinite.
    NotFinite,
}

/// A straight line through the window of losses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Loss at the beginning of the line.
    pub from: f64,
    /// Loss at its end.
    pub to: f64,
    /// `to − from` as a share of the loss's scale.
    pub relative: f64,
    /// The slope in units of its standard error; negative when falling.
    pub significance: f64,
}

/// Where training has got to, with the evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// At a minimum: no gradient, no way down to second order, or the floor is reached.
    Converged {
        /// Loss of the model judged.
        loss: f64,
        /// ‖∇f‖ there.
        gradient_norm: f64,
        /// The spectrum's ends; `None` when the floor decided.
        curvature: Option<Curvature>,
    },
    /// Flat to second order: neither gradient nor curvature point anywhere.
    Plateau {
        /// Loss of the model judged.
        loss: f64,
        /// ‖∇f‖ there.
        gradient_norm: f64,
        /// The spectrum's ends.
        curvature: Curvature,
    },
    /// No gradient, but a direction of negative curvature: the loss falls on both sides along it.
    Saddle {
        /// Loss of the model judged.
        loss: f64,
        /// ‖∇f‖ there.
        gradient_norm: f64,
        /// The spectrum's ends.
        curvature: Curvature,
    },
    /// The loss rises beyond noise, or is no number.
    Diverging {
        /// The rise; `None` when the loss is not finite.
        change: Option<Change>,
    },
    /// Not there yet.
    StillMoving(Motion),
}

/// Why a run still moves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "motion", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Motion {
    /// Too early to tell.
    TooEarly {
        /// Losses seen.
        seen: usize,
        /// Losses needed.
        needed: usize,
    },
    /// The loss falls.
    Falling(Change),
    /// The loss is flat but the gradient is not small: the step is too short to show, or so long that
    /// it bounces between the walls of a valley.
    Sloping {
        /// Loss of the model judged.
        loss: f64,
        /// ‖∇f‖ there.
        gradient_norm: f64,
    },
}

impl State {
    /// `converged`, `plateau`, `saddle`, `diverging` or `still moving`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Converged { .. } => "converged",
            Self::Plateau { .. } => "plateau",
            Self::Saddle { .. } => "saddle",
            Self::Diverging { .. } => "diverging",
            Self::StillMoving(_) => "still moving",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name())?;
        match self {
            Self::Converged { loss, gradient_norm, curvature: None } => {
                write!(f, "loss {loss:.3e} at its floor, gradient {gradient_norm:.1e}")
            }
            Self::Converged { loss, gradient_norm, curvature: Some(curvature) }
            | Self::Plateau { loss, gradient_norm, curvature }
            | Self::Saddle { loss, gradient_norm, curvature } => write!(
                f,
                "loss {loss:.3e}, gradient {gradient_norm:.1e}, curvature {:.1e} to {:.1e}",
                curvature.smallest, curvature.largest
            ),
            Self::Diverging { change: None } => f.write_str("the loss is not finite"),
            Self::Diverging { change: Some(change) } | Self::StillMoving(Motion::Falling(change)) => {
                write!(f, "loss {:.4e} to {:.4e} within the window", change.from, change.to)
            }
            Self::StillMoving(Motion::TooEarly { seen, needed }) => {
                write!(f, "{seen} of the {needed} losses needed")
            }
            Self::StillMoving(Motion::Sloping { loss, gradient_norm }) => {
                write!(f, "loss {loss:.3e} is flat but the gradient is {gradient_norm:.1e}")
            }
        }
    }
}

/// Says where training has got to; see the [module page](self).
#[derive(Debug, Clone)]
pub struct Detector {
    config: DetectorConfig,
    recent: VecDeque<f64>,
    first: Option<f64>,
}

impl Detector {
    /// Adds a loss: one a step, or one an epoch with a window to match.
    pub fn push(&mut self, loss: f64) {
        if self.first.is_none() && loss.is_finite() {
            self.first = Some(loss);
        }
        if self.recent.len() == self.config.window {
            self.recent.pop_front();
        }
        self.recent.push_back(loss);
    }

    /// Where the loss is going, by the losses alone.
    pub fn trend(&self) -> Trend {
        if self.recent.iter().any(|loss| !loss.is_finite()) {
            return Trend::NotFinite;
        }
        if self.recent.len() < self.config.window {
            return Trend::Unknown { seen: self.recent.len(), needed: self.config.window };
        }
        let change = self.change();
        let real = change.significance.abs() > SIGNIFICANT;
        if real && change.relative < -self.config.tolerance {
            Trend::Falling(change)
        } else if real && change.relative > self.config.divergence {
            Trend::Rising(change)
        } else {
            Trend::Flat(change)
        }
    }

    /// Least-squares line through the window.
    fn change(&self) -> Change {
        let n = self.recent.len() as f64;
        let (mx, my) = ((n - 1.0) / 2.0, self.recent.iter().sum::<f64>() / n);
        let (mut xx, mut xy) = (0.0, 0.0);
        for (i, loss) in self.recent.iter().enumerate() {
            let x = i as f64 - mx;
            xx += x * x;
            xy += x * (loss - my);
        }
        let slope = xy / xx;
        let residual: f64 = self
            .recent
            .iter()
            .enumerate()
            .map(|(i, loss)| (loss - my - slope * (i as f64 - mx)).powi(2))
            .sum();
        let error = (residual / (n - 2.0) / xx).sqrt();
        let (from, to) = (my - slope * mx, my + slope * mx);
        let scale = self.first.unwrap_or(my).abs().max(my.abs()).max(f64::MIN_POSITIVE);
        // A perfect line has no error: any slope is significant then, and none is not.
        let significance = if slope == 0.0 { 0.0 } else { slope / error };
        Change { from, to, relative: (to - from) / scale, significance }
    }

    /// Where training has got to: by the trend, and by gradient and curvature when the trend is flat.
    ///
    /// `loss` must be repeatable: the whole data set or one fixed batch, without dropout. It is given
    /// copies of the model, which itself is not touched, on a device with autodiff.
    ///
    /// # Errors
    ///
    /// [`NonFinite`] when the loss or a gradient near the model is NaN or infinite.
    pub fn judge<M: Module>(
        &self,
        model: &M,
        mut loss: impl FnMut(&M) -> Tensor<1>,
    ) -> Result<State, NonFinite> {
        match self.trend() {
            Trend::NotFinite => return Ok(State::Diverging { change: None }),
            Trend::Rising(change) => return Ok(State::Diverging { change: Some(change) }),
            Trend::Falling(change) => return Ok(State::StillMoving(Motion::Falling(change))),
            Trend::Unknown { seen, needed } => {
                return Ok(State::StillMoving(Motion::TooEarly { seen, needed }));
            }
            Trend::Flat(_) => {}
        }
        // A copy that shares nothing: a forward pass in training mode moves running statistics.
        let model = model.valid().train();
        let (value, gradient) = gradients(loss(&model), &model)?;
        let (value, gradient_norm) = (f64::from(value), global_norm(&model, &gradient));
        if let (Some(floor), Some(first)) = (self.config.floor, self.first)
            && value - floor <= self.config.floor_tolerance * (first - floor)
        {
            return Ok(State::Converged { loss: value, gradient_norm, curvature: None });
        }
        if gradient_norm > self.config.gradient_tolerance {
            return Ok(State::StillMoving(Motion::Sloping { loss: value, gradient_norm }));
        }
        let curvature = curvature(&model, self.config.iterations, self.config.seed, loss)?;
        Ok(self.stationary(value, gradient_norm, curvature))
    }

    /// Which kind of stationary point.
    fn stationary(&self, loss: f64, gradient_norm: f64, curvature: Curvature) -> State {
        // Below its own resolution a curvature is not to be told from none.
        let flat = self.config.curvature_tolerance.max(curvature.resolution);
        let negative = flat.max(self.config.saddle_ratio * curvature.largest);
        if curvature.smallest < -negative {
            State::Saddle { loss, gradient_norm, curvature }
        } else if curvature.largest <= flat {
            State::Plateau { loss, gradient_norm, curvature }
        } else {
            State::Converged { loss, gradient_norm, curvature: Some(curvature) }
        }
    }
}
