//! # Gradient clipping
//!
//! The cheapest remedy for exploding gradients: leave the direction of the gradient, bound its
//! length. One bad batch can then move the parameters no further than a good one.
//!
//! Three ways, from the gradient to the parameters they were made for:
//!
//! ```text
//! by global norm   g ← g · min(1, c / ‖g‖)                   ‖g‖ over all parameters together
//! by value         g_i ← min(max(g_i, −c), c)                every element alone
//! adaptive (AGC)   g_u ← g_u · min(1, λ · max(‖w_u‖, ε) / ‖g_u‖)    every unit u alone
//! ```
//!
//! - **Global norm** keeps the direction: all layers shrink by one factor. It is the default choice,
//!   and what recurrent networks and transformers are trained with (c = 1 is customary).
//!   Burn's own `GradientClipping::Norm` bounds every tensor separately, which changes the direction
//!   as soon as one layer is over and another is not, and reaches only an optimiser's first group.
//! - **Value** clipping changes the direction, and in the limit c → 0 becomes sign descent. It asks for
//!   nothing but the elements and is the choice where a few of them are wild.
//! - **Adaptive** clipping bounds the *relative* change of every unit: with step size η no filter moves
//!   by more than η·λ of its own length in one step of gradient descent. It made networks without
//!   normalisation trainable at large batches.
//!
//! All return the global norm *before* clipping: it is the figure to plot.
//!
//! ```
//! use burn::nn::LinearConfig;
//! use burn::tensor::{Device, Tensor};
//! use fornax_nn_core::{clip, gradient};
//!
//! let device = Device::flex().autodiff();
//! let model = LinearConfig::new(3, 1).with_bias(false).init(&device);
//! // loss = w·(2, 3, 6), so the gradient is (2, 3, 6), of length 7.
//! let loss = model.forward(Tensor::<2>::from_data([[2.0, 3.0, 6.0]], &device)).sum();
//! let (_, gradients) = gradient::gradients(loss, &model)?;
//! let (norm, gradients) = clip::global_norm(&model, gradients, 1.0);
//! assert!((norm - 7.0).abs() < 1e-6);
//! assert!((gradient::global_norm(&model, &gradients) - 1.0).abs() < 1e-6);
//! # Ok::<(), gradient::NonFinite>(())
//! ```
//!
//! Papers: R. Pascanu, T. Mikolov, Y. Bengio, *On the difficulty of training recurrent neural
//! networks*, 2013, <https://arxiv.org/abs/1211.5063>; A. Brock, S. De, S. L. Smith, K. Simonyan,
//! *High-performance large-scale image recognition without normalization*, 2021,
//! <https://arxiv.org/abs/2102.06171> (adaptive clipping).

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::gradient;
use crate::unit::unit_axis;

/// Keeps the division finite for a gradient of zero; PyTorch's figure.
const NORM_FLOOR: f64 = 1e-6;

/// A way of clipping as data, to be part of a training configuration.
///
/// ```
/// use fornax_nn_core::{clip::Clip, config};
///
/// let clip: Clip = config::from_json(r#"{"kind": "global_norm", "max_norm": 1.0}"#)?;
/// assert_eq!(clip, Clip::GlobalNorm { max_norm: 1.0 });
/// assert_eq!(Clip::Value { limit: -2.0 }.validate().unwrap_err().field, "limit");
/// # Ok::<(), fornax_nn_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Clip {
    /// See [`global_norm`].
    GlobalNorm {
        /// Longest gradient let through, c above.
        max_norm: f64,
    },
    /// See [`value`].
    Value {
        /// Largest absolute element let through, c above.
        limit: f64,
    },
    /// See [`adaptive`].
    Adaptive(Adaptive),
}

impl Clip {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field that is negative or no number.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self {
            Self::GlobalNorm { max_norm } => not_negative("max_norm", *max_norm),
            Self::Value { limit } => not_negative("limit", *limit),
            Self::Adaptive(settings) => settings.validate(),
        }
    }

    /// Clips, and returns the global norm before.
    ///
    /// # Panics
    ///
    /// When a bound is negative or NaN, which [`validate`](Self::validate) reports as an error.
    pub fn apply<M: Module>(&self, model: &M, gradients: GradientsParams) -> (f64, GradientsParams) {
        match self {
            Self::GlobalNorm { max_norm } => global_norm(model, gradients, *max_norm),
            Self::Value { limit } => value(model, gradients, *limit),
            Self::Adaptive(settings) => adaptive(model, gradients, settings),
        }
    }
}

