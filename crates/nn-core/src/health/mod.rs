//! # Gradient issues: vanishing and exploding
//!
//! Backpropagation multiplies. For a network of L layers
//!
//! ```text
//! z_l = W_l · a_(l−1) + b_l,   a_l = φ(z_l)
//! ```
//!
//! the chain rule carries the error δ_l = ∂loss/∂z_l down one layer at a time, by the Jacobian of
//! that layer, and so reaches layer l as a **product of Jacobians**:
//!
//! ```text
//! δ_l = φ'(z_l) ⊙ W_(l+1)ᵀ · δ_(l+1)
//! δ_l = diag φ'(z_l) · W_(l+1)ᵀ · diag φ'(z_(l+1)) · … · W_Lᵀ · δ_L
//! ∂loss/∂W_l = δ_l · a_(l−1)ᵀ
//! ‖δ_l‖ ≤ ‖δ_L‖ · Π_(k=l+1…L) ‖W_k‖ · max|φ'|
//! ```
//!
//! A product of L factors that are mostly below one goes to zero, and one of factors mostly above one to
//! infinity, both exponentially in depth. Depth is the number of layers, or of time steps in a
//! recurrent network. For random weights of variance s²/n (n the layer's width) the squared length
//! changes on average by
//!
//! ```text
//! E‖δ_l‖² = s² · E[φ'(z)²] · E‖δ_(l+1)‖²
//! ```
//!
//! per layer, so that s² · E[φ'²] = 1 is the initialisation which keeps it. ReLU passes half of
//! its units, E[φ'²] = ½, so s² = 2 (He); tanh near zero has φ' = 1, so s² = 1 (Xavier).
//!
//! ## Vanishing
//!
//! The gradient shrinks to 0 on the way down: low layers stop changing, and as the layers above can
//! only work with what these pass on, a good optimum is out of reach.
//!
//! | flag | here |
//! |---|---|
//! | high layers change much while low ones change little or not | [`Flag::LowLayersStarved`] |
//! | weights become 0 during training | [`Flag::WeightsReachZero`] |
//! | learning is slow and may stagnate early | [`Flag::Stalled`] |
//! | in a recurrent network: late inputs count, early ones do not | [`Flag::FadesThroughTime`] |
//!
//! *Causes.* Sigmoid-like functions squeeze all inputs into a short interval: σ' = σ(1 − σ) ≤ ¼, so every
//! such layer costs the gradient a factor of four or more unless ‖W‖ > 4 makes up for it; and large
//! inputs *saturate* them, where φ' is almost 0. ReLU has no such upper end but a unit whose input
//! is negative for every example is *dead*: it passes nothing. *Remedies*: ReLU and its relatives, He or
//! Xavier initialisation, normalisation layers, residual connections, and in recurrent networks gates
//! (LSTM) or short truncation. A recurrent network has the same weights at every step, so the norms of its layers' gradients do
//! not show where in time a gradient was lost: [`Monitor::through_time`] is told them by time lag.
//!
//! ## Exploding
//!
//! The gradient grows on the way down, updates become huge, training diverges.
//!
//! | flag | here |
//! |---|---|
//! | parameters grow exponentially | [`Flag::ExponentialGrowth`] |
//! | an avalanche: loss or gradient jump and do not come back | [`Flag::Avalanche`] |
//! | NaN weights | [`Flag::NotFinite`] |
//!
//! *Causes.* Initial parameters that give a large cost, hence a large first gradient; a step size over
//! 2/λ, λ the sharpest curvature (each step then overshoots further); weights shared over many time
//! steps. *Remedies*: smaller initial weights, [clipping](crate::clip), a lower or warmed-up learning
//! rate, normalisation.
//!
//! ## The monitor
//!
//! [`Monitor`] watches a run from the outside. Two calls around the optimiser's step suffice, and both
//! return at once on steps that are not sampled:
//!
//! ```text
//! forward ─▶ loss ─▶ gradients ─▶ [before] ─▶ optim.step ─▶ [after]
//!    └─ [units]  pre-activations, optional          ‖g‖, ‖w‖ ─┘   └─ ‖Δw‖, one read-back
//! ```
//!
//! ```
//! use burn::nn::LinearConfig;
//! use burn::optim::SgdConfig;
//! use burn::tensor::{Device, Tensor};
//! use fornax_nn_core::gradient::gradients;
//! use fornax_nn_core::health::{HealthConfig, Quantity};
//!
//! let device = Device::flex().autodiff();
//! let mut model = LinearConfig::new(2, 1).init(&device);
//! let mut optim = SgdConfig::new().init();
//! let mut monitor = HealthConfig::new().init()?;
//! for step in 0..100 {
//!     let x = Tensor::<2>::from_data([[1.0, 2.0], [3.0, -1.0]], &device);
//!     let loss = model.forward(x).square().mean();
//!     let (loss, gradients) = gradients(loss, &model)?;
//!     monitor.before(step, loss, &model, &gradients);
//!     model = optim.step(0.1, model, gradients);
//!     monitor.after(&model);
//! }
//! assert_eq!(monitor.verdict().name(), "healthy");
//! let map = monitor.history().heat_map(Quantity::Gradient); // layer × step
//! assert_eq!(map.layers, ["weight", "bias"]); // of a bare layer; else `body.0`, `head`, …
//! assert_eq!(map.steps.len(), 10);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Papers: S. Hochreiter, *Untersuchungen zu dynamischen neuronalen Netzen*, diploma thesis, TU
//! München, 1991; Y. Bengio, P. Simard, P. Frasconi, *Learning long-term dependencies with gradient
//! descent is difficult*, 1994, <https://doi.org/10.1109/72.279181>; X. Glorot, Y. Bengio,
//! *Understanding the difficulty of training deep feedforward neural networks*, 2010,
//! <https://proceedings.mlr.press/v9/glorot10a.html>; K. He, X. Zhang, S. Ren, J. Sun, *Delving deep
//! into rectifiers*, 2015, <https://arxiv.org/abs/1502.01852>.

