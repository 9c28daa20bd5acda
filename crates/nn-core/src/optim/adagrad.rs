//! # AdaGrad
//!
//! ```text
//! s ← s + g²                     (each weight its own)
//! θ ← θ − η_t · g / (√s + ε)     η_t = η / (1 + (t − 1)·d)
//! ```
//!
//! Each weight has its own learning rate, which shrinks with what it has already moved: frequent features slow down, rare
//! ones keep large steps. J. Duchi, E. Hazan and Y. Singer, 2011 (<https://jmlr.org/papers/v12/duchi11a.html>), for online
//! convex problems, where it is provably as good as the best fixed scaling seen in hindsight.
//!
//! **When it fails**: s only grows, so the steps die like 1/√t whether or not the minimum has been reached; one huge
//! gradient early slows a weight for ever. [AdaDelta](super::adadelta) and [RMSProp](super::rmsprop) let s fade.
//!
//! The update is Burn's `AdaGrad`, whose ε is 1e-5 unless told otherwise; PyTorch's 1e-10 is used here.

use burn::config::Config;
use burn::optim::AdaGrad;
use burn::optim::decay::WeightDecayConfig;

use super::build::init_from_build;
use super::{check_epsilon, check_not_negative};
use crate::ConfigError;

/// Settings of AdaGrad; the usual learning rate is 0.01.
#[derive(Config, Debug, PartialEq)]
pub struct AdaGradConfig {
    /// d, extra decay of the learning rate. Default: none.
    #[config(default = 0.0)]
    pub lr_decay: f64,
    /// ε. Default: PyTorch's.
    #[config(default = 1e-10)]
    pub epsilon: f64,
    /// λ of an L2 term. Default: none.
    #[config(default = 0.0)]
    pub weight_decay: f64,
}

impl AdaGradConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_not_negative("lr_decay", self.lr_decay)?;
        check_epsilon(self.epsilon)?;
        check_not_negative("weight_decay", self.weight_decay)
    }

    /// The update of one tensor, for [`ModuleOptimizer::with_group`](burn::optim::ModuleOptimizer::with_group).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn build(&self) -> Result<AdaGrad, ConfigError> {
        self.validate()?;
        let mut config =
            burn::optim::AdaGradConfig::new().with_lr_decay(self.lr_decay).with_epsilon(self.epsilon as f32);
        if self.weight_decay > 0.0 {
            config = config.with_weight_decay(Some(WeightDecayConfig::new(self.weight_decay as f32)));
        }
        Ok(config.build())
    }
}

init_from_build!(AdaGradConfig);
