//! Classification: a head on the coarsest map of a backbone, its loss and its training step. Accuracy, top-k, confusion and
//! calibration are in [`fornax_nn_core::metric`].
//!
//! ```text
//! p = softmax(logits)          loss = −log p[target], averaged over the batch          (nats)
//! ```

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::ModuleOptimizer;
use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::gradient::{NonFinite, gradients};

use crate::Backbone;

/// One labelled batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, in_channels, height, width]`
    pub images: Tensor<4>,
    /// `[batch]`, class indices below `num_classes`
    pub targets: Tensor<1, Int>,
}

/// A backbone with a classifier on its coarsest map.
pub trait Classifier: Backbone {
    /// Number of classes.
    fn num_classes(&self) -> usize;

    /// The logits from the coarsest map: what a transfer to another task replaces.
    ///
    /// # Shapes
    ///
    /// - map: the last of [`forward_features`](Backbone::forward_features)
    /// - output: `[batch, num_classes]`
    fn forward_head(&self, map: Tensor<4>) -> Tensor<2>;

    /// The same backbone with a new output layer, initialised as the network's own, for other classes.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `num_classes` when it is zero.
    fn reset_classifier(self, num_classes: usize) -> Result<Self, ConfigError>;

    /// The logits: feature extraction, then classification.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`, values around zero with unit deviation
    /// - output: `[batch, num_classes]`, unnormalised
    ///
    /// # Panics
    ///
    /// On images that [`check_images`](Backbone::check_images) refuses.
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        match self.forward_features(images).pop() {
            Some(map) => self.forward_head(map),
            None => unreachable!("a backbone has at least one map"),
        }
    }

    /// The model's belief in each class: softmax over the logits, rows sum to one.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`
    /// - output: `[batch, num_classes]`
    fn predict(&self, images: Tensor<4>) -> Tensor<2> {
        softmax(self.forward(images), 1)
    }

    /// What training minimises: [`loss`] of the logits, and of the auxiliary ones where a network has them.
    fn training_loss(&self, batch: Batch) -> Tensor<1> {
        loss(self.forward(batch.images), batch.targets)
    }
}

/// Mean cross-entropy in nats.
///
/// # Shapes
///
/// - logits: `[batch, num_classes]`
/// - targets: `[batch]`
pub fn loss(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, targets)
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step<M: Classifier>(
    model: M,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: Batch,
) -> Result<(M, f32), NonFinite> {
    let loss = model.training_loss(batch);
    let (loss, gradients) = gradients(loss, &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}
