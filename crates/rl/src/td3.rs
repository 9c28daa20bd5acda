//! # Twin delayed DDPG
//!
//! A maximum over noisy estimates is biased upwards: `E[max Q] ≥ max E[Q]`. In [DDPG](crate::ddpg) the actor seeks that maximum with
//! every step, the critic learns from what the actor found, and values drift off into the sky. TD3 makes three repairs:
//!
//! ```text
//! twin critics    y = r + γ · min(Q₁′(s′, ã), Q₂′(s′, ã))          an error has to be made twice to count
//! smoothing       ã = clip(μ′(s′) + clip(ε, ±c), ±1)               near actions have near values: no sharp peaks to climb
//! delay           the actor and all targets move every second step  a critic is climbed when it has settled
//! ```
//!
//! Pessimism costs little: an action whose value is underestimated is simply not chosen, one that is overestimated is sought out.
//!
//! ```text
//!   s ──▶ actor ──▶ a ──┬──▶ Q₁ ──▶ ∂Q₁/∂a ──▶ actor
//!   s ──────────────────┤
//!                       └──▶ Q₂                min(Q₁′, Q₂′) ──▶ targets of both
//! ```
//!
//! Paper: S. Fujimoto, H. van Hoof, D. Meger, *Addressing function approximation error in actor-critic methods*, 2018.
//! <https://arxiv.org/abs/1802.09477>
//!
//! ## Differs
//!
//! From the paper: (1) learning begins after `learning_starts` steps of uniform actions, as there, but the number is the task's. From
//! Stable-Baselines3: (2) the two critics are two networks with an optimiser each, which is the same update as one optimiser over
//! both; (3) the actor's gradient is taken through Q₁ without computing Q₁'s own.

mod config;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

use crate::agent::critic::{Learner, Scale, network, smallest, targets};
use crate::agent::off_policy::{Memory, diverged, table};
use crate::agent::{Agent, AgentError, Parts, Policy, Report, Stage};
use crate::buffer::{Replay, ReplayBatch};
use crate::policy::HostMlp;
use crate::random::Pcg64;
use crate::vector::VecEnv;

pub use config::Td3Config;

/// The agent; see the [module page](self).
pub struct Td3 {
    /// The settings it was built with.
    pub config: Td3Config,
    name: &'static str,
    memory: Memory,
    scale: Scale,
    /// From an observation to tanh⁻¹ of the action.
    actor: Learner,
    critics: Vec<Learner>,
    host: HostMlp,
    rng: Pcg64,
    updates: u64,
    device: Device,
}

impl Td3 {
    /// An agent that has learnt nothing yet. Everything random follows from `seed`.
    ///
    /// # Errors
    ///
    /// [`AgentError`]: a setting that cannot be used, or actions that are not continuous with bounds.
    pub fn new(
        config: Td3Config,
        envs: Box<dyn VecEnv>,
        seed: u64,
        device: &Device,
    ) -> Result<Self, AgentError> {
        config.validate()?;
        let device = device.clone().inner();
        let stage = Stage::new(envs, seed, None)?;
        let name = if config.name == "ddpg" { "ddpg" } else { "td3" };
        let scale = Scale::of(stage.action_space(), name, stage.name())?;
        let (width, len) = (stage.width(), scale.len());
        let mut rng = Pcg64::new(seed ^ 0x7d3);
        let actor = Learner::new(network(width, len, &config.hidden, rng.next_u64(), &device)?, &device)?;
        let critics = (0..config.critics).map(|_| {
            Learner::new(network(width + len, 1, &config.hidden, rng.next_u64(), &device)?, &device)
        });
        let critics = critics.collect::<Result<Vec<_>, _>>()?;
        let replay = Replay::new(config.buffer_size, width, len, None)?;
        Ok(Self {
            memory: Memory::new(stage, replay, 1, config.gamma),
            host: actor.net.on_host(),
            updates: 0,
            config,
            name,
            scale,
            actor,
            critics,
            rng,
            device,
        })
    }

    /// Actions in [−1, 1] for what the environments show: random at first, then the actor's with noise.
    fn explore(&mut self) -> Vec<f32> {
        let stage = &self.memory.stage;
        if stage.steps < self.config.learning_starts {
            let count = stage.num_envs() * self.scale.len();
            return (0..count).map(|_| self.rng.uniform(-1.0, 1.0) as f32).collect();
        }
        let mut actions: Vec<f32> = self.host.forward(&stage.observations).iter().map(|u| u.tanh()).collect();
        for action in &mut actions {
            *action = (*action + (self.config.noise * self.rng.normal()) as f32).clamp(-1.0, 1.0);
        }
        actions
    }

    /// The target's actions with noise, `[batch, dim]`.
    fn smoothed(&mut self, next: Tensor<2>) -> Tensor<2> {
        let actions = self.actor.target.trace(next).output.tanh(); // [B, dim]
        if self.config.target_noise == 0.0 {
            return actions;
        }
        let [rows, dim] = actions.dims();
        let bound = self.config.target_noise_clip;
        let noise = (0..rows * dim)
            .map(|_| (self.config.target_noise * self.rng.normal()).clamp(-bound, bound) as f32)
            .collect();
        (actions + table(noise, dim, &self.device)).clamp(-1.0, 1.0)
    }

