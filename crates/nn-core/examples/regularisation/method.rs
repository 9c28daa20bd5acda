//! The regularisers by name, and how strong they are.

use fornax_nn_core::ConfigError;

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
    /// c, the greatest length of the weights into a unit
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

/// Strengths chosen with `--tune`: the best of three seeds' mean over factors of about 3, finer where it mattered.
pub(crate) const METHODS: [Method; 13] = [
    Method::None,
    Method::L1(5e-3),
    Method::L2(0.1),
    Method::ElasticNet(0.01),
    Method::DecoupledDecay(15.0),
    Method::MaxNorm(1.0 / 3.0),
    Method::Dropout(2.0),
    Method::LabelSmoothing(0.03),
    Method::Mixup(0.3),
    Method::EarlyStopping(40),
    Method::GradientNoise(0.03),
    Method::SpectralNorm,
    Method::WeightNorm,
];

/// Those named and [`Method::None`] to compare with; all if none is named.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<Method>, ConfigError> {
    if let Some(unknown) = names.iter().find(|name| METHODS.iter().all(|method| method.name() != **name)) {
        let known: Vec<&str> = METHODS.iter().map(|method| method.name()).collect();
        let reason = format!("unknown regulariser {unknown:?}: known are {}", known.join(", "));
        return Err(ConfigError::new("only", reason));
    }
    let wanted =
        |name: &str| names.is_empty() || name == Method::None.name() || names.iter().any(|n| n == name);
    Ok(METHODS.into_iter().filter(|method| wanted(method.name())).collect())
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

    /// The same, stronger or weaker; patience and what has no strength stay.
    pub(crate) fn scaled(self, by: f64) -> Self {
        match self {
            Self::L1(lambda) => Self::L1(lambda * by),
            Self::L2(lambda) => Self::L2(lambda * by),
            Self::ElasticNet(lambda) => Self::ElasticNet(lambda * by),
            Self::DecoupledDecay(lambda) => Self::DecoupledDecay(lambda * by),
            Self::MaxNorm(limit) => Self::MaxNorm(limit / by),
            Self::Dropout(odds) => Self::Dropout(odds * by),
            Self::LabelSmoothing(epsilon) => Self::LabelSmoothing((epsilon * by).min(0.99)),
            Self::Mixup(alpha) => Self::Mixup(alpha * by),
            Self::GradientNoise(eta) => Self::GradientNoise(eta * by),
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
