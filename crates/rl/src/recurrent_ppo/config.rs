//! Settings of the agent.

use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use serde::{Deserialize, Serialize};

use crate::policy::{Activation, ActorCriticConfig};
use crate::ppo::PpoConfig;

/// Settings of [`RecurrentPpo`](super::RecurrentPpo); pure data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecurrentPpoConfig {
    /// All that is PPO's. `batch_size` counts steps: divided by `n_steps` it is the number of environments in a minibatch, at least 1.
    pub ppo: PpoConfig,
    /// Units of each memory. Default: Stable-Baselines3's contributed agent's.
    pub memory: usize,
}

impl Default for RecurrentPpoConfig {
    fn default() -> Self {
        Self { ppo: PpoConfig { n_steps: 128, batch_size: 128, ..PpoConfig::default() }, memory: 256 }
    }
}

impl RecurrentPpoConfig {
    /// The RL Zoo's settings for CartPole without velocities, for 8 environments.
    pub fn cart_pole_no_vel() -> Self {
        let network = ActorCriticConfig {
            hidden: vec![64],
            activation: Activation::Relu,
            orthogonal: false,
            ..ActorCriticConfig::default()
        };
        let ppo = PpoConfig { normalize: true, network, ..PpoConfig::cart_pole() };
        Self { ppo, memory: 64 }
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[("memory", self.memory)])?;
        self.ppo.validate()
    }
}
