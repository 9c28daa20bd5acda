//! Losses of overlap between a predicted and a true mask.
//!
//! With soft counts TP = Σ p·t, FP = Σ p·(1 − t), FN = Σ (1 − p)·t over the pixels of an example:
//!
//! ```text
//! Tversky index   T(α, β) = (TP + s) / (TP + α·FP + β·FN + s)          loss = 1 − T
//! dice            T(½, ½) = 2TP / (Σp + Σt)                            the F₁ score of pixels
//! Jaccard         T(1, 1) = TP / (Σp + Σt − TP)                        intersection over union
//! ```
//!
//! Cross-entropy averages over pixels, so a small organ on a large black scan hardly counts; a ratio
//! of areas does not care how much background there is. α > β punishes false alarms, β > α misses. The
//! smoothing s keeps the loss of an empty prediction of an empty mask at 0 instead of 0/0, and the
//! gradient alive when nothing overlaps.
//!
//! Papers: dice, [Milletari et al. 2016](https://arxiv.org/abs/1606.04797) (with squares in the
//! denominator; here the plain sums of the F₁ score); Jaccard,
//! [Rahman & Wang 2016](https://doi.org/10.1007/978-3-319-50835-1_22); Tversky,
//! [Salehi et al. 2017](https://arxiv.org/abs/1706.05721), with their α = 0.3, β = 0.7 as defaults.

use burn::config::Config;
use burn::tensor::Tensor;

use super::same_shape;
use crate::ConfigError;

/// Settings of [`Tversky`].
#[derive(Config, Debug, PartialEq)]
pub struct TverskyConfig {
    /// Weight of false positives, at least 0. Default: Salehi et al. 2017.
    #[config(default = 0.3)]
    pub alpha: f64,
    /// Weight of false negatives, at least 0. Default: Salehi et al. 2017.
    #[config(default = 0.7)]
    pub beta: f64,
    /// Added to both sides of the fraction, positive. Default 1 pixel, the usual choice.
    #[config(default = 1.0)]
    pub smooth: f64,
}

impl TverskyConfig {
    /// α = β = ½: the dice coefficient, with the smoothing counted once as in 2TP + s.
    pub fn dice() -> Self {
        Self { alpha: 0.5, beta: 0.5, smooth: 0.5 }
    }

    /// α = β = 1: intersection over union.
    pub fn jaccard() -> Self {
        Self { alpha: 1.0, beta: 1.0, smooth: 1.0 }
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `alpha`, `beta` or `smooth`.
    pub fn init(&self) -> Result<Tversky, ConfigError> {
        for (field, weight) in [("alpha", self.alpha), ("beta", self.beta)] {
            if !(weight.is_finite() && weight >= 0.0) {
                let reason = format!("must be at least 0 and finite, got {weight}");
                return Err(ConfigError::new(field, reason));
            }
        }
        if !(self.smooth.is_finite() && self.smooth > 0.0) {
            let reason = format!("must be positive and finite, got {}", self.smooth);
            return Err(ConfigError::new("smooth", reason));
        }
        Ok(Tversky { alpha: self.alpha, beta: self.beta, smooth: self.smooth })
    }
}

/// One minus the Tversky index; see the [page](self).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tversky {
    alpha: f64,
    beta: f64,
    smooth: f64,
}

impl Tversky {
    /// The loss of each example, in [0, 1).
    ///
    /// # Shapes
    ///
    /// - probabilities: `[batch, pixels]` in [0, 1]: a sigmoid's, or one class of a softmax
    /// - targets: `[batch, pixels]` in [0, 1]
    /// - output: `[batch]`
    ///
    /// # Panics
    ///
    /// When the shapes differ.
    pub fn forward(&self, probabilities: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        same_shape(("probabilities", &probabilities), ("targets", &targets));
        let hits = (probabilities.clone() * targets.clone()).sum_dim(1); // [B, 1]
        let false_alarms = probabilities.sum_dim(1) - hits.clone(); // [B, 1]
        let misses = targets.sum_dim(1) - hits.clone(); // [B, 1]
        let errors = false_alarms * self.alpha + misses * self.beta;
        // 1 − (TP + s)/(TP + E + s) = E/(TP + E + s): no cancellation near a perfect overlap.
        (errors.clone() / (hits + errors + self.smooth)).squeeze_dim(1)
    }
}
