//! # CORAL and MMD: a distance between domains in the loss
//!
//! Where [DANN](super::adversarial) trains an opponent to find a difference, these compute one. Both compare two batches of
//! features, take gradients, and vanish when the batches are distributed alike.
//!
//! ```text
//! CORAL   1/(4d²) · ‖C_s − C_t‖²_F            C: covariance of the features, d of them: second moments only
//! MMD     mean k(s, s′) + mean k(t, t′) − 2 · mean k(s, t)             with a Gaussian kernel: all moments
//!         k(x, y) = 1/5 · Σ_u exp(−‖x − y‖² / (2^u · σ²)),  u = −2 … 2,  σ² = mean squared distance of all pairs
//!
//! L = cross-entropy(source) + weight · distance(features of source, features of target)
//! ```
//!
//! The kernel's mean is a mean over an infinite feature space, where a distribution is one point; MMD is the distance of two
//! such points. Five widths spare the search for one.
//!
//! Papers: B. Sun, K. Saenko, *Deep CORAL*, 2016 (<https://arxiv.org/abs/1607.01719>); A. Gretton et al., *A kernel two-sample
//! test*, 2012 (<https://jmlr.org/papers/v13/gretton12a.html>); M. Long et al., *Learning transferable features with deep
//! adaptation networks*, 2015 (<https://arxiv.org/abs/1502.02791>).
//!
//! ## Differs from the paper
//!
//! 1. MMD is the biased estimate, pairs of a sample with itself included: never negative, and of variance small enough for
//!    batches of 64. The widths' weights are equal, where Long optimises them.

use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use fornax_cnn::Classifier;
use fornax_cnn::classification::{self, Batch};
use fornax_nn_core::gradient::{NonFinite, gradients};

use super::features_and_logits;
use crate::distance::squared_distances;

/// Distance of the covariances.
///
/// # Shapes
///
/// - source, target: `[batch, features]`, at least two rows each
///
/// # Panics
///
/// When a batch has fewer than two rows, or the numbers of features differ.
pub fn coral(source: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    let features = source.dims()[1] as f64;
    let difference = covariance(source) - covariance(target);
    (difference.clone() * difference).sum() / (4.0 * features * features)
}

/// `[batch, features]` to `[features, features]`, divided by batch − 1.
fn covariance(x: Tensor<2>) -> Tensor<2> {
    let rows = x.dims()[0];
    assert!(rows > 1, "a covariance needs at least two rows, got {rows}");
    let centred = x.clone() - x.mean_dim(0);
    centred.clone().transpose().matmul(centred) / (rows as f64 - 1.0)
}

/// Squared maximum mean discrepancy.
///
/// # Shapes
///
/// - source, target: `[batch, features]`
///
/// # Panics
///
/// When the numbers of features differ.
pub fn mmd(source: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    let rows = source.dims()[0];
    let all = Tensor::cat(vec![source, target], 0);
    let distances = squared_distances(all.clone(), all); // [S + T, S + T]
    let width = distances.clone().detach().mean().clamp_min(f32::MIN_POSITIVE).reshape([1, 1]);
    let scaled = distances / width;
    let kernel =
        (-2..=2).fold(scaled.zeros_like(), |sum, u| sum + (-scaled.clone() / 2f64.powi(u)).exp()) / 5.0;
    let total = kernel.dims()[0];
    let part = |r: std::ops::Range<usize>, c: std::ops::Range<usize>| kernel.clone().slice([r, c]).mean();
    part(0..rows, 0..rows) + part(rows..total, rows..total) - part(0..rows, rows..total) * 2.0
}

/// One step on a labelled batch of the source and images of the target, with [`coral`] or [`mmd`] times `weight` in the loss.
/// Returns the model, the whole loss and the distance.
///
/// # Shapes
///
/// - target: `[batch, in_channels, height, width]`
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step<M: Classifier>(
    model: M,
    optim: &mut ModuleOptimizer,
    lr: f64,
    source: Batch,
    target: Tensor<4>,
    (weight, distance): (f64, impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1>),
) -> Result<(M, f32, f32), NonFinite> {
    let (source_features, logits) = features_and_logits(&model, source.images);
    let (target_features, _) = features_and_logits(&model, target);
    let distance = distance(source_features, target_features);
    let apart = distance.clone().detach();
    let loss = classification::loss(logits, source.targets) + distance * weight;
    let (loss, gradients) = gradients(loss, &model)?;
    Ok((optim.step(lr, model, gradients), loss, apart.into_scalar::<f32>()))
}
