//! Checks that several configurations share.

use fornax_nn_core::ConfigError;

pub(crate) fn at_least_one(fields: &[(&str, usize)]) -> Result<(), ConfigError> {
    match fields.iter().find(|(_, value)| *value == 0) {
        Some((field, _)) => Err(ConfigError::new(*field, "must be at least 1, got 0")),
        None => Ok(()),
    }
}

pub(crate) fn probability(field: &str, value: f64) -> Result<(), ConfigError> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::new(field, format!("must lie in [0, 1), got {value}")))
}
