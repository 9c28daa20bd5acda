//! # Deep Q-networks
//!
//! Q-learning with a network in place of the table: Q(s, a) is the return of doing a in s and the best ever after, and obeys
//!
//! ```text
//! Q(s, a) = E[ r + γ · max over a′ of Q(s′, a′) ]
//! ```
//!
//! A network that is regressed on the right-hand side chases its own tail: targets move with every step, and neighbouring samples
//! are alike. Two ideas made it work: **replay**, which mixes the order of experience, and a **target network**, a copy that the
//! targets are computed with and that is renewed only now and then. Exploration is ε-greedy, ε falling over the run.
//!
//! | improvement | what it changes | setting |
//! |---|---|---|
//! | double ([2016](https://arxiv.org/abs/1509.06461)) | the network chooses a′, the target values it: max no longer picks the luckiest error | `double` |
//! | duelling ([2016](https://arxiv.org/abs/1511.06581)) | Q = V + A − mean(A): what a state is worth is learnt from every action | `dueling` |
//! | prioritised ([2016](https://arxiv.org/abs/1511.05952)) | surprising transitions are drawn more often | `priority` |
//! | n-step ([Sutton 1988](https://doi.org/10.1007/BF00115009)) | n true rewards before the guess | `n_step` |
//! | C51 ([2017](https://arxiv.org/abs/1707.06887)) | the whole distribution of returns instead of its mean | `atoms` |
//! | εz-greedy ([2021](https://arxiv.org/abs/2006.01782)) | a random action is kept for a while: steps that cancel out lead nowhere | `repeat` |
//!
//! **C51** gives each action probabilities p over `atoms` fixed returns z₁ … z_k. The target distribution of R + d·z falls between
//! the atoms; each piece of probability is shared by its two neighbours in proportion to nearness ([`project`]), and the
//! network learns by cross-entropy. Q is the mean, Σ p·z.
//!
//! ## Settings
//!
//! The RL Zoo's ([`DqnConfig::zoo_cart_pole`] and its like) end with a perfect agent or a poor one, by chance of the seed: the target is a
//! copy of the network every few steps, the rate stays high to the end. [`DqnConfig::cart_pole`] and its like combine double, n-step and
//! C51 with a target that follows slowly and a rate that falls to zero; what both earn is in `docs/results/rl.md`. Where every reward
//! is negative the support of the returns is [−100, 100] nevertheless: a new network then expects 0, more than there is, and tries
//! what it has not tried (optimistic values: Sutton and Barto, 2.6).
//!
//! Paper: V. Mnih et al., *Human-level control through deep reinforcement learning*, Nature 518, 2015.
//! <https://doi.org/10.1038/nature14236>
//!
//! ## Differs
//!
//! From the paper: (1) Adam instead of RMSProp; (2) the Huber loss stands in for clipped errors, the gradient is clipped by its
//! global norm (both as Stable-Baselines3); (3) the duelling streams split at the last layer, not one before it; (4) prioritised
//! weights are normalised in the batch. From SB3: (5) weights of a new network are those of its own seed, never PyTorch's generator.

mod config;
mod head;
mod projection;
mod whim;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

use crate::agent::off_policy::{Memory, descend, diverged, follow, huber, table};
use crate::agent::{Agent, AgentError, Parts, Policy, Report, Stage};
use crate::buffer::{Replay, ReplayBatch};
use crate::policy::adam::optimizer;
use crate::policy::distribution::argmax;
use crate::policy::{Activation, HostMlp, Mlp, MlpConfig, Weights, leaf};
use crate::random::Pcg64;
use crate::space::Space;
use crate::vector::VecEnv;

use whim::Whims;

pub use config::{Atoms, DqnConfig};
pub use projection::project;

/// The agent; see the [module page](self).
pub struct Dqn {
    /// The settings it was built with.
    pub config: DqnConfig,
    /// From an observation to Q, or to the columns that Q is made of (duelling streams, distributions).
    pub net: Mlp,
    memory: Memory,
    target: Mlp,
    optim: ModuleOptimizer,
    host: HostMlp,
    actions: usize,
    whims: Whims,
    rng: Pcg64,
    updates: u64,
    device: Device,
}

