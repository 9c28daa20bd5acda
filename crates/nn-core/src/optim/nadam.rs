//! # Nadam
//!
//! ```text
//! m ← β₁·m + (1 − β₁)·g          v ← β₂·v + (1 − β₂)·g²          v̂ = v / (1 − β₂ᵗ)
//! μ_t = β₁·(1 − ½·0.96^(t·ψ))
//! m̂ = μ_{t+1}·m / (1 − μ₁⋯μ_{t+1})  +  (1 − μ_t)·g / (1 − μ₁⋯μ_t)
//! θ ← θ − η·m̂ / (√v̂ + ε)
//! ```
//!
//! Adam whose momentum looks one step ahead as [Nesterov's](super::sgd) does, with a μ that warms up from β₁/2 to β₁.
//! T. Dozat, 2016 (<https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ>).
//!
//! **When it fails**: where [Adam](super::adam) does. The gain is real early on and rarely visible at the end.
//!
//! ## Differs from the paper
//!
//! The state holds the sums m/(1 − β₁) and v/(1 − β₂); constant factors are folded into the two scalars of the update,
//! which takes fewer passes over memory than Burn's Adam.

use burn::config::Config;
use burn::optim::{LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

use super::build::{build_from_settings, init_from_build};
use super::state::record_state;
use super::{check_epsilon, check_not_negative, fade, with_l2};
use crate::ConfigError;
use crate::config::below_one;

/// Settings of [`Nadam`]; the usual learning rate is 0.002.
#[derive(Config, Debug, PartialEq)]
pub struct NadamConfig {
    /// β₁, in [0, 1). Default: PyTorch's (the paper has 0.99 or 0.975).
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// β₂, in [0, 1). Default: PyTorch's and the paper's.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// ε. Default: PyTorch's and the paper's.
    #[config(default = 1e-8)]
    pub epsilon: f64,
    /// ψ, how fast μ warms up. Default: the paper's.
    #[config(default = 0.004)]
    pub momentum_decay: f64,
    /// λ. Default: none.
    #[config(default = 0.0)]
    pub weight_decay: f64,
    /// Take λ from the weights directly, as AdamW does, instead of through the gradient. Default: no.
    #[config(default = false)]
    pub decoupled_weight_decay: bool,
}

impl NadamConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        below_one("beta_1", self.beta_1)?;
        below_one("beta_2", self.beta_2)?;
        check_epsilon(self.epsilon)?;
        check_not_negative("momentum_decay", self.momentum_decay)?;
        check_not_negative("weight_decay", self.weight_decay)
    }
}

build_from_settings!(NadamConfig => Nadam);
init_from_build!(NadamConfig);

/// The optimiser; see the [module page](self).
#[derive(Debug, Clone)]
pub struct Nadam {
    config: NadamConfig,
}

/// What [`Nadam`] remembers of a tensor.
#[derive(Debug, Clone)]
pub struct NadamState<const D: usize> {
    /// t, steps taken.
    pub time: usize,
    /// μ₁⋯μ_t.
    pub mu_product: f64,
    /// m/(1 − β₁) = Σ β₁^age · g.
    pub gradient_sum: Tensor<D>,
    /// v/(1 − β₂) = Σ β₂^age · g².
    pub square_sum: Tensor<D>,
}

record_state!(NadamState { time, mu_product, gradient_sum, square_sum });

impl Optimizer for Nadam {
    type State<const D: usize> = NadamState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let NadamConfig { beta_1, beta_2, epsilon, momentum_decay, weight_decay, decoupled_weight_decay } =
            self.config;
        let (tensor, grad) = match decoupled_weight_decay && weight_decay > 0.0 {
            true => (tensor.mul_scalar(1.0 - lr * weight_decay), grad),
            false => {
                let grad = with_l2(grad, &tensor, weight_decay);
                (tensor, grad)
            }
        };
        let (time, mu_product, gradient_sum, square_sum) = match state {
            Some(state) => (state.time, state.mu_product, Some(state.gradient_sum), Some(state.square_sum)),
            None => (0, 1.0, None, None),
        };
        let time = time + 1;
        let mu_at = |t: usize| beta_1 * (1.0 - 0.5 * 0.96f64.powf(t as f64 * momentum_decay));
        let (mu, mu_next) = (mu_at(time), mu_at(time + 1));
        let mu_product = mu_product * mu;

        let gradient_sum = fade(gradient_sum, beta_1, grad.clone());
        let square_sum = fade(square_sum, beta_2, grad.clone().square());
        // √v̂ = √V / scale, so numerator and ε are multiplied by it.
        let scale = ((1.0 - beta_2.powf(time as f64)) / (1.0 - beta_2)).sqrt();
        let of_sum = lr * scale * mu_next * (1.0 - beta_1) / (1.0 - mu_product * mu_next);
        let of_grad = lr * scale * (1.0 - mu) / (1.0 - mu_product);
        let above = gradient_sum.clone().mul_scalar(of_sum).add(grad.mul_scalar(of_grad));
        let below = square_sum.clone().sqrt().add_scalar(epsilon * scale);
        (tensor.sub(above.div(below)), Some(NadamState { time, mu_product, gradient_sum, square_sum }))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        NadamState {
            gradient_sum: state.gradient_sum.to_device(device),
            square_sum: state.square_sum.to_device(device),
            ..state
        }
    }
}