/// Settings of [`adaptive`] clipping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Adaptive {
    /// λ: the longest gradient of a unit, as a share of the unit's weights. Default: 0.01, the
    /// paper's for batches of 4,096; it found larger values better for smaller batches.
    pub ratio: f64,
    /// ε: the length a unit is taken to have at least, so that one that starts at zero can leave it.
    /// Default: the paper's 1e-3.
    pub epsilon: f64,
    /// Layers to leave alone, as paths or beginnings of paths such as `fc3`. The paper leaves out
    /// the last linear layer. Default: none.
    pub except: Vec<String>,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { ratio: 0.01, epsilon: 1e-3, except: Vec::new() }
    }
}

impl Adaptive {
    /// Checks the two numbers.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field that is negative or no number.
    pub fn validate(&self) -> Result<(), ConfigError> {
        not_negative("ratio", self.ratio)?;
        not_negative("epsilon", self.epsilon)
    }

    /// Checks that every exception names something in `model`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the entry of `except` under which the model has no parameter.
    pub fn validate_for<M: Module>(&self, model: &M) -> Result<(), ConfigError> {
        self.validate()?;
        let paths = gradient::parameter_paths(model);
        for (i, layer) in self.except.iter().enumerate() {
            if !paths.iter().any(|path| is_under(path, layer)) {
                let reason = format!("no parameter lies under {layer:?}; there are: {}", paths.join(", "));
                return Err(ConfigError::new(format!("except[{i}]"), reason));
            }
        }
        Ok(())
    }
}

/// Whether `path` is `layer` or lies inside it: `fc1` holds `fc1.weight` and not `fc10.weight`.
fn is_under(path: &str, layer: &str) -> bool {
    path.strip_prefix(layer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn not_negative(field: &str, value: f64) -> Result<(), ConfigError> {
    if value >= 0.0 {
        Ok(())
    } else {
        Err(ConfigError::new(field, format!("must be 0 or more, got {value}")))
    }
}

/// Scales all gradients of `model` by one factor so that their global norm is at most `max_norm`.
///
/// Returns the norm before clipping. The factor is that of `torch.nn.utils.clip_grad_norm_`,
/// `min(1, max_norm / (‖g‖ + 1e-6))`; at 1 the gradients come back bit for bit. Every parameter
/// of every optimiser group counts, a shared one once.
///
/// Finite gradients whose squares overflow are rescaled before they are summed. Gradients that hold a
/// NaN or an infinity have no direction to keep: they come back as they are, and the norm says
/// so ([`gradient::gradients`] refuses them earlier).
///
/// # Panics
///
/// When `max_norm` is negative or NaN.
pub fn global_norm<M: Module>(
    model: &M,
    gradients: GradientsParams,
    max_norm: f64,
) -> (f64, GradientsParams) {
    assert!(max_norm >= 0.0, "max_norm must be 0 or more, got {max_norm}");
    let mut norm = gradient::global_norm(model, &gradients);
    let mut gradients = gradients;
    if !norm.is_finite() {
        let largest = largest(model, &gradients);
        if !largest.is_finite() {
            return (norm, gradients);
        }
        // ‖g‖ = m · ‖g / m‖ with m the largest element: no square exceeds 1.
        gradients = scale(model, gradients, 1.0 / largest);
        let relative = gradient::global_norm(model, &gradients);
        norm = largest * relative;
        let factor = (max_norm / (norm + NORM_FLOOR)).min(1.0);
        return (norm, scale(model, gradients, factor * largest));
    }
    let factor = max_norm / (norm + NORM_FLOOR);
    if factor < 1.0 {
        gradients = scale(model, gradients, factor);
    }
    (norm, gradients)
}

/// Bounds every element of every gradient of `model` to [−limit, limit].
///
/// Returns the global norm before clipping. Equals `torch.nn.utils.clip_grad_value_`.
///
/// # Panics
///
/// When `limit` is negative or NaN.
pub fn value<M: Module>(model: &M, gradients: GradientsParams, limit: f64) -> (f64, GradientsParams) {
    assert!(limit >= 0.0, "limit must be 0 or more, got {limit}");
    let norm = gradient::global_norm(model, &gradients);
    let clamp = Edit::new(gradients, Change::Clamp(limit));
    (norm, clamp.over(model))
}

/// Bounds the gradient of every unit to a share of the unit's own weights.
///
/// A unit is a neuron of a linear layer (a column of its `[in, out]` matrix), a filter of a
/// convolution or a row of an embedding; a bias or a normalisation's scale is one unit as a whole, as
/// in the authors' code. Returns the global norm before clipping.
///
/// # Panics
///
/// When `ratio` or `epsilon` is negative or NaN.
pub fn adaptive<M: Module>(
    model: &M,
    gradients: GradientsParams,
    settings: &Adaptive,
) -> (f64, GradientsParams) {
    assert!(settings.ratio >= 0.0, "ratio must be 0 or more, got {}", settings.ratio);
    assert!(settings.epsilon >= 0.0, "epsilon must be 0 or more, got {}", settings.epsilon);
    let norm = gradient::global_norm(model, &gradients);
    (norm, Edit::new(gradients, Change::Adaptive(settings)).over(model))
}

fn scale<M: Module>(model: &M, gradients: GradientsParams, factor: f64) -> GradientsParams {
    Edit::new(gradients, Change::Scale(factor)).over(model)
}

/// Largest absolute element of all gradients; NaN when there is one.
fn largest<M: Module>(model: &M, gradients: &GradientsParams) -> f64 {
    struct Largest<'a> {
        gradients: &'a GradientsParams,
        found: f64,
    }
    impl ModuleVisitor for Largest<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
            let largest = gradient.abs().max().into_scalar::<f64>();
            if largest.is_nan() || largest > self.found {
                self.found = largest;
            }
        }
    }
    let mut visitor = Largest { gradients, found: 0.0 };
    model.visit(&mut visitor);
    visitor.found
}

