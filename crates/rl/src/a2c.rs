//! # Advantage actor-critic
//!
//! [REINFORCE](crate::reinforce) waits for the end of an episode and credits every action with all the luck that followed. An
//! **actor-critic** asks a second network, the critic V, what was to be expected, and credits an action with the difference:
//!
//! ```text
//! advantage   A = r₁ + γ·r₂ + … + γⁿ·V(sₙ) − V(s₀)              n true rewards, then the critic's guess (GAE blends the n)
//! actor       ∇ E[ log π(a|s)·A ] + c_e·∇ entropy
//! critic      ∇ E[ (V(s) − R)² ]
//! ```
//!
//! Subtracting V(s) changes nothing in the mean, since E over a of ∇log π(a|s)·b(s) = 0 for every b that does not depend on a, and
//! takes most of the variance away. Guessing the future adds bias, and is what lets the agent learn within an episode: five steps
//! of several environments at once are one batch.
//!
//! ```text
//! envs 1…n ──▶ 5 steps each ──▶ advantages ──▶ one gradient step ──▶ forget, go on
//! ```
//!
//! Paper: V. Mnih et al., *Asynchronous methods for deep reinforcement learning*, 2016. <https://arxiv.org/abs/1602.01783>
//!
//! ## Differs
//!
//! From the paper: (1) environments step together, and one network learns, instead of threads that overwrite each other; (2) policy and
//! value share no layer; (3) RMSProp without a shared statistic. All as in Stable-Baselines3, from which differs: (4) truncated
//! episodes bootstrap inside the advantage, as on the page of [PPO](crate::ppo).

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, positive, unit_interval};
use fornax_nn_core::optim::RmsPropConfig;
use serde::{Deserialize, Serialize};

use crate::agent::on_policy::{Actor, descend, diverged};
use crate::agent::{Agent, AgentError, Parts, Policy, Ramp, Report, Stage};
use crate::buffer::normalize;
use crate::policy::{Actions, ActorCriticConfig};
use crate::vector::VecEnv;

/// Settings of [`A2c`]; pure data. Defaults are Stable-Baselines3's, which are the RL Zoo's for CartPole-v1 too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct A2cConfig {
    /// Environment steps of the run, where schedules end.
    pub total_steps: u64,
    /// Steps of each environment between two updates.
    pub n_steps: usize,
    /// Learning rate of RMSProp.
    pub lr: Ramp,
    /// γ
    pub gamma: f64,
    /// λ of the advantage estimate.
    pub lambda: f64,
    /// c_e
    pub entropy: f64,
    /// Weight of the critic's loss.
    pub value: f64,
    /// Longest gradient let through.
    pub max_norm: f64,
    /// Subtract the mean of the advantages, divide by their deviation. Default: no.
    pub normalize_advantage: bool,
    /// Learn the scale of observations and rewards on the way. Default: no.
    pub normalize: bool,
    /// Sizes and initial weights of both networks.
    pub network: ActorCriticConfig,
}

impl Default for A2cConfig {
    fn default() -> Self {
        Self {
            total_steps: 500_000,
            n_steps: 5,
            lr: Ramp::constant(7e-4),
            gamma: 0.99,
            lambda: 1.0,
            entropy: 0.0,
            value: 0.5,
            max_norm: 0.5,
            normalize_advantage: false,
            normalize: false,
            network: ActorCriticConfig::default(),
        }
    }
}

impl A2cConfig {
    /// The RL Zoo's settings for Acrobot-v1, for 16 environments.
    pub fn acrobot() -> Self {
        Self { normalize: true, ..Self::default() }
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[("n_steps", self.n_steps)])?;
        self.lr.validate("lr")?;
        unit_interval("gamma", self.gamma)?;
        unit_interval("lambda", self.lambda)?;
        positive("max_norm", self.max_norm)
    }
}