impl Dqn {
    /// An agent that has learnt nothing yet. Everything random follows from `seed`.
    ///
    /// # Errors
    ///
    /// [`AgentError`]: a setting that cannot be used, or actions that are not discrete.
    pub fn new(
        config: DqnConfig,
        envs: Box<dyn VecEnv>,
        seed: u64,
        device: &Device,
    ) -> Result<Self, AgentError> {
        config.validate()?;
        let stage = Stage::new(envs, seed, None)?;
        let Space::Discrete(actions) = *stage.action_space() else {
            let (env, found) = (stage.name().to_owned(), stage.action_space().to_string());
            return Err(AgentError::ActionSpace { agent: "dqn", expected: "discrete", env, found });
        };
        let columns = (actions + usize::from(config.dueling)) * config.atoms.map_or(1, |atoms| atoms.count);
        let net = MlpConfig::new(stage.width(), columns)
            .with_hidden(config.hidden.clone())
            .with_activation(Activation::Relu)
            .with_weights(Weights::Uniform)
            .init(seed, &device.clone().autodiff())?;
        let replay = Replay::new(config.buffer_size, stage.width(), 1, config.priority)?;
        Ok(Self {
            whims: Whims::new(stage.num_envs()),
            memory: Memory::new(stage, replay, config.n_step, config.gamma),
            target: net.valid(),
            optim: optimizer(1e-8, device)?,
            host: net.on_host(),
            rng: Pcg64::new(seed ^ 0xd9_0000),
            updates: 0,
            device: device.clone().inner(),
            config,
            net,
            actions,
        })
    }

    /// What the target network makes of where the batch led: the row of the best next action, `[batch, 1, atoms]`.
    fn next(&self, batch: &ReplayBatch) -> Tensor<3> {
        let width = self.memory.stage.width();
        let next = table(batch.next_observations.clone(), width, &self.device); // [B, O]
        let valued = self.join(self.target.trace(next.clone()).output); // [B, A, atoms]
        let chosen = match self.config.double {
            true => self.q_values(self.join(self.net.trace(next).output)),
            false => self.q_values(valued.clone()),
        };
        let [rows, _, atoms] = valued.dims();
        let best = chosen.argmax(1).reshape([rows, 1, 1]).repeat_dim(2, atoms); // [B, 1, atoms]
        valued.gather(1, best)
    }

    /// One gradient step on a batch from the replay. Returns the loss.
    fn update(&mut self) -> Result<f64, AgentError> {
        let progress = self.memory.stage.steps as f64 / self.config.total_steps as f64;
        let batch = self.memory.replay.sample(self.config.batch_size, progress, &mut self.rng);
        let size = batch.rewards.len();
        let next = self.next(&batch); // [B, 1, atoms]
        let trace =
            self.net.trace(table(batch.observations.clone(), self.memory.stage.width(), &self.device));
        let output = leaf(trace.output.clone());
        let joined = self.join(output.clone()); // [B, A, atoms]
        let atoms = joined.dims()[2];
        let taken: Vec<i32> = batch.actions.iter().map(|&action| action as i32).collect();
        let taken = Tensor::<3, Int>::from_data(TensorData::new(taken, [size, 1, 1]), &self.device);
        let taken = joined.gather(1, taken.repeat_dim(2, atoms)); // [B, 1, atoms]

        let errors: Tensor<2> = match self.config.atoms {
            None => {
                let next: Vec<f32> = next.into_data().iter::<f32>().collect();
                let outcomes = batch.rewards.iter().zip(&batch.discounts).zip(next);
                let targets = outcomes.map(|((r, d), next)| r + d * next).collect();
                taken.squeeze_dim(2) - table(targets, 1, &self.device) // [B, 1]
            }
            Some(support) => {
                let probabilities =
                    activation::softmax(next, 2).into_data().iter::<f32>().collect::<Vec<_>>();
                let targets = project(&support, &probabilities, &batch.rewards, &batch.discounts);
                let targets = table(targets, atoms, &self.device); // [B, atoms]
                let logs = activation::log_softmax(taken, 2).squeeze_dim::<2>(1); // [B, atoms]
                (targets * logs).sum_dim(1).neg() // [B, 1]: the cross-entropy
            }
        };
        let losses = if self.config.atoms.is_some() { errors.clone() } else { huber(errors.clone()) };
        let loss = (losses * table(batch.weights, 1, &self.device)).mean();
        let mut leaves = loss.backward();
        let mut gradients = GradientsParams::new();
        if let Some(delta) = output.grad_remove(&mut leaves) {
            self.net.backward(trace, delta, &mut gradients, false);
        }
        let lr = self.config.lr.at(progress);
        if !descend(&mut self.net, &mut self.optim, lr, gradients, Some(self.config.max_norm)) {
            return Err(diverged("dqn", "the gradient", self.updates, self.memory.stage.steps));
        }
        if self.config.priority.is_some() {
            let errors: Vec<f32> = errors.into_data().iter::<f32>().collect();
            self.memory.replay.update(&batch.indices, &errors);
        }
        self.updates += 1;
        Ok(loss.into_scalar())
    }