    /// One step of the critics, and of the actor when it is its turn. Returns the critics' mean loss.
    fn update(&mut self) -> Result<f64, AgentError> {
        let batch = self.memory.replay.sample(self.config.batch_size, 0.0, &mut self.rng);
        let ReplayBatch { observations, actions, rewards, discounts, next_observations, .. } = batch;
        let width = self.memory.stage.width();
        let observations = table(observations, width, &self.device); // [B, O]
        let next = table(next_observations, width, &self.device); // [B, O]
        let next = Tensor::cat(vec![next.clone(), self.smoothed(next)], 1); // [B, O + dim]
        let next = smallest(self.critics.iter().map(|critic| critic.target.trace(next.clone()).output));
        let targets = targets(&rewards, &discounts, next); // [B, 1]
        let input =
            Tensor::cat(vec![observations.clone(), table(actions, self.scale.len(), &self.device)], 1);
        let stop = diverged(self.name, "the critic's gradient", self.updates, self.memory.stage.steps);
        let mut loss = 0.0;
        for critic in &mut self.critics {
            match critic.regress(input.clone(), targets.clone(), self.config.lr) {
                Some(part) => loss += part / self.config.critics as f64,
                None => return Err(stop),
            }
        }
        self.updates += 1;
        if self.updates.is_multiple_of(self.config.policy_every) {
            self.climb(observations)?;
            self.actor.follow(self.config.tau);
            self.critics.iter_mut().for_each(|critic| critic.follow(self.config.tau));
        }
        Ok(loss)
    }

    /// One step of the actor up the first critic.
    fn climb(&mut self, observations: Tensor<2>) -> Result<(), AgentError> {
        let [rows, width] = observations.dims();
        let trace = self.actor.net.trace(observations.clone());
        let actions = trace.output.clone().tanh(); // [B, dim]
        let critic = &self.critics[0].net;
        let valued = critic.trace(Tensor::cat(vec![observations, actions.clone()], 1));
        let up = valued.output.ones_like() * (-1.0 / rows as f32); // ∂(−mean Q)/∂Q, [B, 1]
        let slope = critic.backward_input(valued, up).narrow(1, width, self.scale.len()); // ∂/∂a, [B, dim]
        let delta = slope * (actions.square().neg() + 1.0); // through the tanh
        let mut gradients = GradientsParams::new();
        self.actor.net.backward(trace, delta, &mut gradients, false);
        if self.actor.descend(self.config.lr, gradients) {
            Ok(())
        } else {
            Err(diverged(self.name, "the actor's gradient", self.updates, self.memory.stage.steps))
        }
    }
}

impl Policy for Td3 {
    fn act(&mut self, observations: &[f32], actions: &mut Vec<f32>) {
        actions.clear();
        actions.extend(self.host.forward(observations).iter().map(|u| u.tanh()));
        self.scale.to_env(actions);
    }
}

impl Agent for Td3 {
    fn name(&self) -> &'static str {
        self.name
    }

    fn advance(&mut self) -> Result<Report, AgentError> {
        for _ in 0..self.config.train_every {
            let stored = self.explore();
            let mut actions = stored.clone();
            self.scale.to_env(&mut actions);
            self.memory.step(&actions, &stored)?;
        }
        let mut figures = Vec::new();
        if self.memory.stage.steps > self.config.learning_starts {
            let mut loss = 0.0;
            for _ in 0..self.config.gradient_steps {
                loss += self.update()? / self.config.gradient_steps as f64;
            }
            self.host = self.actor.net.on_host();
            figures.push(("critic_loss", loss));
        }
        Ok(self.memory.stage.report(self.updates, figures))
    }

    fn steps(&self) -> u64 {
        self.memory.stage.steps
    }

    fn total_steps(&self) -> u64 {
        self.config.total_steps
    }

    fn value(&mut self, observation: &[f32]) -> f32 {
        let observation = table(observation.to_vec(), observation.len(), &self.device); // [1, O]
        let action = self.actor.net.trace(observation.clone()).output.tanh();
        self.critics[0].net.trace(Tensor::cat(vec![observation, action], 1)).output.into_scalar()
    }

    fn num_params(&self) -> usize {
        self.actor.net.num_params() + self.critics.iter().map(|critic| critic.net.num_params()).sum::<usize>()
    }

    fn save(&self) -> Result<Parts, AgentError> {
        let mut parts = Parts::default();
        self.actor.save("actor", &mut parts)?;
        for (i, critic) in self.critics.iter().enumerate() {
            critic.save(&format!("critic-{i}"), &mut parts)?;
        }
        self.memory.save(&mut parts, &self.rng, self.updates)?;
        Ok(parts)
    }

    fn load(&mut self, parts: &Parts) -> Result<(), AgentError> {
        self.actor.load("actor", parts)?;
        for (i, critic) in self.critics.iter_mut().enumerate() {
            critic.load(&format!("critic-{i}"), parts)?;
        }
        (self.rng, self.updates) = self.memory.load(parts)?;
        self.host = self.actor.net.on_host();
        Ok(())
    }
}