enum Change<'a> {
    Scale(f64),
    Clamp(f64),
    Adaptive(&'a Adaptive),
}

/// Replaces every gradient of a model once.
struct Edit<'a> {
    gradients: GradientsParams,
    change: Change<'a>,
    done: HashSet<ParamId>,
    path: Vec<String>,
    container: Vec<String>,
}

impl<'a> Edit<'a> {
    fn new(gradients: GradientsParams, change: Change<'a>) -> Self {
        Self { gradients, change, done: HashSet::new(), path: Vec::new(), container: Vec::new() }
    }

    fn over<M: Module>(mut self, model: &M) -> GradientsParams {
        model.visit(&mut self);
        self.gradients
    }
}

impl ModuleVisitor for Edit<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push(name.to_owned());
        self.container.push(container.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
        self.container.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.done.insert(param.id) {
            return;
        }
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return };
        let gradient = match self.change {
            Change::Scale(factor) => gradient.mul_scalar(factor),
            Change::Clamp(limit) => gradient.clamp(-limit, limit),
            Change::Adaptive(settings) => {
                let path = self.path.join(".");
                if settings.except.iter().any(|layer| is_under(&path, layer)) {
                    gradient
                } else {
                    let container = self.container.last().map_or("", String::as_str);
                    let axis = unit_axis(container, D);
                    clip_units(gradient, param.val().inner(), axis, settings)
                }
            }
        };
        self.gradients.register(param.id, gradient);
    }
}

