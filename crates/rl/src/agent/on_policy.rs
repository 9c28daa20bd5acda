//! What the on-policy agents share: gathering a rollout, and rows of it as tensors.

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use fornax_nn_core::clip;
use serde_json::Value;

use super::{AgentError, Parts, Stage};
use crate::buffer::Rollout;
use crate::error::EnvError;
use crate::policy::{ActorCritic, ActorCriticConfig, Distribution, HostActorCritic, StandIn};
use crate::random::Pcg64;

/// Networks, environments and the experience of the present policy.
pub(crate) struct Actor {
    pub(crate) net: ActorCritic,
    pub(crate) host: HostActorCritic,
    pub(crate) distribution: Distribution,
    pub(crate) stage: Stage,
    pub(crate) rollout: Rollout,
    pub(crate) rng: Pcg64,
    /// Where networks are stepped, outside autodiff.
    pub(crate) device: Device,
}

impl Actor {
    pub(crate) fn new(
        stage: Stage,
        network: &ActorCriticConfig,
        seed: u64,
        device: &Device,
    ) -> Result<Self, AgentError> {
        let distribution = Distribution::of(stage.action_space())?;
        let net = network.init(stage.observation_space(), &distribution, seed, &device.clone().autodiff())?;
        Ok(Self {
            host: net.on_host(),
            rollout: Rollout::default(),
            rng: Pcg64::new(seed ^ 0x9907),
            device: device.clone().inner(),
            net,
            distribution,
            stage,
        })
    }

    /// Appends one step of every environment to the rollout, acting by the policy's samples.
    pub(crate) fn step(&mut self) -> Result<(), EnvError> {
        let Self { host, distribution, stage, rollout, rng, .. } = self;
        let (params, width) = (distribution.params(), distribution.action_len());
        let begin = rollout.actions.len();
        rollout.observations.extend_from_slice(&stage.observations);
        rollout.actions.resize(begin + stage.num_envs() * width, 0.0);
        let seen = host.features.forward(&stage.observations);
        rollout.values.extend_from_slice(host.value.forward(seen));
        let outputs = host.policy.forward(seen);
        let rows = outputs.chunks_exact(params).zip(rollout.actions[begin..].chunks_exact_mut(width));
        for (outputs, action) in rows {
            rollout.log_probs.push(distribution.sample(outputs, &host.log_std, rng, action));
        }
        stage.step(&rollout.actions[begin..])?;
        rollout.rewards.extend_from_slice(&stage.rewards);
        rollout.terminated.extend_from_slice(&stage.terminated);
        rollout.truncated.extend_from_slice(&stage.truncated);
        // A stopped episode has a future, and only its final observation says what that is worth.
        let observation = stage.width();
        for (i, &truncated) in stage.truncated.iter().enumerate() {
            let last = &stage.next_observations[i * observation..(i + 1) * observation];
            rollout.final_values.push(if truncated {
                host.value.forward(host.features.forward(last))[0]
            } else {
                0.0
            });
        }
        Ok(())
    }

    /// Advantages and returns, with V of where the environments are now.
    pub(crate) fn finish(&mut self, gamma: f64, lambda: f64) {
        let last_values = self.host.value.forward(self.host.features.forward(&self.stage.observations));
        self.rollout.finish(last_values, gamma, lambda);
    }

    /// The likeliest actions.
    pub(crate) fn act(&mut self, observations: &[f32], actions: &mut Vec<f32>) {
        let mut rows = observations.to_vec();
        self.stage.normalize(&mut rows);
        let width = self.distribution.action_len();
        actions.clear();
        actions.resize(rows.len() / self.stage.width() * width, 0.0);
        let outputs = self.host.policy.forward(self.host.features.forward(&rows));
        for (outputs, action) in
            outputs.chunks_exact(self.distribution.params()).zip(actions.chunks_mut(width))
        {
            self.distribution.mode(outputs, action);
        }
    }

    /// V of one observation.
    pub(crate) fn value(&mut self, observation: &[f32]) -> f32 {
        let mut row = observation.to_vec();
        self.stage.normalize(&mut row);
        self.host.value.forward(self.host.features.forward(&row))[0]
    }

    pub(crate) fn save(&self, optim: &ModuleOptimizer, updates: u64) -> Result<Parts, AgentError> {
        let mut parts = Parts::default();
        parts.put_module("net", &self.net)?;
        parts.put_optimizer("optim", optim)?;
        parts.put_json("state", &(self.stage.save()?, &self.rng, updates))?;
        Ok(parts)
    }

    pub(crate) fn load(
        &mut self,
        parts: &Parts,
        fresh: ModuleOptimizer,
    ) -> Result<(ModuleOptimizer, u64), AgentError> {
        self.net = parts.module("net", self.net.clone())?;
        let optim = parts.optimizer("optim", fresh)?;
        let (stage, rng, updates): (Value, _, _) = parts.json("state")?;
        self.stage.load(stage)?;
        self.rng = rng;
        self.host = self.net.on_host();
        Ok((optim, updates))
    }
}

/// The given rows of a flat table as a tensor, `[rows, width]`.
pub(crate) fn rows(table: &[f32], width: usize, indices: &[usize], device: &Device) -> Tensor<2> {
    let mut values = Vec::with_capacity(indices.len() * width);
    indices.iter().for_each(|&i| values.extend_from_slice(&table[i * width..(i + 1) * width]));
    Tensor::from_data(TensorData::new(values, [indices.len(), width]), device)
}

/// A random order of `0..n` in place.
pub(crate) fn shuffle(order: &mut [usize], rng: &mut Pcg64) {
    for last in (1..order.len()).rev() {
        order.swap(last, rng.below(last as u64 + 1) as usize);
    }
}

/// Clips by the true global norm, refuses what is not finite, and takes the step. Returns the norm before clipping.
pub(crate) fn descend<M: Module + StandIn>(
    net: &mut M,
    optim: &mut ModuleOptimizer,
    lr: f64,
    gradients: GradientsParams,
    max_norm: f64,
) -> Option<f64> {
    let (norm, gradients) = clip::global_norm(net, gradients, max_norm);
    if !norm.is_finite() {
        return None;
    }
    // The optimiser has to be the only owner of the weights to write to them in place.
    let owned = std::mem::replace(net, net.empty());
    *net = optim.step(lr, owned, gradients);
    Some(norm)
}

/// The error of an update that was refused.
pub(crate) fn diverged(agent: &'static str, update: u64, steps: u64) -> AgentError {
    AgentError::Diverged { agent, what: "the gradient", update, steps }
}
