//! What the environments share: saving, buffers, actions.

use serde_json::Value;

use super::Action;
use crate::error::EnvError;
use crate::space::Space;

/// `save` and `load` of an environment that is serde data.
macro_rules! saved_by_serde {
    () => {
        fn save(&self) -> Option<serde_json::Value> {
            serde_json::to_value(self).ok()
        }

        fn load(&mut self, saved: &serde_json::Value) -> Result<(), $crate::error::EnvError> {
            *self = $crate::env::restored($crate::env::Env::name(self), saved)?;
            Ok(())
        }
    };
}
pub(crate) use saved_by_serde;

/// What `saved` was made from, or whose state it is not.
pub(crate) fn restored<T: serde::de::DeserializeOwned>(env: &str, saved: &Value) -> Result<T, EnvError> {
    T::deserialize(saved).map_err(|error| EnvError::State { env: env.to_owned(), reason: error.to_string() })
}

/// Writes an observation into a caller's buffer, or says that it does not fit.
pub(crate) fn write(env: &str, from: &[f32], to: &mut [f32]) -> Result<(), EnvError> {
    check_len(env, "observation", from.len(), to.len())?;
    to.copy_from_slice(from);
    Ok(())
}

pub(crate) fn check_len(
    env: &str,
    what: &'static str,
    expected: usize,
    found: usize,
) -> Result<(), EnvError> {
    if expected == found {
        Ok(())
    } else {
        Err(EnvError::Size { env: env.to_owned(), what, expected, found })
    }
}

pub(crate) fn needs_reset(env: &str) -> EnvError {
    EnvError::NeedsReset { env: env.to_owned() }
}

/// The choice of a [`Space::Discrete`] of `n`.
pub(crate) fn choice(env: &str, action: Action<'_>, n: usize) -> Result<usize, EnvError> {
    match action {
        Action::Discrete(choice) if choice < n => Ok(choice),
        _ => Err(invalid(env, action, &Space::Discrete(n))),
    }
}

/// `N` finite numbers. Gymnasium's continuous environments accept numbers outside their bounds and clip them, so do these.
pub(crate) fn numbers<const N: usize>(
    env: &str,
    action: Action<'_>,
    space: impl FnOnce() -> Space,
) -> Result<[f32; N], EnvError> {
    if let Action::Continuous(values) = action
        && let Ok(values) = <[f32; N]>::try_from(values)
        && values.iter().all(|value| value.is_finite())
    {
        return Ok(values);
    }
    Err(invalid(env, action, &space()))
}

pub(crate) fn invalid(env: &str, action: Action<'_>, space: &Space) -> EnvError {
    EnvError::InvalidAction { env: env.to_owned(), expected: space.to_string(), found: format!("{action:?}") }
}
