//! # Lion: evolved sign momentum
//!
//! ```text
//! θ ← (1 − η·λ)·θ − η·sign( β₁·m + (1 − β₁)·g )
//! m ← β₂·m + (1 − β₂)·g
//! ```
//!
//! Found by a program search over update rules: every weight moves by exactly η, in the direction most gradients of late
//! agree on. Half of Adam's memory. X. Chen et al., 2023 (<https://arxiv.org/abs/2302.06675>).
//!
//! **When it fails**: each step has norm η·√n whatever the gradient, so it needs an η three to ten times smaller than
//! AdamW's, a λ as much larger, and a schedule that ends near zero, or it circles the minimum; small batches, whose signs
//! are noise, suit it badly. A weight without any gradient yet does not move: sign(0) = 0.
//!
//! The update is Burn's `Lion`. PyTorch has none; the reference is the paper's algorithm 2.

use burn::config::Config;
use burn::optim::Lion;

use super::build::init_from_build;
use super::check_not_negative;
use crate::ConfigError;
use crate::config::below_one;

/// Settings of Lion; the usual learning rate is 0.0001.
#[derive(Config, Debug, PartialEq)]
pub struct LionConfig {
    /// β₁, in [0, 1): the mix whose sign is taken. Default: the paper's.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// β₂, in [0, 1): the memory. Default: the paper's.
    #[config(default = 0.99)]
    pub beta_2: f64,
    /// λ, taken from the weights directly. Default: none.
    #[config(default = 0.0)]
    pub weight_decay: f64,
}

impl LionConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        below_one("beta_1", self.beta_1)?;
        below_one("beta_2", self.beta_2)?;
        check_not_negative("weight_decay", self.weight_decay)
    }

    /// The update of one tensor, for [`ModuleOptimizer::with_group`](burn::optim::ModuleOptimizer::with_group).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn build(&self) -> Result<Lion, ConfigError> {
        self.validate()?;
        let config = burn::optim::LionConfig::new()
            .with_beta_1(self.beta_1 as f32)
            .with_beta_2(self.beta_2 as f32)
            .with_weight_decay(self.weight_decay as f32);
        Ok(config.build())
    }
}

init_from_build!(LionConfig);