/// The agent; see the [module page](self).
pub struct A2c {
    /// The settings it was built with.
    pub config: A2cConfig,
    /// Networks, environments and experience.
    actor: Actor,
    optim: ModuleOptimizer,
    updates: u64,
}

/// RMSProp as the paper's code had it: α = 0.99, ε = 1e-5.
fn rms_prop() -> Result<ModuleOptimizer, ConfigError> {
    RmsPropConfig::new().with_alpha(0.99).with_epsilon(1e-5).init()
}

impl A2c {
    /// An agent that has learnt nothing yet. Everything random follows from `seed`.
    ///
    /// # Errors
    ///
    /// [`AgentError`]: a setting that cannot be used, or a space that contains nothing.
    pub fn new(
        config: A2cConfig,
        envs: Box<dyn VecEnv>,
        seed: u64,
        device: &Device,
    ) -> Result<Self, AgentError> {
        config.validate()?;
        let stage = Stage::new(envs, seed, config.normalize.then_some(config.gamma))?;
        let actor = Actor::new(stage, &config.network, seed, device)?;
        Ok(Self { actor, optim: rms_prop()?, updates: 0, config })
    }

    /// One gradient step on all of the experience. Returns the loss.
    fn update(&mut self, progress: f64) -> Result<f64, AgentError> {
        let (config, actor) = (&self.config, &mut self.actor);
        let rollout = &mut actor.rollout;
        if config.normalize_advantage {
            normalize(&mut rollout.advantages);
        }
        let column = |values: &[f32]| Tensor::<1>::from_data(values, &actor.device).unsqueeze_dim::<2>(1);
        let width = actor.stage.width();
        let observations = column(&rollout.observations).reshape([rollout.len(), width]); // [B, O]
        let trace = actor.net.trace(observations);
        let actions = Actions::new(&actor.distribution, &rollout.actions, &trace.params);
        let (log_prob, entropy) =
            actor.distribution.evaluate(trace.params.clone(), trace.log_std.clone(), &actions); // [B, 1] each
        let policy = (log_prob * Tensor::from_inner(column(&rollout.advantages))).mean().neg();
        let value = (trace.values.clone() - Tensor::from_inner(column(&rollout.returns))).square().mean();
        let loss = policy + value * config.value - entropy.mean() * config.entropy;
        let gradients = actor.net.gradients(trace, &loss);
        let lr = config.lr.at(progress);
        if descend(&mut actor.net, &mut self.optim, lr, gradients, config.max_norm).is_none() {
            return Err(diverged("a2c", self.updates, actor.stage.steps));
        }
        self.updates += 1;
        Ok(loss.into_scalar())
    }
}

impl Policy for A2c {
    fn act(&mut self, observations: &[f32], actions: &mut Vec<f32>) {
        self.actor.act(observations, actions);
    }
}

impl Agent for A2c {
    fn name(&self) -> &'static str {
        "a2c"
    }

    fn advance(&mut self) -> Result<Report, AgentError> {
        let progress = self.steps() as f64 / self.config.total_steps as f64;
        self.actor.rollout.clear();
        for _ in 0..self.config.n_steps {
            self.actor.step()?;
        }
        self.actor.finish(self.config.gamma, self.config.lambda);
        let loss = self.update(progress)?;
        self.actor.host = self.actor.net.on_host();
        Ok(self.actor.stage.report(self.updates, vec![("loss", loss)]))
    }

    fn steps(&self) -> u64 {
        self.actor.stage.steps
    }

    fn total_steps(&self) -> u64 {
        self.config.total_steps
    }

    fn value(&mut self, observation: &[f32]) -> f32 {
        self.actor.value(observation)
    }

    fn num_params(&self) -> usize {
        self.actor.net.num_params()
    }

    fn save(&self) -> Result<Parts, AgentError> {
        self.actor.save(&self.optim, self.updates)
    }

    fn load(&mut self, parts: &Parts) -> Result<(), AgentError> {
        (self.optim, self.updates) = self.actor.load(parts, rms_prop()?)?;
        Ok(())
    }
}
