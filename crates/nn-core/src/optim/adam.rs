//! # Adam and AdamW
//!
//! ```text
//! m ← β₁·m + (1 − β₁)·g          m̂ = m / (1 − β₁ᵗ)
//! v ← β₂·v + (1 − β₂)·g²         v̂ = v / (1 − β₂ᵗ)
//! Adam    θ ← θ − η·m̂ / (√v̂ + ε)                      g includes λ·θ
//! AdamW   θ ← (1 − η·λ)·θ − η·m̂ / (√v̂ + ε)            g does not
//! ```
//!
//! Momentum over RMSProp, both freed from the zeros they start with. The ratio m̂/√v̂ is near ±1 where gradients agree in sign
//! and near 0 where they do not, so η is almost the size of a step, whatever the scale of the loss: Adam works untuned
//! where others need a search. D. Kingma and J. Ba, 2015 (<https://arxiv.org/abs/1412.6980>).
//!
//! An L2 term inside g is divided by √v̂ too, so weights with large gradients are hardly decayed. **AdamW** takes the decay
//! out of the gradient: I. Loshchilov and F. Hutter, 2019 (<https://arxiv.org/abs/1711.05101>).
//!
//! **AMSGrad** divides by the largest v̂ so far: S. Reddi, S. Kale and S. Kumar, 2018
//! (<https://openreview.net/forum?id=ryQu7f-RZ>), who also give the convex problem on which Adam goes the wrong way.
//!
//! **When it fails**: rare large gradients are divided away by the v they leave behind; in the first steps v̂ rests on few
//! samples and steps are erratic ([RAdam](super::radam), or warm up); on images it often generalises a little worse than
//! momentum; β₂ = 0.999 remembers a spike for a thousand steps (transformers take 0.95 to 0.98).
//!
//! The updates are Burn's `Adam` and `AdamW`, whose ε is 1e-5 unless told otherwise and whose AdamW decays by 1e-4; the
//! paper's 1e-8 and PyTorch's 1e-2 are used here.

use burn::config::Config;
use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{Adam, AdamW, ModuleOptimizer};
use burn::tensor::Tensor;

use super::build::init_from_build;
use super::{check_epsilon, check_not_negative};
use crate::ConfigError;
use crate::config::below_one;

/// Settings of Adam; the usual learning rate is 0.001.
#[derive(Config, Debug, PartialEq)]
pub struct AdamConfig {
    /// β₁, in [0, 1). Default: the paper's.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// β₂, in [0, 1). Default: the paper's.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// ε. Default: the paper's.
    #[config(default = 1e-8)]
    pub epsilon: f64,
    /// Divide by the largest v so far. Default: no.
    #[config(default = false)]
    pub amsgrad: bool,
    /// λ of an L2 term inside the gradient. Default: none.
    #[config(default = 0.0)]
    pub weight_decay: f64,
}

impl AdamConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        below_one("beta_1", self.beta_1)?;
        below_one("beta_2", self.beta_2)?;
        check_epsilon(self.epsilon)?;
        check_not_negative("weight_decay", self.weight_decay)
    }

    /// The update of one tensor, for [`ModuleOptimizer::with_group`](burn::optim::ModuleOptimizer::with_group).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn build(&self) -> Result<Adam, ConfigError> {
        self.validate()?;
        let mut config = burn::optim::AdamConfig::new()
            .with_beta_1(self.beta_1 as f32)
            .with_beta_2(self.beta_2 as f32)
            .with_epsilon(self.epsilon as f32)
            .with_amsgrad(self.amsgrad);
        if self.weight_decay > 0.0 {
            config = config.with_weight_decay(Some(WeightDecayConfig::new(self.weight_decay as f32)));
        }
        Ok(config.build())
    }
}

init_from_build!(AdamConfig);

/// Settings of AdamW; the usual learning rate is 0.001.
#[derive(Config, Debug, PartialEq)]
pub struct AdamWConfig {
    /// β₁, in [0, 1). Default: Adam's.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// β₂, in [0, 1). Default: Adam's.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// ε. Default: Adam's.
    #[config(default = 1e-8)]
    pub epsilon: f64,
    /// Divide by the largest v so far. Default: no.
    #[config(default = false)]
    pub amsgrad: bool,
    /// λ, taken from the weights directly. Default: PyTorch's.
    #[config(default = 0.01)]
    pub weight_decay: f64,
}

impl AdamWConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        below_one("beta_1", self.beta_1)?;
        below_one("beta_2", self.beta_2)?;
        check_epsilon(self.epsilon)?;
        check_not_negative("weight_decay", self.weight_decay)
    }

    /// The update of one tensor, for [`ModuleOptimizer::with_group`](burn::optim::ModuleOptimizer::with_group).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn build(&self) -> Result<AdamW, ConfigError> {
        self.validate()?;
        let config = burn::optim::AdamWConfig::new()
            .with_beta_1(self.beta_1 as f32)
            .with_beta_2(self.beta_2 as f32)
            .with_epsilon(self.epsilon as f32)
            .with_amsgrad(self.amsgrad)
            .with_weight_decay(self.weight_decay as f32);
        Ok(config.build())
    }
}

init_from_build!(AdamWConfig);

impl AdamWConfig {
    /// An optimiser for `model` that decays matrices and filters, and leaves biases and the scales of normalisations alone
    /// (tensors of rank 1): pulling those towards zero takes away what they are there for. Parameters are told apart by
    /// their paths, which a resumed model keeps.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init_for_matrices<M: Module>(&self, model: &M) -> Result<ModuleOptimizer, ConfigError> {
        let mut vectors = Vectors::default();
        model.visit(&mut vectors);
        let kept = self.clone().with_weight_decay(0.0).build()?;
        Ok(self.init()?.with_group(ParamGroup::from_paths(vectors.found), kept, None))
    }
}

/// Paths of the parameters of rank 1.
#[derive(Default)]
struct Vectors {
    path: Vec<String>,
    found: Vec<String>,
}

impl ModuleVisitor for Vectors {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
        if D == 1 {
            self.found.push(self.path.join("."));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::GradientsParams;
    use burn::tensor::Device;

    #[test]
    fn matrices_decay_and_vectors_do_not() {
        let device = Device::flex().autodiff();
        let model: Linear = LinearConfig::new(2, 3).init(&device);
        let before = (model.weight.to_data(), model.bias.as_ref().unwrap().to_data());
        let mut optim = AdamWConfig::new().with_weight_decay(0.5).init_for_matrices(&model).unwrap();
        // The gradient is exactly zero, so Adam's own step is too, and only the decay is left.
        let zeros = Tensor::<2>::zeros([1, 2], &device);
        let loss = (model.forward(zeros) * 0.0).sum();
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        let model = optim.step(0.1, model, grads);
        let expected: Vec<f32> = before.0.iter::<f32>().map(|w| w * (1.0 - 0.1 * 0.5)).collect();
        crate::check::assert_close(&model.weight.val(), &expected, 1e-6, 0.0);
        assert_eq!(model.bias.unwrap().to_data(), before.1);
    }
}
