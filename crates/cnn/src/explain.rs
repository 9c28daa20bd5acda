//! # What a classifier looks at
//!
//! Three views of a trained network, from the inside out:
//!
//! - **feature maps**: what each stage makes of the image, with the pixels a unit can see at most (its *receptive field*);
//! - **Grad-CAM**: where on the coarsest map the evidence for a class lies, by the gradient of its logit;
//! - **occlusion**: how much the belief in a class falls when a patch of the image is covered. Slow, but it asks the
//!   network itself, not its derivative.
//!
//! ```text
//! Grad-CAM      α_k = (1/(h·w)) Σ_ij ∂z_c/∂A_k[i, j]             weight of map k for class c, logit z_c
//!               L[i, j] = max(0, Σ_k α_k · A_k[i, j])
//!
//! occlusion     S[r, s] = p_c(x) − p_c(x with the patch at (r, s) covered)        above zero: the patch spoke for c
//! ```
//!
//! Where the classifier is a mean over the map and one linear layer w, ∂z_c/∂A_k is w_ck/(h·w) everywhere, and L is the
//! *class activation map* Σ_k w_ck · A_k, cut off at zero, up to the factor 1/(h·w): what the tests check.
//!
//! What goes wrong: Grad-CAM is as coarse as the map and shows where evidence *for* the class is, not what would speak
//! against it; a covered patch is an image like none in training, and its value matters: zero is the mean of normalised
//! images. A large field does not mean that all of it is used: units listen mostly to the middle.
//!
//! Papers: R. Selvaraju et al., *Grad-CAM: visual explanations from deep networks via gradient-based localization*, ICCV
//! 2017 (<https://arxiv.org/abs/1610.02391>); M. Zeiler, R. Fergus, *Visualizing and understanding convolutional
//! networks*, ECCV 2014 (<https://arxiv.org/abs/1311.2901>).

