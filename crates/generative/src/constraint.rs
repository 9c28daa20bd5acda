//! What keeps a GAN's critic from being too sure; the formulas stand on the [GAN page](crate::gan).

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::positive;
use fornax_nn_core::regularization::spectral_norm::power_iteration;
use serde::{Deserialize, Serialize};

/// What keeps the critic from being too sure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Constraint {
    /// Nothing.
    None,
    /// Weights between ±limit; WGAN's paper takes 0.01.
    Clip {
        /// c, positive.
        limit: f64,
    },
    /// Slopes near 1 between data and samples; WGAN-GP's paper takes 10.
    Penalty {
        /// λ, not negative.
        weight: f64,
    },
    /// No layer stretches anything.
    Spectral,
}

impl Constraint {
    /// Checks the numbers.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `constraint`.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match *self {
            Self::Clip { limit } => positive("limit", limit).map_err(|error| error.within("constraint")),
            Self::Penalty { weight } if !(weight.is_finite() && weight >= 0.0) => {
                Err(ConfigError::new("constraint.weight", format!("must not be negative, got {weight}")))
            }
            _ => Ok(()),
        }
    }

    /// Restores it after a step of the optimiser: clips, or keeps up with the singular value.
    pub fn apply<M: Module>(&self, critic: M) -> M {
        match *self {
            Self::Clip { limit } => critic.map(&mut Clamp { limit }),
            Self::Spectral => power_iteration(critic, 1),
            Self::None | Self::Penalty { .. } => critic,
        }
    }
}

/// Keeps every weight within ±limit.
struct Clamp {
    limit: f64,
}

impl ModuleMapper for Clamp {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weight| {
            let tracked = weight.is_require_grad();
            weight.clamp(-self.limit, self.limit).detach().set_require_grad(tracked)
        })
    }
}
