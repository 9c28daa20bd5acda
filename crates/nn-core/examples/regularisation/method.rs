//! The regularisers, and where each takes hold of a training step.

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

/// A regulariser with its strength.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    None,
    /// λ
    L1(f64),
    /// λ
    L2(f64),
    /// λ, half of it for each norm
    ElasticNet(f64),
    /// λ, times the learning rate each step
    DecoupledDecay(f64),
    /// 1/c: the stronger, the shorter the longest weight vector allowed
    MaxNorm(f64),
    /// Odds p/(1 − p) of dropping a hidden unit
    Dropout(f64),
    /// ε
    LabelSmoothing(f64),
    /// α
    Mixup(f64),
    /// Epochs of patience
    EarlyStopping(usize),
    /// Variance η at the first step
    GradientNoise(f64),
    SpectralNorm,
    WeightNorm,
}

/// Strengths chosen with `--tune`, from 1/10, 3/10, 1, 3 and 10 times a first guess.
pub(crate) const METHODS: [Method; 13] = [
    Method::None,
    Method::L1(1e-3),
    Method::L2(1e-2),
    Method::ElasticNet(1e-3),
    Method::DecoupledDecay(3.0),
    Method::MaxNorm(1.0),
    Method::Dropout(1.0),
    Method::LabelSmoothing(0.3),
    Method::Mixup(1.0),
    Method::EarlyStopping(10),
    Method::GradientNoise(1e-4),
    Method::SpectralNorm,
    Method::WeightNorm,
];

/// Those named, all if none is.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<Method>, ConfigError> {
    if let Some(unknown) = names.iter().find(|name| METHODS.iter().all(|method| method.name() != **name)) {
        let known: Vec<&str> = METHODS.iter().map(|method| method.name()).collect();
        let reason = format!("unknown regulariser {unknown:?}: known are {}", known.join(", "));
        return Err(ConfigError::new("only", reason));
    }
    let wanted = |method: &Method| names.is_empty() || names.iter().any(|name| method.name() == *name);
    Ok(METHODS.into_iter().filter(wanted).collect())
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::L1(_) => "l1",
            Self::L2(_) => "l2",
            Self::ElasticNet(_) => "elastic_net",
            Self::DecoupledDecay(_) => "decoupled_decay",
            Self::MaxNorm(_) => "max_norm",
            Self::Dropout(_) => "dropout",
            Self::LabelSmoothing(_) => "label_smoothing",
            Self::Mixup(_) => "mixup",
            Self::EarlyStopping(_) => "early_stopping",
            Self::GradientNoise(_) => "gradient_noise",
            Self::SpectralNorm => "spectral_norm",
            Self::WeightNorm => "weight_norm",
        }
    }

    /// The same, stronger or weaker; patience and the norms without a strength stay.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        match self {
            Self::L1(strength) => Self::L1(strength * factor),
            Self::L2(strength) => Self::L2(strength * factor),
            Self::ElasticNet(strength) => Self::ElasticNet(strength * factor),
            Self::DecoupledDecay(strength) => Self::DecoupledDecay(strength * factor),
            Self::MaxNorm(strength) => Self::MaxNorm(strength * factor),
            Self::Dropout(strength) => Self::Dropout(strength * factor),
            Self::LabelSmoothing(strength) => Self::LabelSmoothing((strength * factor).min(0.99)),
            Self::Mixup(strength) => Self::Mixup(strength * factor),
            Self::GradientNoise(strength) => Self::GradientNoise(strength * factor),
            other => other,
        }
    }

    /// The probability of dropping a hidden unit.
    pub(crate) fn dropout(self) -> f64 {
        if let Self::Dropout(odds) = self { odds / (1.0 + odds) } else { 0.0 }
    }

    /// How many of the training images are set aside to see when to stop.
    pub(crate) fn holds_back(self) -> usize {
        if let Self::EarlyStopping(_) = self { 20 } else { 0 }
    }

    pub(crate) fn patience(self) -> usize {
        if let Self::EarlyStopping(epochs) = self { epochs } else { 1 }
    }
}

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
            Method::MaxNorm(strength) => {
                max_norm = Some(MaxNormConfig::new().with_limit(strength.recip()).init(weights())?);
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
