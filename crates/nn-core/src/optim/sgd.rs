//! # Gradient descent, SGD, mini-batch SGD, momentum, Nesterov
//!
//! ```text
//! gradient descent, SGD     θ ← θ − η·g
//! momentum                  v ← μ·v + (1 − τ)·g,   v = g at first        θ ← θ − η·v
//! Nesterov (NAG)            v ← μ·v + g                                   θ ← θ − η·(g + μ·v)
//! with weight decay λ       g is replaced by g + λ·θ
//! ```
//!
//! η learning rate, μ momentum, τ dampening (0 unless asked for).
//!
//! ## Three names, one update
//!
//! **Gradient descent** (A.-L. Cauchy, 1847) takes the gradient of the loss over *all* data: exact, deterministic, and
//! one step per pass. On a bowl with curvatures between a and b it converges for η < 2/b, and the error shrinks at best by
//! (b − a)/(b + a) a step: slow where the bowl is a ravine.
//! **Stochastic gradient descent** (H. Robbins, S. Monro, 1951, <https://doi.org/10.1214/aoms/1177729586>) takes the
//! gradient of *one* random example: right on average, noisy each time, n steps per pass. The noise shakes it out of shallow
//! minima and keeps it from settling: η must shrink (Ση = ∞, Ση² < ∞) to converge.
//! **Mini-batch SGD** averages over B examples: the variance falls by B, and matrix products use the machine well. It is
//! what everybody means by "SGD" today. The update is the same for all three, so they share [`SgdConfig`]; what differs is
//! the batch, which [`Sampling`](super::Sampling) says.
//!
//! ## Momentum
//!
//! A heavy ball (B. Polyak, 1964, <https://doi.org/10.1016/0041-5553(64)90137-5>): gradients that agree add up to 1/(1 − μ)
//! times their size, those that alternate across a ravine cancel. **Nesterov's** accelerated gradient (Y. Nesterov, 1983)
//! measures the slope where the ball is about to be; written with the gradient at θ as here, it is the form of I. Sutskever
//! et al., 2013 (<https://proceedings.mlr.press/v28/sutskever13.html>), and PyTorch's.
//!
//! ## When it fails
//!
//! One learning rate for all weights: rare features and badly scaled layers hardly move. η too large diverges, on a ravine
//! long before the flat direction has moved. Momentum overshoots and rings; with μ = 0.99 it forgets over 100 steps.
//!
//! ## Burn
//!
//! The update is Burn's `Sgd`. Its `MomentumConfig` damps by τ = 0.1 unless told otherwise, PyTorch and the papers by
//! none: here the default is 0. The first step uses v = g undamped, as PyTorch does.

use burn::config::Config;
use burn::optim::Sgd;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;

use super::build::init_from_build;
use super::check_not_negative;
use crate::ConfigError;
use crate::config::below_one;

/// Settings of gradient descent with or without momentum.
#[derive(Config, Debug, PartialEq)]
pub struct SgdConfig {
    /// μ in [0, 1). Default: none; 0.9 in [`momentum`](Self::momentum) as in Sutskever et al.
    #[config(default = 0.0)]
    pub momentum: f64,
    /// τ in [0, 1]. Default: none, as in PyTorch.
    #[config(default = 0.0)]
    pub dampening: f64,
    /// Nesterov's form; needs momentum and no dampening.
    #[config(default = false)]
    pub nesterov: bool,
    /// λ of an L2 term. Default: none.
    #[config(default = 0.0)]
    pub weight_decay: f64,
}

impl SgdConfig {
    /// Momentum with μ = 0.9.
    pub fn momentum() -> Self {
        Self::new().with_momentum(0.9)
    }

    /// Nesterov's accelerated gradient with μ = 0.9.
    pub fn nesterov() -> Self {
        Self::momentum().with_nesterov(true)
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        below_one("momentum", self.momentum)?;
        if !(0.0..=1.0).contains(&self.dampening) {
            return Err(ConfigError::new("dampening", format!("must lie in [0, 1], got {}", self.dampening)));
        }
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            let reason = format!(
                "needs momentum above 0 and dampening 0, got {} and {}",
                self.momentum, self.dampening
            );
            return Err(ConfigError::new("nesterov", reason));
        }
        check_not_negative("weight_decay", self.weight_decay)
    }

    /// The update of one tensor, for [`ModuleOptimizer::with_group`](burn::optim::ModuleOptimizer::with_group).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn build(&self) -> Result<Sgd, ConfigError> {
        self.validate()?;
        let mut config = burn::optim::SgdConfig::new();
        if self.momentum > 0.0 {
            let momentum = MomentumConfig::new()
                .with_momentum(self.momentum)
                .with_dampening(self.dampening)
                .with_nesterov(self.nesterov);
            config = config.with_momentum(Some(momentum));
        }
        if self.weight_decay > 0.0 {
            config = config.with_weight_decay(Some(WeightDecayConfig::new(self.weight_decay as f32)));
        }
        Ok(config.build())
    }
}

init_from_build!(SgdConfig);
