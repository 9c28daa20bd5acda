//! A setting that changes over the run.

use serde::{Deserialize, Serialize};

/// From one value to another along a straight line, over the first `until` of the run; then the last value holds.
///
/// ```
/// use fornax_rl::agent::Ramp;
///
/// let epsilon = Ramp { from: 1.0, to: 0.1, until: 0.5 };
/// assert_eq!([0.0, 0.25, 0.5, 1.0].map(|progress| epsilon.at(progress)), [1.0, 0.55, 0.1, 0.1]);
/// assert_eq!(Ramp::constant(3e-4).at(0.7), 3e-4);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ramp {
    /// At the beginning.
    pub from: f64,
    /// At the end.
    pub to: f64,
    /// The share of the run after which `to` is reached.
    pub until: f64,
}

impl Ramp {
    /// The same value all along.
    pub const fn constant(value: f64) -> Self {
        Self { from: value, to: value, until: 1.0 }
    }

    /// Down to zero at the end of the run.
    pub const fn to_zero(from: f64) -> Self {
        Self { from, to: 0.0, until: 1.0 }
    }

    /// The value after `progress` in [0, 1] of the run.
    pub fn at(&self, progress: f64) -> f64 {
        if progress >= self.until {
            return self.to;
        }
        self.from + (self.to - self.from) * progress / self.until
    }

    pub(crate) fn validate(&self, field: &str) -> Result<(), fornax_nn_core::ConfigError> {
        let fine = |value: f64| value >= 0.0 && value.is_finite();
        if fine(self.from) && fine(self.to) && (0.0..=1.0).contains(&self.until) {
            return Ok(());
        }
        let reason = format!("values must be 0 or more and `until` lie in [0, 1], got {self:?}");
        Err(fornax_nn_core::ConfigError::new(field, reason))
    }
}
