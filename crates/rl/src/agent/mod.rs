//! # Agents
//!
//! What all agents have in common: they act ([`Policy`]), they go round by round through experience and learning
//! ([`Agent::advance`]), and their whole state can be taken out and put back ([`Parts`]), so that a resumed run gives the bits of
//! an uninterrupted one.
//!
//! | page | on-policy? | actions | one line |
//! |---|---|---|---|
//! | [`reinforce`](crate::reinforce) | yes | any | the policy gradient theorem, as it stands |
//! | [`a2c`](crate::a2c) | yes | any | a critic instead of the whole return |
//! | [`ppo`](crate::ppo) | yes | any | several steps on the same experience, clipped |
//! | [`recurrent_ppo`](crate::recurrent_ppo) | yes | any | PPO that remembers |
//! | [`dqn`](crate::dqn) | no | discrete | Q-learning with a network, and its six improvements |
//! | [`ddpg`](crate::ddpg) | no | continuous | Q-learning's maximum found by a second network |
//! | [`td3`](crate::td3) | no | continuous | two critics, because one is optimistic |
//! | [`sac`](crate::sac) | no | continuous, discrete | reward and entropy |

pub(crate) mod critic;
pub mod normalize;
pub(crate) mod off_policy;
pub(crate) mod on_policy;
mod parts;
mod ramp;
mod stage;

use std::collections::VecDeque;

use fornax_nn_core::ConfigError;

use crate::callback::{Callback, Flow};
use crate::error::EnvError;

pub use normalize::{Normalizer, RunningMoments};
pub use parts::Parts;
pub use ramp::Ramp;
pub use stage::{Episode, Stage};

/// Why an agent cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The environment refused, or gave a number that is none.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// A setting that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The agent cannot act in this environment.
    #[error("{agent} needs {expected} actions, {env} has {found}")]
    ActionSpace {
        /// The agent.
        agent: &'static str,
        /// What it can do.
        expected: &'static str,
        /// The environment.
        env: String,
        /// Its action space.
        found: String,
    },
    /// Learning produced NaN or infinity; the weights are those before the update.
    #[error(
        "{agent}: {what} is not finite at update {update} ({steps} steps); lower the learning rate or check the rewards' scale"
    )]
    Diverged {
        /// The agent.
        agent: &'static str,
        /// Which quantity.
        what: &'static str,
        /// Updates before it.
        update: u64,
        /// Environment steps before it.
        steps: u64,
    },
    /// A saved state that this agent cannot go on from.
    #[error("saved state, part {part:?}: {reason}")]
    State {
        /// Which part.
        part: String,
        /// What is missing or wrong.
        reason: String,
    },
    /// A callback failed, say because a checkpoint could not be written.
    #[error(transparent)]
    Callback(Box<dyn std::error::Error + Send + Sync>),
}

/// Something that answers observations with actions.
pub trait Policy {
    /// The agent's choice for each observation, without exploration.
    ///
    /// # Shapes
    ///
    /// - observations: `[n, encoded_len]`, rows as [`Space::encode`](crate::Space::encode) writes them
    /// - actions: cleared, then `[n, len]` of the action space, choices as their index
    fn act(&mut self, observations: &[f32], actions: &mut Vec<f32>);

    /// An episode begins: whatever was remembered of the last one is forgotten. Nothing for policies without a memory.
    fn begin(&mut self) {}
}

/// What one round brought.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Environment steps so far.
    pub steps: u64,
    /// Gradient steps so far.
    pub updates: u64,
    /// Episodes that ended in this round.
    pub episodes: Vec<Episode>,
    /// Mean return of the last 100 episodes; NaN before the first.
    pub mean_return: f64,
    /// Losses and other figures of this round, by name.
    pub figures: Vec<(&'static str, f64)>,
}

/// An agent in its environments; see the [module page](self).
pub trait Agent: Policy + Send {
    /// Its name in messages, such as `ppo`.
    fn name(&self) -> &'static str;

    /// One round: some experience, and what is learnt from it.
    ///
    /// # Errors
    ///
    /// [`AgentError`]. The state is then somewhere within the round: go on from a saved one.
    fn advance(&mut self) -> Result<Report, AgentError>;

    /// Environment steps so far.
    fn steps(&self) -> u64;

    /// Environment steps that the run is to have; schedules end there.
    fn total_steps(&self) -> u64;

    /// The return the agent expects from here on, in the units it learns in: V, or Q of what it would do.
    ///
    /// # Shapes
    ///
    /// - observation: `[encoded_len]`
    fn value(&mut self, observation: &[f32]) -> f32;

    /// Learnable numbers.
    fn num_params(&self) -> usize;

    /// Everything the next round depends on: weights, optimisers, environments, replay, normaliser, generators.
    ///
    /// # Errors
    ///
    /// [`AgentError::State`] when an environment cannot be saved.
    fn save(&self) -> Result<Parts, AgentError>;

    /// Goes on from what [`save`](Self::save) returned, in an agent built with the same settings.
    ///
    /// # Errors
    ///
    /// [`AgentError::State`] naming the part that is missing or of other sizes. The state may then be half the old one.
    fn load(&mut self, parts: &Parts) -> Result<(), AgentError>;

    /// Rounds until [`total_steps`](Self::total_steps) or until `callback` has seen enough.
    ///
    /// # Errors
    ///
    /// As for [`advance`](Self::advance), and what the callback reports.
    fn learn(&mut self, callback: &mut dyn Callback) -> Result<(), AgentError>
    where
        Self: Sized,
    {
        while self.steps() < self.total_steps() {
            let report = self.advance()?;
            if callback.after_round(self, &report)? == Flow::Stop {
                break;
            }
        }
        Ok(())
    }
}

/// Runs `work` on a worker of rayon's pool instead of the calling thread, and waits for it.
///
/// The networks here take microseconds a step. Called from outside the pool, each of their parallel parts is handed over to a worker and
/// waited for, which costs as much again, and on a machine with other work a hundred times as much. A training loop that runs
/// inside the pool hands nothing over. The result is the same to the bit.
///
/// ```
/// assert_eq!(fornax_rl::agent::within_pool(|| 6 * 7), 42);
/// ```
pub fn within_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

/// Mean return of the newest `100` episodes.
pub(crate) fn mean_return(recent: &VecDeque<f64>) -> f64 {
    recent.iter().sum::<f64>() / recent.len() as f64
}
