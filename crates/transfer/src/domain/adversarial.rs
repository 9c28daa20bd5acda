//! # DANN: domain-adversarial training
//!
//! A second classifier tells from the features which domain an image comes from. It learns to; the features learn that it
//! cannot. One backward pass does both, because between them stands a layer that does nothing forward and turns the gradient
//! round backward:
//!
//! ```text
//! reverse(x) = x                    ∂reverse/∂x = −λ
//!
//!            ┌──▶ head ──▶ classes             cross-entropy on the source
//! images ─▶ features
//!            └──▶ reverse ──▶ domain classifier ──▶ source or target?       on both
//!
//! λ(p) = 2/(1 + e^(−10p)) − 1      p: from 0 at the first step to 1 at the last
//! ```
//!
//! λ begins at zero because the features of an untrained network say nothing about classes or domains, and grows as the
//! domain classifier becomes worth fooling.
//!
//! What goes wrong: a domain loss of ln 2 may mean features that are alike or a classifier too weak to tell; a λ too large
//! makes features alike by making them empty. Watch the source's accuracy.
//!
//! Paper: Y. Ganin et al., *Domain-adversarial training of neural networks*, 2016 (<https://arxiv.org/abs/1505.07818>).
//!
//! ## Differs from the paper
//!
//! 1. The learning rate's own schedule, 0.01/(1 + 10p)^0.75, is left to the caller.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::ModuleOptimizer;
use burn::tensor::activation::{log_sigmoid, relu};
use burn::tensor::{Device, Tensor};
use fornax_cnn::Classifier;
use fornax_cnn::classification::{self, Batch};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::gradient::{NonFinite, gradients};

use super::features_and_logits;

/// The identity, whose gradient is −λ times what it gets: both to the bit.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use fornax_transfer::domain::adversarial::reverse;
///
/// let x = Tensor::<1>::from_data([0.1, -7.3], &Device::flex().autodiff()).require_grad();
/// let y = reverse(x.clone(), 0.5);
/// assert_eq!(y.to_data(), x.to_data());
/// let gradients = (y * 3.0).sum().backward();
/// assert_eq!(x.grad(&gradients).unwrap().to_data().iter::<f32>().collect::<Vec<_>>(), [-1.5, -1.5]);
/// ```
///
/// # Shapes
///
/// - x, output: any
pub fn reverse<const D: usize>(x: Tensor<D>, lambda: f64) -> Tensor<D> {
    // The difference is exactly zero, its gradient is not.
    let value = x.clone().detach();
    value.clone() + (x - value) * -lambda
}

/// λ after a part `p` of the training, from 0 to 1: the paper's schedule.
pub fn lambda(p: f64) -> f64 {
    2.0 / (1.0 + (-10.0 * p.clamp(0.0, 1.0)).exp()) - 1.0
}

/// Sizes of a [`DomainClassifier`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct DomainClassifierConfig {
    /// Features of an image.
    pub features: usize,
    /// Units of the hidden layer. Default: the paper's for MNIST.
    #[config(default = 100)]
    pub hidden: usize,
}

impl DomainClassifierConfig {
    /// Builds the classifier on `device`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field that is zero.
    pub fn init(&self, device: &Device) -> Result<DomainClassifier, ConfigError> {
        at_least_one(&[("features", self.features), ("hidden", self.hidden)])?;
        Ok(DomainClassifier {
            hidden: LinearConfig::new(self.features, self.hidden).init(device),
            output: LinearConfig::new(self.hidden, 1).init(device),
        })
    }
}

/// Source or target?
#[derive(Module, Debug)]
pub struct DomainClassifier {
    /// To the hidden layer.
    pub hidden: Linear,
    /// To one logit: positive for the target.
    pub output: Linear,
}

impl DomainClassifier {
    /// # Shapes
    ///
    /// - features: `[batch, features]`
    /// - output: `[batch]`, logits of the target
    pub fn forward(&self, features: Tensor<2>) -> Tensor<1> {
        self.output.forward(relu(self.hidden.forward(features))).squeeze_dim(1)
    }

    /// Mean cross-entropy of the domains, as many of one as of the other whatever the batches' sizes. What comes back to the
    /// features is reversed and scaled by `lambda`.
    ///
    /// # Shapes
    ///
    /// - source, target: `[batch, features]`
    pub fn loss(&self, source: Tensor<2>, target: Tensor<2>, lambda: f64) -> Tensor<1> {
        let source = log_sigmoid(-self.forward(reverse(source, lambda))).mean();
        let target = log_sigmoid(self.forward(reverse(target, lambda))).mean();
        (source + target) * -0.5
    }
}

/// A classifier and the one it has to fool, trained by one optimiser.
#[derive(Module, Debug)]
pub struct Dann<M: Module> {
    /// What is wanted in the end.
    pub network: M,
    /// Its adversary.
    pub domain: DomainClassifier,
}

/// The losses of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DannLosses {
    /// Cross-entropy of the source's classes.
    pub classes: f32,
    /// Cross-entropy of the domains: ln 2 when they cannot be told apart.
    pub domains: f32,
}

/// One step on a labelled batch of the source and images of the target.
///
/// # Shapes
///
/// - target: `[batch, in_channels, height, width]`
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step<M: Classifier>(
    model: Dann<M>,
    optim: &mut ModuleOptimizer,
    lr: f64,
    source: Batch,
    target: Tensor<4>,
    lambda: f64,
) -> Result<(Dann<M>, DannLosses), NonFinite> {
    let (source_features, logits) = features_and_logits(&model.network, source.images);
    let (target_features, _) = features_and_logits(&model.network, target);
    let classes = classification::loss(logits, source.targets);
    let domains = model.domain.loss(source_features, target_features, lambda);
    let domain_loss = domains.clone().detach();
    let (total, gradients) = gradients(classes + domains, &model)?;
    let domains = domain_loss.into_scalar::<f32>();
    Ok((optim.step(lr, model, gradients), DannLosses { classes: total - domains, domains }))
}
