//! Noise on the gradient, less with every step.
//!
//! ```text
//! g_t ← g_t + N(0, σ_t²)        σ_t² = η/(1 + t)^γ
//! ```
//!
//! Early on the noise shakes a deep network out of a bad start or a saddle; later it fades. With
//! γ = 0.55 it is the annealing of Langevin dynamics.
//!
//! Paper: A. Neelakantan et al., *Adding gradient noise improves learning for very deep networks*, 2015.
//! <https://arxiv.org/abs/1511.06807>

use burn::config::Config;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};

use crate::ConfigError;
use crate::init::Draw;

/// Settings of [`GradientNoise`].
#[derive(Config, Debug, PartialEq)]
pub struct GradientNoiseConfig {
    /// Variance η at step 0, at least 0. Default: the smallest of the paper's 0.01, 0.3 and 1.
    #[config(default = 0.01)]
    pub eta: f64,
    /// Exponent γ of the decay, at least 0. Default: the paper's.
    #[config(default = 0.55)]
    pub gamma: f64,
    /// All noise follows from it and the step.
    #[config(default = 0)]
    pub seed: u64,
}

impl GradientNoiseConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `eta` or `gamma`.
    pub fn init(&self) -> Result<GradientNoise, ConfigError> {
        for (field, value) in [("eta", self.eta), ("gamma", self.gamma)] {
            if !(value.is_finite() && value >= 0.0) {
                let reason = format!("must be at least 0 and finite, got {value}");
                return Err(ConfigError::new(field, reason));
            }
        }
        Ok(GradientNoise { config: self.clone() })
    }
}

/// Adds annealed noise between the backward pass and the optimiser's step; see the [page](self).
#[derive(Debug, Clone, PartialEq)]
pub struct GradientNoise {
    config: GradientNoiseConfig,
}

impl GradientNoise {
    /// σ at `step`.
    pub fn std(&self, step: u64) -> f64 {
        (self.config.eta / (1.0 + step as f64).powf(self.config.gamma)).sqrt()
    }

    /// The gradients of `model` with the noise of `step` added. The noise is drawn on the host, one
    /// stream for each parameter in the order of declaration, and is the same on every device.
    pub fn apply<M: Module>(&self, model: &M, gradients: GradientsParams, step: u64) -> GradientsParams {
        let mut visitor = Add { noise: self, gradients, step, index: 0 };
        model.visit(&mut visitor);
        visitor.gradients
    }
}

struct Add<'a> {
    noise: &'a GradientNoise,
    gradients: GradientsParams,
    step: u64,
    index: u64,
}

impl ModuleVisitor for Add<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let stream = (self.step << 20) | self.index;
        self.index += 1;
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return;
        };
        let mut draw = Draw::new(self.noise.config.seed, stream);
        let std = self.noise.std(self.step);
        let noise: Vec<f32> =
            (0..gradient.shape().num_elements()).map(|_| (std * draw.normal()) as f32).collect();
        let options = (&gradient.device(), gradient.dtype());
        let noise = Tensor::from_data(TensorData::new(noise, gradient.dims()), options);
        self.gradients.register(param.id, gradient + noise);
    }
}
