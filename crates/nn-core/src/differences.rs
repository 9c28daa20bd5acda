//! Central differences in double precision, for the tests of this crate's derivatives.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// Step of the central difference: near the cube root of the f64 epsilon, where truncation (ε²)
/// and rounding (2⁻⁵²/ε) balance.
const STEP: f64 = 1e-6;

/// A double-precision tensor that records gradients.
pub(crate) fn leaf<const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<D> {
    tensor(values, shape, &Device::flex().autodiff()).require_grad()
}

/// A double-precision tensor on `device`.
pub(crate) fn tensor<const D: usize>(values: &[f64], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (device, DType::F64))
}

/// The values, whatever the precision.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Elementwise |a − b| ≤ atol + rtol · |b|.
#[track_caller]
pub(crate) fn assert_close(actual: &[f64], expected: &[f64], rtol: f64, atol: f64) {
    assert_eq!(actual.len(), expected.len(), "lengths differ");
    for (i, (a, b)) in actual.iter().zip(expected).enumerate() {
        let close = (a - b).abs() <= atol + rtol * b.abs() || a == b;
        assert!(close, "element {i}: {a} is not {b} (rtol {rtol:e}, atol {atol:e})");
    }
}

/// The gradient of `f` at `x` by autodiff.
pub(crate) fn gradient<const D: usize>(
    f: impl Fn(Tensor<D>) -> Tensor<1>,
    x: &[f64],
    shape: [usize; D],
) -> Vec<f64> {
    let x = leaf(x, shape);
    let gradients = f(x.clone()).sum().backward();
    values(x.grad(&gradients).expect("f depends on x"))
}

/// Asserts that autodiff and central differences agree on the gradient of `f` at `x`
/// (rtol 1e-5, atol 1e-7).
#[track_caller]
pub(crate) fn assert_gradient<const D: usize>(
    f: impl Fn(Tensor<D>) -> Tensor<1>,
    x: &[f64],
    shape: [usize; D],
) {
    let analytic = gradient(&f, x, shape);
    let at = |x: &[f64]| f(tensor(x, shape, &Device::flex())).sum().into_scalar::<f64>();
    let numeric: Vec<f64> = (0..x.len())
        .map(|i| {
            let (mut low, mut high) = (x.to_vec(), x.to_vec());
            low[i] -= STEP;
            high[i] += STEP;
            (at(&high) - at(&low)) / (2.0 * STEP)
        })
        .collect();
    assert_close(&analytic, &numeric, 1e-5, 1e-7);
}

/// `count` numbers in [low, high], the same on every run, evenly scattered (golden ratio).
pub(crate) fn scattered(count: usize, low: f64, high: f64) -> Vec<f64> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    (1..=count).map(|i| low + (high - low) * (i as f64 * GOLDEN).fract()).collect()
}
