//! # Activations
//!
//! An activation f is applied to a layer's pre-activation z = W·x + b, element by element. It is
//! what makes depth worth anything: without it, layers collapse into one.
//!
//! ```text
//! W₂·(W₁·x + b₁) + b₂  =  (W₂·W₁)·x + (W₂·b₁ + b₂)        two linear layers are one linear layer
//! W₂·f(W₁·x + b₁) + b₂                                    with a non-linear f they are not
//! ```
//!
//! A linear network of any depth can therefore only draw a plane through the data: exclusive or, four
//! points, is already out of its reach. (Both halves are tests of
//! [`feed_forward`](crate::feed_forward).) With almost any non-linear f, one hidden layer of enough
//! units comes as close as wanted to every continuous function on a bounded set
//! ([Cybenko 1989](https://doi.org/10.1007/BF02551274),
//! [Leshno et al. 1993](https://doi.org/10.1016/S0893-6080(05)80131-5)).
//!
//! ## The table
//!
//! σ(x) = 1/(1 + e⁻ˣ); Φ and φ are the distribution and the density of N(0, 1);
//! sp(x) = ln(1 + eˣ). Derivatives at a kink are the left one.
//!
//! | name | f(x) | f′(x) | range | f′ → 0 |
//! |---|---|---|---|---|
//! | `linear` | x | 1 | (−∞, ∞) | never |
//! | [`relu`](https://proceedings.mlr.press/v15/glorot11a.html) | max(0, x) | 1 if x > 0 else 0 | [0, ∞) | x ≤ 0 |
//! | [`leaky_relu(a)`](https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf) | x if x > 0 else a·x | 1 if x > 0 else a | (−∞, ∞) | never |
//! | [`prelu(a)`](https://arxiv.org/abs/1502.01852) | as above, a learned | as above | (−∞, ∞) | never |
//! | [`elu(α)`](https://arxiv.org/abs/1511.07289) | x if x > 0 else α(eˣ − 1) | 1 if x > 0 else αeˣ | (−α, ∞) | x → −∞ |
//! | [`selu`](https://arxiv.org/abs/1706.02515) | λ·elu(α), λ = 1.0507…, α = 1.6733… | λ if x > 0 else λαeˣ | (−1.7581, ∞) | x → −∞ |
//! | `sigmoid` | σ(x) | σ(1 − σ) ≤ ¼ | (0, 1) | both sides |
//! | `tanh` | (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ) | 1 − tanh² ≤ 1 | (−1, 1) | both sides |
//! | `softmax` | eˣⁱ/Σⱼeˣʲ | ∂pᵢ/∂xⱼ = pᵢ(δᵢⱼ − pⱼ) | (0, 1), sums to 1 | one p near 1 |
//! | [`gelu`](https://arxiv.org/abs/1606.08415) | x·Φ(x) | Φ + xφ | [−0.1700, ∞) | x → −∞ |
//! | `gelu_tanh` | ½x(1 + t), t = tanh(√(2/π)(x + 0.044715x³)) | ½(1 + t) + ½x(1 − t²)√(2/π)(1 + 0.134145x²) | [−0.1700, ∞) | x → −∞ |
//! | [`silu`](https://arxiv.org/abs/1702.03118) | x·σ(x) | σ(1 + x(1 − σ)) | [−0.2785, ∞) | x → −∞ |
//! | [`mish`](https://arxiv.org/abs/1908.08681) | x·tanh(sp(x)) | tanh(sp) + xσ(1 − tanh²(sp)) | [−0.3088, ∞) | x → −∞ |
//! | `softplus(β)` | ln(1 + e^(βx))/β | σ(βx) | (0, ∞) | x → −∞ |
//! | `hard_sigmoid` | clamp(x/6 + ½, 0, 1) | 1/6 inside (−3, 3) | [0, 1] | outside |
//! | `hard_tanh` | clamp(x, −1, 1) | 1 inside (−1, 1) | [−1, 1] | outside |
//! | [`hard_swish`](https://arxiv.org/abs/1905.02244) | x·hard_sigmoid(x) | (2x + 3)/6 inside (−3, 3), 0 left, 1 right | [−0.375, ∞) | x ≤ −3 |
//! | [`glu`](https://arxiv.org/abs/1612.08083) | (a, b) ↦ a·σ(b) | see [`backward`](Activation::backward) | (−∞, ∞) | by the gate |
//! | [`swiglu`](https://arxiv.org/abs/2002.05202) | (a, b) ↦ silu(a)·b | see [`backward`](Activation::backward) | (−∞, ∞) | by the gate |
//!
//! Every entry is tested: values and derivatives against PyTorch on a grid and against double-precision
//! differences, ranges by search, saturation by evaluation on both sides of the bound.
//!
//! ## Which one
//!
//! - **Hidden layers.** `relu` is the default: cheap, and its derivative is 1 for half of all inputs at
//!   any depth. A unit whose pre-activation is negative on all data is *dead*: its gradient is 0 and it
//!   cannot come back. The leaky ones, `elu` and the smooth ones (`gelu`, `silu`, `mish`) keep a gradient
//!   there.
//! - **`sigmoid` and `tanh` saturate.** They squeeze any variance into (0, 1) or (−1, 1); a large input
//!   lands on the flat part, where the derivative is near 0. Backpropagation multiplies by f′ at each
//!   layer, so the gradient that reaches the bottom of L sigmoid layers carries a factor of at most
//!   (¼)ᴸ: it *vanishes*. Of the two, tanh is centred on zero and has slope 1 there.
//! - **Output layer, by goal.** `linear` for a number; `sigmoid` for a yes/no or several independent
//!   ones; `softmax` for one of several classes. Each has the loss whose gradient is simply
//!   output − target: see [`feed_forward::loss`](crate::feed_forward::loss).
//! - **Gated** (`glu`, `swiglu`): half of the features decide how much of the other half passes. They
//!   halve the features; the layer before must be twice as wide ([`Activation::input_width`]).

