//! Negative log-likelihoods of predicted distributions, and divergences between them.
//!
//! A network that predicts a mean *and* a variance says how sure it is, and learns both by making the
//! data likely:
//!
//! ```text
//! −ln N(x; μ, σ²)          = ½ (ln 2π + ln σ² + (x − μ)²/σ²)
//! −ln Σ_k π_k N(x; μ_k, σ_k²) = −logsumexp_k ( ln π_k − ½ Σ_d (ln 2π + 2 ln σ_kd + (x_d − μ_kd)²/σ_kd²) )
//! KL(N(μ, σ²) ‖ N(0, 1))   = ½ Σ_d (μ² + σ² − 1 − ln σ²)
//! KL(N(μ₁, σ₁²) ‖ N(μ₂, σ₂²)) = ½ Σ_d (ln σ₂² − ln σ₁² + (σ₁² + (μ₁ − μ₂)²)/σ₂² − 1)
//! ```
//!
//! Variances come as logarithms (`log_var` = ln σ², `log_std` = ln σ): any real number is one, none
//! needs clamping, and exp never stands below a fraction bar.
//!
//! The **variance** is learned to be the squared error where the mean cannot do better: at a fixed
//! mean, the minimum over σ² lies at (x − μ)². A **mixture** of K Gaussians can say "left or right, but
//! not between", which a single Gaussian answers with the wall in the middle. The **KL divergence** is
//! what a variational autoencoder pays for each bit its code departs from the prior.
//!
//! Papers: learned variance, [Nix & Weigend 1994](https://doi.org/10.1109/ICNN.1994.374138); mixture
//! density networks, [Bishop 1994](https://publications.aston.ac.uk/id/eprint/373/); the closed form,
//! [Kingma & Welling 2014](https://arxiv.org/abs/1312.6114), appendix B.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

use super::{log_sum_exp, same_shape};

/// ln 2π.
const LN_TWO_PI: f64 = 1.837_877_066_409_345_3;

/// −ln N(target; mean, e^log_var), element by element, constant included: it is a true density.
///
/// # Shapes
///
/// - mean, log_var, target, output: any, the same
///
/// # Panics
///
/// When the shapes differ.
pub fn gaussian_nll<const D: usize>(mean: Tensor<D>, log_var: Tensor<D>, target: Tensor<D>) -> Tensor<D> {
    same_shape(("mean", &mean), ("log_var", &log_var));
    same_shape(("mean", &mean), ("target", &target));
    // (x − μ)/σ before squaring: half the exponent, twice the range.
    let score = (target - mean) * (log_var.clone() * -0.5).exp();
    (score.square() + log_var + LN_TWO_PI) * 0.5
}

/// −ln of a mixture of diagonal Gaussians.
///
/// # Shapes
///
/// - logits: `[batch, components]`; π = softmax(logits)
/// - mean, log_std: `[batch, components, features]`
/// - target: `[batch, features]`
/// - output: `[batch]`
///
/// # Panics
///
/// When the shapes do not fit together.
pub fn mixture_density_nll(
    logits: Tensor<2>,
    mean: Tensor<3>,
    log_std: Tensor<3>,
    target: Tensor<2>,
) -> Tensor<1> {
    same_shape(("mean", &mean), ("log_std", &log_std));
    let [batch, components, features] = mean.dims();
    assert_eq!(logits.dims(), [batch, components], "logits must be [batch, components] of the means");
    assert_eq!(target.dims(), [batch, features], "target must be [batch, features] of the means");
    let score = (target.unsqueeze_dim::<3>(1) - mean) * (-log_std.clone()).exp(); // [B, K, F]
    let nll = (score.square() * 0.5 + log_std + LN_TWO_PI / 2.0).sum_dim(2); // [B, K, 1]
    let log_joint = log_softmax(logits, 1) - nll.squeeze_dim(2); // [B, K]
    -log_sum_exp(log_joint, 1).squeeze_dim(1)
}

/// KL(N(mean, e^log_var) ‖ N(0, 1)) in nats, summed over features.
///
/// # Shapes
///
/// - mean, log_var: `[batch, features]`
/// - output: `[batch]`
///
/// # Panics
///
/// When the shapes differ.
pub fn kl_to_standard_normal(mean: Tensor<2>, log_var: Tensor<2>) -> Tensor<1> {
    same_shape(("mean", &mean), ("log_var", &log_var));
    let terms = mean.square() + log_var.clone().exp() - log_var - 1.0; // [B, F]
    (terms.sum_dim(1) * 0.5).squeeze_dim(1)
}

/// KL(N(mean_q, e^log_var_q) ‖ N(mean_p, e^log_var_p)) in nats, summed over features. Not symmetric:
/// it is what coding samples of q with a code made for p costs on top.
///
/// # Shapes
///
/// - all inputs: `[batch, features]`
/// - output: `[batch]`
///
/// # Panics
///
/// When the shapes differ.
pub fn kl_between_normals(
    mean_q: Tensor<2>,
    log_var_q: Tensor<2>,
    mean_p: Tensor<2>,
    log_var_p: Tensor<2>,
) -> Tensor<1> {
    same_shape(("mean_q", &mean_q), ("log_var_q", &log_var_q));
    same_shape(("mean_q", &mean_q), ("mean_p", &mean_p));
    same_shape(("mean_q", &mean_q), ("log_var_p", &log_var_p));
    let log_ratio = log_var_q - log_var_p.clone(); // [B, F]
    let score = (mean_q - mean_p) * (log_var_p * -0.5).exp(); // [B, F]
    let terms = log_ratio.clone().exp() - log_ratio - 1.0 + score.square(); // [B, F]
    (terms.sum_dim(1) * 0.5).squeeze_dim(1)
}
