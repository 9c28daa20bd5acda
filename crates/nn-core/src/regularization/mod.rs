//! # Regularisation
//!
//! A network with more weights than examples can learn the examples by heart. Regularisation is
//! whatever makes it prefer the simpler explanation: a term in the loss, a constraint on the weights,
//! noise in training, or stopping in time.
//!
//! | name | term or rule | gradient or effect | page |
//! |---|---|---|---|
//! | L1 | λ Σ\|w\| | λ·sign(w): pulls with the same force at any size, so small weights reach 0 | [`penalty`] |
//! | L2 | ½λ Σw² | λ·w: a Gaussian prior on the weights | [`penalty`] |
//! | elastic net | both | both | [`penalty`] |
//! | decoupled decay | w ← (1 − ηλ)·w beside the step | not in the gradient | [`penalty::decay`] |
//! | max-norm | ‖w of a unit‖ ≤ c | projection after the step | [`max_norm`] |
//! | dropout | a ⊙ m/(1 − p), m ~ Bernoulli(1 − p) | ∂/∂a = m/(1 − p) | below |
//! | drop-path | skip a residual branch of an example | ∂/∂branch = m/(1 − p) | [`drop_path`] |
//! | label smoothing | targets (1 − ε)·t + ε/C | p − t, bounded logits | [`LabelSmoothing`](crate::loss::LabelSmoothing) |
//! | mixup | train on λ·(x, y) + (1 − λ)·(x′, y′) | p − mixed target | [`mixup`] |
//! | early stopping | stop when validation no longer improves, go back to the best | – | [`early_stopping`] |
//! | spectral norm | W/σ(W), largest singular value | (G − ⟨G, W̄⟩·u·vᵀ)/σ, with W̄ = W/σ | [`spectral_norm`] |
//! | weight norm | g·v/‖v‖ | length and direction apart | [`weight_norm`] |
//! | gradient noise | g + N(0, η/(1 + t)^γ) | – | [`gradient_noise`] |
//!
//! Every term's gradient is tested, against its formula and against differences.
//!
//! ## Dropout
//!
//! Burn's `nn::Dropout` is used as it is. While training it sets each activation to 0 with probability
//! p and divides the rest by 1 − p, so that the expectation stays what it is without dropout and
//! nothing has to be done at inference (*inverted* dropout). A unit can rely on no other one being there,
//! so features cannot co-adapt; it is close to training an ensemble of all thinned networks and
//! averaging them. [Srivastava et al. 2014](https://jmlr.org/papers/v15/srivastava14a.html). It is active
//! on a device with autodiff while the module's `training` flag is on: `model.valid()` turns it off. Its
//! mask comes from the device's global generator; [`drop_path`] shows the form with a mask passed in.
//!
//! ## L2 and decoupled decay
//!
//! For plain gradient descent they are one: w − η(g + λw) = (1 − ηλ)w − ηg. An adaptive optimiser
//! divides the gradient by its history, the penalty's part with it, so weights with large gradients are
//! hardly decayed. AdamW decays beside the step instead
//! ([Loshchilov & Hutter 2019](https://arxiv.org/abs/1711.05101)); [`penalty::decay`] does it for any
//! optimiser.

pub mod drop_path;
pub mod early_stopping;
pub mod gradient_noise;
pub mod max_norm;
pub mod mixup;
pub mod penalty;
pub mod spectral_norm;
pub mod weight_norm;

pub use drop_path::{DropPath, DropPathConfig};
pub use early_stopping::{EarlyStopping, EarlyStoppingConfig, Mode, Progress, RestoreBest};
pub use gradient_noise::{GradientNoise, GradientNoiseConfig};
pub use max_norm::{MaxNorm, MaxNormConfig};
pub use mixup::{Mix, Mixup, MixupConfig};
pub use penalty::{Penalty, PenaltyConfig};

use burn::module::ParamGroup;

/// The parameters regularisation is usually meant for: those named `weight`, leaving out biases and
/// the scales of normalisation layers, which Burn names `gamma` and `beta`.
pub fn weights() -> ParamGroup {
    ParamGroup::from_predicate("weight")
}

#[cfg(test)]
mod tests;
