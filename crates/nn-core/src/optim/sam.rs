//! # SAM: sharpness-aware minimisation
//!
//! ```text
//! ε = ρ·g / ‖g‖          g = ∂L/∂θ at θ, ‖·‖ over all weights together     (ascend)
//! θ ← any optimiser's step from θ, with the gradient taken at θ + ε          (descend)
//! ```
//!
//! Minima in wide valleys tend to generalise better than those in narrow ones. SAM minimises the worst loss within a radius
//! of ρ: it first walks up to the (approximately) worst neighbour, takes the gradient there, and applies it from where it
//! started. P. Foret, A. Kleiner, H. Mobahi and B. Neyshabur, 2021 (<https://arxiv.org/abs/2010.01412>).
//!
//! **When it fails**: each step costs two gradients; ρ too large blurs the minimum away; the gain is largest where a model
//! overfits and nil where it underfits. Both gradients must come from the same batch, with the same dropout mask if there is
//! one. Running statistics of batch normalisation see both passes.
//!
//! ```
//! use burn::nn::LinearConfig;
//! use burn::tensor::{Device, Tensor};
//! use fornax_nn_core::gradient::gradients;
//! use fornax_nn_core::optim::{SamConfig, SgdConfig};
//!
//! let device = Device::flex().autodiff();
//! let mut model = LinearConfig::new(2, 1).init(&device);
//! let mut optimizer = SgdConfig::momentum().init()?;
//! let sam = SamConfig::new().build()?;
//!
//! let input = Tensor::<2>::from_data([[1.0, 2.0]], &device);
//! let (_, first) = gradients(model.forward(input.clone()).square().sum(), &model)?;
//! let perturbed = sam.ascend(model, &first);
//! let (_, second) = gradients(perturbed.model().forward(input).square().sum(), perturbed.model())?;
//! model = perturbed.descend(&mut optimizer, 0.1, second);
//! assert_eq!(model.weight.dims(), [2, 1]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use burn::config::Config;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

use super::weights::{Update, update};
use crate::ConfigError;
use crate::gradient::global_norm;

/// Settings of [`Sam`].
#[derive(Config, Debug, PartialEq)]
pub struct SamConfig {
    /// ρ, how far to look. Default: the paper's.
    #[config(default = 0.05)]
    pub rho: f64,
}

impl SamConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.rho > 0.0 && self.rho.is_finite() {
            return Ok(());
        }
        Err(ConfigError::new("rho", format!("must be positive and finite, got {}", self.rho)))
    }

    /// The wrapper.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn build(&self) -> Result<Sam, ConfigError> {
        self.validate()?;
        Ok(Sam { rho: self.rho })
    }
}

/// The wrapper; see the [module page](self). It keeps nothing between steps.
#[derive(Debug, Clone)]
pub struct Sam {
    rho: f64,
}

/// A model displaced to its worst neighbour, and the way back.
#[derive(Debug, Clone)]
pub struct Perturbed<M> {
    model: M,
    original: M,
}

impl Sam {
    /// First half of a step: the model at θ + ρ·g/‖g‖. With a zero gradient it stays where it is.
    pub fn ascend<M: Module + Clone>(&self, model: M, gradients: &GradientsParams) -> Perturbed<M> {
        let norm = global_norm(&model, gradients);
        let factor = if norm > 0.0 { self.rho / norm } else { 0.0 };
        Perturbed { model: update(model.clone(), Climb { gradients, factor }), original: model }
    }
}

struct Climb<'a> {
    gradients: &'a GradientsParams,
    factor: f64,
}

impl Update for Climb<'_> {
    fn update<const D: usize>(&mut self, id: ParamId, value: Tensor<D>) -> Tensor<D> {
        match self.gradients.get::<D>(id) {
            Some(gradient) if self.factor != 0.0 => value.add(gradient.inner().mul_scalar(self.factor)),
            _ => value,
        }
    }
}

impl<M: Module> Perturbed<M> {
    /// The displaced model, to take the second gradient with.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The model as it was, to give the step up.
    pub fn into_original(self) -> M {
        self.original
    }

    /// Second half: `optimizer`'s step from the original weights with the displaced model's gradients.
    pub fn descend(
        self,
        optimizer: &mut ModuleOptimizer,
        lr: impl Into<ModuleLearningRate>,
        gradients: GradientsParams,
    ) -> M {
        optimizer.step(lr, self.original, gradients)
    }
}
