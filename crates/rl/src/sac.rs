//! # Soft actor-critic
//!
//! **Maximum entropy**: of two policies with the same return prefer the one that is less certain. Every step pays α times the entropy
//! of the policy as well as the reward,
//!
//! ```text
//! J(π) = E[ Σ γᵗ (r + α·H(π(·|s))) ]          V(s) = E over a of [ Q(s, a) − α·log π(a|s) ]
//! ```
//!
//! so the agent explores where it does not matter what it does, keeps more than one way open, and its critic is smooth. The best policy
//! for a given Q is the softmax exp(Q/α); the actor is trained towards it by following the critic's slope through its own sample:
//!
//! ```text
//! critics   Qᵢ(s, a) → r + γ·( min Q′(s′, a′) − α·log π(a′|s′) ),   a′ ~ π(·|s′)
//! actor     minimise E[ α·log π(a|s) − min Q(s, a) ],   a = tanh(μ(s) + σ(s)·ε)              (reparametrised)
//! α         minimise E[ −α·( log π(a|s) + H̄ ) ]                                             (entropy kept at H̄)
//! ```
//!
//! Where the goal lies at the end of a long way, independent draws do not add up to anything: `noise` adds an Ornstein–Uhlenbeck
//! process ([Uhlenbeck and Ornstein 1930](https://doi.org/10.1103/PhysRev.36.823)) to the actions taken, which pushes the same way for a while.
//!
//! With **discrete** actions nothing needs to be sampled: the policy is a softmax, and every expectation over actions a sum.
//!
//! Papers: T. Haarnoja et al., *Soft actor-critic algorithms and applications*, 2018, <https://arxiv.org/abs/1812.05905>;
//! P. Christodoulou, *Soft actor-critic for discrete action settings*, 2019, <https://arxiv.org/abs/1910.07207>.
//!
//! ## Differs
//!
//! From the paper: (1) the temperature is learnt through log α, so that it stays positive, and its gradient is taken with respect to
//! log α without the factor α (both as Stable-Baselines3); (2) learning begins after `learning_starts` uniform actions. From the
//! discrete paper: (3) the target entropy is half of the highest, not 98 % of it. From SB3: (4) an optimiser for each critic.

mod config;
mod noise;
mod step;

use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};
use serde::{Deserialize, Serialize};

use crate::agent::critic::{Learner, Scale, network};
use crate::agent::off_policy::{Memory, table};
use crate::agent::{Agent, AgentError, Parts, Policy, Report, Stage};
use crate::buffer::Replay;
use crate::policy::distribution::argmax;
use crate::policy::{Distribution, HostMlp, squashed};
use crate::random::Pcg64;
use crate::space::Space;
use crate::vector::VecEnv;

use noise::Wander;

pub use config::{SacConfig, Temperature};

/// The agent; see the [module page](self).
pub struct Sac {
    /// The settings it was built with.
    pub config: SacConfig,
    memory: Memory,
    actions: Kind,
    /// Means and log σ of an action, or a logit for each choice.
    actor: Learner,
    /// Two, each Q(s, a), or Q of every choice.
    critics: Vec<Learner>,
    temperature: LogAlpha,
    noise: Wander,
    host: HostMlp,
    rng: Pcg64,
    updates: u64,
    device: Device,
}

/// Numbers within bounds, or one of n.
#[derive(Debug, Clone)]
enum Kind {
    Box(Scale),
    Choice(usize),
}

/// log α with Adam's moments: one number needs no tensor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct LogAlpha {
    value: f64,
    moments: [f64; 2],
    time: i32,
}

impl LogAlpha {
    fn alpha(&self) -> f64 {
        self.value.exp()
    }

    fn descend(&mut self, gradient: f64, lr: f64) {
        self.time += 1;
        let [m, v] = &mut self.moments;
        *m = 0.9 * *m + 0.1 * gradient;
        *v = 0.999 * *v + 0.001 * gradient * gradient;
        let (m, v) = (*m / (1.0 - 0.9_f64.powi(self.time)), *v / (1.0 - 0.999_f64.powi(self.time)));
        self.value -= lr * m / (v.sqrt() + 1e-8);
    }
}

impl Sac {
    /// An agent that has learnt nothing yet. Everything random follows from `seed`.
    ///
    /// # Errors
    ///
    /// [`AgentError`]: a setting that cannot be used, or an action space that is neither discrete nor bounded numbers.
    pub fn new(
        config: SacConfig,
        envs: Box<dyn VecEnv>,
        seed: u64,
        device: &Device,
    ) -> Result<Self, AgentError> {
        config.validate()?;
        let device = device.clone().inner();
        let stage = Stage::new(envs, seed, None)?;
        let width = stage.width();
        let (actions, outputs, critic) = match stage.action_space() {
            Space::Discrete(n) => (Kind::Choice(*n), *n, (width, *n)),
            space => {
                let scale = Scale::of(space, "sac", stage.name())?;
                let len = scale.len();
                (Kind::Box(scale), 2 * len, (width + len, 1))
            }
        };
        let mut rng = Pcg64::new(seed ^ 0x5ac);
        let mut learner = |(inputs, outputs)| {
            Learner::new(network(inputs, outputs, &config.hidden, rng.next_u64(), &device)?, &device)
        };
        let actor = learner((width, outputs))?;
        let critics = vec![learner(critic)?, learner(critic)?];
        let stored = if let Kind::Box(scale) = &actions { scale.len() } else { 1 };
        let replay = Replay::new(config.buffer_size, width, stored, None)?;
        let numbers = stage.num_envs() * stored;
        let value = match config.temperature {
            Temperature::Fixed(alpha) => alpha.ln(),
            Temperature::Auto { .. } => 0.0,
        };
        Ok(Self {
            memory: Memory::new(stage, replay, 1, config.gamma),
            host: actor.net.on_host(),
            temperature: LogAlpha { value, moments: [0.0; 2], time: 0 },
            noise: Wander::new(config.noise, numbers),
            updates: 0,
            config,
            actions,
            actor,
            critics,
            rng,
            device,
        })
    }

