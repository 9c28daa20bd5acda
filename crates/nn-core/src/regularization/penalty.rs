//! L1, L2 and elastic-net penalties on the parameters of a module.
//!
//! ```text
//! R(w)    = l1·Σ|w| + ½·l2·Σw²          loss + R is what is minimised
//! ∂R/∂w   = l1·sign(w) + l2·w           (0 at w = 0)
//! ```
//!
//! L1 pulls every weight towards 0 with constant force and makes many of them exactly useless; L2 pulls
//! in proportion and spreads the work. Elastic net with strength λ and ratio ρ is l1 = λρ,
//! l2 = λ(1 − ρ). [Tibshirani 1996](https://doi.org/10.1111/j.2517-6161.1996.tb02080.x),
//! [Zou & Hastie 2005](https://doi.org/10.1111/j.1467-9868.2005.00503.x).

use burn::config::Config;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamGroup};
use burn::tensor::Tensor;

use crate::ConfigError;

/// Strengths of a [`Penalty`].
#[derive(Config, Debug, PartialEq)]
pub struct PenaltyConfig {
    /// Factor on the sum of absolute values, at least 0.
    #[config(default = 0.0)]
    pub l1: f64,
    /// Factor on half the sum of squares, at least 0.
    #[config(default = 0.0)]
    pub l2: f64,
}

impl PenaltyConfig {
    /// λ Σ|w|.
    pub fn l1(strength: f64) -> Self {
        Self { l1: strength, l2: 0.0 }
    }

    /// ½λ Σw².
    pub fn l2(strength: f64) -> Self {
        Self { l1: 0.0, l2: strength }
    }

    /// λ(ρ Σ|w| + ½(1 − ρ) Σw²).
    pub fn elastic_net(strength: f64, ratio: f64) -> Self {
        Self { l1: strength * ratio, l2: strength * (1.0 - ratio) }
    }

    /// A penalty on the parameters of `group`; [`weights`](super::weights) is the usual one.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `l1` or `l2` when negative or not finite.
    pub fn init(&self, group: ParamGroup) -> Result<Penalty, ConfigError> {
        for (field, strength) in [("l1", self.l1), ("l2", self.l2)] {
            if !(strength.is_finite() && strength >= 0.0) {
                let reason = format!("must be at least 0 and finite, got {strength}");
                return Err(ConfigError::new(field, reason));
            }
        }
        Ok(Penalty { l1: self.l1, l2: self.l2, group })
    }
}

/// A term to add to a loss; formulas in the [page](self).
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::tensor::Device;
/// use fornax_nn_core::regularization::{PenaltyConfig, weights};
///
/// let device = Device::flex().autodiff();
/// let layer = LinearConfig::new(2, 2).with_initializer(burn::nn::Initializer::Ones).init(&device);
/// let penalty = PenaltyConfig::elastic_net(0.1, 0.5).init(weights())?;
/// // 0.05·Σ|w| + ½·0.05·Σw² over four ones; the bias is not a weight.
/// let term = penalty.value(&layer)?.into_scalar::<f32>();
/// assert!((term - 0.3).abs() < 1e-6);
/// # Ok::<(), fornax_nn_core::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Penalty {
    l1: f64,
    l2: f64,
    group: ParamGroup,
}

impl Penalty {
    /// R(w), differentiable in every parameter of the group. Of a reparameterised weight
    /// ([`weight_norm`](super::weight_norm), [`spectral_norm`](super::spectral_norm), LoRA) the stored base
    /// is what counts.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `group` when it matches no parameter of `model`: a misspelt path would
    /// otherwise train without regularisation in silence.
    pub fn value<M: Module>(&self, model: &M) -> Result<Tensor<1>, ConfigError> {
        let mut sum = Sum { penalty: self, path: Vec::new(), total: None };
        model.visit(&mut sum);
        sum.total.ok_or_else(|| ConfigError::new("group", "matches no parameter of the model"))
    }
}

struct Sum<'a> {
    penalty: &'a Penalty,
    path: Vec<String>,
    total: Option<Tensor<1>>,
}

impl ModuleVisitor for Sum<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Penalty { l1, l2, group } = self.penalty;
        if !group.matches(&param.id, Some(&self.path.join("."))) {
            return;
        }
        let value = param.val();
        let mut term = value.clone().square().sum() * (0.5 * l2);
        if *l1 > 0.0 {
            term = term + value.abs().sum() * *l1;
        }
        self.total = Some(match self.total.take() {
            Some(total) => total + term,
            None => term,
        });
    }
}

/// Decoupled weight decay: w ← (1 − rate)·w for the parameters of `group`, to be called beside an
/// optimiser's step with rate = learning rate · λ.
pub fn decay<M: Module>(model: M, group: &ParamGroup, rate: f64) -> M {
    model.map(&mut Shrink { group, path: Vec::new(), factor: 1.0 - rate })
}

struct Shrink<'a> {
    group: &'a ParamGroup,
    path: Vec<String>,
    factor: f64,
}

impl ModuleMapper for Shrink<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !self.group.matches(&param.id, Some(&self.path.join("."))) {
            return param;
        }
        let factor = self.factor;
        super::max_norm::replace(param, |value| value * factor)
    }
}
