//! Numbers that the agent may not see.

use fornax_nn_core::ConfigError;

use super::forward;
use crate::env::{Action, Env, Outcome};
use crate::error::EnvError;
use crate::space::Space;

/// Shows some numbers of an observation as 0, say velocities: what is left does not say what comes next, and the agent has to
/// remember what it saw ([recurrent PPO](crate::recurrent_ppo)).
///
/// ```
/// use fornax_rl::env::{CartPole, Env};
/// use fornax_rl::wrapper::MaskObservation;
///
/// let mut env = MaskObservation::new(CartPole::new(), "CartPole without velocities", &[1, 3])?;
/// let seen = env.reset(Some(0))?;
/// let all = CartPole::new().reset(Some(0))?;
/// assert_eq!(seen, [all[0], 0.0, all[2], 0.0]);
/// # Ok::<(), fornax_rl::EnvError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MaskObservation<E> {
    env: E,
    name: String,
    hidden: Vec<usize>,
}

impl<E: Env> MaskObservation<E> {
    /// Hides the numbers at `hidden`; `name` is what messages call the harder environment.
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when an observation has no such number, or is not a box with 0 between its bounds there.
    pub fn new(env: E, name: impl Into<String>, hidden: &[usize]) -> Result<Self, EnvError> {
        let space = env.observation_space();
        let zero = |i: &usize| match &space {
            Space::Box { low, high, .. } => low.get(*i).is_some_and(|low| (*low..=high[*i]).contains(&0.0)),
            _ => false,
        };
        if let Some(index) = hidden.iter().find(|i| !zero(i)) {
            let reason = format!("number {index} of {space} cannot be shown as 0");
            return Err(ConfigError::new("hidden", reason).into());
        }
        Ok(Self { env, name: name.into(), hidden: hidden.to_vec() })
    }

    fn mask(&self, observation: &mut [f32]) {
        self.hidden.iter().for_each(|&i| observation[i] = 0.0);
    }
}

impl<E: Env> Env for MaskObservation<E> {
    forward!(observation_space, action_space, view, memory);

    fn name(&self) -> &str {
        &self.name
    }

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        self.env.reset_into(seed, observation)?;
        self.mask(observation);
        Ok(())
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let outcome = self.env.step_into(action, observation)?;
        self.mask(observation);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{CartPole, FrozenLakeConfig};

    #[test]
    fn what_cannot_be_hidden_is_named() {
        let error = MaskObservation::new(CartPole::new(), "x", &[0, 4]).unwrap_err().to_string();
        assert!(error.contains("hidden: number 4 of Box("), "{error}");
        let lake = FrozenLakeConfig::lake4x4().init().unwrap();
        assert!(MaskObservation::new(lake, "x", &[0]).is_err());
    }
}