    /// ε-greedy actions for where the environments are.
    fn explore(&mut self, epsilon: f64) -> Vec<f32> {
        let mut actions = Vec::new();
        let observations = std::mem::take(&mut self.memory.stage.observations);
        self.act(&observations, &mut actions);
        self.memory.stage.observations = observations;
        self.whims.replace(epsilon, self.config.repeat, self.actions, &mut self.rng, &mut actions);
        actions
    }
}

impl Policy for Dqn {
    fn act(&mut self, observations: &[f32], actions: &mut Vec<f32>) {
        actions.clear();
        let outputs = self.host.forward(observations).to_vec();
        // Joining the duelling streams adds the same to every action: the advantage alone decides. Means of distributions do
        // not simplify like that.
        let columns = outputs.len() / (observations.len() / self.memory.stage.width());
        match self.config.atoms {
            None => actions.extend(outputs.chunks(columns).map(|row| argmax(&row[..self.actions]) as f32)),
            Some(_) => {
                let joined = self.join(table(outputs, columns, &self.device));
                let q: Vec<f32> = self.q_values(joined).into_data().iter::<f32>().collect();
                actions.extend(q.chunks(self.actions).map(|row| argmax(row) as f32));
            }
        }
    }
}

impl Agent for Dqn {
    fn name(&self) -> &'static str {
        "dqn"
    }

    fn advance(&mut self) -> Result<Report, AgentError> {
        let mut epsilon = 0.0;
        for _ in 0..self.config.train_every {
            epsilon = self.config.epsilon.at(self.memory.stage.steps as f64 / self.config.total_steps as f64);
            let warm = self.memory.stage.steps >= self.config.learning_starts;
            let before = self.memory.stage.steps / self.config.target_every;
            let actions = self.explore(if warm { epsilon } else { 1.0 });
            self.memory.step(&actions, &actions)?;
            self.whims.end(&self.memory.stage.terminated, &self.memory.stage.truncated);
            if self.memory.stage.steps / self.config.target_every > before {
                follow(&mut self.target, &self.net, self.config.tau);
            }
        }
        let mut loss = f64::NAN;
        if self.memory.stage.steps > self.config.learning_starts && !self.memory.replay.is_empty() {
            loss = 0.0;
            for _ in 0..self.config.gradient_steps {
                loss += self.update()? / self.config.gradient_steps as f64;
            }
            self.host = self.net.on_host();
        }
        Ok(self.memory.stage.report(self.updates, vec![("loss", loss), ("epsilon", epsilon)]))
    }

    fn steps(&self) -> u64 {
        self.memory.stage.steps
    }

    fn total_steps(&self) -> u64 {
        self.config.total_steps
    }

    fn value(&mut self, observation: &[f32]) -> f32 {
        let output = self.net.trace(table(observation.to_vec(), observation.len(), &self.device)).output;
        self.q_values(self.join(output)).max().into_scalar()
    }

    fn num_params(&self) -> usize {
        self.net.num_params()
    }

    fn save(&self) -> Result<Parts, AgentError> {
        let mut parts = Parts::default();
        parts.put_module("net", &self.net)?;
        parts.put_module("target", &self.target)?;
        parts.put_optimizer("optim", &self.optim)?;
        parts.put_json("whims", &self.whims)?;
        self.memory.save(&mut parts, &self.rng, self.updates)?;
        Ok(parts)
    }

    fn load(&mut self, parts: &Parts) -> Result<(), AgentError> {
        self.net = parts.module("net", self.net.clone())?;
        self.target = parts.module("target", self.target.clone())?;
        self.optim = parts.optimizer("optim", optimizer(1e-8, &self.device)?)?;
        self.whims = parts.json("whims")?;
        (self.rng, self.updates) = self.memory.load(parts)?;
        self.host = self.net.on_host();
        Ok(())
    }
}
