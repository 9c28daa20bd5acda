//! What the off-policy agents share: gathering transitions, batches as tensors, targets that follow slowly.

use burn::module::{Module, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use fornax_nn_core::{clip, gradient};
use serde_json::Value;

use super::parts::state;
use super::{AgentError, Parts, Stage};
use crate::buffer::{NStep, Replay, Transition};
use crate::error::EnvError;
use crate::policy::{Mlp, StandIn};
use crate::random::Pcg64;

/// Experience: environments, replay, and the transitions between the two.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) stage: Stage,
    pub(crate) replay: Replay,
    gather: Vec<NStep>,
    before: Vec<f32>,
}

impl Memory {
    pub(crate) fn new(stage: Stage, replay: Replay, n_step: usize, gamma: f64) -> Self {
        let gather = vec![NStep::new(n_step, gamma); stage.num_envs()];
        Self { stage, replay, gather, before: Vec::new() }
    }

    /// Takes `actions` in the environments and stores what came of `stored`, the same actions as the learner sees them.
    pub(crate) fn step(&mut self, actions: &[f32], stored: &[f32]) -> Result<(), EnvError> {
        self.before.clone_from(&self.stage.observations);
        self.stage.step(actions)?;
        let stage = &self.stage;
        let (width, len) = (stage.width(), stored.len() / stage.num_envs());
        for (i, gather) in self.gather.iter_mut().enumerate() {
            let row = i * width..(i + 1) * width;
            let transition = Transition {
                observation: &self.before[row.clone()],
                action: &stored[i * len..(i + 1) * len],
                reward: stage.rewards[i],
                discount: 0.0, // of n steps: known when they are over
                next_observation: &stage.next_observations[row],
            };
            gather.push(transition, stage.terminated[i], stage.truncated[i], &mut self.replay);
        }
        Ok(())
    }

    pub(crate) fn save(&self, parts: &mut Parts, rng: &Pcg64, updates: u64) -> Result<(), AgentError> {
        parts.0.insert("replay".to_owned(), self.replay.to_bytes());
        parts.put_json("state", &(self.stage.save()?, &self.gather, rng, updates))
    }

    pub(crate) fn load(&mut self, parts: &Parts) -> Result<(Pcg64, u64), AgentError> {
        let (stage, gather, rng, updates): (Value, Vec<NStep>, _, _) = parts.json("state")?;
        if gather.len() != self.gather.len() {
            let reason = format!("of {} environments, expected {}", gather.len(), self.gather.len());
            return Err(state("state", &reason));
        }
        self.stage.load(stage)?;
        self.replay.restore(parts.bytes("replay")?)?;
        self.gather = gather;
        Ok((rng, updates))
    }
}

/// A flat table as a tensor of rows.
pub(crate) fn table(values: Vec<f32>, width: usize, device: &Device) -> Tensor<2> {
    let rows = values.len() / width;
    Tensor::from_data(TensorData::new(values, [rows, width]), device)
}

/// The target moves a share τ of the way: θ′ ← τ·θ + (1 − τ)·θ′. It lives outside autodiff.
pub(crate) fn follow(target: &mut Mlp, network: &Mlp, tau: f64) {
    if tau >= 1.0 {
        *target = network.valid();
        return;
    }
    for (old, new) in target.layers.iter_mut().zip(&network.layers) {
        let weight = old.weight.clone();
        // The only owner of its memory can be written to in place.
        old.weight = Param::initialized(weight.id, Tensor::empty([0, 0], &weight.device()));
        old.weight = weight.map(|weight| toward(weight, new.weight.val().inner(), tau));
        if let (Some(bias), Some(new)) = (old.bias.take(), &new.bias) {
            old.bias = Some(bias.map(|bias| toward(bias, new.val().inner(), tau)));
        }
    }
}

fn toward<const D: usize>(old: Tensor<D>, new: Tensor<D>, tau: f64) -> Tensor<D> {
    let device = old.device();
    let (mut old, new) = (old.into_data(), new.into_data());
    if let (Ok(old), Ok(new)) = (old.as_mut_slice::<f32>(), new.as_slice::<f32>()) {
        let tau = tau as f32;
        old.iter_mut().zip(new).for_each(|(old, new)| *old += tau * (new - *old));
    }
    Tensor::from_data(old, &device)
}

/// One step of a network, if the gradient is finite. Returns whether it was.
pub(crate) fn descend(
    net: &mut Mlp,
    optim: &mut ModuleOptimizer,
    lr: f64,
    gradients: GradientsParams,
    max_norm: Option<f64>,
) -> bool {
    let (norm, gradients) = match max_norm {
        Some(most) => clip::global_norm(net, gradients, most),
        None => (gradient::global_norm(net, &gradients), gradients),
    };
    if norm.is_finite() {
        let owned = std::mem::replace(net, net.empty());
        *net = optim.step(lr, owned, gradients);
    }
    norm.is_finite()
}

/// The error of an update that was refused.
pub(crate) fn diverged(agent: &'static str, what: &'static str, update: u64, steps: u64) -> AgentError {
    AgentError::Diverged { agent, what, update, steps }
}

/// ½e² near zero, |e| − ½ beyond 1: the gradient of the squared error, bounded.
pub(crate) fn huber(errors: Tensor<2>) -> Tensor<2> {
    let size = errors.abs();
    let near = size.clone().clamp_max(1.0);
    near.clone().square() * 0.5 + (size - near)
}
