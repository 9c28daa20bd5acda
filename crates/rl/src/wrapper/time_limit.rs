//! The clock.

use fornax_nn_core::ConfigError;

use super::{forward, loaded_with, saved_with};
use crate::env::{Action, Env, Outcome, needs_reset};
use crate::error::EnvError;

/// Truncates an episode after so many steps. A last step that also terminates is both, as in Gymnasium.
///
/// ```
/// use fornax_rl::env::{Action, Env, Pendulum};
/// use fornax_rl::wrapper::TimeLimit;
///
/// let mut env = TimeLimit::new(Pendulum::new(), 2)?;
/// env.reset(Some(0))?;
/// assert!(!env.step(Action::Continuous(&[0.0]))?.truncated);
/// assert!(env.step(Action::Continuous(&[0.0]))?.truncated);
/// assert!(env.step(Action::Continuous(&[0.0])).is_err()); // the episode is over
/// # Ok::<(), fornax_rl::EnvError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TimeLimit<E> {
    env: E,
    limit: u32,
    /// Steps of this episode; `None` when none is under way.
    elapsed: Option<u32>,
}

impl<E: Env> TimeLimit<E> {
    /// `env` with episodes of at most `limit` steps.
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when `limit` is 0.
    pub fn new(env: E, limit: u32) -> Result<Self, EnvError> {
        if limit == 0 {
            return Err(ConfigError::new("limit", "must be at least 1 step, got 0").into());
        }
        Ok(Self { env, limit, elapsed: None })
    }

    /// The environment inside.
    pub fn inner(&self) -> &E {
        &self.env
    }

    /// Most steps of an episode.
    pub fn limit(&self) -> u32 {
        self.limit
    }
}

impl<E: Env> Env for TimeLimit<E> {
    forward!(name, observation_space, action_space, view);

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        self.env.reset_into(seed, observation)?;
        self.elapsed = Some(0);
        Ok(())
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let Some(elapsed) = self.elapsed else { return Err(needs_reset(self.name())) };
        let mut outcome = self.env.step_into(action, observation)?;
        outcome.truncated |= elapsed + 1 >= self.limit;
        self.elapsed = (!outcome.done()).then_some(elapsed + 1);
        Ok(outcome)
    }

    fn save(&self) -> Option<serde_json::Value> {
        saved_with(&self.elapsed, self.env.save())
    }

    fn load(&mut self, saved: &serde_json::Value) -> Result<(), EnvError> {
        let (elapsed, inner) = loaded_with(self.env.name(), saved)?;
        self.env.load(inner)?;
        self.elapsed = elapsed;
        Ok(())
    }
}