mod history;
mod verdict;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use burn::config::Config;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, Transaction};

use crate::activation::{Activation, Interval};
use crate::config::ConfigError;
use crate::gradient::{NonFinite, square_sum};

pub use history::{Breakdown, HeatMap, History, Norms, Parameter, Quantity, Reach, Sample, Units};
pub use verdict::{Cause, Flag, LayerState, Rising, Verdict};

/// When to look and what to call ill; pure data, built by [`init`](Self::init).
///
/// The thresholds are set wide: a flag is meant to be worth stopping for. What is measured can be seen in
/// the [`History`] long before.
#[derive(Config, Debug, PartialEq)]
pub struct HealthConfig {
    /// Steps from one sample to the next. Default: 10, which keeps the cost below 3 % of a step of a
    /// small network (three passes over the parameters each time) and sees a run of 1,000 steps 100 times.
    #[config(default = 10)]
    pub every: usize,
    /// Samples kept. When they are full every other one is dropped and the distance doubles, so that
    /// the history always spans the whole run. Default: 512, about a picture's width.
    #[config(default = 512)]
    pub capacity: usize,
    /// Samples before there is a verdict other than exploding. Default: 8.
    #[config(default = 8)]
    pub min_samples: usize,
    /// Samples that count as the present. Default: 20.
    #[config(default = 20)]
    pub window: usize,
    /// Low layers are starved when their relative gradient ‖g‖/‖w‖ is below this share of the high
    /// layers', and early steps of time when theirs is below this share of the late steps'. Default: 1e-3, at which the top makes a thousand steps to the bottom's one: by the time
    /// training ends the bottom is still its random self. Five sigmoid layers at φ' = ¼ get there.
    #[config(default = 1e-3)]
    pub starved_ratio: f64,
    /// A layer's weights reach zero when their norm falls below this share of the first. Default: 1e-2,
    /// far below what weight decay settles at beside a gradient that still speaks.
    #[config(default = 1e-2)]
    pub zero_ratio: f64,
    /// Learning is slow when the loss has fallen by less than this share of its first value …
    /// Default: 0.1.
    #[config(default = 0.1)]
    pub stalled_total: f64,
    /// … and has stalled when, besides, it fell by less than this share from the third quarter of the run
    /// to the fourth. Default: 0.01.
    #[config(default = 0.01)]
    pub stalled_recent: f64,
    /// Parameters grow exponentially when a layer's norm multiplies by this within the window … Default:
    /// 10. Weights that learn grow by a small factor over a whole training.
    #[config(default = 10.0)]
    pub growth_factor: f64,
    /// … along a straight line in log ‖w‖ over the steps, with at least this R². Default: 0.95.
    #[config(default = 0.95)]
    pub growth_fit: f64,
    /// A loss this many times the median of the window before it is an avalanche, if it is also twice
    /// the first and stays so. Default: 10, beyond what one odd batch does.
    #[config(default = 10.0)]
    pub loss_jump: f64,
    /// The same for the norm of the whole gradient, which varies more. Default: 100.
    #[config(default = 100.0)]
    pub gradient_jump: f64,
}

