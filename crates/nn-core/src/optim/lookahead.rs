//! # Lookahead
//!
//! ```text
//! fast weights θ: any optimiser, k steps
//! then            φ ← φ + α·(θ − φ)       slow weights follow part of the way
//!                 θ ← φ                   and the fast ones start again from there
//! ```
//!
//! The fast weights explore, the slow ones average where they came out: less variance, so larger learning rates do no harm.
//! M. Zhang, J. Lucas, G. Hinton and J. Ba, 2019 (<https://arxiv.org/abs/1907.08610>). Evaluate with the slow weights.
//!
//! **When it fails**: it slows an optimiser that was already stable by about α; k counts steps, so it must be set anew when
//! the batch size changes much. The inner optimiser keeps its state across synchronisations, as in the paper's default.
//!
//! ```
//! use burn::nn::LinearConfig;
//! use burn::tensor::Device;
//! use fornax_nn_core::optim::LookaheadConfig;
//!
//! let device = Device::flex().autodiff();
//! let mut model = LinearConfig::new(2, 1).init(&device);
//! let mut lookahead = LookaheadConfig::new().init(&model)?;
//! for _step in 0..5 {
//!     // … model = optimizer.step(learning_rate, model, gradients);
//!     model = lookahead.step(model);
//! }
//! assert_eq!(lookahead.steps(), 5);
//! # Ok::<(), fornax_nn_core::ConfigError>(())
//! ```

use burn::config::Config;
use burn::module::{Module, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use super::weights::{Update, snapshot, update};
use crate::ConfigError;

/// Settings of [`Lookahead`].
#[derive(Config, Debug, PartialEq)]
pub struct LookaheadConfig {
    /// k, fast steps between synchronisations. Default: the paper's.
    #[config(default = 5)]
    pub every: usize,
    /// α in (0, 1], how far the slow weights follow. Default: the paper's (0.8 for some tasks).
    #[config(default = 0.5)]
    pub alpha: f64,
}

impl LookaheadConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.every == 0 {
            return Err(ConfigError::new("every", "must be at least 1, got 0"));
        }
        if !(self.alpha > 0.0 && self.alpha <= 1.0) {
            return Err(ConfigError::new("alpha", format!("must lie in (0, 1], got {}", self.alpha)));
        }
        Ok(())
    }

    /// Slow weights that start as `model`'s.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init<M: Module + Clone>(&self, model: &M) -> Result<Lookahead<M>, ConfigError> {
        self.resume(model.valid(), 0)
    }

    /// Goes on from what [`Lookahead::slow`] and [`Lookahead::steps`] said when the run was saved.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn resume<M: Module + Clone>(&self, slow: M, steps: usize) -> Result<Lookahead<M>, ConfigError> {
        self.validate()?;
        Ok(Lookahead { config: self.clone(), slow, steps })
    }
}

/// The slow weights; see the [module page](self).
#[derive(Debug, Clone)]
pub struct Lookahead<M> {
    config: LookaheadConfig,
    slow: M,
    steps: usize,
}

impl<M: Module + Clone> Lookahead<M> {
    /// Call after each step of the optimiser. Every k-th call moves the slow weights and returns the model at them; the
    /// others return it unchanged.
    ///
    /// # Panics
    ///
    /// When `fast` is not the module the slow weights were made of, by the ids of its parameters.
    #[must_use]
    pub fn step(&mut self, fast: M) -> M {
        self.steps += 1;
        if !self.steps.is_multiple_of(self.config.every) {
            return fast;
        }
        let follow = Follow { slow: snapshot(&self.slow), alpha: self.config.alpha };
        let model = update(fast, follow);
        self.slow = model.valid();
        model
    }

    /// The slow weights, outside autodiff: the model to evaluate and to save.
    pub fn slow(&self) -> &M {
        &self.slow
    }

    /// Fast steps seen so far.
    pub fn steps(&self) -> usize {
        self.steps
    }
}

struct Follow {
    slow: GradientsParams,
    alpha: f64,
}

impl Update for Follow {
    fn update<const D: usize>(&mut self, id: ParamId, value: Tensor<D>) -> Tensor<D> {
        match self.slow.remove::<D>(id) {
            Some(slow) => {
                let slow = slow.to_device(&value.device());
                slow.clone().add(value.sub(slow).mul_scalar(self.alpha))
            }
            None => panic!(
                "parameter {id} of the model has no slow weights: expected the module they were made of"
            ),
        }
    }
}
