//! The formulas of more than one operation, written so that no digit and no gradient is lost.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, sigmoid};

/// Multiplied by, not divided by 6: Burn's gradient of a division by a scalar is single precision.
pub(super) const SIXTH: f64 = 1.0 / 6.0;
/// √(2/π), in the tanh form of GELU.
pub(super) const SQRT_2_OVER_PI: f64 = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
/// The cubic term in the tanh form of GELU (Hendrycks & Gimpel 2016).
pub(super) const GELU_CUBIC: f64 = 0.044_715;

/// The halves of the last dimension.
pub(super) fn halves<const D: usize>(x: Tensor<D>) -> [Tensor<D>; 2] {
    let features = x.dims()[D - 1];
    assert!(
        features > 0 && features.is_multiple_of(2),
        "a gated activation needs an even number of features, got {features}"
    );
    let half = features / 2;
    [x.clone().narrow(D - 1, 0, half), x.narrow(D - 1, half, half)]
}

/// 1 where low < x ≤ high, 0 elsewhere: at both ends what holds on the left of it.
pub(super) fn indicator<const D: usize>(x: &Tensor<D>, low: f64, high: f64) -> Tensor<D> {
    let mut inside = x.clone().greater_scalar(low);
    if high.is_finite() {
        inside = inside.bool_and(x.clone().lower_equal_scalar(high));
    }
    x.zeros_like().mask_fill(inside, 1.0)
}

/// eˣ − 1 for x ≤ 0, as 2t / (1 − t) with t = tanh(x/2): no digits are lost near 0.
pub(super) fn exp_minus_one<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let t = (x * 0.5).tanh();
    t.clone() * 2.0 / (-t + 1.0)
}

/// The exponential sees no positive input, so the branch not taken adds neither ∞ nor NaN.
pub(super) fn elu<const D: usize>(x: Tensor<D>, alpha: f64) -> Tensor<D> {
    let positive = x.clone().greater_scalar(0.0);
    let negative = exp_minus_one(x.clone().clamp_max(0.0)) * alpha;
    negative.mask_where(positive, x)
}

pub(super) fn elu_derivative<const D: usize>(x: Tensor<D>, alpha: f64) -> Tensor<D> {
    let positive = x.clone().greater_scalar(0.0);
    (x.clamp_max(0.0).exp() * alpha).mask_fill(positive, 1.0)
}

/// −ln σ(−βx)/β: never overflows, and unlike a thresholded form exact on both sides.
pub(super) fn softplus<const D: usize>(x: Tensor<D>, beta: f64) -> Tensor<D> {
    log_sigmoid(x * -beta) / -beta
}

pub(super) fn silu_derivative<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let s = sigmoid(x.clone());
    s.clone() * (x * (-s + 1.0) + 1.0)
}

pub(super) fn hard_sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    (x * SIXTH + 0.5).clamp(0.0, 1.0)
}

/// Φ(x) from the error function. Burn's own `gelu` has, outside flex, the derivative of its tanh
/// approximation; this one has the exact derivative on every backend.
pub(super) fn normal_cdf<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5
}

pub(super) fn normal_density<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    (x.square() * -0.5).exp() * (0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2)
}

pub(super) fn gelu_inner<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let cubic = x.clone().square() * x.clone() * GELU_CUBIC;
    (x + cubic) * SQRT_2_OVER_PI
}
