//! # PPO that remembers
//!
//! An agent that sees all that matters can forget the past. Often it does not: a cart's place says nothing of its speed, a door looks
//! the same whether the key was found or not. Such a problem is **partially observable**, and what the agent knows is not its
//! observation but everything it has seen. A network cannot take in a growing past; a recurrent one keeps a summary and renews it in
//! every step:
//!
//! ```text
//! mₜ = LSTM(mₜ₋₁, oₜ)        π(aₜ | mₜ), V(mₜ)        m = 0 where an episode begins
//!
//! rollout k     o₁ o₂ o₃ │ o₁ o₂ …                 rollout k + 1
//!               m carried over ──────────────────▶ stored, and begun with again in every pass of the update
//! ```
//!
//! Learning is [PPO](crate::ppo)'s with two differences. A minibatch is made of whole stretches, because a step means something only after the
//! ones before it: here all steps of some of the environments. And each stretch begins with the memory *stored when it was played*, which
//! the weights have moved on from by the second pass; the error is small as long as PPO keeps policies close, and recomputing it would
//! mean replaying episodes from their start. Gradients stop at the stretch's first step (truncated backpropagation through time), so what has to
//! be remembered longer than `n_steps` is learnt only by luck.
//!
//! | also used | when it is enough |
//! |---|---|
//! | [`FrameStack`](crate::wrapper::FrameStack) | what is missing shows in the last few observations, such as a speed |
//!
//! M. Hausknecht and P. Stone, *Deep recurrent Q-learning for partially observable MDPs*, 2015. <https://arxiv.org/abs/1507.06527>.
//! S. Kapturowski et al., *Recurrent experience replay in distributed reinforcement learning*, 2019, on stored and recomputed memories.
//! <https://openreview.net/forum?id=r1lyTjAqYX>
//!
//! ## Differs
//!
//! From Stable-Baselines3's contributed `RecurrentPPO`: (1) minibatches take whole environments, where it cuts the rollout at a random
//! place and pads; sequences begin with the stored memory in both; (2) one layer of memory each for policy and value, never shared.

mod config;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use serde_json::Value;

use crate::agent::on_policy::{descend, diverged, rows, shuffle};
use crate::agent::{Agent, AgentError, Parts, Policy, Report, Stage};
use crate::buffer::Rollout;
use crate::policy::adam::optimizer;
use crate::policy::{Distribution, HostRecurrent, LstmState, Memories, RecurrentActorCritic};
use crate::ppo::{Outputs, divergence, loss};
use crate::random::Pcg64;
use crate::vector::VecEnv;

pub use config::RecurrentPpoConfig;

/// The agent; see the [module page](self).
pub struct RecurrentPpo {
    /// The settings it was built with.
    pub config: RecurrentPpoConfig,
    net: RecurrentActorCritic,
    host: HostRecurrent,
    distribution: Distribution,
    stage: Stage,
    rollout: Rollout,
    /// Steps of the rollout with which an episode began.
    begins: Vec<bool>,
    /// Environments that show the first observation of an episode now.
    fresh: Vec<bool>,
    /// Now, and when the rollout began.
    memories: [Memories; 2],
    /// Of the episode that [`Policy::act`] plays.
    playing: LstmState,
    rng: Pcg64,
    optim: ModuleOptimizer,
    updates: u64,
    device: Device,
}

impl RecurrentPpo {
    /// An agent that has learnt nothing yet. Everything random follows from `seed`.
    ///
    /// # Errors
    ///
    /// [`AgentError`]: a setting that cannot be used, or a space that contains nothing.
    pub fn new(
        config: RecurrentPpoConfig,
        envs: Box<dyn VecEnv>,
        seed: u64,
        device: &Device,
    ) -> Result<Self, AgentError> {
        config.validate()?;
        let stage = Stage::new(envs, seed, config.ppo.normalize.then_some(config.ppo.gamma))?;
        let distribution = Distribution::of(stage.action_space())?;
        let (space, learning) = (stage.observation_space(), device.clone().autodiff());
        let net = RecurrentActorCritic::new(
            &config.ppo.network,
            config.memory,
            space,
            &distribution,
            seed,
            &learning,
        )?;
        let n = stage.num_envs();
        let memories: Memories = std::array::from_fn(|_| LstmState::zeros(n, config.memory));
        Ok(Self {
            host: net.on_host(),
            rollout: Rollout::default(),
            begins: Vec::new(),
            fresh: vec![true; n],
            memories: [memories.clone(), memories],
            playing: LstmState::default(),
            rng: Pcg64::new(seed ^ 0x9907),
            optim: optimizer(1e-5, device)?,
            updates: 0,
            device: device.clone().inner(),
            config,
            net,
            distribution,
            stage,
        })
    }