impl HealthConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let at_least = [
            ("every", self.every, 1),
            ("capacity", self.capacity, 16),
            ("min_samples", self.min_samples, 4),
            ("window", self.window, 5),
        ];
        for (field, value, least) in at_least {
            if value < least {
                return Err(ConfigError::new(field, format!("must be at least {least}, got {value}")));
            }
        }
        let shares = [
            ("starved_ratio", self.starved_ratio),
            ("zero_ratio", self.zero_ratio),
            ("stalled_total", self.stalled_total),
            ("stalled_recent", self.stalled_recent),
            ("growth_fit", self.growth_fit),
        ];
        for (field, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return Err(ConfigError::new(field, format!("must lie in [0, 1], got {value}")));
            }
        }
        let factors = [
            ("growth_factor", self.growth_factor),
            ("loss_jump", self.loss_jump),
            ("gradient_jump", self.gradient_jump),
        ];
        for (field, value) in factors {
            if !(value > 1.0 && value.is_finite()) {
                return Err(ConfigError::new(field, format!("must be finite and above 1, got {value}")));
            }
        }
        Ok(())
    }

    /// A monitor with an empty history.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self) -> Result<Monitor, ConfigError> {
        self.resume(History::default())
    }

    /// A monitor that goes on where the one with this history stopped, as after a checkpoint.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate), and naming `every` when the history was
    /// sampled at other steps.
    pub fn resume(&self, mut history: History) -> Result<Monitor, ConfigError> {
        self.validate()?;
        if history.stride == 0 {
            history.stride = self.every;
        }
        if !history.stride.is_multiple_of(self.every) {
            let reason = format!("is {}, but the history has a sample every {}", self.every, history.stride);
            return Err(ConfigError::new("every", reason));
        }
        Ok(Monitor { config: self.clone(), history, pending: None, units: Vec::new() })
    }
}

/// Beyond which inputs an activation passes almost no gradient.
///
/// The ends are where the derivative falls below 5 % of its largest value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiveRange {
    /// Inputs at or below this are saturated.
    pub low: f64,
    /// Inputs at or above this are saturated; infinite where there is no upper end.
    pub high: f64,
}

impl LiveRange {
    /// max(0, z): no gradient at or below 0.
    pub const RELU: Self = Self { low: 0.0, high: f64::INFINITY };
    /// σ(z): σ' = σ(1 − σ) is 5 % of its ¼ at ±4.357.
    pub const SIGMOID: Self = Self { low: -4.357, high: 4.357 };
    /// tanh z: 1 − tanh² is 5 % of its 1 at ±2.178.
    pub const TANH: Self = Self { low: -2.178, high: 2.178 };

    /// The range of any activation, from [`Activation::saturation`]; `None` for one that never
    /// saturates, such as leaky ReLU, or of which no single input decides, such as softmax.
    pub fn of(activation: &Activation) -> Option<Self> {
        let steepest = if matches!(activation, Activation::Sigmoid) { 0.25 } else { 1.0 };
        activation.saturation(0.05 * steepest).map(|Interval { low, high }| Self { low, high })
    }
}

