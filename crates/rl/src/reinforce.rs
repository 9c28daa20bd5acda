//! # REINFORCE
//!
//! The oldest policy gradient. A policy π_θ gives every course of events τ a probability, and the expected return is a sum over all
//! of them. Its gradient looks as if one had to know how the environment works, until the **policy gradient theorem**:
//!
//! ```text
//! J(θ) = E[G]          ∇J = E[ G · ∇log p_θ(τ) ]                    since ∇p = p·∇log p
//!                         = E[ Σₜ Gₜ · ∇log π_θ(aₜ|sₜ) ]            the environment's part of log p does not depend on θ,
//!                                                                    and an action cannot change rewards before it
//! ```
//!
//! Play an episode, and make every action likelier in proportion to what came after it. The estimate is unbiased and its variance
//! enormous: with all returns positive every action is pushed up, the good ones only a little further. A **baseline** b(s), here a
//! network that learns the mean return from s, leaves the mean as it is (Σₐ ∇π(a|s)·b(s) = b(s)·∇1 = 0) and takes out what
//! the action had no part in:
//!
//! ```text
//! ∇J = E[ Σₜ (Gₜ − b(sₜ)) · ∇log π(aₜ|sₜ) ]
//! ```
//!
//! Paper: R. J. Williams, *Simple statistical gradient-following algorithms for connectionist reinforcement learning*, Machine
//! Learning 8, 1992. <https://doi.org/10.1007/BF00992696>
//!
//! ## Differs
//!
//! From the paper: (1) Adam instead of plain ascent; (2) several episodes an update; (3) an episode cut off by a time limit ends with
//! the baseline's value of its last observation, or with 0 when there is no baseline; (4) the mean is over steps, which drops the
//! factor γᵗ of the discounted objective, as everybody does; (5) weights of the returns are normalised over the batch unless
//! `normalize_advantage` is off.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, positive, unit_interval};
use serde::{Deserialize, Serialize};

use crate::agent::on_policy::{Actor, descend, diverged};
use crate::agent::{Agent, AgentError, Parts, Policy, Report, Stage};
use crate::buffer::normalize;
use crate::policy::adam::optimizer;
use crate::policy::{Actions, ActorCriticConfig};
use crate::vector::VecEnv;

/// Settings of [`Reinforce`]; pure data. Nothing is published to take defaults from: these learn CartPole-v1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReinforceConfig {
    /// Environment steps of the run.
    pub total_steps: u64,
    /// Whole episodes of an update, played one after the other.
    pub episodes: usize,
    /// Learning rate of Adam.
    pub lr: f64,
    /// γ
    pub gamma: f64,
    /// Learn the mean return of a state and subtract it.
    pub baseline: bool,
    /// Weights with mean 0 and deviation 1 in each update.
    pub normalize_advantage: bool,
    /// Longest gradient let through.
    pub max_norm: f64,
    /// Sizes and initial weights of both networks.
    pub network: ActorCriticConfig,
}

impl Default for ReinforceConfig {
    fn default() -> Self {
        Self {
            total_steps: 200_000,
            episodes: 8,
            lr: 5e-3,
            gamma: 0.99,
            baseline: true,
            normalize_advantage: true,
            max_norm: 0.5,
            network: ActorCriticConfig::default(),
        }
    }
}

impl ReinforceConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[("episodes", self.episodes)])?;
        positive("lr", self.lr)?;
        unit_interval("gamma", self.gamma)?;
        positive("max_norm", self.max_norm)
    }
}

/// The agent; see the [module page](self).
pub struct Reinforce {
    /// The settings it was built with.
    pub config: ReinforceConfig,
    /// Policy, baseline, environment and the episodes of this update.
    actor: Actor,
    optim: ModuleOptimizer,
    updates: u64,
}

impl Reinforce {
    /// An agent that has learnt nothing yet. Everything random follows from `seed`.
    ///
    /// # Errors
    ///
    /// [`AgentError`]: a setting that cannot be used, or more than one environment (episodes are played one after the other).
    pub fn new(
        config: ReinforceConfig,
        envs: Box<dyn VecEnv>,
        seed: u64,
        device: &Device,
    ) -> Result<Self, AgentError> {
        config.validate()?;
        let stage = Stage::new(envs, seed, None)?;
        if stage.num_envs() != 1 {
            let reason = format!("must be 1, for episodes one after the other, got {}", stage.num_envs());
            return Err(ConfigError::new("num_envs", reason).into());
        }
        let actor = Actor::new(stage, &config.network, seed, device)?;
        Ok(Self { actor, optim: optimizer(1e-8, device)?, updates: 0, config })
    }

    /// One gradient step on the episodes. Returns the loss.
    fn update(&mut self) -> Result<f64, AgentError> {
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
        let (log_prob, _) =
            actor.distribution.evaluate(trace.params.clone(), trace.log_std.clone(), &actions); // [B, 1]
        let mut loss = (log_prob * Tensor::from_inner(column(&rollout.advantages))).mean().neg();
        if config.baseline {
            let errors = trace.values.clone() - Tensor::from_inner(column(&rollout.returns));
            loss = loss + errors.square().mean() * 0.5;
        }
        let gradients = actor.net.gradients(trace, &loss);
        if descend(&mut actor.net, &mut self.optim, config.lr, gradients, config.max_norm).is_none() {
            return Err(diverged("reinforce", self.updates, actor.stage.steps));
        }
        self.updates += 1;
        Ok(loss.into_scalar())
    }
}

impl Policy for Reinforce {
    fn act(&mut self, observations: &[f32], actions: &mut Vec<f32>) {
        self.actor.act(observations, actions);
    }
}

impl Agent for Reinforce {
    fn name(&self) -> &'static str {
        "reinforce"
    }

    fn advance(&mut self) -> Result<Report, AgentError> {
        self.actor.rollout.clear();
        while self.actor.stage.episodes.len() < self.config.episodes {
            self.actor.step()?;
        }
        let rollout = &mut self.actor.rollout;
        if !self.config.baseline {
            rollout.values.fill(0.0);
            rollout.final_values.fill(0.0);
        }
        // λ = 1: the return itself, less the baseline.
        rollout.finish(&[0.0], self.config.gamma, 1.0);
        let loss = self.update()?;
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
        let fresh = optimizer(1e-8, &self.actor.device)?;
        (self.optim, self.updates) = self.actor.load(parts, fresh)?;
        Ok(())
    }
}