    /// Appends one step of every environment to the rollout.
    fn step(&mut self) -> Result<(), AgentError> {
        let Self { host, distribution, stage, rollout, rng, memories: [memories, _], fresh, .. } = self;
        let (params, width) = (distribution.params(), distribution.action_len());
        memories.iter_mut().for_each(|memory| memory.forget(fresh));
        self.begins.extend_from_slice(fresh);
        host.policy_memory.step(&stage.observations, &mut memories[0]);
        host.value_memory.step(&stage.observations, &mut memories[1]);
        rollout.observations.extend_from_slice(&stage.observations);
        rollout.values.extend_from_slice(host.value.forward(&memories[1].hidden));
        let begin = rollout.actions.len();
        rollout.actions.resize(begin + stage.num_envs() * width, 0.0);
        let outputs = host.policy.forward(&memories[0].hidden);
        let rows = outputs.chunks_exact(params).zip(rollout.actions[begin..].chunks_exact_mut(width));
        for (outputs, action) in rows {
            rollout.log_probs.push(distribution.sample(outputs, &host.log_std, rng, action));
        }
        stage.step(&rollout.actions[begin..])?;
        rollout.rewards.extend_from_slice(&stage.rewards);
        rollout.terminated.extend_from_slice(&stage.terminated);
        rollout.truncated.extend_from_slice(&stage.truncated);
        let (observation, units) = (stage.width(), self.config.memory);
        for (i, fresh) in fresh.iter_mut().enumerate() {
            *fresh = stage.terminated[i] || stage.truncated[i];
            let last = &stage.next_observations[i * observation..(i + 1) * observation];
            rollout.final_values.push(if stage.truncated[i] {
                let mut memory = memories[1].rows(units, &[i]);
                host.value_memory.step(last, &mut memory);
                host.value.forward(&memory.hidden)[0]
            } else {
                0.0
            });
        }
        Ok(())
    }

    /// Advantages and returns, with V of where the environments are now.
    fn finish(&mut self) {
        let mut memory = self.memories[0][1].clone();
        memory.forget(&self.fresh);
        self.host.value_memory.step(&self.stage.observations, &mut memory);
        let last_values = self.host.value.forward(&memory.hidden);
        self.rollout.finish(last_values, self.config.ppo.gamma, self.config.ppo.lambda);
    }