/// Per-layer health of a training run; see the [module page](self).
#[derive(Debug)]
pub struct Monitor {
    config: HealthConfig,
    history: History,
    pending: Option<Pending>,
    units: Vec<PendingUnits>,
}

/// A sample between `before` and `after`.
#[derive(Debug)]
struct Pending {
    step: usize,
    parameters: Vec<PendingParameter>,
    /// The parameters before the step, by id.
    weights: GradientsParams,
}

#[derive(Debug)]
struct PendingParameter {
    id: ParamId,
    path: String,
    elements: usize,
    rank: usize,
    /// Squared norms on the device, not read yet.
    gradient: Option<Tensor<1>>,
    weight: Tensor<1>,
    update: Option<Tensor<1>>,
}

#[derive(Debug)]
struct PendingUnits {
    step: usize,
    layer: String,
    stuck: Tensor<1>,
    saturated: Tensor<1>,
}

impl Monitor {
    /// Whether `step` is sampled: a multiple of the current distance between samples.
    pub fn due(&self, step: usize) -> bool {
        step.is_multiple_of(self.history.stride)
    }

    /// Looks at one layer's pre-activations, if `step` is sampled. Call it anywhere before
    /// [`after`](Self::after).
    ///
    /// Records the share of *saturated* elements, those beyond `range`, and that of *stuck* units,
    /// for which every example of the batch lies beyond the same end: a stuck ReLU is dead.
    ///
    /// # Shapes
    ///
    /// - pre_activation: any, with the units (features, channels) along `unit_dim`
    ///
    /// # Panics
    ///
    /// When `unit_dim` is not a dimension of the tensor.
    pub fn units<const D: usize>(
        &mut self,
        step: usize,
        layer: &str,
        pre_activation: &Tensor<D>,
        unit_dim: usize,
        range: LiveRange,
    ) {
        if !self.due(step) {
            return;
        }
        assert!(unit_dim < D, "unit_dim {unit_dim} of a tensor with {D} dimensions");
        let z = pre_activation.clone().inner();
        let low = z.clone().lower_equal_scalar(range.low).float();
        let mut saturated = low.clone().mean();
        let over_batch = |mut mask: Tensor<D>| {
            for dim in (0..D).filter(|&dim| dim != unit_dim) {
                mask = mask.min_dim(dim);
            }
            mask.mean()
        };
        let mut stuck = over_batch(low);
        if range.high.is_finite() {
            let high = z.greater_equal_scalar(range.high).float();
            saturated = saturated + high.clone().mean();
            stuck = stuck + over_batch(high);
        }
        self.units.retain(|units| units.step == step);
        self.units.push(PendingUnits { step, layer: layer.to_owned(), stuck, saturated });
    }

    /// First half of a sample: after the backward pass, before the optimiser's step.
    ///
    /// Call it every step: the loss of steps that are not sampled counts into the next sample's mean
    /// and maximum. `gradients` may be clipped or not; what the optimiser will see is the better
    /// choice.
    pub fn before<M: Module>(&mut self, step: usize, loss: f32, model: &M, gradients: &GradientsParams) {
        self.history.losses.add(f64::from(loss));
        self.pending = None;
        if self.due(step) {
            let mut visitor = Before {
                gradients,
                path: Vec::new(),
                seen: HashSet::new(),
                parameters: Vec::new(),
                weights: GradientsParams::new(),
            };
            model.visit(&mut visitor);
            let Before { parameters, weights, .. } = visitor;
            self.pending = Some(Pending { step, parameters, weights });
        }
    }

