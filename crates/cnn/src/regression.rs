//! # Regression with uncertainty
//!
//! A network that answers with a number should also say how far off it may be. The head has two outputs for each
//! quantity, the mean and the logarithm of the deviation, and training makes the observed values likely:
//!
//! ```text
//! ln σ = ln σ_min + softplus(s − ln σ_min)       s the raw output: a floor that is smooth, σ > σ_min
//!
//! loss = mean of  sg(σ²)^β · ½ (ln 2π + ln σ² + (y − μ)²/σ²)           sg: no gradient goes through
//! ```
//!
//! ```text
//! image ──▶ backbone ──▶ coarsest map ──▶ summary ──▶ μ  [outputs]
//!                                              └────▶ ln σ² [outputs]
//! ```
//!
//! With β = 0 this is the negative log-likelihood. Its gradient with respect to μ is (μ − y)/σ²: where the network is
//! unsure it also stops learning the mean, and may stay there. β = 1 gives μ the gradient of the squared error, β = ½
//! a compromise.
//!
//! That is the uncertainty *of the data* (aleatoric): noise, occlusion, ambiguity. What the network cannot know is how
//! little it has seen (epistemic). Networks that were trained from different beginnings agree where there was data,
//! and drift apart where there was none; so do those that dropout leaves of a single network. Both give a mixture of M
//! normal distributions of equal weight, whose variance divides by the law of total variance:
//!
//! ```text
//! μ = mean of μ_m          σ² = mean of σ_m²  +  variance of μ_m
//!                               aleatoric        epistemic
//! ```
//!
//! What goes wrong: a likelihood rewards memorising with ever smaller σ, so the deviations of a network that overfits
//! are too small. Intervals are therefore judged on held-out data ([`fornax_nn_core::calibration`]).
//!
//! Papers: learned variance, D. Nix, A. Weigend, *Estimating the mean and variance of the target probability
//! distribution*, 1994 (<https://doi.org/10.1109/ICNN.1994.374138>), and A. Kendall, Y. Gal, *What uncertainties do we
//! need*, NeurIPS 2017 (<https://arxiv.org/abs/1703.04977>); β, M. Seitzer et al., *On the pitfalls of heteroscedastic
//! uncertainty estimation*, ICLR 2022 (<https://arxiv.org/abs/2203.09168>); ensembles, B. Lakshminarayanan et al.,
//! NeurIPS 2017 (<https://arxiv.org/abs/1612.01474>); dropout, Y. Gal, Z. Ghahramani, ICML 2016
//! (<https://arxiv.org/abs/1506.02142>).
//!
//! ## Differs from the papers
//!
//! 1. The deviation has a floor, so that the likelihood of memorised values stays bounded.
//! 2. Ensembles are trained without adversarial examples.
//! 3. Dropout stands before the last layer only: the convolutions are shared by all samples and computed once.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Linear;
use burn::optim::ModuleOptimizer;
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Distribution, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, positive};
use fornax_nn_core::gradient::{NonFinite, gradients};
use fornax_nn_core::loss::gaussian_nll;

use crate::Backbone;
use crate::block::{Init, Summary, SummaryConfig, coarsest_map, linear};

mod prediction;
mod target;

pub use prediction::{Gaussian, Prediction};
pub use target::{TargetError, check_targets};

/// Sizes of the head of a [`Regressor`]; pure data, put on a backbone by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct RegressorConfig {
    /// How many quantities are predicted.
    pub outputs: usize,
    /// Grid, hidden layer and dropout before the last layer. Default: [`SummaryConfig`]'s.
    #[config(default = "SummaryConfig::new()")]
    pub summary: SummaryConfig,
    /// β, in [0, 1]. Default: ½, the recommendation of Seitzer et al.
    #[config(default = 0.5)]
    pub beta: f64,
    /// σ_min, in the unit of the targets. Default: 0.001, for targets of about unit deviation.
    #[config(default = 1e-3)]
    pub min_std: f64,
}

impl RegressorConfig {
    /// Puts the head on a backbone; the backbone stays as it is.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init<B: Backbone>(&self, backbone: B, device: &Device) -> Result<Regressor<B>, ConfigError> {
        let head = self.head(&backbone, device)?;
        Ok(Regressor { backbone, head })
    }

    /// The head alone, for the coarsest map of `backbone`.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn head<B: Backbone>(&self, backbone: &B, device: &Device) -> Result<GaussianHead, ConfigError> {
        at_least_one(&[("outputs", self.outputs)])?;
        if !(0.0..=1.0).contains(&self.beta) {
            return Err(ConfigError::new("beta", format!("must lie in [0, 1], got {}", self.beta)));
        }
        positive("min_std", self.min_std)?;
        let summary = self.summary.init(backbone, device).map_err(|error| error.within("summary"))?;
        let fc = linear([summary.units(), 2 * self.outputs], Init::Default, device);
        Ok(GaussianHead { summary, fc, config: self.clone() })
    }
}

