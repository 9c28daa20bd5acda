//! # Proximal policy optimisation
//!
//! The policy gradient is the gradient at one point: after a single step the policy is another one, and the experience is
//! stale. PPO takes many steps on the same experience and keeps them from going too far.
//!
//! **Importance sampling** corrects for the staleness, r(θ) = π_θ(a|s) / π_old(a|s), but says nothing about policies far from the
//! old one: there the ratio is huge or tiny and the estimate noise. A **trust region** bounds the distance, KL(π_old ‖ π_θ) ≤ δ
//! ([TRPO](https://arxiv.org/abs/1502.05477), at the price of second derivatives). PPO instead removes the incentive to leave:
//!
//! ```text
//! L_clip = E[ min( r·A, clip(r, 1 − ε, 1 + ε)·A ) ]
//!
//!    A > 0                       A < 0
//!  L │    ┌──────               L │
//!    │   ╱                        ├─────┐
//!    │  ╱                         │      ╲
//!    └──┴──┴───── r               └──────┴╲──── r
//!       1  1+ε                       1−ε  1
//! ```
//!
//! An action that was better than expected is made likelier, but beyond 1 + ε nothing more is gained; one that was worse is made
//! rarer down to 1 − ε. The minimum leaves one way open: a ratio that went the wrong way can always be corrected. In full
//!
//! ```text
//! L = −L_clip + c_v · E[(V − R)²] − c_e · E[entropy]          A by GAE, normalised in each minibatch
//! ```
//!
//! Paper: J. Schulman et al., *Proximal policy optimization algorithms*, 2017. <https://arxiv.org/abs/1707.06347>. What the
//! paper leaves open: S. Huang et al., *The 37 implementation details of PPO*, 2022.
//! <https://iclr-blog-track.github.io/2022/03/25/ppo-implementation-details/>
//!
//! ## Differs
//!
//! From the paper: (1) advantages are normalised in each minibatch; (2) gradients are clipped by their global norm; (3) policy and
//! value share no layer; (4) orthogonal initial weights; (5) the mean squared error of the value is not halved. All five as in
//! Stable-Baselines3, from which differ: (6) a truncated episode bootstraps from V of its final observation inside the advantage,
//! where SB3 adds γ·V to the reward: the same numbers, but a normalised reward stays what it is; (7) no state-dependent
//! exploration; (8) the KL stop is looked at before every step, as there, and ends the whole update.

mod config;
mod loss;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;

use crate::agent::on_policy::{Actor, descend, diverged, rows, shuffle};
use crate::agent::{Agent, AgentError, Parts, Policy, Report, Stage};
use crate::policy::adam::optimizer;
use crate::vector::VecEnv;

pub use config::PpoConfig;
pub(crate) use loss::{Outputs, divergence, loss};

/// The agent; see the [module page](self).
pub struct Ppo {
    /// The settings it was built with.
    pub config: PpoConfig,
    /// Networks, environments and experience.
    actor: Actor,
    optim: ModuleOptimizer,
    updates: u64,
}

impl Ppo {
    /// An agent that has learnt nothing yet. Everything random follows from `seed`.
    ///
    /// # Errors
    ///
    /// [`AgentError`]: a setting that cannot be used, or a space that contains nothing.
    pub fn new(
        config: PpoConfig,
        envs: Box<dyn VecEnv>,
        seed: u64,
        device: &Device,
    ) -> Result<Self, AgentError> {
        config.validate()?;
        let stage = Stage::new(envs, seed, config.normalize.then_some(config.gamma))?;
        let actor = Actor::new(stage, &config.network, seed, device)?;
        Ok(Self { actor, optim: optimizer(1e-5, device)?, updates: 0, config })
    }

    /// Several passes over the rollout. Returns mean loss, mean KL and the share of clipped ratios.
    fn update(&mut self, progress: f64) -> Result<[f64; 3], AgentError> {
        let (lr, clip) = (self.config.lr.at(progress), self.config.clip.at(progress));
        let mut order: Vec<usize> = (0..self.actor.rollout.len()).collect();
        let mut sums = [0.0; 3];
        let mut count = 0.0_f64;
        'update: for _epoch in 0..self.config.epochs {
            shuffle(&mut order, &mut self.actor.rng);
            for batch in order.chunks(self.config.batch_size) {
                let width = self.actor.stage.width();
                let observations = rows(&self.actor.rollout.observations, width, batch, &self.actor.device);
                let trace = self.actor.net.trace(observations);
                let outputs = Outputs::new(&trace.params, &trace.values, trace.log_std.as_ref());
                let Actor { rollout, distribution, device, .. } = &self.actor;
                let (loss, log_ratio) =
                    loss(&self.config, distribution, rollout, outputs, batch, clip, device);
                let (kl, clipped) = divergence(log_ratio, clip);
                if self.config.target_kl.is_some_and(|target| kl > 1.5 * target) {
                    break 'update;
                }
                let gradients = self.actor.net.gradients(trace, &loss);
                if descend(&mut self.actor.net, &mut self.optim, lr, gradients, self.config.max_norm)
                    .is_none()
                {
                    return Err(diverged("ppo", self.updates, self.actor.stage.steps));
                }
                self.updates += 1;
                count += 1.0;
                for (sum, value) in sums.iter_mut().zip([loss.into_scalar::<f64>(), kl, clipped]) {
                    *sum += value;
                }
            }
        }
        Ok(sums.map(|sum| sum / count.max(1.0)))
    }
}

impl Policy for Ppo {
    fn act(&mut self, observations: &[f32], actions: &mut Vec<f32>) {
        self.actor.act(observations, actions);
    }
}

impl Agent for Ppo {
    fn name(&self) -> &'static str {
        "ppo"
    }

    fn advance(&mut self) -> Result<Report, AgentError> {
        let progress = self.steps() as f64 / self.config.total_steps as f64;
        self.actor.rollout.clear();
        for _ in 0..self.config.n_steps {
            self.actor.step()?;
        }
        self.actor.finish(self.config.gamma, self.config.lambda);
        let [loss, kl, clipped] = self.update(progress)?;
        self.actor.host = self.actor.net.on_host();
        let explained_variance = self.actor.rollout.explained_variance();
        let figures = vec![
            ("loss", loss),
            ("kl", kl),
            ("clipped", clipped),
            ("explained_variance", explained_variance),
        ];
        Ok(self.actor.stage.report(self.updates, figures))
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
        let fresh = optimizer(1e-5, &self.actor.device)?;
        (self.optim, self.updates) = self.actor.load(parts, fresh)?;
        Ok(())
    }
}
