//! # Initial weights
//!
//! Where training starts decides whether it gets anywhere. Equal weights stay equal for ever (every
//! unit of a layer receives the same gradient), so weights are drawn at random; how wide decides
//! whether signals survive the way up and gradients the way down.
//!
//! With weights independent of mean 0 and variance Var(w), and fan_in inputs to a unit,
//!
//! ```text
//! Var(z) = fan_in · Var(w) · E[a²]         forward, a = f(z) of the layer below
//! Var(g) = fan_out · Var(w) · E[f′(z)²] · Var(g of the layer above)       backward
//! ```
//!
//! A factor of 2 per layer is a factor of a million over twenty: gradients explode, or vanish. Each
//! scheme picks Var(w) so that one of these factors, or a compromise, is 1.
//!
//! | scheme | standard deviation of w | meant for | source |
//! |---|---|---|---|
//! | Xavier | gain·√(2/(fan_in + fan_out)) | f with slope 1 at 0: tanh, linear | [Glorot & Bengio 2010](https://proceedings.mlr.press/v9/glorot10a.html) |
//! | He | gain·√(1/fan_in), gain √2 for ReLU | f that drops a half | [He et al. 2015](https://arxiv.org/abs/1502.01852) |
//! | LeCun | √(1/fan_in) | SELU | [LeCun et al. 1998](https://doi.org/10.1007/3-540-49430-8_2), [Klambauer et al. 2017](https://arxiv.org/abs/1706.02515) |
//! | orthogonal | WᵀW = gain²·1 | very deep or recurrent | [Saxe et al. 2014](https://arxiv.org/abs/1312.6120) |
//!
//! The uniform variants draw from ±√3·std, which has the same variance. Biases start at 0.
//!
//! ## The scheme that fits an activation
//!
//! [`Init::matched`] is what [`FeedForwardConfig`](crate::feed_forward::FeedForwardConfig) uses by
//! default:
//!
//! | activation | scheme | gain |
//! |---|---|---|
//! | linear, sigmoid, tanh, softmax, hard sigmoid, hard tanh | Xavier uniform | 1: Glorot & Bengio's own |
//! | ReLU, leaky ReLU, PReLU | He normal | √(2/(1 + a²)): He et al., equation 15 |
//! | SELU | LeCun normal | 1: Klambauer et al. |
//! | ELU, GELU, SiLU, Mish, hard swish, GLU, SwiGLU | He normal | 1/√E[f(z)²], z ~ N(0, 1) |
//! | softplus | He normal | √2, ReLU's, which it tends to for large β |
//!
//! The last rule but one is He's argument without the shortcut that holds for ReLU only: Var(z) stays
//! 1 if Var(w) = 1/(fan_in·E[f(z)²]). For ReLU, E[max(0, z)²] = ½ gives back his √2. The gains are
//! tested by integrating f² against the Gaussian density. A sigmoid's slope at 0 is ¼, so a gain
//! of 4 would carry small signals unchanged
//! ([Bengio 2012](https://arxiv.org/abs/1206.5533), section 3.1); gain 1 is the usual choice and shows
//! why deep sigmoid networks vanish.
//!
//! ## From a seed
//!
//! Burn's [`Initializer`] has these schemes too and draws them from the process-global generator of
//! the device, so that two networks built at once disturb each other. [`Init::tensor`] draws on the
//! host from a seed: the same seed gives the same weights on every device. For layers built by Burn's
//! own configs, `Initializer::from(init)` is the same scheme in its terms.

use burn::nn::Initializer;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::activation::Activation;

mod draw;
mod parse;

pub(crate) use draw::Draw;

/// How many inputs a unit adds up, and how many units each input feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fans {
    /// Inputs of one unit.
    pub fan_in: usize,
    /// Units one input goes to.
    pub fan_out: usize,
}

impl Fans {
    /// Of a fully connected weight `[inputs, outputs]`, as Burn's `Linear` holds it.
    pub fn linear([inputs, outputs]: [usize; 2]) -> Self {
        Self { fan_in: inputs, fan_out: outputs }
    }

