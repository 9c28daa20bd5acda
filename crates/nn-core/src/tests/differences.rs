//! Double-precision tensors and derivatives, for the tests of this crate.

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::check::GradCheck;

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

/// Asserts that autodiff and central differences agree on the whole Jacobian of `f` at `x`
/// ([`GradCheck`]'s defaults: rtol 1e-5, atol 1e-7).
#[track_caller]
pub(crate) fn assert_gradient<const D: usize>(
    f: impl Fn(Tensor<D>) -> Tensor<1>,
    x: &[f64],
    shape: [usize; D],
) {
    let x = TensorData::new(x.to_vec(), shape);
    let report = GradCheck::new().function(&Device::flex(), &[("x", x)], |inputs| f(inputs.get::<D>("x")));
    if let Err(error) = report {
        panic!("{error}");
    }
}

/// `count` numbers in [low, high], the same on every run, evenly scattered (golden ratio).
pub(crate) fn scattered(count: usize, low: f64, high: f64) -> Vec<f64> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    (1..=count).map(|i| low + (high - low) * (i as f64 * GOLDEN).fract()).collect()
}