    /// α, the price of entropy now.
    pub fn alpha(&self) -> f64 {
        self.temperature.alpha()
    }

    /// The entropy that the policy is to keep.
    fn target_entropy(&self) -> f64 {
        match (&self.actions, self.config.temperature) {
            (Kind::Box(scale), _) => -(scale.len() as f64),
            (Kind::Choice(n), Temperature::Auto { share }) => share * (*n as f64).ln(),
            (Kind::Choice(_), Temperature::Fixed(_)) => 0.0,
        }
    }

    /// What the policy draws for what the environments show, numbers in [−1, 1]; uniform at first.
    fn explore(&mut self) -> Vec<f32> {
        let stage = &self.memory.stage;
        let random = stage.steps < self.config.learning_starts;
        let outputs = self.host.forward(&stage.observations);
        let (n, mut actions) = (stage.num_envs(), Vec::new());
        match &self.actions {
            Kind::Choice(choices) => {
                actions.resize(n, 0.0);
                let distribution = Distribution::Categorical(*choices);
                for (logits, action) in outputs.chunks_exact(*choices).zip(actions.chunks_mut(1)) {
                    if random {
                        action[0] = self.rng.below(*choices as u64) as f32;
                    } else {
                        distribution.sample(logits, &[], &mut self.rng, action);
                    }
                }
            }
            Kind::Box(scale) => {
                let len = scale.len();
                actions.resize(n * len, 0.0);
                for (params, action) in outputs.chunks_exact(2 * len).zip(actions.chunks_mut(len)) {
                    if random {
                        action.iter_mut().for_each(|a| *a = self.rng.uniform(-1.0, 1.0) as f32);
                    } else {
                        squashed::act(params, &mut self.rng, action);
                    }
                }
                self.noise.push(self.config.noise, &mut self.rng, &mut actions);
            }
        }
        actions
    }
}

impl Policy for Sac {
    fn act(&mut self, observations: &[f32], actions: &mut Vec<f32>) {
        actions.clear();
        let outputs = self.host.forward(observations);
        match &self.actions {
            Kind::Choice(n) => actions.extend(outputs.chunks_exact(*n).map(|logits| argmax(logits) as f32)),
            Kind::Box(scale) => {
                let len = scale.len();
                actions.resize(outputs.len() / 2, 0.0);
                for (params, action) in outputs.chunks_exact(2 * len).zip(actions.chunks_mut(len)) {
                    squashed::mode(&params[..len], action);
                }
                scale.to_env(actions);
            }
        }
    }
}

impl Agent for Sac {
    fn name(&self) -> &'static str {
        "sac"
    }

    fn advance(&mut self) -> Result<Report, AgentError> {
        for _ in 0..self.config.train_every {
            let stored = self.explore();
            let mut actions = stored.clone();
            if let Kind::Box(scale) = &self.actions {
                scale.to_env(&mut actions);
            }
            self.memory.step(&actions, &stored)?;
            self.noise.rest(&self.memory.stage.terminated, &self.memory.stage.truncated);
        }
        let mut figures = vec![("alpha", self.alpha())];
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
        let output = self.actor.net.trace(observation.clone()).output;
        match &self.actions {
            Kind::Choice(_) => {
                let q = self.critics[0].net.trace(observation).output; // [1, n]
                (activation::softmax(output, 1) * q).sum().into_scalar()
            }
            Kind::Box(scale) => {
                let action = output.narrow(1, 0, scale.len()).tanh();
                self.critics[0].net.trace(Tensor::cat(vec![observation, action], 1)).output.into_scalar()
            }
        }
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
        parts.put_json("temperature", &self.temperature)?;
        parts.put_json("noise", &self.noise)?;
        self.memory.save(&mut parts, &self.rng, self.updates)?;
        Ok(parts)
    }

    fn load(&mut self, parts: &Parts) -> Result<(), AgentError> {
        self.actor.load("actor", parts)?;
        for (i, critic) in self.critics.iter_mut().enumerate() {
            critic.load(&format!("critic-{i}"), parts)?;
        }
        self.temperature = parts.json("temperature")?;
        self.noise = parts.json("noise")?;
        (self.rng, self.updates) = self.memory.load(parts)?;
        self.host = self.actor.net.on_host();
        Ok(())
    }
}
