//! # SimCLR: contrastive learning
//!
//! Two random views of each image; every view shall find its partner among all others of the batch.
//!
//! ```text
//! ℓ(i, j) = −ln  exp(s_ij/τ) / Σ_{k ≠ i} exp(s_ik/τ)          s: cosine similarity, j: the partner of i
//! L = 1/2N · Σ ℓ(i, partner of i)                              between 0 and about ln(2N − 1)
//!
//!           ┌─▶ augment ─▶ view 1 ─▶ encoder ─▶ h ─▶ head ─▶ z ─┐
//!  image ───┤                                                   ├──▶ NT-Xent
//!           └─▶ augment ─▶ view 2 ─▶ encoder ─▶ h ─▶ head ─▶ z ─┘
//!                                               └── what is transferred
//! ```
//!
//! The numerator pulls the two views together, the denominator spreads all images over the sphere; without it everything
//! would collapse into one point. The **head** is thrown away: its z has forgotten what the augmentations change (colour,
//! size, place), which another task may need; h has not.
//!
//! τ decides how much the nearest wrong partner counts: small values look at it alone.
//!
//! What goes wrong: views that are easy to match by a by-product (a colour cast, the border of a crop), and small batches, in
//! which there is nothing to confuse an image with.
//!
//! Paper: T. Chen et al., *A simple framework for contrastive learning of visual representations*, 2020
//! (<https://arxiv.org/abs/2002.05709>).

use burn::config::Config;
use burn::module::{Module, ModuleDisplay};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::ModuleOptimizer;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::gradient::{NonFinite, gradients};

/// Sizes of a [`ProjectionHead`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct ProjectionHeadConfig {
    /// Features of the encoder.
    pub features: usize,
    /// Units between. Default: as many as `features`, the paper's.
    pub hidden: Option<usize>,
    /// Features that are compared. Default: the paper's.
    #[config(default = 128)]
    pub output: usize,
}

impl ProjectionHeadConfig {
    /// Builds the head on `device`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field that is zero.
    pub fn init(&self, device: &Device) -> Result<ProjectionHead, ConfigError> {
        let hidden = self.hidden.unwrap_or(self.features);
        at_least_one(&[("features", self.features), ("hidden", hidden), ("output", self.output)])?;
        Ok(ProjectionHead {
            hidden: LinearConfig::new(self.features, hidden).init(device),
            output: LinearConfig::new(hidden, self.output).with_bias(false).init(device),
        })
    }
}

/// From the features to what is compared.
#[derive(Module, Debug)]
pub struct ProjectionHead {
    /// To the hidden layer.
    pub hidden: Linear,
    /// To the output, without a bias.
    pub output: Linear,
}

impl ProjectionHead {
    /// # Shapes
    ///
    /// - features: `[batch, features]`
    /// - output: `[batch, output]`
    pub fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        self.output.forward(relu(self.hidden.forward(features)))
    }
}

/// The normalised, temperature-scaled cross-entropy of pairs of views. The paper's temperatures lie between 0.1 and 0.5.
///
/// # Shapes
///
/// - first, second: `[batch, features]`, row i of either a view of image i
///
/// # Panics
///
/// When the shapes differ.
pub fn nt_xent(first: Tensor<2>, second: Tensor<2>, temperature: f64) -> Tensor<1> {
    let (left, right) = (first.dims(), second.dims());
    assert!(left == right, "the views {left:?} and {right:?} differ in shape");
    let batch = left[0];
    let device = first.device();
    let z = Tensor::cat(vec![first, second], 0); // [2N, F]
    let norm = (z.clone() * z.clone()).sum_dim(1).sqrt().clamp_min(1e-8);
    let z = z / norm;
    let similarity = z.clone().matmul(z.transpose()) / temperature; // [2N, 2N]
    // A view is not its own partner.
    let itself = Tensor::<2>::eye(2 * batch, &device).cast(similarity.dtype()).bool();
    let similarity = similarity.mask_fill(itself, -1e9);
    let rows = Tensor::<1, Int>::arange(0..2 * batch as i64, &device);
    let partners = (rows + batch as i64).remainder_scalar(2 * batch as i64);
    CrossEntropyLossConfig::new().init(&device).forward(similarity, partners)
}

/// An encoder with its head.
#[derive(Module, Debug)]
pub struct SimClr<M: Module> {
    /// What is transferred.
    pub encoder: M,
    /// What is thrown away.
    pub head: ProjectionHead,
}

/// One step on two views of the same images, through `encode`: images to features. Returns the new model and the loss before
/// the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step<M: Module + ModuleDisplay, const D: usize>(
    model: SimClr<M>,
    optim: &mut ModuleOptimizer,
    lr: f64,
    views: [Tensor<D>; 2],
    temperature: f64,
    encode: impl Fn(&M, Tensor<D>) -> Tensor<2>,
) -> Result<(SimClr<M>, f32), NonFinite> {
    let [first, second] = views.map(|view| model.head.forward(encode(&model.encoder, view)));
    let (loss, gradients) = gradients(nt_xent(first, second, temperature), &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}
