//! Where each regulariser takes hold of a training step.

use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use fornax_nn_core::ConfigError;
use fornax_nn_core::feed_forward::{self, FeedForward};
use fornax_nn_core::loss::{LabelSmoothing, LabelSmoothingConfig};
use fornax_nn_core::regularization::penalty::decay;
use fornax_nn_core::regularization::spectral_norm::{power_iteration, spectral_norm};
use fornax_nn_core::regularization::weight_norm::weight_norm;
use fornax_nn_core::regularization::{
    GradientNoise, GradientNoiseConfig, MaxNorm, MaxNormConfig, Mixup, MixupConfig, Penalty, PenaltyConfig,
    weights,
};

use crate::data::Images;
use crate::method::Method;

/// A method ready for use: what it does to the loss, to the gradient and to the weights.
pub(crate) struct Regulariser {
    method: Method,
    penalty: Option<Penalty>,
    smoothing: LabelSmoothing,
    mixup: Option<Mixup>,
    noise: Option<GradientNoise>,
    max_norm: Option<MaxNorm>,
}

impl Regulariser {
    pub(crate) fn new(method: Method, seed: u64) -> Result<Self, ConfigError> {
        let (mut penalty, mut smoothing, mut mixup, mut noise, mut max_norm) = (None, 0.0, None, None, None);
        match method {
            Method::L1(strength) => penalty = Some(PenaltyConfig::l1(strength).init(weights())?),
            Method::L2(strength) => penalty = Some(PenaltyConfig::l2(strength).init(weights())?),
            Method::ElasticNet(strength) => {
                penalty = Some(PenaltyConfig::elastic_net(strength, 0.5).init(weights())?);
            }
            Method::LabelSmoothing(epsilon) => smoothing = epsilon,
            Method::Mixup(alpha) => mixup = Some(MixupConfig::new().with_alpha(alpha).init()?),
            Method::GradientNoise(eta) => {
                noise = Some(GradientNoiseConfig::new().with_eta(eta).with_seed(seed).init()?);
            }
            Method::MaxNorm(limit) => {
                max_norm = Some(MaxNormConfig::new().with_limit(limit).init(weights())?);
            }
            _ => {}
        }
        let smoothing = LabelSmoothingConfig::new().with_epsilon(smoothing).init()?;
        Ok(Self { method, penalty, smoothing, mixup, noise, max_norm })
    }

    /// The network with its weights reparameterised, for the two norms that do that.
    pub(crate) fn attach(&self, model: FeedForward, seed: u64) -> FeedForward {
        match self.method {
            Method::SpectralNorm => spectral_norm(model, weights(), seed),
            Method::WeightNorm => weight_norm(model, weights()),
            _ => model,
        }
    }

    /// Cross-entropy on the images, mixed or smoothed, with the penalty; what is random follows from `seed`.
    pub(crate) fn loss(
        &self,
        model: &FeedForward,
        images: &Images,
        seed: u64,
    ) -> Result<Tensor<1>, ConfigError> {
        let mut pixels = images.pixels.clone(); // [B, 64]
        let mut targets = self.smoothing.targets(images.labels.clone(), 10); // [B, 10]
        if let Some(mixup) = self.mixup {
            let mix = mixup.draw(pixels.dims()[0], seed);
            (pixels, targets) = (mix.apply(pixels), mix.apply(targets));
        }
        let loss = feed_forward::loss(model.output_activation(), model.logits(pixels), targets);
        match &self.penalty {
            Some(penalty) => Ok(loss + penalty.value(model)?),
            None => Ok(loss),
        }
    }

    /// The optimiser's step, with noise before it or a constraint after it.
    pub(crate) fn update(
        &self,
        mut model: FeedForward,
        optim: &mut ModuleOptimizer,
        lr: f64,
        mut gradients: GradientsParams,
        step: u64,
    ) -> FeedForward {
        if let Some(noise) = &self.noise {
            gradients = noise.apply(&model, gradients, step);
        }
        model = optim.step(lr, model, gradients);
        match (self.method, &self.max_norm) {
            (Method::DecoupledDecay(strength), _) => decay(model, &weights(), lr * strength),
            (Method::SpectralNorm, _) => power_iteration(model, 1),
            (_, Some(max_norm)) => max_norm.project(model),
            _ => model,
        }
    }
}
