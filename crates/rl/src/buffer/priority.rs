//! Settings of prioritised replay.

use fornax_nn_core::ConfigError;
use serde::{Deserialize, Serialize};

/// Settings of prioritised replay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Priority {
    /// α: 0 draws uniformly, 1 in proportion to the error. Default: the paper's 0.6 (proportional variant).
    pub alpha: f64,
    /// β at the start; it rises to 1 linearly over the run. Default: the paper's 0.4.
    pub beta: f64,
    /// ε, so that an error of 0 can be drawn again. Default: 1e-6.
    pub epsilon: f64,
}

impl Default for Priority {
    fn default() -> Self {
        Self { alpha: 0.6, beta: 0.4, epsilon: 1e-6 }
    }
}

impl Priority {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [("alpha", self.alpha), ("beta", self.beta)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(ConfigError::new(field, format!("must lie in [0, 1], got {value}")));
            }
        }
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(ConfigError::new("epsilon", format!("must be positive, got {}", self.epsilon)));
        }
        Ok(())
    }
}