    /// Of a convolution weight `[out_channels, in_channels, kernel...]`: a unit adds up
    /// in_channels · (product of the kernel's sides) inputs.
    pub fn conv<const D: usize>(shape: [usize; D]) -> Self {
        let field: usize = shape.iter().skip(2).product();
        Self {
            fan_in: shape.get(1).copied().unwrap_or(1) * field,
            fan_out: shape.first().copied().unwrap_or(1) * field,
        }
    }
}

/// A scheme for initial weights; formulas and sources in the [module page](self).
///
/// Written and parsed by name, the gain in parentheses, in JSON too.
///
/// ```
/// use burn::tensor::Device;
/// use fornax_nn_core::activation::Activation;
/// use fornax_nn_core::init::{Fans, Init};
///
/// let init = Init::matched(&Activation::Relu);
/// assert_eq!(init, Init::HeNormal { gain: 2f64.sqrt() });
/// let weight = init.tensor([256, 128], Fans::linear([256, 128]), 7, &Device::flex());
/// let variance = weight.square().mean().into_scalar::<f64>();
/// assert!((variance * 256.0 / 2.0 - 1.0).abs() < 0.03); // 2 / fan_in
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Init {
    /// All zeros: for biases, and for the last layer of a residual branch.
    Zeros,
    /// Uniform, Glorot & Bengio 2010, equation 16 at gain 1.
    XavierUniform {
        /// Factor on the standard deviation. Default 1.
        gain: f64,
    },
    /// Normal with the same variance.
    XavierNormal {
        /// Factor on the standard deviation. Default 1.
        gain: f64,
    },
    /// Uniform with the variance gain²/fan_in.
    HeUniform {
        /// Factor on the standard deviation. Default √2, for ReLU.
        gain: f64,
    },
    /// Normal with variance gain²/fan_in.
    HeNormal {
        /// Factor on the standard deviation. Default √2, for ReLU.
        gain: f64,
    },
    /// Uniform with variance 1/fan_in.
    LecunUniform,
    /// Normal with variance 1/fan_in.
    LecunNormal,
    /// A random orthogonal matrix, or the orthonormal rows or columns of one when it is not square.
    Orthogonal {
        /// All singular values. Default 1.
        gain: f64,
    },
}

impl Init {
    /// The scheme that keeps signals alive through `activation`: see the [table](self).
    pub fn matched(activation: &Activation) -> Self {
        let gain = match *activation {
            Activation::Linear
            | Activation::Sigmoid
            | Activation::Tanh
            | Activation::Softmax
            | Activation::HardSigmoid
            | Activation::HardTanh => return Self::XavierUniform { gain: 1.0 },
            Activation::Selu => return Self::LecunNormal,
            Activation::Relu | Activation::Softplus { .. } => 2f64.sqrt(),
            Activation::LeakyRelu { slope } | Activation::Prelu { slope } => {
                (2.0 / (1.0 + slope * slope)).sqrt()
            }
            // E[f²] = ½ + α²·E[(e^z − 1)²; z < 0] = ½ + α²(e²Φ(−2) − 2√e·Φ(−1) + ½).
            Activation::Elu { alpha } => (0.5 + 0.144_945_417_46 * alpha * alpha).sqrt().recip(),
            Activation::Gelu => 1.533_530_441,
            Activation::GeluTanh => 1.533_580_522,
            Activation::Silu | Activation::SwiGlu => 1.676_532_470,
            Activation::Mish => 1.486_847_581,
            Activation::HardSwish => 1.736_657_213,
            Activation::Glu => 1.846_228_545,
        };
        Self::HeNormal { gain }
    }

    /// The gain of the schemes that have one.
    pub fn gain(&self) -> Option<f64> {
        match *self {
            Self::XavierUniform { gain }
            | Self::XavierNormal { gain }
            | Self::HeUniform { gain }
            | Self::HeNormal { gain }
            | Self::Orthogonal { gain } => Some(gain),
            Self::Zeros | Self::LecunUniform | Self::LecunNormal => None,
        }
    }

