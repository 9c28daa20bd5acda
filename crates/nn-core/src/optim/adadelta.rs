//! # AdaDelta
//!
//! ```text
//! v ← ρ·v + (1 − ρ)·g²
//! Δ = g · √(u + ε) / √(v + ε)
//! u ← ρ·u + (1 − ρ)·Δ²
//! θ ← θ − η·Δ                      η = 1
//! ```
//!
//! AdaGrad's squares, fading over about 1/(1 − ρ) steps so that learning never dies, and no learning rate: the step has
//! the root mean square of the *earlier steps* in its numerator, so it carries the unit of θ, as Newton's step does and
//! η·g does not. M. Zeiler, 2012 (<https://arxiv.org/abs/1212.5701>).
//!
//! **When it fails**: the first steps are about √ε ≈ 0.001 and must grow by themselves, which makes it the slowest starter
//! of all; near the minimum nothing makes the steps smaller, so it keeps circling. η was added by implementations for
//! schedules; 1 is the paper's.
//!
//! ## Differs from the paper
//!
//! The state holds V = (v + ε)/(1 − ρ) and U = (u + ε)/(1 − ρ), which fade by `V ← ρ·V + g² + ε`. The quotient is the same,
//! and passes over memory are saved.

use burn::config::Config;
use burn::optim::{LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

use super::build::{build_from_settings, init_from_build};
use super::state::record_state;
use super::{check_epsilon, check_not_negative, fade, with_l2};
use crate::ConfigError;
use crate::config::below_one;

/// Settings of [`AdaDelta`]; the learning rate to step with is 1.
#[derive(Config, Debug, PartialEq)]
pub struct AdaDeltaConfig {
    /// ρ, in [0, 1). Default: PyTorch's (the paper tries 0.95).
    #[config(default = 0.9)]
    pub rho: f64,
    /// ε, which sets the size of the first steps. Default: the paper's.
    #[config(default = 1e-6)]
    pub epsilon: f64,
    /// λ of an L2 term. Default: none.
    #[config(default = 0.0)]
    pub weight_decay: f64,
}

impl AdaDeltaConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        below_one("rho", self.rho)?;
        check_epsilon(self.epsilon)?;
        check_not_negative("weight_decay", self.weight_decay)
    }
}

build_from_settings!(AdaDeltaConfig => AdaDelta);
init_from_build!(AdaDeltaConfig);

/// The optimiser; see the [module page](self).
#[derive(Debug, Clone)]
pub struct AdaDelta {
    config: AdaDeltaConfig,
}

/// What [`AdaDelta`] remembers of a tensor.
#[derive(Debug, Clone)]
pub struct AdaDeltaState<const D: usize> {
    /// V = Σ ρ^age · g² + ε/(1 − ρ).
    pub square_sum: Tensor<D>,
    /// U = Σ ρ^age · Δ² + ε/(1 − ρ).
    pub delta_sum: Tensor<D>,
}

record_state!(AdaDeltaState { square_sum, delta_sum });

impl Optimizer for AdaDelta {
    type State<const D: usize> = AdaDeltaState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let AdaDeltaConfig { rho, epsilon, weight_decay } = self.config;
        let floor = epsilon / (1.0 - rho);
        let grad = with_l2(grad, &tensor, weight_decay);
        // Sums begin at the floor, which ε at each step keeps them above: floor = ρ·floor + ε.
        let added = if state.is_some() { epsilon } else { floor };
        let (square_sum, delta_sum) = state.map(|state| (state.square_sum, state.delta_sum)).unzip();
        let square_sum = fade(square_sum, rho, grad.clone().square().add_scalar(added));
        let ratio = match &delta_sum {
            Some(sum) => sum.clone().div(square_sum.clone()),
            None => square_sum.clone().recip().mul_scalar(floor),
        };
        let delta = ratio.sqrt().mul(grad);
        let delta_sum = fade(delta_sum, rho, delta.clone().square().add_scalar(added));
        let tensor = tensor.sub(if lr == 1.0 { delta } else { delta.mul_scalar(lr) });
        (tensor, Some(AdaDeltaState { square_sum, delta_sum }))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        AdaDeltaState {
            square_sum: state.square_sum.to_device(device),
            delta_sum: state.delta_sum.to_device(device),
        }
    }
}