    /// Several passes over the rollout. Returns mean loss, mean KL and the share of clipped ratios.
    fn update(&mut self, progress: f64) -> Result<[f64; 3], AgentError> {
        let config = &self.config.ppo;
        let (lr, clip) = (config.lr.at(progress), config.clip.at(progress));
        let (n, width) = (self.stage.num_envs(), self.stage.width());
        let mut order: Vec<usize> = (0..n).collect();
        let mut sums = [0.0; 3];
        let mut count = 0.0_f64;
        'update: for _epoch in 0..config.epochs {
            shuffle(&mut order, &mut self.rng);
            for envs in order.chunks((config.batch_size / config.n_steps).max(1)) {
                let batch: Vec<usize> =
                    (0..config.n_steps).flat_map(|t| envs.iter().map(move |i| t * n + i)).collect();
                let observations = rows(&self.rollout.observations, width, &batch, &self.device); // [T·E, O]
                let begins: Vec<bool> = batch.iter().map(|&row| self.begins[row]).collect();
                let memories =
                    self.memories[1].each_ref().map(|memory| memory.rows(self.config.memory, envs));
                let trace = self.net.trace(observations, &begins, &memories);
                let outputs = Outputs::new(&trace.params, &trace.values, trace.log_std.as_ref());
                let (loss, log_ratio) =
                    loss(config, &self.distribution, &self.rollout, outputs, &batch, clip, &self.device);
                let (kl, clipped) = divergence(log_ratio, clip);
                if config.target_kl.is_some_and(|target| kl > 1.5 * target) {
                    break 'update;
                }
                let gradients = self.net.gradients(trace, &loss);
                if descend(&mut self.net, &mut self.optim, lr, gradients, config.max_norm).is_none() {
                    return Err(diverged("recurrent_ppo", self.updates, self.stage.steps));
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

impl Policy for RecurrentPpo {
    fn act(&mut self, observations: &[f32], actions: &mut Vec<f32>) {
        let mut seen = observations.to_vec();
        self.stage.normalize(&mut seen);
        let n = seen.len() / self.stage.width();
        if self.playing.hidden.len() != n * self.config.memory {
            self.playing = LstmState::zeros(n, self.config.memory);
        }
        self.host.policy_memory.step(&seen, &mut self.playing);
        let outputs = self.host.policy.forward(&self.playing.hidden);
        let width = self.distribution.action_len();
        actions.clear();
        actions.resize(n * width, 0.0);
        let rows = outputs.chunks_exact(self.distribution.params()).zip(actions.chunks_mut(width));
        rows.for_each(|(outputs, action)| self.distribution.mode(outputs, action));
    }

    fn begin(&mut self) {
        self.playing = LstmState::default();
    }
}

impl Agent for RecurrentPpo {
    fn name(&self) -> &'static str {
        "recurrent_ppo"
    }

    fn advance(&mut self) -> Result<Report, AgentError> {
        let progress = self.steps() as f64 / self.config.ppo.total_steps as f64;
        self.rollout.clear();
        self.begins.clear();
        self.memories[1] = self.memories[0].clone();
        for _ in 0..self.config.ppo.n_steps {
            self.step()?;
        }
        self.finish();
        let [loss, kl, clipped] = self.update(progress)?;
        self.host = self.net.on_host();
        let explained = self.rollout.explained_variance();
        let figures =
            vec![("loss", loss), ("kl", kl), ("clipped", clipped), ("explained_variance", explained)];
        Ok(self.stage.report(self.updates, figures))
    }

    fn steps(&self) -> u64 {
        self.stage.steps
    }

    fn total_steps(&self) -> u64 {
        self.config.ppo.total_steps
    }

    /// Of the first observation of an episode.
    fn value(&mut self, observation: &[f32]) -> f32 {
        let mut row = observation.to_vec();
        self.stage.normalize(&mut row);
        let mut memory = LstmState::zeros(1, self.config.memory);
        self.host.value_memory.step(&row, &mut memory);
        self.host.value.forward(&memory.hidden)[0]
    }

    fn num_params(&self) -> usize {
        self.net.num_params()
    }

    fn save(&self) -> Result<Parts, AgentError> {
        let mut parts = Parts::default();
        parts.put_module("net", &self.net)?;
        parts.put_optimizer("optim", &self.optim)?;
        let state = (self.stage.save()?, &self.rng, self.updates, &self.memories[0], &self.fresh);
        parts.put_json("state", &state)?;
        Ok(parts)
    }

    fn load(&mut self, parts: &Parts) -> Result<(), AgentError> {
        self.net = parts.module("net", self.net.clone())?;
        self.optim = parts.optimizer("optim", optimizer(1e-5, &self.device)?)?;
        let (stage, rng, updates, memories, fresh): (Value, _, _, Memories, Vec<bool>) =
            parts.json("state")?;
        self.stage.load(stage)?;
        let sizes = |memories: &Memories| memories.each_ref().map(|m| (m.hidden.len(), m.cell.len()));
        if sizes(&memories) != sizes(&self.memories[0]) || fresh.len() != self.fresh.len() {
            let (part, reason) = ("state".to_owned(), "memories of other sizes".to_owned());
            return Err(AgentError::State { part, reason });
        }
        (self.rng, self.updates, self.memories[0], self.fresh) = (rng, updates, memories, fresh);
        self.host = self.net.on_host();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Ramp;
    use crate::env::make_vec;
    use crate::ppo::PpoConfig;

    /// With weights that do not change, two rollouts leave the memories that one pass over both leaves.
    #[test]
    fn memories_are_carried_over_rollouts_and_forgotten_where_episodes_end() {
        let ppo = PpoConfig { n_steps: 25, epochs: 1, lr: Ramp::constant(0.0), ..PpoConfig::default() };
        let config = RecurrentPpoConfig { ppo, memory: 6 };
        let envs = make_vec("CartPoleNoVel-v1", 3).unwrap();
        let mut agent = RecurrentPpo::new(config, envs, 0, &Device::flex()).unwrap();
        let (mut observations, mut begins) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            agent.advance().unwrap();
            observations.extend_from_slice(&agent.rollout.observations);
            begins.extend_from_slice(&agent.begins);
        }
        assert!(begins[3..75].contains(&true) && begins[78..].contains(&true), "episodes end in both");
        let all: Vec<usize> = (0..150).collect();
        let x = rows(&observations, 4, &all, &Device::flex());
        let output = agent.net.policy_memory.trace(x, &begins, &LstmState::zeros(3, 6)).output;
        let output: Vec<f32> = output.into_data().iter::<f32>().collect();
        for (a, b) in agent.memories[0][0].hidden.iter().zip(&output[147 * 6..]) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }
}