    /// Checks the gain.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `gain` when it is not positive and finite.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self.gain() {
            Some(gain) if !(gain.is_finite() && gain > 0.0) => {
                Err(ConfigError::new("gain", format!("must be positive and finite, got {gain}")))
            }
            _ => Ok(()),
        }
    }

    /// The standard deviation of one weight.
    pub fn std(&self, fans: Fans) -> f64 {
        let (fan_in, fan_out) = (fans.fan_in.max(1) as f64, fans.fan_out.max(1) as f64);
        match *self {
            Self::Zeros => 0.0,
            Self::XavierUniform { gain } | Self::XavierNormal { gain } => {
                gain * (2.0 / (fan_in + fan_out)).sqrt()
            }
            Self::HeUniform { gain } | Self::HeNormal { gain } => gain / fan_in.sqrt(),
            Self::LecunUniform | Self::LecunNormal => fan_in.sqrt().recip(),
            // A column of n orthonormal entries has mean square 1/n.
            Self::Orthogonal { gain } => gain / fan_in.max(fan_out).sqrt(),
        }
    }

    /// Draws a weight of this scheme from `seed`.
    ///
    /// Orthogonal takes the tensor as a matrix of its first dimension by the rest, and costs
    /// 4·rows·columns·min(rows, columns) operations on the host.
    ///
    /// # Shapes
    ///
    /// - output: `shape`, of the device's default float type, gradients not yet required
    pub fn tensor<const D: usize>(
        &self,
        shape: [usize; D],
        fans: Fans,
        seed: u64,
        device: &Device,
    ) -> Tensor<D> {
        let count = shape.iter().product();
        let mut draw = Draw::new(seed, 0);
        let std = self.std(fans);
        let values: Vec<f32> = match self {
            Self::Zeros => vec![0.0; count],
            Self::XavierUniform { .. } | Self::HeUniform { .. } | Self::LecunUniform => {
                let bound = 3f64.sqrt() * std;
                (0..count).map(|_| (bound * (2.0 * draw.uniform() - 1.0)) as f32).collect()
            }
            Self::XavierNormal { .. } | Self::HeNormal { .. } | Self::LecunNormal => {
                (0..count).map(|_| (std * draw.normal()) as f32).collect()
            }
            Self::Orthogonal { gain } => {
                let rows = shape.first().copied().unwrap_or(1);
                orthogonal(rows, count.checked_div(rows).unwrap_or(0), *gain, &mut draw)
            }
        };
        Tensor::from_data(TensorData::new(values, shape), device)
    }
}

/// A rows × columns matrix with orthonormal columns (rows, when they are fewer) times `gain`.
///
/// Modified Gram–Schmidt over Gaussian vectors, each orthogonalised twice ("twice is enough", Kahan):
/// the result is uniform over all such matrices, with none of the sign bias of a plain QR.
fn orthogonal(rows: usize, columns: usize, gain: f64, draw: &mut Draw) -> Vec<f32> {
    let (length, count) = (rows.max(columns), rows.min(columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    while basis.len() < count {
        let mut vector: Vec<f64> = (0..length).map(|_| draw.normal()).collect();
        for _ in 0..2 {
            for other in &basis {
                let overlap: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(other).for_each(|(a, b)| *a -= overlap * b);
            }
        }
        let norm = vector.iter().map(|a| a * a).sum::<f64>().sqrt();
        if norm > 1e-6 {
            vector.iter_mut().for_each(|a| *a /= norm);
            basis.push(vector);
        }
    }
    let at = |row: usize, column: usize| {
        if rows < columns { basis[row][column] } else { basis[column][row] }
    };
    (0..rows * columns).map(|i| (gain * at(i / columns, i % columns)) as f32).collect()
}

impl From<Init> for Initializer {
    fn from(init: Init) -> Self {
        match init {
            Init::Zeros => Self::Zeros,
            Init::XavierUniform { gain } => Self::XavierUniform { gain },
            Init::XavierNormal { gain } => Self::XavierNormal { gain },
            Init::HeUniform { gain } => Self::KaimingUniform { gain, fan_out_only: false },
            Init::HeNormal { gain } => Self::KaimingNormal { gain, fan_out_only: false },
            Init::LecunUniform => Self::KaimingUniform { gain: 1.0, fan_out_only: false },
            Init::LecunNormal => Self::KaimingNormal { gain: 1.0, fan_out_only: false },
            Init::Orthogonal { gain } => Self::Orthogonal { gain },
        }
    }
}

#[cfg(test)]
mod tests;
