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

use std::fmt;
use std::str::FromStr;

use burn::nn::Initializer;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::{ConfigError, name};

mod draw;
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

/// Names as parsed.
const NAMES: [&str; 8] = [
    "zeros",
    "xavier_uniform",
    "xavier_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
];

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

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Zeros => "zeros",
            Self::XavierUniform { .. } => "xavier_uniform",
            Self::XavierNormal { .. } => "xavier_normal",
            Self::HeUniform { .. } => "he_uniform",
            Self::HeNormal { .. } => "he_normal",
            Self::LecunUniform => "lecun_uniform",
            Self::LecunNormal => "lecun_normal",
            Self::Orthogonal { .. } => "orthogonal",
        };
        match self.gain() {
            Some(gain) => write!(f, "{name}({gain})"),
            None => f.write_str(name),
        }
    }
}

impl FromStr for Init {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        const FIELD: &str = "init";
        let (name, gain) = name::parse(FIELD, text)?;
        let init = match name.as_str() {
            "xavier_uniform" => Self::XavierUniform { gain: gain.unwrap_or(1.0) },
            "xavier_normal" => Self::XavierNormal { gain: gain.unwrap_or(1.0) },
            "he_uniform" => Self::HeUniform { gain: gain.unwrap_or(2f64.sqrt()) },
            "he_normal" => Self::HeNormal { gain: gain.unwrap_or(2f64.sqrt()) },
            "orthogonal" => Self::Orthogonal { gain: gain.unwrap_or(1.0) },
            "zeros" | "lecun_uniform" | "lecun_normal" if gain.is_some() => {
                return Err(ConfigError::new(FIELD, format!("{name} has no gain, got {text}")));
            }
            "zeros" => Self::Zeros,
            "lecun_uniform" => Self::LecunUniform,
            "lecun_normal" => Self::LecunNormal,
            other => return Err(name::unknown(FIELD, other, &NAMES)),
        };
        init.validate().map_err(|error| error.within(FIELD))?;
        Ok(init)
    }
}

impl TryFrom<String> for Init {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, ConfigError> {
        text.parse()
    }
}

