//! # RMSProp
//!
//! ```text
//! v ← α·v + (1 − α)·g²
//! centred:   m ← α·m + (1 − α)·g,   w = v − m²        else w = v
//! plain:     θ ← θ − η·g / (√w + ε)
//! momentum:  b ← μ·b + g / (√w + ε),   θ ← θ − η·b
//! ```
//!
//! AdaGrad with a memory that fades over about 1/(1 − α) steps, so the step size follows the terrain instead of dying.
//! G. Hinton proposed it in lecture 6e of his 2012 course and never in a paper
//! (<https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf>); A. Graves' centred form divides by the
//! standard deviation instead (2013, <https://arxiv.org/abs/1308.0850>).
//!
//! **When it fails**: v starts at zero, so the first step is η/√(1 − α), ten times η for α = 0.99: warm up, or take
//! [Adam](super::adam), which corrects for it. Steps stay about η near the minimum unless a schedule shrinks them. The
//! centred form divides by almost nothing where the gradient hardly changes, and leaps: give it an ε of 1e-4 or more.
//!
//! ## Differs from Burn and PyTorch
//!
//! A gradient that hardly changes makes v − m² a difference of equals that rounding turns negative, and its root NaN: in
//! Burn 0.22 and in PyTorch both. Here the variance is held at zero or above. Without the centred form the update is theirs;
//! Burn's keeps v twice, and is slower for it.
//! The state holds the sums v/(1 − α) and m/(1 − α), which saves passes over memory.

use burn::config::Config;
use burn::optim::{LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

use super::build::{build_from_settings, init_from_build};
use super::state::record_state;
use super::{check_epsilon, check_not_negative, fade, with_l2};
use crate::ConfigError;
use crate::config::below_one;

/// Settings of [`RmsProp`]; the usual learning rate is 0.01 (PyTorch) or 0.001 (Hinton).
#[derive(Config, Debug, PartialEq)]
pub struct RmsPropConfig {
    /// α, in [0, 1). Default: PyTorch's (Hinton's lecture has 0.9).
    #[config(default = 0.99)]
    pub alpha: f64,
    /// ε. Default: PyTorch's.
    #[config(default = 1e-8)]
    pub epsilon: f64,
    /// μ, in [0, 1). Default: none.
    #[config(default = 0.0)]
    pub momentum: f64,
    /// Divide by the deviation around the mean gradient. Default: no.
    #[config(default = false)]
    pub centered: bool,
    /// λ of an L2 term. Default: none.
    #[config(default = 0.0)]
    pub weight_decay: f64,
}

impl RmsPropConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        below_one("alpha", self.alpha)?;
        check_epsilon(self.epsilon)?;
        below_one("momentum", self.momentum)?;
        check_not_negative("weight_decay", self.weight_decay)
    }
}

build_from_settings!(RmsPropConfig => RmsProp);
init_from_build!(RmsPropConfig);

/// The optimiser; see the [module page](self).
#[derive(Debug, Clone)]
pub struct RmsProp {
    config: RmsPropConfig,
}

/// What [`RmsProp`] remembers of a tensor.
#[derive(Debug, Clone)]
pub struct RmsPropState<const D: usize> {
    /// v/(1 − α) = Σ α^age · g².
    pub square_sum: Tensor<D>,
    /// m/(1 − α) = Σ α^age · g, when centred.
    pub gradient_sum: Option<Tensor<D>>,
    /// b, with momentum.
    pub velocity: Option<Tensor<D>>,
}

record_state!(RmsPropState { square_sum, gradient_sum, velocity });

impl Optimizer for RmsProp {
    type State<const D: usize> = RmsPropState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let RmsPropConfig { alpha, epsilon, momentum, centered, weight_decay } = self.config;
        let share = 1.0 - alpha;
        let grad = with_l2(grad, &tensor, weight_decay);
        let (square_sum, gradient_sum, velocity) = match state {
            Some(state) => (Some(state.square_sum), state.gradient_sum, state.velocity),
            None => (None, None, None),
        };
        let square_sum = fade(square_sum, alpha, grad.clone().square());
        let gradient_sum = centered.then(|| fade(gradient_sum, alpha, grad.clone()));
        // √w = √(1 − α) · √(V − (1 − α)·M²); the root of the factor goes into ε and the learning rate.
        let variance = match &gradient_sum {
            Some(sum) => square_sum.clone().sub(sum.clone().square().mul_scalar(share)).clamp_min(0.0),
            None => square_sum.clone(),
        };
        let scaled = grad.div(variance.sqrt().add_scalar(epsilon / share.sqrt()));
        let lr = lr / share.sqrt();
        let (tensor, velocity) = if momentum > 0.0 {
            let velocity = fade(velocity, momentum, scaled);
            (tensor.sub(velocity.clone().mul_scalar(lr)), Some(velocity))
        } else {
            (tensor.sub(scaled.mul_scalar(lr)), None)
        };
        (tensor, Some(RmsPropState { square_sum, gradient_sum, velocity }))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        RmsPropState {
            square_sum: state.square_sum.to_device(device),
            gradient_sum: state.gradient_sum.map(|sum| sum.to_device(device)),
            velocity: state.velocity.map(|velocity| velocity.to_device(device)),
        }
    }
}
