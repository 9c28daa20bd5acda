//! Cross-entropy beyond one right class, and focal loss.
//!
//! ```text
//! cross-entropy      L = −Σ_c t_c · ln p_c                        p = softmax(z), Σ t = 1
//! label smoothing    t = (1 − ε)·onehot(y) + ε/C
//! focal              L = −α_t · (1 − p_t)^γ · ln p_t               p_t: belief in what is true
//! ```
//!
//! **Soft targets** are distributions: a teacher's answer, a mixture of two labels
//! ([mixup](crate::regularization::mixup)), several annotators. The gradient is p − t, as with one class.
//!
//! **Label smoothing** asks for ε/C of belief in every class, so that logits stop growing once the
//! right one leads by ln((1 − ε)·C/ε + 1): a network that is never asked for certainty is better calibrated.
//! [Szegedy et al. 2016](https://arxiv.org/abs/1512.00567), section 7, with their ε = 0.1 as default.
//!
//! **Focal loss** multiplies by (1 − p_t)^γ: an example that is already right at p_t = 0.9 counts a
//! hundredth at γ = 2, so a thousand easy background boxes no longer outweigh one hard object.
//! [Lin et al. 2017](https://arxiv.org/abs/1708.02002), with their γ = 2 and α = 0.25 as defaults.
//! ln(1 − p_t) is computed from the logits too, so the power is smooth where p_t rounds to 1.

use burn::config::Config;
use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Int, Tensor};

use super::{log_sum_exp, same_shape};
use crate::ConfigError;

/// Cross-entropy against a distribution over classes, in nats.
///
/// # Shapes
///
/// - logits, targets: `[batch, classes]`, each row of targets summing to 1
/// - output: `[batch]`
///
/// # Panics
///
/// When the shapes differ.
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    same_shape(("logits", &logits), ("targets", &targets));
    -(targets * log_softmax(logits, 1)).sum_dim(1).squeeze_dim(1)
}

/// Setting of [`LabelSmoothing`].
#[derive(Config, Debug, PartialEq)]
pub struct LabelSmoothingConfig {
    /// Belief ε shared among all classes, in [0, 1). Default: Szegedy et al. 2016.
    #[config(default = 0.1)]
    pub epsilon: f64,
}

impl LabelSmoothingConfig {
    /// Checks ε.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `epsilon` outside [0, 1).
    pub fn init(&self) -> Result<LabelSmoothing, ConfigError> {
        if !(0.0..1.0).contains(&self.epsilon) {
            return Err(ConfigError::new("epsilon", format!("must lie in [0, 1), got {}", self.epsilon)));
        }
        Ok(LabelSmoothing { epsilon: self.epsilon })
    }
}

/// Cross-entropy against softened class labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelSmoothing {
    epsilon: f64,
}

impl LabelSmoothing {
    /// (1 − ε)·(−ln p_y) + ε·mean over classes of (−ln p_c).
    ///
    /// # Shapes
    ///
    /// - logits: `[batch, classes]`
    /// - classes: `[batch]`, indices
    /// - output: `[batch]`
    pub fn forward(&self, logits: Tensor<2>, classes: Tensor<1, Int>) -> Tensor<1> {
        let log_p = log_softmax(logits, 1); // [B, C]
        let right = log_p.clone().gather(1, classes.unsqueeze_dim(1)); // [B, 1]
        let loss = right * -(1.0 - self.epsilon) - log_p.mean_dim(1) * self.epsilon; // [B, 1]
        loss.squeeze_dim(1)
    }

    /// The softened targets themselves, for [`cross_entropy`] or to mix them.
    ///
    /// # Shapes
    ///
    /// - classes: `[batch]`
    /// - output: `[batch, num_classes]`
    pub fn targets(&self, classes: Tensor<1, Int>, num_classes: usize) -> Tensor<2> {
        let one_hot = classes.one_hot::<2>(num_classes).float();
        one_hot * (1.0 - self.epsilon) + self.epsilon / num_classes as f64
    }
}

/// Settings of [`Focal`].
#[derive(Config, Debug, PartialEq)]
pub struct FocalConfig {
    /// Exponent γ ≥ 0; 0 is plain cross-entropy. Default: Lin et al. 2017.
    #[config(default = 2.0)]
    pub gamma: f64,
    /// Weight of the positive class in [0, 1], 1 − α of the negative; `None` weighs both by 1. Only for
    /// [`Focal::binary`]. The paper's best is 0.25.
    pub alpha: Option<f64>,
}

impl FocalConfig {
    /// The paper's γ = 2, α = 0.25, for dense detection.
    pub fn retina_net() -> Self {
        Self::new().with_alpha(Some(0.25))
    }

    /// Checks both fields.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `gamma` or `alpha`.
    pub fn init(&self) -> Result<Focal, ConfigError> {
        if !(self.gamma.is_finite() && self.gamma >= 0.0) {
            let reason = format!("must be at least 0 and finite, got {}", self.gamma);
            return Err(ConfigError::new("gamma", reason));
        }
        match self.alpha {
            Some(alpha) if !(0.0..=1.0).contains(&alpha) => {
                Err(ConfigError::new("alpha", format!("must lie in [0, 1], got {alpha}")))
            }
            alpha => Ok(Focal { gamma: self.gamma, alpha }),
        }
    }
}

/// Focal loss; see the [page](self).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Focal {
    gamma: f64,
    alpha: Option<f64>,
}

impl Focal {
    /// For independent yes/no questions, element by element.
    ///
    /// With s = 2t − 1 = ±1: p_t = σ(s·z) and 1 − p_t = σ(−s·z).
    ///
    /// # Shapes
    ///
    /// - logits, targets, output: any; targets are 0 or 1
    ///
    /// # Panics
    ///
    /// When the shapes differ.
    pub fn binary<const D: usize>(&self, logits: Tensor<D>, targets: Tensor<D>) -> Tensor<D> {
        same_shape(("logits", &logits), ("targets", &targets));
        let signed = logits * (targets.clone() * 2.0 - 1.0);
        let loss = -log_sigmoid(signed.clone()) * (log_sigmoid(-signed) * self.gamma).exp();
        match self.alpha {
            Some(alpha) => loss * (targets * (2.0 * alpha - 1.0) + (1.0 - alpha)),
            None => loss,
        }
    }

    /// For one of several classes; α is not used.
    ///
    /// ln(1 − p_y) is the log-sum-exp of the other logits minus that of all.
    ///
    /// # Shapes
    ///
    /// - logits: `[batch, classes]`, at least two classes
    /// - classes: `[batch]`, indices
    /// - output: `[batch]`
    ///
    /// # Panics
    ///
    /// When there is one class only.
    pub fn forward(&self, logits: Tensor<2>, classes: Tensor<1, Int>) -> Tensor<1> {
        let [_, count] = logits.dims();
        assert!(count >= 2, "focal loss needs at least 2 classes, got {count}");
        let log_p = log_softmax(logits, 1); // [B, C]
        let right = classes.clone().one_hot::<2>(count).bool(); // [B, C]
        let log_right = log_p.clone().gather(1, classes.unsqueeze_dim(1)); // [B, 1]
        let log_wrong = log_sum_exp(log_p.mask_fill(right, -1e30), 1); // [B, 1]
        (-log_right * (log_wrong * self.gamma).exp()).squeeze_dim(1)
    }
}
