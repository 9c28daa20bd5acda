//! # Losses
//!
//! What training lowers. Burn has the everyday ones (`burn::nn::loss`: cross-entropy, mean squared error,
//! Huber, CTC, …), to be used from there; this module has what the families need beyond them.
//!
//! | loss | for | page |
//! |---|---|---|
//! | [`Focal`] | classes so unequal that the easy ones drown the rest | [`classification`] |
//! | [`cross_entropy`], [`LabelSmoothing`] | soft or softened targets | [`classification`] |
//! | [`Tversky`] (dice, Jaccard) | overlap of masks | [`overlap`] |
//! | [`gaussian_nll`], [`mixture_density_nll`] | predicted distributions of numbers | [`likelihood`] |
//! | [`kl_to_standard_normal`], [`kl_between_normals`] | distance of distributions | [`likelihood`] |
//! | [`GanLoss`] | a generator against a discriminator | [`adversarial`] |
//! | [`BoxLoss`] (IoU, GIoU, DIoU, CIoU) | bounding boxes | [`boxes`] |
//!
//! Three have a relative in Burn: its `CrossEntropyLoss` smooths labels too but averages at once; its
//! `GaussianNLLLoss` takes a variance and clamps it, [`gaussian_nll`] its logarithm, which needs no clamp;
//! its `KLDivLoss` compares discrete distributions.
//!
//! ## Reduction
//!
//! A loss here returns one number per example (or per element, where it says so) and reduces nothing:
//! `.mean()` and `.sum()` are what they say, weights per example are a product away, and a
//! [`Reduction`] does either when the choice is configuration.
//!
//! ## Numerically stable
//!
//! Everything that has a logarithm takes logits, never probabilities: ln σ(z) and ln softmax(z) are
//! computed by log-sum-exp, so a logit of ±10,000 gives a large finite loss with the right gradient, where
//! ln of a rounded probability would be −∞ with a gradient of NaN. The tests go there.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

pub mod adversarial;
pub mod boxes;
pub mod classification;
pub mod likelihood;
pub mod overlap;

pub use adversarial::GanLoss;
pub use boxes::BoxLoss;
pub use classification::{Focal, FocalConfig, LabelSmoothing, LabelSmoothingConfig, cross_entropy};
pub use likelihood::{gaussian_nll, kl_between_normals, kl_to_standard_normal, mixture_density_nll};
pub use overlap::{Tversky, TverskyConfig};

/// How losses of examples become one number.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use fornax_nn_core::loss::Reduction;
///
/// let losses = Tensor::<1>::from_data([1.0, 2.0, 6.0], &Device::flex());
/// assert_eq!(Reduction::Mean.apply(losses.clone()).into_scalar::<f32>(), 3.0);
/// assert_eq!(Reduction::Sum.apply(losses).into_scalar::<f32>(), 9.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// The average: a learning rate then does not depend on the batch size.
    #[default]
    Mean,
    /// The sum.
    Sum,
}

impl Reduction {
    /// One number of many.
    ///
    /// # Shapes
    ///
    /// - losses: any
    /// - output: `[1]`
    pub fn apply<const D: usize>(self, losses: Tensor<D>) -> Tensor<1> {
        match self {
            Self::Mean => losses.mean(),
            Self::Sum => losses.sum(),
        }
    }
}

/// ln Σ exp along `dim`, which becomes 1: the largest term is taken out, so nothing overflows.
fn log_sum_exp<const D: usize>(x: Tensor<D>, dim: usize) -> Tensor<D> {
    let largest = x.clone().detach().max_dim(dim);
    (x - largest.clone()).exp().sum_dim(dim).log() + largest
}

/// Panics with both shapes when they differ.
#[track_caller]
fn same_shape<const D: usize>(left: (&str, &Tensor<D>), right: (&str, &Tensor<D>)) {
    let (a, b) = (left.1.dims(), right.1.dims());
    assert!(a == b, "{} {a:?} and {} {b:?} must have the same shape", left.0, right.0);
}

#[cfg(test)]
mod tests;