/// ln σ of a raw output: smooth, and never below ln `min_std`.
pub(crate) fn floored<const D: usize>(raw: Tensor<D>, min_std: f64) -> Tensor<D> {
    let floor = min_std.ln();
    -log_sigmoid(-(raw - floor)) + floor // softplus(x) = −ln σ(−x)
}

/// From a map to means and deviations.
#[derive(Module, Debug)]
pub struct GaussianHead {
    /// From the map to a vector.
    pub summary: Summary,
    /// From the vector to μ, then s.
    pub fc: Linear,
    /// What it was built from.
    #[module(skip)]
    pub config: RegressorConfig,
}

impl GaussianHead {
    /// The predicted distributions.
    ///
    /// # Shapes
    ///
    /// - map: `[batch, channels, height, width]`
    /// - output: mean and ln σ², each `[batch, outputs]`
    pub fn forward(&self, map: Tensor<4>) -> Gaussian {
        self.forward_hidden(self.summary.forward(map))
    }

    fn forward_hidden(&self, hidden: Tensor<2>) -> Gaussian {
        let outputs = self.config.outputs;
        let raw = self.fc.forward(hidden); // [B, 2·outputs]
        let log_std = floored(raw.clone().narrow(1, outputs, outputs), self.config.min_std);
        Gaussian { mean: raw.narrow(1, 0, outputs), log_var: log_std * 2.0 }
    }
}

/// A backbone with means and deviations on its coarsest map; see the [page](self).
#[derive(Module, Debug)]
pub struct Regressor<B: Backbone> {
    /// Feature extraction.
    pub backbone: B,
    /// From the coarsest map to the distributions.
    pub head: GaussianHead,
}

impl<B: Backbone> Regressor<B> {
    /// The predicted distributions.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`, values around zero with unit deviation
    /// - output: mean and ln σ², each `[batch, outputs]`
    ///
    /// # Panics
    ///
    /// On images that [`check_images`](Backbone::check_images) refuses.
    pub fn forward(&self, images: Tensor<4>) -> Gaussian {
        self.head.forward(coarsest_map(&self.backbone, images))
    }

    /// One prediction for each mask of dropout (Monte Carlo dropout), the convolutions computed once.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`
    /// - keep: `[samples, batch, hidden]`, 1 for a unit that stays and 0 for one that is dropped
    ///
    /// # Panics
    ///
    /// When `keep` does not fit the images and the hidden layer.
    pub fn forward_with_masks(&self, images: Tensor<4>, keep: Tensor<3>) -> Vec<Gaussian> {
        let hidden = self.head.summary.hidden(coarsest_map(&self.backbone, images)); // [B, hidden]
        let [samples, batch, units] = keep.dims();
        let expected = hidden.dims();
        assert!([batch, units] == expected, "masks of {:?}, expected {expected:?}", [batch, units]);
        let hidden = hidden / (1.0 - self.head.config.summary.dropout);
        let mask = |i| keep.clone().narrow(0, i, 1).squeeze_dim::<2>(0);
        (0..samples).map(|i| self.head.forward_hidden(hidden.clone() * mask(i))).collect()
    }

    /// [`forward_with_masks`](Self::forward_with_masks) with masks drawn from the device's random numbers: seed the
    /// device before what must repeat.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`
    pub fn sample_dropout(&self, images: Tensor<4>, samples: usize) -> Vec<Gaussian> {
        let shape = [samples, images.dims()[0], self.head.summary.units()];
        let kept = Distribution::Bernoulli(1.0 - self.head.config.summary.dropout);
        let keep = Tensor::random(shape, kept, (&images.device(), images.dtype()));
        self.forward_with_masks(images, keep)
    }

    /// What training minimises: [`loss`] with the configured β.
    pub fn training_loss(&self, batch: Batch) -> Tensor<1> {
        loss(self.forward(batch.images), batch.targets, self.head.config.beta)
    }
}

/// One batch of examples.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, in_channels, height, width]`
    pub images: Tensor<4>,
    /// `[batch, outputs]`
    pub targets: Tensor<2>,
}

/// Negative log-likelihood in nats, each element weighted by σ^2β, averaged over examples and quantities.
///
/// # Shapes
///
/// - predicted, targets: `[batch, outputs]`
pub fn loss(predicted: Gaussian, targets: Tensor<2>, beta: f64) -> Tensor<1> {
    let weight = (predicted.log_var.clone().detach() * beta).exp();
    (gaussian_nll(predicted.mean, predicted.log_var, targets) * weight).mean()
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step<B: Backbone>(
    model: Regressor<B>,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: Batch,
) -> Result<(Regressor<B>, f32), NonFinite> {
    let loss = model.training_loss(batch);
    let (loss, gradients) = gradients(loss, &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}
