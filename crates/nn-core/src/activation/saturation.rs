//! Where an activation's values lie, and where its derivative is next to nothing.

use std::f64::consts::PI;
use std::fmt;

use super::formula::{GELU_CUBIC, SQRT_2_OVER_PI};
use super::{Activation, SELU_ALPHA, SELU_SCALE};

/// From `low` to `high`; either may be infinite. Whether the ends belong to it is said where it
/// comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Everything from `low` to `high`.
    pub const fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }

    /// Whether `x` lies within, ends included.
    pub fn contains(&self, x: f64) -> bool {
        (self.low..=self.high).contains(&x)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.low, self.high)
    }
}

impl Activation {
    /// The values f takes, from infimum to supremum; which ends are reached is in the
    /// [table](super).
    pub fn range(&self) -> Interval {
        const INF: f64 = f64::INFINITY;
        match *self {
            Self::Linear | Self::Glu | Self::SwiGlu => Interval::new(-INF, INF),
            Self::LeakyRelu { slope } | Self::Prelu { slope } => {
                Interval::new(if slope > 0.0 { -INF } else { 0.0 }, INF)
            }
            Self::Relu | Self::Softplus { .. } => Interval::new(0.0, INF),
            Self::Elu { alpha } => Interval::new(-alpha, INF),
            Self::Selu => Interval::new(-SELU_SCALE * SELU_ALPHA, INF),
            Self::Sigmoid | Self::Softmax | Self::HardSigmoid => Interval::new(0.0, 1.0),
            Self::Tanh | Self::HardTanh => Interval::new(-1.0, 1.0),
            // The minima of the smooth dips, found by bisection of f′ in double precision.
            Self::Gelu => Interval::new(-0.169_971_207_479_903_7, INF),
            Self::GeluTanh => Interval::new(-0.170_040_750_572_054, INF),
            Self::Silu => Interval::new(-0.278_464_542_761_073_8, INF),
            Self::Mish => Interval::new(-0.308_843_413_017_251_6, INF),
            Self::HardSwish => Interval::new(-0.375, INF),
        }
    }

    /// The smallest interval of inputs outside of which |f′| ≤ `epsilon`, in (0, 1): a unit whose
    /// pre-activation stays outside of it is *saturated* and hardly learns. An end is infinite where
    /// the derivative does not die down on that side; `None` when it does so on neither side, and
    /// for softmax and the gated activations, where no single input decides.
    ///
    /// ```
    /// use fornax_nn_core::activation::Activation;
    ///
    /// // σ′ = σ(1 − σ) = 0.01 at σ = (1 ± √0.96)/2, that is at x = ±4.585.
    /// let alive = Activation::Sigmoid.saturation(0.01).unwrap();
    /// assert!((alive.high - 4.585).abs() < 1e-3 && alive.low == -alive.high);
    /// assert_eq!(Activation::Linear.saturation(0.01), None);
    /// ```
    pub fn saturation(&self, epsilon: f64) -> Option<Interval> {
        const INF: f64 = f64::INFINITY;
        let symmetric = |x: f64| Some(Interval::new(-x, x));
        let from = |low: f64| Some(Interval::new(low, INF));
        match *self {
            Self::Linear | Self::Softmax | Self::Glu | Self::SwiGlu => None,
            Self::Relu => from(0.0),
            Self::LeakyRelu { slope } | Self::Prelu { slope } => {
                if slope <= epsilon {
                    from(0.0)
                } else {
                    None
                }
            }
            Self::Elu { alpha } => from((epsilon / alpha).ln().min(0.0)),
            Self::Selu => from((epsilon / (SELU_SCALE * SELU_ALPHA)).ln().min(0.0)),
            Self::Sigmoid => symmetric(sigmoid_bound(epsilon)),
            // tanh x = 2σ(2x) − 1, so tanh′(x) = 4σ′(2x).
            Self::Tanh => symmetric(sigmoid_bound(epsilon / 4.0) / 2.0),
            Self::Softplus { beta } => from((epsilon / (1.0 - epsilon).max(0.0)).ln() / beta),
            Self::HardSigmoid => symmetric(3.0),
            Self::HardTanh => symmetric(1.0),
            Self::HardSwish => from(-3.0),
            Self::Gelu => from(tail(epsilon, gelu_slope)),
            Self::GeluTanh => from(tail(epsilon, gelu_tanh_slope)),
            Self::Silu => from(tail(epsilon, silu_slope)),
            Self::Mish => from(tail(epsilon, mish_slope)),
        }
    }
}

/// The x ≥ 0 with σ′(x) = ε: σ = (1 + √(1 − 4ε))/2, x = ln(σ/(1 − σ)), with 1 − σ = ε/σ so that small
/// ε keep their digits; 0 when ε exceeds the maximum ¼.
fn sigmoid_bound(epsilon: f64) -> f64 {
    let s = (1.0 + (1.0 - 4.0 * epsilon).max(0.0).sqrt()) / 2.0;
    (s * s / epsilon).ln().max(0.0)
}

/// Where the negative left tail of a smooth dip's derivative has died down to −ε: the derivative is
/// lowest between −3 and −1.4 and rises to 0 from there to the left.
fn tail(epsilon: f64, slope: fn(f64) -> f64) -> f64 {
    let lowest = (140..=300).map(|i| -f64::from(i) / 100.0).min_by(|a, b| slope(*a).total_cmp(&slope(*b)));
    let (mut near, mut far) = (lowest.unwrap_or(-2.0), -750.0);
    if slope(near) >= -epsilon {
        // ε exceeds the whole dip: the derivative crosses +ε further right, where it rises.
        (near, far) = (1.0, near);
        return bisect(near, far, |x| slope(x) > epsilon);
    }
    bisect(near, far, |x| slope(x) < -epsilon)
}

/// Between `inside` (where the predicate holds) and `outside` (where it does not).
fn bisect(mut inside: f64, mut outside: f64, holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..200 {
        let middle = f64::midpoint(inside, outside);
        if holds(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    inside
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

fn silu_slope(x: f64) -> f64 {
    let s = sigmoid(x);
    s * (1.0 + x * (1.0 - s))
}

fn mish_slope(x: f64) -> f64 {
    let t = x.exp().ln_1p().tanh();
    t + x * sigmoid(x) * (1.0 - t * t)
}

fn gelu_tanh_slope(x: f64) -> f64 {
    // 1 + t = 2σ(2u) and 1 − t² = 4σ(2u)(1 − σ(2u)): the left tail keeps its digits.
    let s = sigmoid(2.0 * SQRT_2_OVER_PI * (x + GELU_CUBIC * x * x * x));
    let inner = SQRT_2_OVER_PI * (1.0 + 3.0 * GELU_CUBIC * x * x);
    s + 2.0 * x * s * (1.0 - s) * inner
}

/// Φ(x) + xφ(x).
fn gelu_slope(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
    normal_cdf(x) + x * density
}

/// Φ by its power series near zero and by Laplace's continued fraction in the tails.
fn normal_cdf(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
    let t = x.abs();
    let upper = if t < 2.0 {
        // ½ − φ(t)·(t + t³/3 + t⁵/(3·5) + …)
        let (mut term, mut sum) = (t, t);
        for k in 1..60 {
            term *= t * t / f64::from(2 * k + 1);
            sum += term;
        }
        0.5 - density * sum
    } else {
        // φ(t) / (t + 1/(t + 2/(t + 3/(t + …))))
        density / (1..200).rev().fold(t, |fraction, k| t + f64::from(k) / fraction)
    };
    if x < 0.0 { upper } else { 1.0 - upper }
}
