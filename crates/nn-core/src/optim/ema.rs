//! # EMA: a moving average of the weights
//!
//! ```text
//! φ ← d·φ + (1 − d)·θ          after every step; d = min(decay, (1 + t)/(10 + t)) while warming up
//! ```
//!
//! SGD circles the minimum; the mean of where it has been is nearer to it than where it is. Evaluate with φ, go on training
//! θ. B. Polyak and A. Juditsky, 1992 (<https://doi.org/10.1137/0330046>), average all steps equally; the fading mean forgets
//! the bad beginning. Standard in diffusion models, GANs and semi-supervised teachers.
//!
//! **When it fails**: it lags 1/(1 − d) steps behind, so early in training it is worse than θ; with too large a decay for the
//! length of a run it still remembers the initial weights. The warm-up (of TensorFlow's moving averages) answers both.
//! Running statistics of batch normalisation are averaged along.
//!
//! ```
//! use burn::nn::LinearConfig;
//! use burn::tensor::Device;
//! use fornax_nn_core::optim::EmaConfig;
//!
//! let model = LinearConfig::new(2, 1).init(&Device::flex().autodiff());
//! let mut ema = EmaConfig::new().init(&model)?;
//! ema = ema.update(&model); // after each step of the optimiser
//! let averaged = ema.model(); // to evaluate and to save
//! assert_eq!(averaged.weight.val().into_data(), model.weight.val().into_data());
//! # Ok::<(), fornax_nn_core::ConfigError>(())
//! ```

use burn::config::Config;
use burn::module::{Module, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use super::weights::{Update, snapshot, update};
use crate::ConfigError;
use crate::config::below_one;

/// Settings of [`Ema`].
#[derive(Config, Debug, PartialEq)]
pub struct EmaConfig {
    /// d in [0, 1). Default: a memory of a thousand steps, usual for runs of ten thousand.
    #[config(default = 0.999)]
    pub decay: f64,
    /// Begin with a short memory that grows to `decay`. Default: yes.
    #[config(default = true)]
    pub warm_up: bool,
}

impl EmaConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        below_one("decay", self.decay)
    }

    /// An average that starts as `model`'s weights.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init<M: Module>(&self, model: &M) -> Result<Ema<M>, ConfigError> {
        self.resume(model.valid(), 0)
    }

    /// Goes on from what [`Ema::model`] and [`Ema::updates`] said when the run was saved.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn resume<M: Module>(&self, average: M, updates: usize) -> Result<Ema<M>, ConfigError> {
        self.validate()?;
        Ok(Ema { config: self.clone(), average, updates })
    }
}

/// The averaged weights; see the [module page](self).
#[derive(Debug, Clone)]
pub struct Ema<M> {
    config: EmaConfig,
    average: M,
    updates: usize,
}

impl<M: Module> Ema<M> {
    /// The decay of the next update.
    pub fn decay(&self) -> f64 {
        let updates = self.updates as f64;
        let warm = (1.0 + updates) / (10.0 + updates);
        if self.config.warm_up { self.config.decay.min(warm) } else { self.config.decay }
    }

    /// Takes the model's weights into the average; call after each step of the optimiser.
    ///
    /// # Panics
    ///
    /// When `model` is not the module the average was made of, by the ids of its parameters.
    #[must_use]
    pub fn update(self, model: &M) -> Self {
        let mix = Mix { live: snapshot(model), decay: self.decay() };
        Self { average: update(self.average, mix), updates: self.updates + 1, ..self }
    }

    /// The averaged model, outside autodiff.
    pub fn model(&self) -> &M {
        &self.average
    }

    /// Updates so far.
    pub fn updates(&self) -> usize {
        self.updates
    }
}

struct Mix {
    live: GradientsParams,
    decay: f64,
}

impl Update for Mix {
    fn update<const D: usize>(&mut self, id: ParamId, value: Tensor<D>) -> Tensor<D> {
        match self.live.remove::<D>(id) {
            // φ + (1 − d)·(θ − φ): weights that do not change are averaged to themselves, to the bit.
            Some(live) => {
                let live = live.to_device(&value.device());
                value.clone().add(live.sub(value).mul_scalar(1.0 - self.decay))
            }
            None => panic!(
                "parameter {id} of the average is not in the model: expected the module it was made of"
            ),
        }
    }
}