/// One tensor's share of [`adaptive`].
fn clip_units<const D: usize>(
    gradient: Tensor<D>,
    weight: Tensor<D>,
    axis: Option<usize>,
    settings: &Adaptive,
) -> Tensor<D> {
    let others: Vec<usize> = (0..D).filter(|&dim| Some(dim) != axis).collect();
    let norm = |tensor: Tensor<D>| tensor.square().sum_dims(&others).sqrt();
    let limit = norm(weight).clamp_min(settings.epsilon).mul_scalar(settings.ratio);
    let factor = limit / norm(gradient.clone()).clamp_min(NORM_FLOOR);
    gradient * factor.clamp_max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use burn::nn::Linear;
    use burn::nn::conv::{Conv2d, Conv2dConfig};
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;

    #[derive(Module, Debug)]
    struct Two {
        body: Linear,
        head: Linear,
    }

    /// Weights `body` = (3, 4) in one column, `head` = (1), no biases; gradients set by hand.
    fn two(body: [f32; 2], head: f32) -> (Two, GradientsParams) {
        let device = Device::flex().autodiff();
        let matrix = |rows: usize, data: Vec<f32>| Linear {
            weight: Param::from_data(TensorData::new(data, [rows, 1]), &device),
            bias: None,
        };
        let model = Two { body: matrix(2, vec![3.0, 4.0]), head: matrix(1, vec![1.0]) };
        let mut gradients = GradientsParams::new();
        let device = Device::flex();
        gradients.register(
            model.body.weight.id,
            Tensor::<2>::from_data(TensorData::new(body.to_vec(), [2, 1]), &device),
        );
        gradients.register(model.head.weight.id, Tensor::<2>::from_data([[head]], &device));
        (model, gradients)
    }

    fn read(model: &Two, gradients: &GradientsParams) -> Vec<f32> {
        let mut all: Vec<f32> =
            gradients.get::<2>(model.body.weight.id).unwrap().into_data().try_to_vec().unwrap();
        all.extend(
            gradients.get::<2>(model.head.weight.id).unwrap().into_data().try_to_vec::<f32>().unwrap(),
        );
        all
    }

    fn assert_close(actual: &[f32], expected: &[f32], rtol: f32) {
        assert_eq!(actual.len(), expected.len());
        for (a, e) in actual.iter().zip(expected) {
            assert!((a - e).abs() <= rtol * e.abs().max(1e-30), "{actual:?} against {expected:?}");
        }
    }

    #[test]
    fn the_global_norm_covers_all_tensors_and_keeps_the_direction() {
        let (model, gradients) = two([2.0, 3.0], 6.0);
        let (norm, gradients) = global_norm(&model, gradients, 3.5);
        assert!((norm - 7.0).abs() < 1e-6);
        // Burn's clipping, tensor by tensor, would leave `body` (norm 3.6 > 3.5) in another ratio to
        // `head`. Here all three are halved.
        assert_close(&read(&model, &gradients), &[1.0, 1.5, 3.0], 1e-6);
    }

    #[test]
    fn short_gradients_come_back_bit_for_bit() {
        let given = [0.1, 0.2];
        let (model, gradients) = two(given, 0.3);
        let (_, gradients) = global_norm(&model, gradients, 1.0);
        assert_eq!(read(&model, &gradients), [0.1, 0.2, 0.3]);
    }

    #[test]
    fn the_factor_is_that_of_pytorch() {
        // torch 2: p.grad = [2e-6, 3e-6, 6e-6]; clip_grad_norm_(max_norm=1e-6) divides by
        // ‖g‖ + 1e-6 = 8e-6 and leaves [2.5e-7, 3.75e-7, 7.5e-7].
        let (model, gradients) = two([2e-6, 3e-6], 6e-6);
        let (norm, gradients) = global_norm(&model, gradients, 1e-6);
        assert!((norm - 7e-6).abs() < 1e-11);
        assert_close(&read(&model, &gradients), &[2.5e-7, 3.75e-7, 7.5e-7], 1e-5);
    }

    #[test]
    fn squares_that_overflow_are_no_obstacle() {
        let (model, gradients) = two([2e30, 3e30], 6e30);
        assert!(gradient::global_norm(&model, &gradients).is_infinite());
        let (norm, gradients) = global_norm(&model, gradients, 1.0);
        assert!((norm / 7e30 - 1.0).abs() < 1e-6, "{norm}");
        assert_close(&read(&model, &gradients), &[2.0 / 7.0, 3.0 / 7.0, 6.0 / 7.0], 1e-6);
    }

    #[test]
    fn gradients_that_are_not_finite_are_handed_back_with_a_norm_that_says_so() {
        for bad in [f32::NAN, f32::INFINITY] {
            let (model, gradients) = two([1.0, bad], 2.0);
            let (norm, gradients) = global_norm(&model, gradients, 1.0);
            assert!(!norm.is_finite());
            assert_eq!(read(&model, &gradients)[2], 2.0);
        }
    }

    #[test]
    fn a_shared_parameter_is_clipped_once() {
        let (model, gradients) = two([2.0, 3.0], 6.0);
        let shared = Two { body: model.body.clone(), head: model.body.clone() };
        // Only `body` counts, under both names: √(4 + 9).
        let (norm, gradients) = global_norm(&shared, gradients, 1.0);
        assert!((norm - 13f64.sqrt()).abs() < 1e-6);
        assert_close(&read(&model, &gradients), &[2.0 / 13f32.sqrt(), 3.0 / 13f32.sqrt(), 6.0], 1e-6);
    }

    #[test]
    fn values_are_bounded_one_by_one() {
        let (model, gradients) = two([-2.0, 0.25], 6.0);
        let (norm, gradients) = value(&model, gradients, 0.5);
        assert!((norm - (4.0f64 + 0.0625 + 36.0).sqrt()).abs() < 1e-6);
        assert_eq!(read(&model, &gradients), [-0.5, 0.25, 0.5]);
    }

    #[test]
    fn adaptive_clipping_bounds_each_unit_by_its_own_weights() {
        // body: ‖w‖ = 5, ‖g‖ = 10, limit 0.1 · 5 = 0.5: scaled by 1/20.
        // head: ‖w‖ = 1, ‖g‖ = 0.05, limit 0.1: untouched.
        let settings = Adaptive { ratio: 0.1, ..Adaptive::default() };
        let (model, gradients) = two([6.0, 8.0], 0.05);
        let (norm, gradients) = adaptive(&model, gradients, &settings);
        assert!((norm - (100.0f64 + 0.0025).sqrt()).abs() < 1e-5);
        assert_close(&read(&model, &gradients), &[0.3, 0.4, 0.05], 1e-6);
    }

    #[test]
    fn adaptive_clipping_leaves_exceptions_alone_and_refuses_unknown_ones() {
        let settings = Adaptive { ratio: 0.1, except: vec!["body".into()], ..Adaptive::default() };
        let (model, gradients) = two([6.0, 8.0], 5.0);
        settings.validate_for(&model).unwrap();
        let (_, gradients) = adaptive(&model, gradients, &settings);
        assert_close(&read(&model, &gradients), &[6.0, 8.0, 0.1], 1e-6);

        let wrong = Adaptive { except: vec!["bod".into()], ..Adaptive::default() };
        let error = wrong.validate_for(&model).unwrap_err();
        assert_eq!(error.field, "except[0]");
        assert!(error.reason.contains("body.weight"), "{error}");
    }

    #[test]
    fn a_unit_of_zero_weights_can_leave_zero() {
        let device = Device::flex().autodiff();
        let conv: Conv2d = Conv2dConfig::new([1, 2], [1, 2]).with_bias(false).init(&device);
        let conv = Conv2d { weight: conv.weight.map(|w| (w * 0.0).detach().require_grad()), ..conv };
        let mut gradients = GradientsParams::new();
        gradients.register(
            conv.weight.id,
            Tensor::<4>::from_data([[[[3.0, 4.0]]], [[[0.0, 0.0]]]], &Device::flex()),
        );
        let (_, gradients) = adaptive(&conv, gradients, &Adaptive::default());
        let clipped: Vec<f32> = gradients.get::<4>(conv.weight.id).unwrap().into_data().try_to_vec().unwrap();
        // Filter 0: limit λ · ε = 1e-5 along (0.6, 0.8). Filter 1 has no gradient and keeps none.
        assert_close(&clipped[..2], &[6e-6, 8e-6], 1e-5);
        assert_eq!(clipped[2..], [0.0, 0.0]);
    }

    #[test]
    fn bad_bounds_are_named() {
        assert_eq!(Clip::GlobalNorm { max_norm: f64::NAN }.validate().unwrap_err().field, "max_norm");
        assert_eq!(Clip::Value { limit: -1.0 }.validate().unwrap_err().field, "limit");
        let adaptive = |ratio, epsilon| Clip::Adaptive(Adaptive { ratio, epsilon, except: Vec::new() });
        assert_eq!(adaptive(-0.1, 1.0).validate().unwrap_err().field, "ratio");
        assert_eq!(adaptive(0.1, -1.0).validate().unwrap_err().field, "epsilon");
        assert!(adaptive(0.1, 1e-3).validate().is_ok());
    }

    #[test]
    fn settings_survive_json_and_refuse_unknown_fields() {
        for clip in [
            Clip::GlobalNorm { max_norm: 0.5 },
            Clip::Value { limit: 2.0 },
            Clip::Adaptive(Adaptive { except: vec!["head".into()], ..Adaptive::default() }),
        ] {
            let text = config::to_json(&clip).unwrap();
            assert_eq!(config::from_json::<Clip>(&text).unwrap(), clip);
        }
        let error = config::from_json::<Clip>(r#"{"kind": "value", "limit": 1.0, "limmit": 2.0}"#);
        assert_eq!(error.unwrap_err().field, "limmit");
    }

    proptest! {
        #[test]
        fn no_gradient_leaves_longer_than_allowed(
            a in -1e3f32..1e3, b in -1e3f32..1e3, c in -1e3f32..1e3, bound in 1e-3f64..1e3,
        ) {
            let (model, gradients) = two([a, b], c);
            let (norm, gradients) = global_norm(&model, gradients, bound);
            let after = gradient::global_norm(&model, &gradients);
            prop_assert!(after <= bound * (1.0 + 1e-5) && after <= norm * (1.0 + 1e-6));
        }
    }
}
