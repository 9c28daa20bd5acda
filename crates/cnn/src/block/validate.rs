//! The checks every configuration makes.

use fornax_nn_core::ConfigError;

/// None of the named sizes may be zero.
pub(crate) fn at_least_one(sizes: &[(&str, usize)]) -> Result<(), ConfigError> {
    match sizes.iter().find(|(_, size)| *size == 0) {
        Some((field, _)) => Err(ConfigError::new(*field, "must be at least 1, got 0")),
        None => Ok(()),
    }
}

/// A probability of dropping something.
pub(crate) fn probability(field: &str, value: f64) -> Result<(), ConfigError> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::new(field, format!("must lie in [0, 1), got {value}")))
}

/// A factor on something that must stay a number above zero.
pub(crate) fn positive(field: &str, value: f64) -> Result<(), ConfigError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(ConfigError::new(field, format!("must be positive and finite, got {value}")))
}
