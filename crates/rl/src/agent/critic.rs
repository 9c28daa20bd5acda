//! Q-networks for continuous actions: observation and action go in side by side.

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;

use super::off_policy::{descend, follow, table};
use super::{AgentError, Parts};
use crate::policy::adam::optimizer;
use crate::policy::{Activation, Mlp, MlpConfig, Weights};
use crate::space::Space;

/// A hidden-ReLU network with PyTorch's initial weights: what all off-policy agents use.
pub(crate) fn network(
    inputs: usize,
    outputs: usize,
    hidden: &[usize],
    seed: u64,
    device: &Device,
) -> Result<Mlp, ConfigError> {
    MlpConfig::new(inputs, outputs)
        .with_hidden(hidden.to_vec())
        .with_activation(Activation::Relu)
        .with_weights(Weights::Uniform)
        .init(seed, &device.clone().autodiff())
}

/// A network with its optimiser and its slow copy.
pub(crate) struct Learner {
    pub(crate) net: Mlp,
    pub(crate) target: Mlp,
    optim: ModuleOptimizer,
    device: Device,
}

impl Learner {
    pub(crate) fn new(net: Mlp, device: &Device) -> Result<Self, ConfigError> {
        Ok(Self { target: net.valid(), optim: optimizer(1e-8, device)?, device: device.clone(), net })
    }

    /// One step of Adam. Returns whether the gradient was finite.
    pub(crate) fn descend(&mut self, lr: f64, gradients: GradientsParams) -> bool {
        descend(&mut self.net, &mut self.optim, lr, gradients, None)
    }

    /// One step towards `targets` in the mean square. Returns the loss, if the gradient was finite.
    pub(crate) fn regress(&mut self, input: Tensor<2>, targets: Tensor<2>, lr: f64) -> Option<f64> {
        let trace = self.net.trace(input); // [B, outputs]
        let errors = trace.output.clone() - targets;
        let count = errors.dims().iter().product::<usize>() as f64;
        let loss = errors.clone().square().mean().into_scalar::<f64>();
        let mut gradients = GradientsParams::new();
        self.net.backward(trace, errors * (2.0 / count), &mut gradients, false);
        self.descend(lr, gradients).then_some(loss)
    }

    pub(crate) fn follow(&mut self, tau: f64) {
        follow(&mut self.target, &self.net, tau);
    }

    pub(crate) fn save(&self, name: &str, parts: &mut Parts) -> Result<(), AgentError> {
        parts.put_module(&format!("{name}-net"), &self.net)?;
        parts.put_module(&format!("{name}-target"), &self.target)?;
        parts.put_optimizer(&format!("{name}-optim"), &self.optim)
    }

    pub(crate) fn load(&mut self, name: &str, parts: &Parts) -> Result<(), AgentError> {
        self.net = parts.module(&format!("{name}-net"), self.net.clone())?;
        self.target = parts.module(&format!("{name}-target"), self.target.clone())?;
        self.optim = parts.optimizer(&format!("{name}-optim"), optimizer(1e-8, &self.device)?)?;
        Ok(())
    }
}

/// The smallest answer of several critics, `[batch, outputs]`.
pub(crate) fn smallest(answers: impl Iterator<Item = Tensor<2>>) -> Tensor<2> {
    let least = answers.reduce(|a, b| a.min_pair(b));
    least.unwrap_or_else(|| unreachable!("settings ask for at least one critic"))
}

/// R + d · next, `[batch, 1]`.
pub(crate) fn targets(rewards: &[f32], discounts: &[f32], next: Tensor<2>) -> Tensor<2> {
    let device = next.device();
    table(rewards.to_vec(), 1, &device) + table(discounts.to_vec(), 1, &device) * next
}

/// The box of a space with finite bounds: agents act in [−1, 1], environments in [low, high].
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    low: Vec<f32>,
    high: Vec<f32>,
}

impl Scale {
    pub(crate) fn of(space: &Space, agent: &'static str, env: &str) -> Result<Self, AgentError> {
        match space {
            Space::Box { low, high, .. } if low.iter().chain(high).all(|bound| bound.is_finite()) => {
                Ok(Self { low: low.clone(), high: high.clone() })
            }
            _ => {
                let (env, found) = (env.to_owned(), space.to_string());
                Err(AgentError::ActionSpace { agent, expected: "bounded continuous", env, found })
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.low.len()
    }

    /// Rows in [−1, 1] to rows in the box.
    pub(crate) fn to_env(&self, actions: &mut [f32]) {
        for row in actions.chunks_exact_mut(self.low.len()) {
            for (a, (low, high)) in row.iter_mut().zip(self.low.iter().zip(&self.high)) {
                *a = low + (a.clamp(-1.0, 1.0) + 1.0) * 0.5 * (high - low);
            }
        }
    }
}