use burn::module::Module;
use burn::nn::{PRelu, PReluConfig};
use burn::tensor::activation::{leaky_relu, relu, sigmoid, silu, softmax};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::ConfigError;

mod formula;
mod parse;
mod saturation;

use formula::{
    GELU_CUBIC, SIXTH, SQRT_2_OVER_PI, elu, elu_derivative, gelu_inner, halves, hard_sigmoid, indicator,
    normal_cdf, normal_density, silu_derivative, softplus,
};
pub use saturation::Interval;

/// λ of SELU: with [`SELU_ALPHA`], the one scale for which N(0, 1) is a fixed point of mean and
/// variance (Klambauer et al. 2017, equation 14).
pub const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
/// α of SELU.
pub const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;

/// An activation function, as data; formulas and sources in the [module page](self).
///
/// Written and parsed by name, a parameter in parentheses, in JSON too:
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use fornax_nn_core::activation::Activation;
///
/// let leaky: Activation = "leaky_relu(0.1)".parse()?;
/// let x = Tensor::<1>::from_data([-2.0, 3.0], &Device::flex());
/// assert_eq!(leaky.apply(x).into_data().to_vec::<f32>().unwrap(), [-0.2, 3.0]);
///
/// let error = "gleu".parse::<Activation>().unwrap_err();
/// assert!(error.to_string().contains("did you mean"));
/// # Ok::<(), fornax_nn_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Activation {
    /// Identity: the output layer of a regression.
    Linear,
    /// Rectified linear unit.
    Relu,
    /// ReLU with a small slope for negative inputs.
    LeakyRelu {
        /// The slope a, in [0, 1]. Default 0.01: Maas et al. 2013.
        slope: f64,
    },
    /// Leaky ReLU whose slope is learned, one per layer: see [`Activation::layer`].
    Prelu {
        /// The slope before training, in [0, 1]. Default 0.25: He et al. 2015.
        slope: f64,
    },
    /// Exponential linear unit.
    Elu {
        /// Minus the value approached for x → −∞; positive. Default 1: Clevert et al. 2016.
        alpha: f64,
    },
    /// Scaled ELU, self-normalising with LeCun initialisation.
    Selu,
    /// Logistic function.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// Exponentials normalised to sum to one along the last dimension.
    Softmax,
    /// Gaussian error linear unit, exact.
    Gelu,
    /// GELU in its tanh approximation, as GPT-2 uses it.
    GeluTanh,
    /// Sigmoid-weighted linear unit, also called swish.
    Silu,
    /// x · tanh(softplus(x)).
    Mish,
    /// Smooth ReLU, always positive: for a predicted variance or rate.
    Softplus {
        /// Sharpness β; positive. Default 1.
        beta: f64,
    },
    /// Piecewise linear sigmoid.
    HardSigmoid,
    /// Piecewise linear tanh.
    HardTanh,
    /// x · hard sigmoid, for phones (MobileNetV3).
    HardSwish,
    /// Gated linear unit over the halves of the last dimension, the second half being the gate.
    Glu,
    /// Gated SiLU over the halves of the last dimension, SiLU on the first half.
    SwiGlu,
}