use burn::config::Config;
use burn::tensor::activation::relu;
use burn::tensor::{Int, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;

use crate::block::spatial_mean;
use crate::classification::Classifier;
use crate::geometry::{ReceptiveField, Window, receptive_fields};
use crate::{Backbone, FeatureInfo};

/// A map and what its units see.
#[derive(Debug, Clone)]
pub struct FeatureMap {
    /// `[batch, channels, height, width]`
    pub map: Tensor<4>,
    /// Its channels and stride.
    pub info: FeatureInfo,
    /// The pixels its units see, along either axis.
    pub field: ReceptiveField,
}

/// What every stage of the network makes of the images, in inference.
///
/// # Shapes
///
/// - images: `[batch, in_channels, height, width]`
/// - maps: as [`Backbone::forward_features`]
///
/// # Panics
///
/// On images that [`check_images`](Backbone::check_images) refuses.
pub fn feature_maps<B: Backbone>(model: &B, images: Tensor<4>) -> Vec<FeatureMap> {
    let maps = model.valid().forward_features(images.without_autodiff());
    let fields = receptive_fields(&model.stages());
    let about = model.feature_info().into_iter().zip(fields);
    maps.into_iter().zip(about).map(|(map, (info, field))| FeatureMap { map, info, field }).collect()
}

/// The evidence for a class in each image, on the coarsest map.
///
/// The network runs in inference (dropout off, running statistics) whatever side of autodiff it is on.
///
/// # Shapes
///
/// - images: `[batch, in_channels, height, width]`
/// - classes: one for each image
/// - output: `[batch, h, w]`, the size of the last map; not below zero, unnormalised
///
/// # Panics
///
/// On images that [`check_images`](Backbone::check_images) refuses, and when there is not one class below
/// `num_classes` for each image.
pub fn grad_cam<M: Classifier>(model: &M, images: Tensor<4>, classes: &[usize]) -> Tensor<3> {
    let (model, images) = (model.valid().train().freeze(), images.autodiff());
    let chosen = chosen(&model, &images, classes); // [B, 1]
    let Some(map) = model.forward_features(images).pop() else {
        unreachable!("a backbone has at least one map");
    };
    let map = map.detach().require_grad(); // [B, C, h, w]
    let logits = model.forward_head(map.clone()); // [B, num_classes]
    // Images do not mix in inference, so one backward pass serves the whole batch.
    let gradients = logits.gather(1, chosen).sum().backward();
    let map_values = map.clone().inner();
    let gradient = map.grad(&gradients).unwrap_or_else(|| map_values.zeros_like());
    let weights = spatial_mean(gradient); // [B, C, 1, 1]
    relu((map_values * weights).sum_dim(1)).squeeze_dim(1) // [B, h, w]
}

/// How an image is covered, patch by patch.
#[derive(Config, Debug, PartialEq)]
pub struct OcclusionConfig {
    /// Side of the patch in pixels.
    pub side: usize,
    /// Pixels from one patch to the next.
    pub stride: usize,
    /// What the patch is filled with. Default: the mean of normalised images.
    #[config(default = 0.0)]
    pub value: f64,
    /// Covered images classified at once. Default: 64, enough to keep a processor busy.
    #[config(default = 64)]
    pub batch: usize,
}

/// How much the belief in a class falls when each patch is covered, for each image.
///
/// # Shapes
///
/// - images: `[batch, in_channels, height, width]`
/// - classes: one for each image
/// - output: `[batch, ⌊(height − side) / stride⌋ + 1, ⌊(width − side) / stride⌋ + 1]`, in [−1, 1]
///
/// # Errors
///
/// [`ConfigError`] naming what is zero, or `side` when the patch is larger than the image.
///
/// # Panics
///
/// As [`grad_cam`].
pub fn occlusion<M: Classifier>(
    model: &M,
    images: Tensor<4>,
    classes: &[usize],
    config: &OcclusionConfig,
) -> Result<Tensor<3>, ConfigError> {
    let OcclusionConfig { side, stride, value, batch } = *config;
    at_least_one(&[("side", side), ("stride", stride), ("batch", batch)])?;
    let images = images.without_autodiff();
    let [count, _, height, width] = images.dims();
    let window = Window::new(side, stride, 0);
    let (Some(rows), Some(columns)) = (window.output(height), window.output(width)) else {
        let reason = format!("a patch of {side} does not fit into an image of {height} × {width}");
        return Err(ConfigError::new("side", reason));
    };
    let model = model.valid();
    let chosen = chosen(&model, &images, classes); // [B, 1]
    let corners: Vec<[usize; 2]> =
        (0..rows * columns).map(|at| [at / columns * stride, at % columns * stride]).collect();

    let mut falls = Vec::with_capacity(count);
    for i in 0..count {
        let (image, class) = (images.clone().narrow(0, i, 1), chosen.clone().narrow(0, i, 1));
        let belief = model.predict(image.clone()).gather(1, class.clone()); // [1, 1]
        for corners in corners.chunks(batch) {
            let covered = covered(corners, side, [height, width], &image); // [n, 1, H, W]
            let kept = covered.clone().neg().add_scalar(1.0);
            let patched = image.clone() * kept + covered * value; // [n, C, H, W]
            let class = class.clone().expand([corners.len(), 1]);
            falls.push(belief.clone() - model.predict(patched).gather(1, class)); // [n, 1]
        }
    }
    Ok(Tensor::cat(falls, 0).reshape([count, rows, columns]))
}

/// 1 where a patch covers the image, one map a corner.
fn covered(corners: &[[usize; 2]], side: usize, [height, width]: [usize; 2], like: &Tensor<4>) -> Tensor<4> {
    let inside = |first: usize, at: usize| (first..first + side).contains(&at);
    let pixel = |&[top, left]: &[usize; 2]| {
        (0..height * width)
            .map(move |at| if inside(top, at / width) && inside(left, at % width) { 1.0_f32 } else { 0.0 })
    };
    let values: Vec<f32> = corners.iter().flat_map(pixel).collect();
    let data = TensorData::new(values, [corners.len(), 1, height, width]);
    Tensor::from_data(data, (&like.device(), like.dtype()))
}

/// The classes as indices, `[batch, 1]`.
#[track_caller]
fn chosen<M: Classifier>(model: &M, images: &Tensor<4>, classes: &[usize]) -> Tensor<2, Int> {
    let ([batch, ..], known) = (images.dims(), model.num_classes());
    assert_eq!(classes.len(), batch, "expected one class for each image");
    assert!(classes.iter().all(|&class| class < known), "expected classes below {known}, got {classes:?}");
    let indices: Vec<i64> = classes.iter().map(|&class| class as i64).collect();
    Tensor::from_data(TensorData::new(indices, [batch, 1]), &images.device())
}
