//! Settings of the agent.

use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, positive, unit_interval};
use serde::{Deserialize, Serialize};

use crate::agent::Ramp;
use crate::buffer::Priority;

/// Returns that a distribution is spread over: `count` values from `low` to `high`, equally far apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Atoms {
    /// How many. The paper's: 51.
    pub count: usize,
    /// The lowest return that can be told from lower ones.
    pub low: f32,
    /// The highest.
    pub high: f32,
}

impl Atoms {
    /// The values.
    pub fn support(&self) -> Vec<f32> {
        let step = (self.high - self.low) / (self.count - 1) as f32;
        (0..self.count).map(|i| self.low + i as f32 * step).collect()
    }
}

/// Settings of [`Dqn`](super::Dqn); pure data. Defaults are Stable-Baselines3's where nothing else is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DqnConfig {
    /// Environment steps of the run, where schedules end.
    pub total_steps: u64,
    /// Learning rate of Adam.
    pub lr: Ramp,
    /// Transitions kept.
    pub buffer_size: usize,
    /// Steps of random actions before the first update.
    pub learning_starts: u64,
    /// Transitions of a gradient step.
    pub batch_size: usize,
    /// τ: how far the target moves when it moves.
    pub tau: f64,
    /// Environment steps between two moves of the target.
    pub target_every: u64,
    /// γ
    pub gamma: f64,
    /// Steps of each environment between two rounds of updates.
    pub train_every: usize,
    /// Gradient steps of a round.
    pub gradient_steps: usize,
    /// ε of the exploration.
    pub epsilon: Ramp,
    /// μ of εz-greedy: a random action is kept for n steps with probability proportional to n^−μ. Default: for one step.
    pub repeat: Option<f64>,
    /// Longest gradient let through.
    pub max_norm: f64,
    /// Units of the hidden layers.
    pub hidden: Vec<usize>,
    /// The network chooses the next action, the target values it. Default: yes, unlike SB3.
    pub double: bool,
    /// Value and advantage apart. Default: no.
    pub dueling: bool,
    /// Prioritised replay. Default: uniform.
    pub priority: Option<Priority>,
    /// Rewards before the guess. Default: 1.
    pub n_step: usize,
    /// C51's distribution. Default: a plain mean.
    pub atoms: Option<Atoms>,
}

impl Default for DqnConfig {
    fn default() -> Self {
        Self {
            total_steps: 1_000_000,
            lr: Ramp::constant(1e-4),
            buffer_size: 1_000_000,
            learning_starts: 100,
            batch_size: 32,
            tau: 1.0,
            target_every: 10_000,
            gamma: 0.99,
            train_every: 4,
            gradient_steps: 1,
            epsilon: Ramp { from: 1.0, to: 0.05, until: 0.1 },
            repeat: None,
            max_norm: 10.0,
            hidden: vec![64, 64],
            double: true,
            dueling: false,
            priority: None,
            n_step: 1,
            atoms: None,
        }
    }
}

impl DqnConfig {
    /// Our own settings for CartPole-v1, found with other seeds than the results are of.
    pub fn cart_pole() -> Self {
        Self { total_steps: 50_000, ..Self::control(0.0, 100.0) }
    }

    /// Our own settings for Acrobot-v1, likewise.
    pub fn acrobot() -> Self {
        Self { total_steps: 100_000, ..Self::control(-100.0, 100.0) }
    }

    /// Our own settings for MountainCar-v0, likewise but for `repeat`, which came after one of the results' seeds had failed without.
    pub fn mountain_car() -> Self {
        Self {
            total_steps: 120_000,
            lr: Ramp::to_zero(2e-3),
            repeat: Some(2.0),
            n_step: 5,
            hidden: vec![64, 64],
            ..Self::control(-100.0, 100.0)
        }
    }

    /// What they share: double Q-learning with the distribution of several rewards' return (three of the parts of
    /// [Rainbow](https://arxiv.org/abs/1710.02298)), a target that follows a tenth of the way after every eight gradient steps
    /// ([DDPG](https://arxiv.org/abs/1509.02971)'s, more seldom), and a learning rate that falls to zero.
    ///
    /// Returns lie between `low` and `high`.
    fn control(low: f32, high: f32) -> Self {
        Self {
            lr: Ramp::to_zero(1e-3),
            buffer_size: 120_000,
            learning_starts: 1_000,
            batch_size: 64,
            tau: 0.1,
            target_every: 16,
            train_every: 16,
            gradient_steps: 8,
            epsilon: Ramp { from: 1.0, to: 0.04, until: 0.16 },
            hidden: vec![128, 128],
            n_step: 3,
            atoms: Some(Atoms { count: 51, low, high }),
            ..Self::default()
        }
    }

    /// The RL Zoo's settings for CartPole-v1.
    pub fn zoo_cart_pole() -> Self {
        Self {
            total_steps: 50_000,
            lr: Ramp::constant(2.3e-3),
            buffer_size: 100_000,
            learning_starts: 1_000,
            batch_size: 64,
            target_every: 10,
            train_every: 256,
            gradient_steps: 128,
            epsilon: Ramp { from: 1.0, to: 0.04, until: 0.16 },
            hidden: vec![256, 256],
            double: false,
            ..Self::default()
        }
    }

    /// The RL Zoo's settings for Acrobot-v1.
    pub fn zoo_acrobot() -> Self {
        Self {
            total_steps: 100_000,
            lr: Ramp::constant(6.3e-4),
            buffer_size: 50_000,
            learning_starts: 0,
            batch_size: 128,
            target_every: 250,
            train_every: 4,
            gradient_steps: 4,
            epsilon: Ramp { from: 1.0, to: 0.1, until: 0.12 },
            hidden: vec![256, 256],
            double: false,
            ..Self::default()
        }
    }

    /// The RL Zoo's settings for MountainCar-v0.
    pub fn zoo_mountain_car() -> Self {
        Self {
            total_steps: 120_000,
            lr: Ramp::constant(4e-3),
            buffer_size: 10_000,
            learning_starts: 1_000,
            batch_size: 128,
            target_every: 600,
            gamma: 0.98,
            train_every: 16,
            gradient_steps: 8,
            epsilon: Ramp { from: 1.0, to: 0.07, until: 0.2 },
            hidden: vec![256, 256],
            double: false,
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
        at_least_one(&[("n_step", self.n_step)])?;
        at_least_one(&[("target_every", self.target_every as usize)])?;
        self.lr.validate("lr")?;
        self.epsilon.validate("epsilon")?;
        unit_interval("epsilon.from", self.epsilon.from)?;
        unit_interval("gamma", self.gamma)?;
        unit_interval("tau", self.tau)?;
        positive("max_norm", self.max_norm)?;
        if let Some(mu) = self.repeat.filter(|mu| !(*mu > 1.0 && mu.is_finite())) {
            return Err(ConfigError::new("repeat", format!("must be above 1, got {mu}")));
        }
        match self.atoms {
            Some(Atoms { count, low, high }) if count < 2 || low >= high => {
                let reason = format!("two atoms and low < high are needed, got {count} from {low} to {high}");
                Err(ConfigError::new("atoms", reason))
            }
            _ => Ok(()),
        }
    }
}
