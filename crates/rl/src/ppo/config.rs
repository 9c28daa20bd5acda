//! Settings of the agent.

use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, positive, unit_interval};
use serde::{Deserialize, Serialize};

use crate::agent::Ramp;
use crate::policy::{Activation, ActorCriticConfig, ConvolutionConfig};

/// Settings of [`Ppo`](super::Ppo); pure data. Defaults are Stable-Baselines3's where nothing else is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PpoConfig {
    /// Environment steps of the run, where schedules end.
    pub total_steps: u64,
    /// Steps of each environment between two updates.
    pub n_steps: usize,
    /// Samples of a gradient step.
    pub batch_size: usize,
    /// Passes over the experience of an update.
    pub epochs: usize,
    /// Learning rate of Adam.
    pub lr: Ramp,
    /// γ
    pub gamma: f64,
    /// λ of the advantage estimate.
    pub lambda: f64,
    /// ε of the clipped ratio.
    pub clip: Ramp,
    /// How far V may move from the value it had, in units of the reward. Default: as far as it likes.
    pub clip_value: Option<f64>,
    /// c_e
    pub entropy: f64,
    /// c_v
    pub value: f64,
    /// Longest gradient let through.
    pub max_norm: f64,
    /// Ends the update when the policy has moved further than 1.5 times this KL divergence. Default: never.
    pub target_kl: Option<f64>,
    /// Subtract the mean of a minibatch's advantages, divide by their deviation.
    pub normalize_advantage: bool,
    /// Learn the scale of observations and rewards on the way. Default: no.
    pub normalize: bool,
    /// Sizes and initial weights of both networks.
    pub network: ActorCriticConfig,
}

impl Default for PpoConfig {
    fn default() -> Self {
        Self {
            total_steps: 1_000_000,
            n_steps: 2_048,
            batch_size: 64,
            epochs: 10,
            lr: Ramp::constant(3e-4),
            gamma: 0.99,
            lambda: 0.95,
            clip: Ramp::constant(0.2),
            clip_value: None,
            entropy: 0.0,
            value: 0.5,
            max_norm: 0.5,
            target_kl: None,
            normalize_advantage: true,
            normalize: false,
            network: ActorCriticConfig::default(),
        }
    }
}

impl PpoConfig {
    /// The RL Zoo's settings for CartPole-v1, for 8 environments.
    pub fn cart_pole() -> Self {
        Self {
            total_steps: 100_000,
            n_steps: 32,
            batch_size: 256,
            epochs: 20,
            lr: Ramp::to_zero(1e-3),
            gamma: 0.98,
            lambda: 0.8,
            clip: Ramp::to_zero(0.2),
            ..Self::default()
        }
    }

    /// The RL Zoo's settings for Acrobot-v1, for 16 environments.
    pub fn acrobot() -> Self {
        Self { n_steps: 256, lambda: 0.94, epochs: 4, normalize: true, ..Self::default() }
    }

    /// The RL Zoo's settings for MountainCar-v0, for 16 environments, with two differences: a learning rate that falls to zero from
    /// more than three times the zoo's, and a γ of 0.995, whose horizon of 200 steps is the episode's.
    pub fn mountain_car() -> Self {
        Self {
            n_steps: 16,
            gamma: 0.995,
            lambda: 0.98,
            epochs: 4,
            normalize: true,
            lr: Ramp::to_zero(1e-3),
            ..Self::default()
        }
    }

    /// The RL Zoo's settings for Pendulum-v1, for 4 environments, with two differences: no state-dependent exploration, and a learning
    /// rate that falls to zero, without which the last policy of some seeds is not their best.
    pub fn pendulum() -> Self {
        Self { total_steps: 100_000, n_steps: 1_024, gamma: 0.9, lr: Ramp::to_zero(1e-3), ..Self::default() }
    }

    /// For Catch-v0, for 16 environments: MinAtar's convolution; the rest chosen by hand, there are no published ones.
    pub fn catch() -> Self {
        let network = ActorCriticConfig {
            hidden: vec![],
            activation: Activation::Relu,
            convolution: Some(ConvolutionConfig::small()),
            ..ActorCriticConfig::default()
        };
        Self {
            total_steps: 200_000,
            n_steps: 64,
            batch_size: 128,
            epochs: 4,
            gamma: 0.95,
            lr: Ramp::to_zero(3e-3),
            entropy: 0.02,
            network,
            ..Self::default()
        }
    }

    /// For Lander-v0, for 16 environments: the RL Zoo's settings for LunarLander-v2, which is the like of it, in half as
    /// many steps again: after 500,000 the policy still hovers when it does not explore.
    pub fn lander() -> Self {
        let (n_steps, entropy) = (1_024, 0.01);
        Self {
            total_steps: 1_500_000,
            n_steps,
            epochs: 4,
            gamma: 0.999,
            lambda: 0.98,
            entropy,
            ..Self::default()
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[("n_steps", self.n_steps)])?;
        at_least_one(&[("batch_size", self.batch_size)])?;
        at_least_one(&[("epochs", self.epochs)])?;
        self.lr.validate("lr")?;
        self.clip.validate("clip")?;
        unit_interval("gamma", self.gamma)?;
        unit_interval("lambda", self.lambda)?;
        positive("max_norm", self.max_norm)?;
        [("clip_value", self.clip_value), ("target_kl", self.target_kl)]
            .into_iter()
            .try_for_each(|(field, value)| value.map_or(Ok(()), |value| positive(field, value)))
    }
}