    /// Second half of a sample: after the optimiser's step, with the updated model.
    ///
    /// All that was measured since `before` is read from the device here, at once.
    pub fn after<M: Module>(&mut self, model: &M) {
        let Some(pending) = self.pending.take() else { return };
        let step = pending.step;
        let mut visitor = After { pending };
        model.visit(&mut visitor);
        let parameters = visitor.pending.parameters;
        let units: Vec<PendingUnits> = self.units.drain(..).filter(|units| units.step == step).collect();

        let mut read = Transaction::default();
        for parameter in &parameters {
            read = read.register(parameter.weight.clone());
            for optional in [&parameter.gradient, &parameter.update].into_iter().flatten() {
                read = read.register(optional.clone());
            }
        }
        for units in &units {
            read = read.register(units.stuck.clone()).register(units.saturated.clone());
        }
        let mut values = read
            .execute()
            .into_iter()
            .map(|data| data.iter::<f64>().next().unwrap_or(f64::NAN))
            .collect::<Vec<f64>>()
            .into_iter();
        let mut next = || values.next().unwrap_or(f64::NAN);

        let (loss, highest_loss) = self.history.losses.take();
        let mut sample = Sample { step, loss, highest_loss, norms: Vec::new(), units: Vec::new() };
        for parameter in parameters {
            let weight = next().sqrt();
            let gradient = if parameter.gradient.is_some() { next().sqrt() } else { 0.0 };
            let update = if parameter.update.is_some() { next().sqrt() } else { 0.0 };
            let slot = self.history.slot(Parameter {
                path: parameter.path,
                elements: parameter.elements,
                rank: parameter.rank,
            });
            if sample.norms.len() <= slot {
                sample.norms.resize(slot + 1, None);
            }
            sample.norms[slot] = Some(Norms { gradient, weight, update });
        }
        for PendingUnits { layer, .. } in units {
            let stuck = next();
            sample.units.push(Units { layer, stuck, saturated: next() });
        }
        self.history.push(sample);
        if self.history.samples().len() >= self.config.capacity {
            self.history.thin();
        }
    }

    /// Looks at a recurrent network through time: `norms[k]` is that of the derivative of what it says at the end by its input,
    /// or its state, k steps before.
    ///
    /// Call it now and then, such as once an epoch: it is a forward and a backward pass of its own. The latest
    /// [`window`](HealthConfig::window) looks are kept. Fewer than three lags are not recorded.
    pub fn through_time(&mut self, step: usize, norms: &[f64]) {
        if let Some(reach) = verdict::reach(step, norms) {
            self.history.push_reach(reach, self.config.window);
        }
    }

    /// Takes note of a step that failed, so that the verdict can name it.
    pub fn failed(&mut self, step: usize, error: &NonFinite) {
        self.pending = None;
        self.history.break_down(Breakdown {
            step,
            what: error.what.to_string(),
            tensor: error.tensor.clone(),
            value: error.value.clone(),
        });
    }

    /// What was measured so far; serialisable.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The settings.
    pub fn config(&self) -> &HealthConfig {
        &self.config
    }

    /// What ails the run, with the evidence.
    pub fn verdict(&self) -> Verdict {
        self.history.verdict(&self.config)
    }
}

struct Before<'a> {
    gradients: &'a GradientsParams,
    path: Vec<String>,
    seen: HashSet<ParamId>,
    parameters: Vec<PendingParameter>,
    weights: GradientsParams,
}

impl ModuleVisitor for Before<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // Frozen parameters and running statistics do not learn and are not judged.
        if !param.is_require_grad() || !self.seen.insert(param.id) {
            return;
        }
        let weight = param.base().inner();
        self.parameters.push(PendingParameter {
            id: param.id,
            path: self.path.join("."),
            elements: weight.shape().num_elements(),
            rank: D,
            gradient: self.gradients.get::<D>(param.id).map(square_sum),
            weight: square_sum(weight.clone()),
            update: None,
        });
        self.weights.register(param.id, weight);
    }
}

struct After {
    pending: Pending,
}

impl ModuleVisitor for After {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(before) = self.pending.weights.remove::<D>(param.id) else { return };
        if let Some(pending) = self.pending.parameters.iter_mut().find(|pending| pending.id == param.id) {
            pending.update = Some(square_sum(param.base().inner() - before));
        }
    }
}
