//! Settings of the agent.

use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, positive, unit_interval};
use serde::{Deserialize, Serialize};

/// Settings of [`Td3`](super::Td3); pure data. Defaults are Stable-Baselines3's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Td3Config {
    /// `td3` or `ddpg`: what messages say.
    pub name: String,
    /// Environment steps of the run.
    pub total_steps: u64,
    /// Learning rate of Adam, for all networks.
    pub lr: f64,
    /// Transitions kept.
    pub buffer_size: usize,
    /// Steps of random actions before the first update.
    pub learning_starts: u64,
    /// Transitions of a gradient step.
    pub batch_size: usize,
    /// τ: how far targets move at each step of the actor.
    pub tau: f64,
    /// γ
    pub gamma: f64,
    /// Steps of each environment between two rounds of updates.
    pub train_every: usize,
    /// Gradient steps of a round.
    pub gradient_steps: usize,
    /// Deviation of the noise on actions while learning, actions scaled to ±1.
    pub noise: f64,
    /// Critics: the smallest of their answers is the target. TD3: 2, DDPG: 1.
    pub critics: usize,
    /// Critic steps for each actor step. TD3: 2, DDPG: 1.
    pub policy_every: u64,
    /// Deviation of the noise on the target's action. TD3: 0.2, DDPG: 0.
    pub target_noise: f64,
    /// Bound of that noise.
    pub target_noise_clip: f64,
    /// Units of the hidden layers of every network.
    pub hidden: Vec<usize>,
}

impl Default for Td3Config {
    fn default() -> Self {
        Self {
            name: "td3".to_owned(),
            total_steps: 1_000_000,
            lr: 1e-3,
            buffer_size: 1_000_000,
            learning_starts: 100,
            batch_size: 256,
            tau: 0.005,
            gamma: 0.99,
            train_every: 1,
            gradient_steps: 1,
            noise: 0.1,
            critics: 2,
            policy_every: 2,
            target_noise: 0.2,
            target_noise_clip: 0.5,
            hidden: vec![400, 300],
        }
    }
}

impl Td3Config {
    /// The RL Zoo's settings for Pendulum-v1.
    pub fn pendulum() -> Self {
        Self {
            total_steps: 20_000,
            gamma: 0.98,
            buffer_size: 200_000,
            learning_starts: 10_000,
            ..Self::default()
        }
    }

    /// Checks every field that a buffer or network does not check itself.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[("batch_size", self.batch_size)])?;
        at_least_one(&[("train_every", self.train_every)])?;
        at_least_one(&[("gradient_steps", self.gradient_steps)])?;
        at_least_one(&[("critics", self.critics)])?;
        at_least_one(&[("policy_every", self.policy_every as usize)])?;
        positive("lr", self.lr)?;
        unit_interval("gamma", self.gamma)?;
        unit_interval("tau", self.tau)?;
        [
            ("noise", self.noise),
            ("target_noise", self.target_noise),
            ("target_noise_clip", self.target_noise_clip),
        ]
        .into_iter()
        .find(|(_, value)| !(*value >= 0.0 && value.is_finite()))
        .map_or(Ok(()), |(field, value)| {
            Err(ConfigError::new(field, format!("must be 0 or more, got {value}")))
        })
    }
}
