//! Returns and lengths.

use serde::{Deserialize, Serialize};

use super::{forward, loaded_with, saved_with};
use crate::env::{Action, Env, Outcome};
use crate::error::EnvError;

/// A finished episode.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpisodeRecord {
    /// Undiscounted sum of rewards.
    pub total_reward: f64,
    /// Steps.
    pub length: u64,
}

/// Keeps the return and length of every finished episode.
///
/// ```
/// use fornax_rl::env::{Action, Env, CartPole};
/// use fornax_rl::wrapper::Monitor;
///
/// let mut env = Monitor::new(CartPole::new());
/// env.reset(Some(0))?;
/// while !env.step(Action::Discrete(0))?.terminated {}
/// assert_eq!(env.episodes()[0].total_reward, env.episodes()[0].length as f64);
/// # Ok::<(), fornax_rl::EnvError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor<E> {
    env: E,
    log: Log,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    now: EpisodeRecord,
    finished: Vec<EpisodeRecord>,
}

impl<E: Env> Monitor<E> {
    /// Watches `env`.
    pub fn new(env: E) -> Self {
        let now = EpisodeRecord { total_reward: 0.0, length: 0 };
        Self { env, log: Log { now, finished: Vec::new() } }
    }

    /// Every finished episode, in order.
    pub fn episodes(&self) -> &[EpisodeRecord] {
        &self.log.finished
    }

    /// The environment inside.
    pub fn inner(&self) -> &E {
        &self.env
    }
}

impl<E: Env> Env for Monitor<E> {
    forward!(name, observation_space, action_space, view);

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        self.log.now = EpisodeRecord { total_reward: 0.0, length: 0 };
        self.env.reset_into(seed, observation)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let outcome = self.env.step_into(action, observation)?;
        self.log.now.total_reward += outcome.reward;
        self.log.now.length += 1;
        if outcome.done() {
            self.log.finished.push(self.log.now);
        }
        Ok(outcome)
    }

    fn save(&self) -> Option<serde_json::Value> {
        saved_with(&self.log, self.env.save())
    }

    fn load(&mut self, saved: &serde_json::Value) -> Result<(), EnvError> {
        let (log, inner) = loaded_with(self.env.name(), saved)?;
        self.env.load(inner)?;
        self.log = log;
        Ok(())
    }
}
