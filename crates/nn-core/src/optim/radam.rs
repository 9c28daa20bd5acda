//! # RAdam: rectified Adam
//!
//! ```text
//! m ← β₁·m + (1 − β₁)·g          m̂ = m / (1 − β₁ᵗ)
//! v ← β₂·v + (1 − β₂)·g²
//! ρ∞ = 2/(1 − β₂) − 1            ρ_t = ρ∞ − 2·t·β₂ᵗ / (1 − β₂ᵗ)
//! ρ_t > 5:   r = √( (ρ_t − 4)·(ρ_t − 2)·ρ∞ / ((ρ∞ − 4)·(ρ∞ − 2)·ρ_t) )
//!            θ ← θ − η·r·m̂·√(1 − β₂ᵗ) / (√v + ε)
//! else:      θ ← θ − η·m̂
//! ```
//!
//! In Adam's first steps v rests on a handful of gradients, so the step sizes have a huge variance: the reason why Adam
//! needs a warm-up. RAdam estimates how many samples v is worth (ρ_t), takes plain momentum steps until it is worth five, and
//! then scales Adam's step by the r that keeps its variance constant. L. Liu et al., 2020
//! (<https://arxiv.org/abs/1908.03265>).
//!
//! **When it fails**: the first steps (five for β₂ = 0.999) are *not* normalised, so with a loss of large scale they are as
//! large as SGD's at Adam's η; and a plain linear warm-up over 2/(1 − β₂) steps does about as well.
//!
//! The state holds the sums m/(1 − β₁) and v/(1 − β₂), as in [`nadam`](super::nadam).

use burn::config::Config;
use burn::optim::{LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

use super::build::{build_from_settings, init_from_build};
use super::state::record_state;
use super::{check_epsilon, check_not_negative, fade, with_l2};
use crate::ConfigError;
use crate::config::below_one;

/// Settings of [`RAdam`]; the usual learning rate is 0.001.
#[derive(Config, Debug, PartialEq)]
pub struct RAdamConfig {
    /// β₁, in [0, 1). Default: Adam's.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// β₂, in [0, 1). Default: Adam's.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// ε. Default: Adam's.
    #[config(default = 1e-8)]
    pub epsilon: f64,
    /// λ. Default: none.
    #[config(default = 0.0)]
    pub weight_decay: f64,
    /// Take λ from the weights directly, as AdamW does, instead of through the gradient. Default: no.
    #[config(default = false)]
    pub decoupled_weight_decay: bool,
}

impl RAdamConfig {
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

build_from_settings!(RAdamConfig => RAdam);
init_from_build!(RAdamConfig);

/// The optimiser; see the [module page](self).
#[derive(Debug, Clone)]
pub struct RAdam {
    config: RAdamConfig,
}

/// What [`RAdam`] remembers of a tensor.
#[derive(Debug, Clone)]
pub struct RAdamState<const D: usize> {
    /// t, steps taken.
    pub time: usize,
    /// m/(1 − β₁) = Σ β₁^age · g.
    pub gradient_sum: Tensor<D>,
    /// v/(1 − β₂) = Σ β₂^age · g².
    pub square_sum: Tensor<D>,
}

record_state!(RAdamState { time, gradient_sum, square_sum });

impl RAdam {
    /// r of step `time`; `None` while v is worth five samples or fewer.
    fn rectification(&self, time: usize) -> Option<f64> {
        let beta_2 = self.config.beta_2;
        let most = 2.0 / (1.0 - beta_2) - 1.0;
        let power = beta_2.powf(time as f64);
        let worth = most - 2.0 * time as f64 * power / (1.0 - power);
        let variance = (worth - 4.0) * (worth - 2.0) * most / ((most - 4.0) * (most - 2.0) * worth);
        (worth > 5.0).then(|| variance.sqrt())
    }
}

impl Optimizer for RAdam {
    type State<const D: usize> = RAdamState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let RAdamConfig { beta_1, beta_2, epsilon, weight_decay, decoupled_weight_decay } = self.config;
        let (tensor, grad) = match decoupled_weight_decay && weight_decay > 0.0 {
            true => (tensor.mul_scalar(1.0 - lr * weight_decay), grad),
            false => {
                let grad = with_l2(grad, &tensor, weight_decay);
                (tensor, grad)
            }
        };
        let (time, gradient_sum, square_sum) = match state {
            Some(state) => (state.time + 1, Some(state.gradient_sum), Some(state.square_sum)),
            None => (1, None, None),
        };
        let gradient_sum = fade(gradient_sum, beta_1, grad.clone());
        let square_sum = fade(square_sum, beta_2, grad.square());
        let unbiased = lr * (1.0 - beta_1) / (1.0 - beta_1.powf(time as f64));
        let step = match self.rectification(time) {
            Some(r) => {
                // √v = √(1 − β₂)·√V; the root of the factor goes into ε and the numerator.
                let root = (1.0 - beta_2).sqrt();
                let factor = unbiased * r * (1.0 - beta_2.powf(time as f64)).sqrt() / root;
                let below = square_sum.clone().sqrt().add_scalar(epsilon / root);
                gradient_sum.clone().mul_scalar(factor).div(below)
            }
            None => gradient_sum.clone().mul_scalar(unbiased),
        };
        (tensor.sub(step), Some(RAdamState { time, gradient_sum, square_sum }))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        RAdamState {
            gradient_sum: state.gradient_sum.to_device(device),
            square_sum: state.square_sum.to_device(device),
            ..state
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_five_steps_are_plain_momentum_and_rectification_grows_to_one() {
        let optimizer = RAdamConfig::new().build().unwrap();
        assert!((1..=5).all(|time| optimizer.rectification(time).is_none()));
        let later: Vec<f64> = (6..20_000).map(|time| optimizer.rectification(time).unwrap()).collect();
        assert!(later.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12));
        assert!(later[0] < 0.05 && (later[later.len() - 1] - 1.0).abs() < 1e-3);
    }

    #[test]
    fn a_beta_that_never_sees_five_samples_never_divides() {
        let optimizer = RAdamConfig::new().with_beta_2(0.5).build().unwrap();
        assert!((1..1_000).all(|time| optimizer.rectification(time).is_none()));
    }
}