impl Activation {
    /// Every activation with its default parameter, in the order of the table.
    pub const ALL: [Self; 19] = [
        Self::Linear,
        Self::Relu,
        Self::LeakyRelu { slope: 0.01 },
        Self::Prelu { slope: 0.25 },
        Self::Elu { alpha: 1.0 },
        Self::Selu,
        Self::Sigmoid,
        Self::Tanh,
        Self::Softmax,
        Self::Gelu,
        Self::GeluTanh,
        Self::Silu,
        Self::Mish,
        Self::Softplus { beta: 1.0 },
        Self::HardSigmoid,
        Self::HardTanh,
        Self::HardSwish,
        Self::Glu,
        Self::SwiGlu,
    ];

    /// The name without its parameter.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Relu => "relu",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Prelu { .. } => "prelu",
            Self::Elu { .. } => "elu",
            Self::Selu => "selu",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Softmax => "softmax",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::Silu => "silu",
            Self::Mish => "mish",
            Self::Softplus { .. } => "softplus",
            Self::HardSigmoid => "hard_sigmoid",
            Self::HardTanh => "hard_tanh",
            Self::HardSwish => "hard_swish",
            Self::Glu => "glu",
            Self::SwiGlu => "swiglu",
        }
    }

    /// The slope, α or β of those that have one.
    pub fn parameter(&self) -> Option<f64> {
        match *self {
            Self::LeakyRelu { slope } | Self::Prelu { slope } => Some(slope),
            Self::Elu { alpha } => Some(alpha),
            Self::Softplus { beta } => Some(beta),
            _ => None,
        }
    }

    /// Checks the parameter.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `slope`, `alpha` or `beta`.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let positive = |field, value: f64| match value.is_finite() && value > 0.0 {
            true => Ok(()),
            false => Err(ConfigError::new(field, format!("must be positive and finite, got {value}"))),
        };
        match *self {
            Self::LeakyRelu { slope } | Self::Prelu { slope } if !(0.0..=1.0).contains(&slope) => {
                Err(ConfigError::new("slope", format!("must lie in [0, 1], got {slope}")))
            }
            Self::Elu { alpha } => positive("alpha", alpha),
            Self::Softplus { beta } => positive("beta", beta),
            _ => Ok(()),
        }
    }

    /// Whether each output depends on one input alone: all but softmax and the gated ones.
    pub fn is_elementwise(&self) -> bool {
        !matches!(self, Self::Softmax | Self::Glu | Self::SwiGlu)
    }

    /// How many features must go in for `output` to come out: twice as many where a gate takes half.
    pub fn input_width(&self, output: usize) -> usize {
        match self {
            Self::Glu | Self::SwiGlu => 2 * output,
            _ => output,
        }
    }

    /// f(x). PReLU uses its starting slope; the learned one lives in an [`ActivationLayer`].
    ///
    /// No intermediate result overflows or turns into NaN, however large the input; ±∞ give the limit
    /// where it can be computed without ∞ · 0 (that is, for all but GELU, SiLU, Mish and hard swish).
    ///
    /// # Shapes
    ///
    /// - x: `[..., features]`
    /// - output: `[..., features]`, or `[..., features / 2]` for the gated ones
    ///
    /// # Panics
    ///
    /// When a gated activation is given an odd number of features.
    pub fn apply<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match *self {
            Self::Linear => x,
            Self::Relu => relu(x),
            Self::LeakyRelu { slope } | Self::Prelu { slope } => leaky_relu(x, slope),
            Self::Elu { alpha } => elu(x, alpha),
            Self::Selu => elu(x, SELU_ALPHA) * SELU_SCALE,
            Self::Sigmoid => sigmoid(x),
            Self::Tanh => x.tanh(),
            Self::Softmax => softmax(x, D - 1),
            Self::Gelu => x.clone() * normal_cdf(x),
            Self::GeluTanh => x.clone() * ((gelu_inner(x).tanh() + 1.0) * 0.5),
            Self::Silu => silu(x),
            Self::Mish => x.clone() * softplus(x, 1.0).tanh(),
            Self::Softplus { beta } => softplus(x, beta),
            Self::HardSigmoid => hard_sigmoid(x),
            Self::HardTanh => x.clamp(-1.0, 1.0),
            Self::HardSwish => x.clone() * hard_sigmoid(x),
            Self::Glu => {
                let [value, gate] = halves(x);
                value * sigmoid(gate)
            }
            Self::SwiGlu => {
                let [gate, value] = halves(x);
                silu(gate) * value
            }
        }
    }

    /// f′(x) in closed form, by the table; `None` for softmax and the gated activations, whose
    /// outputs depend on several inputs: see [`backward`](Self::backward).
    ///
    /// # Shapes
    ///
    /// - x, output: any
    pub fn derivative<const D: usize>(&self, x: Tensor<D>) -> Option<Tensor<D>> {
        let derivative = match *self {
            Self::Linear => x.ones_like(),
            Self::Relu => indicator(&x, 0.0, f64::INFINITY),
            Self::LeakyRelu { slope } | Self::Prelu { slope } => {
                indicator(&x, 0.0, f64::INFINITY) * (1.0 - slope) + slope
            }
            Self::Elu { alpha } => elu_derivative(x, alpha),
            Self::Selu => elu_derivative(x, SELU_ALPHA) * SELU_SCALE,
            Self::Sigmoid => {
                let s = sigmoid(x);
                s.clone() * (-s + 1.0)
            }
            Self::Tanh => -x.tanh().square() + 1.0,
            Self::Gelu => normal_cdf(x.clone()) + x.clone() * normal_density(x),
            Self::GeluTanh => {
                let t = gelu_inner(x.clone()).tanh();
                let inner = (x.clone().square() * (3.0 * GELU_CUBIC) + 1.0) * SQRT_2_OVER_PI;
                ((t.clone() + 1.0) + x * (-t.square() + 1.0) * inner) * 0.5
            }
            Self::Silu => silu_derivative(x),
            Self::Mish => {
                let t = softplus(x.clone(), 1.0).tanh();
                t.clone() + x.clone() * sigmoid(x) * (-t.square() + 1.0)
            }
            Self::Softplus { beta } => sigmoid(x * beta),
            Self::HardSigmoid => indicator(&x, -3.0, 3.0) * SIXTH,
            Self::HardTanh => indicator(&x, -1.0, 1.0),
            Self::HardSwish => {
                let ramp = (x.clone() * 2.0 + 3.0) * SIXTH;
                ramp * indicator(&x, -3.0, 3.0) + indicator(&x, 3.0, f64::INFINITY)
            }
            Self::Softmax | Self::Glu | Self::SwiGlu => return None,
        };
        Some(derivative)
    }

    /// The backward pass by hand: from ∂L/∂f, the gradient at the output, to ∂L/∂x.
    ///
    /// ```text
    /// elementwise   ∂L/∂x = ∂L/∂f ⊙ f′(x)
    /// softmax       ∂L/∂x = p ⊙ (g − Σⱼ gⱼpⱼ)              with g = ∂L/∂p
    /// glu           ∂L/∂a = g ⊙ σ(b),       ∂L/∂b = g ⊙ a ⊙ σ(b)(1 − σ(b))
    /// swiglu        ∂L/∂a = g ⊙ b ⊙ silu′(a), ∂L/∂b = g ⊙ silu(a)
    /// ```
    ///
    /// # Shapes
    ///
    /// - x, output: `[..., features]`
    /// - upstream: the shape of [`apply`](Self::apply)'s output
    pub fn backward<const D: usize>(&self, x: Tensor<D>, upstream: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Softmax => {
                let p = softmax(x, D - 1);
                let mean = (upstream.clone() * p.clone()).sum_dim(D - 1);
                p * (upstream - mean)
            }
            Self::Glu => {
                let [value, gate] = halves(x);
                let s = sigmoid(gate);
                let slope = s.clone() * (-s.clone() + 1.0);
                Tensor::cat(vec![upstream.clone() * s, upstream * value * slope], D - 1)
            }
            Self::SwiGlu => {
                let [gate, value] = halves(x);
                let to_gate = upstream.clone() * value * silu_derivative(gate.clone());
                Tensor::cat(vec![to_gate, upstream * silu(gate)], D - 1)
            }
            _ => match self.derivative(x) {
                Some(derivative) => upstream * derivative,
                None => upstream, // not reached: the three without a derivative are above
            },
        }
    }

    /// A module of this activation: it holds PReLU's slope as a learnable parameter and is free of
    /// parameters otherwise.
    pub fn layer(&self, device: &Device) -> ActivationLayer {
        let prelu = match *self {
            Self::Prelu { slope } => Some(PReluConfig::new().with_alpha(slope).init(device)),
            _ => None,
        };
        ActivationLayer { activation: *self, prelu }
    }
}

/// An [`Activation`] as a module, with what it learns.
#[derive(Module, Debug)]
pub struct ActivationLayer {
    /// The function.
    #[module(skip)]
    pub activation: Activation,
    /// PReLU's learned slope, one for the layer: the channel-shared variant of He et al. 2015.
    pub prelu: Option<PRelu>,
}

impl ActivationLayer {
    /// f(x), with the learned slope where there is one.
    ///
    /// # Shapes
    ///
    /// As [`Activation::apply`].
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match &self.prelu {
            Some(prelu) => prelu.forward(x),
            None => self.activation.apply(x),
        }
    }
}

#[cfg(test)]
mod tests;
