//! # Adamax
//!
//! ```text
//! m ← β₁·m + (1 − β₁)·g
//! u ← max(β₂·u, abs(g) + ε)
//! θ ← θ − η / (1 − β₁ᵗ) · m / u
//! ```
//!
//! Adam with the mean of squares replaced by its limit for ever higher powers: a fading maximum. It needs no correction for
//! its start, and a step is never larger than about η. Same paper as [Adam](super::adam), section 7.1: D. Kingma and J. Ba,
//! 2015 (<https://arxiv.org/abs/1412.6980>). ε is not the paper's; it keeps a weight without gradient from dividing by zero.
//!
//! **When it fails**: one spike holds a weight's steps down for about 1/(1 − β₂) steps. Good where gradients are rare, such
//! as embeddings.
//!
//! The state holds the sum m/(1 − β₁), as in [`nadam`](super::nadam).

use burn::config::Config;
use burn::optim::{LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

use super::build::{build_from_settings, init_from_build};
use super::state::record_state;
use super::{check_epsilon, check_not_negative, fade, with_l2};
use crate::ConfigError;
use crate::config::below_one;

/// Settings of [`Adamax`]; the usual learning rate is 0.002.
#[derive(Config, Debug, PartialEq)]
pub struct AdamaxConfig {
    /// β₁, in [0, 1). Default: the paper's.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// β₂, in [0, 1). Default: the paper's.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// ε. Default: PyTorch's.
    #[config(default = 1e-8)]
    pub epsilon: f64,
    /// λ of an L2 term. Default: none.
    #[config(default = 0.0)]
    pub weight_decay: f64,
}

impl AdamaxConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        below_one("beta_1", self.beta_1)?;
        below_one("beta_2", self.beta_2)?;
        check_epsilon(self.epsilon)?;
        check_not_negative("weight_decay", self.weight_decay)
    }
}

build_from_settings!(AdamaxConfig => Adamax);
init_from_build!(AdamaxConfig);

/// The optimiser; see the [module page](self).
#[derive(Debug, Clone)]
pub struct Adamax {
    config: AdamaxConfig,
}

/// What [`Adamax`] remembers of a tensor.
#[derive(Debug, Clone)]
pub struct AdamaxState<const D: usize> {
    /// t, steps taken.
    pub time: usize,
    /// m/(1 − β₁) = Σ β₁^age · g.
    pub gradient_sum: Tensor<D>,
    /// u, the fading maximum.
    pub largest: Tensor<D>,
}

record_state!(AdamaxState { time, gradient_sum, largest });

impl Optimizer for Adamax {
    type State<const D: usize> = AdamaxState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let AdamaxConfig { beta_1, beta_2, epsilon, weight_decay } = self.config;
        let grad = with_l2(grad, &tensor, weight_decay);
        let (time, gradient_sum, largest) = match state {
            Some(state) => (state.time + 1, Some(state.gradient_sum), Some(state.largest)),
            None => (1, None, None),
        };
        let gradient_sum = fade(gradient_sum, beta_1, grad.clone());
        let size = grad.abs().add_scalar(epsilon);
        let largest = match largest {
            Some(largest) => largest.mul_scalar(beta_2).max_pair(size),
            None => size,
        };
        let factor = lr * (1.0 - beta_1) / (1.0 - beta_1.powf(time as f64));
        let step = gradient_sum.clone().mul_scalar(factor).div(largest.clone());
        (tensor.sub(step), Some(AdamaxState { time, gradient_sum, largest }))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        AdamaxState {
            gradient_sum: state.gradient_sum.to_device(device),
            largest: state.largest.to_device(device),
            ..state
        }
    }
}
