//! Losses of generative adversarial networks, on the discriminator's logits.
//!
//! The discriminator D scores real and generated examples; the generator G wants its own scored as
//! real. With D = σ(logit), r the logits of real and f those of fake examples:
//!
//! | name | discriminator minimises | generator minimises |
//! |---|---|---|
//! | `minimax` | −E ln σ(r) − E ln(1 − σ(f)) | E ln(1 − σ(f)) |
//! | `non_saturating` | the same | −E ln σ(f) |
//! | `wasserstein` | E f − E r | −E f |
//! | `hinge` | E max(0, 1 − r) + E max(0, 1 + f) | −E f |
//! | `bce(l)` | ½(BCE(r, l) + BCE(f, 0)) | BCE(f, 1) |
//!
//! - **Minimax** is the game of [Goodfellow et al. 2014](https://arxiv.org/abs/1406.2661). At its optimum
//!   D = ½ everywhere, the discriminator's loss is 2 ln 2, and G reproduces the data. Its generator
//!   gradient is −σ(f): while D still wins (f ≪ 0) it *vanishes*, just when G needs it.
//! - **Non-saturating**, from the same paper (section 3): same fixed point, gradient −σ(−f), close to −1
//!   while D wins.
//! - **Wasserstein** ([Arjovsky et al. 2017](https://arxiv.org/abs/1701.07875)): no sigmoid; D must be
//!   Lipschitz, by clipping, a gradient penalty or
//!   [spectral norm](crate::regularization::spectral_norm).
//! - **Hinge** ([Lim & Ye 2017](https://arxiv.org/abs/1705.02894)): D stops caring about examples it
//!   already has beyond the margin.
//! - **BCE**: non-saturating written as binary cross-entropy and halved, with one-sided label smoothing
//!   (l = 0.9, [Salimans et al. 2016](https://arxiv.org/abs/1606.03498), section 3.4).

use std::fmt;
use std::str::FromStr;

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, relu};
use serde::{Deserialize, Serialize};

use crate::{ConfigError, name};

/// Which game; formulas in the [page](self). Written and parsed by name, `bce`'s label in parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum GanLoss {
    /// The zero-sum game.
    Minimax,
    /// The generator maximises ln D instead of minimising ln(1 − D).
    NonSaturating,
    /// Difference of means, for a Lipschitz critic.
    Wasserstein,
    /// Margins of 1.
    Hinge,
    /// Binary cross-entropy, averaged over real and fake.
    Bce {
        /// What the discriminator is told of real examples, in (0, 1]. Default 1.
        real_label: f64,
    },
}

const NAMES: [&str; 5] = ["minimax", "non_saturating", "wasserstein", "hinge", "bce"];

impl GanLoss {
    /// What the discriminator minimises; the generator's weights must not follow this gradient.
    ///
    /// # Shapes
    ///
    /// - real, fake: `[real batch, logits]` and `[fake batch, logits]`, averaged over all elements
    /// - output: `[1]`
    pub fn discriminator(&self, real: Tensor<2>, fake: Tensor<2>) -> Tensor<1> {
        match *self {
            Self::Minimax | Self::NonSaturating => -(log_sigmoid(real).mean() + log_sigmoid(-fake).mean()),
            Self::Wasserstein => fake.mean() - real.mean(),
            Self::Hinge => relu(-real + 1.0).mean() + relu(fake + 1.0).mean(),
            Self::Bce { real_label } => {
                let real_loss =
                    log_sigmoid(real.clone()) * real_label + log_sigmoid(-real) * (1.0 - real_label);
                -(real_loss.mean() + log_sigmoid(-fake).mean()) * 0.5
            }
        }
    }

    /// What the generator minimises.
    ///
    /// # Shapes
    ///
    /// - fake: `[batch, logits]`
    /// - output: `[1]`
    pub fn generator(&self, fake: Tensor<2>) -> Tensor<1> {
        match self {
            Self::Minimax => log_sigmoid(-fake).mean(),
            Self::NonSaturating | Self::Bce { .. } => -log_sigmoid(fake).mean(),
            Self::Wasserstein | Self::Hinge => -fake.mean(),
        }
    }

    /// Checks the label.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `real_label` outside (0, 1].
    pub fn validate(&self) -> Result<(), ConfigError> {
        match *self {
            Self::Bce { real_label } if !(real_label > 0.0 && real_label <= 1.0) => {
                Err(ConfigError::new("real_label", format!("must lie in (0, 1], got {real_label}")))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for GanLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minimax => f.write_str("minimax"),
            Self::NonSaturating => f.write_str("non_saturating"),
            Self::Wasserstein => f.write_str("wasserstein"),
            Self::Hinge => f.write_str("hinge"),
            Self::Bce { real_label } => write!(f, "bce({real_label})"),
        }
    }
}

impl FromStr for GanLoss {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        const FIELD: &str = "gan_loss";
        let loss = match name::parse(FIELD, text)? {
            (name, label) if name == "bce" => Self::Bce { real_label: label.unwrap_or(1.0) },
            (name, Some(_)) if NAMES.contains(&name.as_str()) => {
                return Err(ConfigError::new(FIELD, format!("{name} has no parameter, got {text}")));
            }
            (name, _) => match name.as_str() {
                "minimax" => Self::Minimax,
                "non_saturating" => Self::NonSaturating,
                "wasserstein" => Self::Wasserstein,
                "hinge" => Self::Hinge,
                other => return Err(name::unknown(FIELD, other, &NAMES)),
            },
        };
        loss.validate().map_err(|error| error.within(FIELD))?;
        Ok(loss)
    }
}

impl TryFrom<String> for GanLoss {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, ConfigError> {
        text.parse()
    }
}

impl From<GanLoss> for String {
    fn from(loss: GanLoss) -> Self {
        loss.to_string()
    }
}
