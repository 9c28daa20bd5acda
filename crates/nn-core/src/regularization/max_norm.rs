//! A bound on the length of each unit's incoming weights.
//!
//! ```text
//! after the step:   w ← w · min(1, c/‖w‖)        for the weights w into one unit
//! ```
//!
//! The projection onto the ball of radius c: a weight inside is left alone, one outside is put back on
//! the surface in its own direction. Unlike a penalty it never pulls a weight that is small already, and
//! it allows large learning rates, because nothing can run away. It is usually combined with dropout,
//! with c = 3 to 4: [Srivastava et al. 2014](https://jmlr.org/papers/v15/srivastava14a.html), section 5.1.
//!
//! The gradient of the projection, for those who train through it: inside the ball the identity; outside,
//! c/‖w‖·(1 − ŵŵᵀ), which has no part along w.

use burn::config::Config;
use burn::module::{Module, ModuleMapper, Param, ParamGroup};
use burn::tensor::Tensor;

use crate::ConfigError;

/// Setting of [`MaxNorm`].
#[derive(Config, Debug, PartialEq)]
pub struct MaxNormConfig {
    /// The largest length c allowed, positive. Default: Srivastava et al. 2014.
    #[config(default = 3.0)]
    pub limit: f64,
}

impl MaxNormConfig {
    /// A constraint on the parameters of `group`; [`weights`](super::weights) is the usual one.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `limit` when it is not positive and finite.
    pub fn init(&self, group: ParamGroup) -> Result<MaxNorm, ConfigError> {
        if !(self.limit.is_finite() && self.limit > 0.0) {
            let reason = format!("must be positive and finite, got {}", self.limit);
            return Err(ConfigError::new("limit", reason));
        }
        Ok(MaxNorm { limit: self.limit, group })
    }
}

/// The constraint; see the [page](self).
#[derive(Debug, Clone)]
pub struct MaxNorm {
    limit: f64,
    group: ParamGroup,
}

impl MaxNorm {
    /// The model with every unit's weights within the limit. Parameters of one dimension are left
    /// alone. A unit is a column of a `Linear` and an output channel of a convolution.
    pub fn project<M: Module>(&self, model: M) -> M {
        model.map(&mut Project { rule: self, path: Vec::new() })
    }
}

/// The projection of each unit of `weight`, which are along `axis`.
///
/// # Shapes
///
/// - weight, output: any
pub fn project<const D: usize>(weight: Tensor<D>, axis: usize, limit: f64) -> Tensor<D> {
    let others: Vec<usize> = (0..D).filter(|dim| *dim != axis).collect();
    let length = weight.clone().square().sum_dims(&others).sqrt();
    // c/max(‖w‖, c) is exactly 1 inside: a short unit keeps every bit, however often it is projected.
    weight * (length.full_like(limit) / length.clamp_min(limit))
}

/// The dimension that counts units, by the kind of module that owns the weight: Burn's `Linear` holds
/// `[inputs, units]` and its transposed convolutions `[inputs, units, ...]`; all else has units first.
pub(super) fn unit_axis(container_type: &str) -> usize {
    usize::from(container_type == "Struct:Linear" || container_type.starts_with("Struct:ConvTranspose"))
}

/// The parameter with a new value, which requires a gradient if the old one did.
pub(super) fn replace<const D: usize>(
    param: Param<Tensor<D>>,
    f: impl FnOnce(Tensor<D>) -> Tensor<D>,
) -> Param<Tensor<D>> {
    param.map(|value| {
        let requires_gradient = value.is_require_grad();
        let new = f(value.detach()).detach();
        if requires_gradient { new.require_grad() } else { new }
    })
}

struct Project<'a> {
    rule: &'a MaxNorm,
    path: Vec<(String, String)>,
}

impl ModuleMapper for Project<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push((name.to_owned(), container_type.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let names: Vec<&str> = self.path.iter().map(|(name, _)| name.as_str()).collect();
        if D < 2 || !self.rule.group.matches(&param.id, Some(&names.join("."))) {
            return param;
        }
        let axis = self.path.last().map_or(0, |(_, container)| unit_axis(container));
        replace(param, |value| project(value, axis, self.rule.limit))
    }
}
