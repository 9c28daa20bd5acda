//! # Optimisers, by their names
//!
//! Training looks for weights θ that make the loss L(θ) small. The gradient g = ∂L/∂θ points uphill, so every method
//! here steps against it; they differ in how far, and in what they remember of the steps before.
//!
//! | name | θ ← θ − … | remembers | page |
//! |---|---|---|---|
//! | gradient descent | η·g, g over all data | nothing | [`sgd`] |
//! | SGD | η·g, g of one example | nothing | [`sgd`] |
//! | mini-batch SGD | η·g, g of a few examples | nothing | [`sgd`] |
//! | momentum | η·v, v = μ·v + g | a velocity | [`sgd`] |
//! | Nesterov (NAG) | η·(g + μ·v) | a velocity | [`sgd`] |
//! | AdaGrad | η·g / √Σg² | all squares | [`adagrad`] |
//! | AdaDelta | g · RMS(Δθ) / RMS(g) | fading squares of g and Δθ | [`adadelta`] |
//! | RMSProp | η·g / RMS(g) | fading squares | [`rmsprop`] |
//! | Adam | η·m̂ / √v̂ | fading mean and squares | [`adam`] |
//! | Nadam | η·(Nesterov's look ahead of m̂) / √v̂ | the same | [`nadam`] |
//! | AdamW | as Adam, and η·λ·θ | the same | [`adam`] |
//! | RAdam | as Adam, rectified while v̂ is unsure | the same | [`radam`] |
//! | Adamax | η·m̂ / max of fading abs(g) | fading mean and maximum | [`adamax`] |
//! | Lion | η·sign(mix of m and g) | fading mean | [`lion`] |
//!
//! Around any of them: [`sam`] looks for flat minima with a second gradient, [`lookahead`] pulls slow weights after
//! fast ones, [`ema`] averages the weights for evaluation.
//!
//! Where Burn's own optimiser computes the same update, it is the one used, with the defaults of the paper or of PyTorch
//! instead of Burn's (whose ε is 1e-5 everywhere, whose RMSProp starts with momentum 0.9, and whose momentum is damped by
//! 0.1). All are checked against `torch.optim` step by step; see `xtask/reference/parity/optim.py`.
//!
//! ```
//! use fornax_nn_core::optim::{OptimizerConfig, OptimizerKind};
//!
//! let kind: OptimizerKind = "adam".parse()?;
//! let mut optimizer = kind.config().init()?; // a burn ModuleOptimizer
//! let learning_rate = kind.default_lr();
//! assert_eq!(learning_rate, 1e-3);
//! let error = "adm".parse::<OptimizerKind>().unwrap_err();
//! assert!(error.to_string().contains("did you mean adam?"));
//! # drop::<burn::optim::ModuleOptimizer>(optimizer);
//! # Ok::<(), fornax_nn_core::ConfigError>(())
//! ```

pub mod adadelta;
pub mod adagrad;
pub mod adam;
pub mod adamax;
mod build;
pub mod ema;
pub mod lion;
pub mod lookahead;
pub mod nadam;
pub mod radam;
mod registry;
pub mod rmsprop;
pub mod sam;
pub mod sgd;
mod state;
mod weights;

pub use adadelta::{AdaDelta, AdaDeltaConfig};
pub use adagrad::AdaGradConfig;
pub use adam::{AdamConfig, AdamWConfig};
pub use adamax::{Adamax, AdamaxConfig};
pub use ema::{Ema, EmaConfig};
pub use lion::LionConfig;
pub use lookahead::{Lookahead, LookaheadConfig};
pub use nadam::{Nadam, NadamConfig};
pub use radam::{RAdam, RAdamConfig};
pub use registry::{OptimizerConfig, OptimizerKind, Sampling};
pub use rmsprop::{RmsProp, RmsPropConfig};
pub use sam::{Perturbed, Sam, SamConfig};
pub use sgd::SgdConfig;

use burn::tensor::Tensor;

use crate::ConfigError;

pub(crate) fn check_not_negative(field: &str, value: f64) -> Result<(), ConfigError> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(ConfigError::new(field, format!("must be zero or positive and finite, got {value}")))
}

/// The number that keeps a division finite: positive even as f32.
pub(crate) fn check_epsilon(value: f64) -> Result<(), ConfigError> {
    if value >= f64::from(f32::MIN_POSITIVE) && value.is_finite() {
        return Ok(());
    }
    let reason =
        format!("must be at least {:e} (the smallest normal f32) and finite, got {value}", f32::MIN_POSITIVE);
    Err(ConfigError::new("epsilon", reason))
}

/// The gradient of the loss with its L2 term ½·λ·‖θ‖²: g + λ·θ.
fn with_l2<const D: usize>(gradient: Tensor<D>, weights: &Tensor<D>, weight_decay: f64) -> Tensor<D> {
    if weight_decay == 0.0 { gradient } else { weights.clone().mul_scalar(weight_decay).add(gradient) }
}

/// A fading sum: `sum ← factor · sum + term`. Pages that keep sums instead of means say how they scale them.
fn fade<const D: usize>(sum: Option<Tensor<D>>, factor: f64, term: Tensor<D>) -> Tensor<D> {
    match sum {
        Some(sum) => sum.mul_scalar(factor).add(term),
        None => term,
    }
}
