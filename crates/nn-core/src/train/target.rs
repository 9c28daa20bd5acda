//! The figure an example promises.

use std::fmt;

/// A bound that a final figure must keep, for [`Run::check`](super::Run::check).
///
/// ```
/// use fornax_nn_core::train::Target;
///
/// assert!(Target::at_least(0.98).is_met(0.985));
/// assert!(!Target::at_most(0.1).is_met(f64::NAN));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    bound: f64,
    below: bool,
}

impl Target {
    /// The figure must be `bound` or more.
    pub fn at_least(bound: f64) -> Self {
        Self { bound, below: false }
    }

    /// The figure must be `bound` or less.
    pub fn at_most(bound: f64) -> Self {
        Self { bound, below: true }
    }

    /// Whether `value` keeps the bound; NaN never does.
    pub fn is_met(self, value: f64) -> bool {
        if self.below { value <= self.bound } else { value >= self.bound }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.below { "at most" } else { "at least" }, self.bound)
    }
}
