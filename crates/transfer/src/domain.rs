//! # Domain adaptation
//!
//! The task stays, the data changes: another scanner, another season, noise. There are labels in the **source** domain and
//! none in the **target** domain. What can be bounded is (S. Ben-David et al., 2010):
//!
//! ```text
//! error on target  ≤  error on source  +  distance of the two domains, as seen in the features  +  λ*
//!                     labels minimise it   adaptation minimises it                               error of the best joint model
//! ```
//!
//! so: learn features by which the source's labels can be told and the domains cannot.
//!
//! | page | makes the domains alike by |
//! |---|---|
//! | [`adversarial`] (DANN) | a classifier of domains whose gradient is reversed |
//! | [`alignment`] (CORAL, MMD) | a distance between the two sets of features, added to the loss |
//! | [`statistics`] (AdaBN) | each domain's own mean and variance in batch normalisation; nothing is trained |
//!
//! **When it hurts.** λ* is not seen by any of them: if the classes differ in proportion, or what is a 6 here is a 9 there,
//! features made alike are made wrong, and the target error rises while every loss falls. Keep some labels of the target, a
//! few dozen, to notice.
//!
//! Paper: S. Ben-David et al., *A theory of learning from different domains*, 2010
//! (<https://doi.org/10.1007/s10994-009-5152-4>).

pub mod adversarial;
pub mod alignment;
pub mod statistics;

use burn::tensor::Tensor;
use fornax_cnn::Classifier;

/// The deepest map of a classifier as one row of features an image, and the logits from it.
///
/// # Shapes
///
/// - images: `[batch, in_channels, height, width]`
/// - output: `[batch, channels · height · width]` of that map, and `[batch, classes]`
///
/// # Panics
///
/// On images that the network does not take.
pub fn features_and_logits<M: Classifier>(model: &M, images: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
    match model.forward_features(images).pop() {
        Some(map) => (map.clone().flatten(1, 3), model.forward_head(map)),
        None => unreachable!("a backbone has at least one map"),
    }
}