impl From<Init> for String {
    fn from(init: Init) -> Self {
        init.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differences::{tensor, values};

    const RANDOM: [Init; 6] = [
        Init::XavierUniform { gain: 1.5 },
        Init::XavierNormal { gain: 1.0 },
        Init::HeUniform { gain: 1.0 },
        Init::HeNormal { gain: std::f64::consts::SQRT_2 },
        Init::LecunUniform,
        Init::LecunNormal,
    ];

    fn sample(init: Init, shape: [usize; 2], seed: u64) -> Vec<f64> {
        values(init.tensor(shape, Fans::linear(shape), seed, &Device::flex()))
    }

    #[test]
    fn every_scheme_has_mean_zero_and_the_variance_it_promises() {
        let (shape, n) = ([300, 200], 60_000.0f64);
        for init in RANDOM {
            let w = sample(init, shape, 3);
            let std = init.std(Fans::linear(shape));
            let mean = w.iter().sum::<f64>() / n;
            let variance = w.iter().map(|w| w * w).sum::<f64>() / n;
            // Five standard errors: the mean's is std/√n, the variance's at most std²·√(2/n).
            assert!(mean.abs() < 5.0 * std / n.sqrt(), "{init}: mean {mean}");
            assert!((variance / (std * std) - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{init}: {variance}");
        }
    }

    #[test]
    fn uniform_weights_fill_their_bounds_and_normal_ones_have_kurtosis_three() {
        for init in RANDOM {
            let w = sample(init, [300, 200], 4);
            let std = init.std(Fans::linear([300, 200]));
            let largest = w.iter().fold(0.0f64, |m, w| m.max(w.abs())) / std;
            let kurtosis = w.iter().map(|w| (w / std).powi(4)).sum::<f64>() / w.len() as f64;
            if init.to_string().contains("uniform") {
                assert!(largest <= 3f64.sqrt() * (1.0 + 1e-6) && largest > 1.73, "{init}: {largest}");
                assert!((kurtosis - 1.8).abs() < 0.05, "{init}: {kurtosis}");
            } else {
                assert!((kurtosis - 3.0).abs() < 0.2, "{init}: {kurtosis}");
            }
        }
    }

    #[test]
    fn orthogonal_matrices_are_orthogonal_in_whichever_direction_they_fit() {
        let device = Device::flex();
        for (shape, gain) in [([6, 6], 1.0), ([8, 3], 2.0), ([3, 8], 0.5), ([1, 5], 1.0)] {
            let init = Init::Orthogonal { gain };
            let w: Tensor<2> = init.tensor(shape, Fans::linear(shape), 11, &device);
            let gram = if shape[0] < shape[1] {
                w.clone().matmul(w.transpose())
            } else {
                w.clone().transpose().matmul(w)
            };
            let side = shape[0].min(shape[1]);
            for (i, entry) in values(gram).into_iter().enumerate() {
                let expected = if i / side == i % side { gain * gain } else { 0.0 };
                assert!((entry - expected).abs() < 1e-5, "{shape:?}: {entry} is not {expected}");
            }
        }
    }

    #[test]
    fn orthogonal_treats_a_convolution_as_a_matrix_of_filters() {
        let w: Tensor<4> =
            Init::Orthogonal { gain: 1.0 }.tensor([4, 2, 3, 3], Fans::conv([4, 2, 3, 3]), 1, &Device::flex());
        let w: Tensor<2> = w.flatten(1, 3);
        let gram = values(w.clone().matmul(w.transpose()));
        assert!(gram.iter().enumerate().all(|(i, g)| (g - f64::from(i % 5 == 0)).abs() < 1e-5));
    }

    #[test]
    fn fans_of_a_convolution_count_the_kernel() {
        assert_eq!(Fans::conv([16, 6, 5, 5]), Fans { fan_in: 150, fan_out: 400 });
        assert_eq!(Fans::linear([7, 3]), Fans { fan_in: 7, fan_out: 3 });
    }

    #[test]
    fn one_seed_gives_one_network_and_another_seed_another() {
        for init in RANDOM.into_iter().chain([Init::Orthogonal { gain: 1.0 }]) {
            assert_eq!(sample(init, [5, 4], 9), sample(init, [5, 4], 9));
            assert_ne!(sample(init, [5, 4], 9), sample(init, [5, 4], 10));
        }
        assert_eq!(sample(Init::Zeros, [2, 2], 1), [0.0; 4]);
    }

    /// E[f(z)²] over z ~ N(0, 1) by the trapezoidal rule, which is exact to rounding for a smooth f.
    fn second_moment(activation: Activation) -> f64 {
        let (step, count) = (1e-3, 24_001);
        let z: Vec<f64> = (0..count).map(|i| -12.0 + step * f64::from(i)).collect();
        let f = values(activation.apply(tensor(&z, [z.len()], &Device::flex())));
        let density = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        f.iter().zip(&z).map(|(f, z)| f * f * density(*z) * step).sum()
    }

    #[test]
    fn fan_in_gains_are_one_over_the_root_of_the_second_moment() {
        let smooth = Activation::ALL.into_iter().filter(|activation| {
            activation.is_elementwise() && !matches!(activation, Activation::Softplus { .. })
        });
        let mut tested = 0;
        for activation in smooth.chain([Activation::Elu { alpha: 0.3 }, Activation::LeakyRelu { slope: 0.4 }])
        {
            if let Init::HeNormal { gain } = Init::matched(&activation) {
                let moment = second_moment(activation);
                assert!((gain * gain * moment - 1.0).abs() < 1e-6, "{activation}: {gain}, {moment}");
                tested += 1;
            }
        }
        assert_eq!(tested, 11);
        // The gates are independent of what they gate: E[(a·σ(b))²] = E[σ(b)²].
        let Init::HeNormal { gain } = Init::matched(&Activation::Glu) else { panic!("not He") };
        assert!((gain * gain * second_moment(Activation::Sigmoid) - 1.0).abs() < 1e-6);
        assert!((second_moment(Activation::Selu) - 1.0).abs() < 1e-6, "SELU needs no gain");
    }

    /// Mean square of the signal after `depth` layers of width 256, starting from 1.
    fn signal_after(depth: u64, activation: Activation, init: Init) -> f64 {
        let (width, device) = (256, Device::flex());
        let x: Tensor<2> =
            Init::HeNormal { gain: 16.0 }.tensor([32, width], Fans::linear([256, 1]), 99, &device);
        let shape = [width, width];
        let z = (0..depth).fold(x, |z, layer| {
            activation.apply(z).matmul(init.tensor(shape, Fans::linear(shape), layer, &device))
        });
        z.square().mean().into_scalar::<f64>()
    }

    #[test]
    fn matched_weights_keep_a_signal_alive_through_thirty_layers_and_others_do_not() {
        for activation in [
            Activation::Relu,
            Activation::LeakyRelu { slope: 0.2 },
            Activation::Elu { alpha: 1.0 },
            Activation::Gelu,
            Activation::Selu,
        ] {
            let kept = signal_after(30, activation, Init::matched(&activation));
            assert!((0.1..10.0).contains(&kept), "{activation}: {kept}");
        }
        // ReLU halves the second moment: with LeCun's variance 2⁻³⁰ is left, with twice He's 2³⁰.
        let lost = signal_after(30, Activation::Relu, Init::LecunNormal).log2();
        assert!((-33.0..-27.0).contains(&lost), "{lost}");
        let exploded = signal_after(30, Activation::Relu, Init::HeNormal { gain: 2.0 }).log2();
        assert!((27.0..33.0).contains(&exploded), "{exploded}");
        let orthogonal = signal_after(30, Activation::Linear, Init::Orthogonal { gain: 1.0 });
        let start = signal_after(0, Activation::Linear, Init::Zeros);
        assert!((orthogonal / start - 1.0).abs() < 1e-4, "an orthogonal linear network keeps the norm");
    }

    #[test]
    fn burns_initializer_for_a_scheme_has_the_same_bounds() {
        let device = Device::flex();
        let uniform = Init::XavierUniform { gain: 1.5 };
        let weight = Initializer::from(uniform).init_with::<2, _>([300, 200], Some(300), Some(200), &device);
        let largest = weight.val().abs().max().into_scalar::<f64>();
        let bound = 3f64.sqrt() * uniform.std(Fans::linear([300, 200]));
        assert!(largest <= bound && largest > 0.99 * bound, "{largest} of {bound}");
    }

    #[test]
    fn names_round_trip_and_bad_ones_are_refused_with_the_field() {
        for init in RANDOM.into_iter().chain([Init::Zeros, Init::Orthogonal { gain: 1.0 }]) {
            assert_eq!(init.to_string().parse::<Init>().unwrap(), init);
            let json = serde_json::to_string(&init).unwrap();
            assert_eq!(serde_json::from_str::<Init>(&json).unwrap(), init);
        }
        assert_eq!("orthogonal".parse::<Init>().unwrap(), Init::Orthogonal { gain: 1.0 });
        let cases = [
            ("xavier", "init", "unknown name"),
            ("he_norml", "init", "did you mean \"he_normal\""),
            ("he_normal(-1)", "init.gain", "positive"),
            ("zeros(1)", "init", "no gain"),
        ];
        for (text, field, reason) in cases {
            let error = text.parse::<Init>().unwrap_err();
            assert!(error.field == field && error.reason.contains(reason), "{error}");
        }
    }
}
