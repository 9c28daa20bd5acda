//! What several tests of adaptation share.

use burn::tensor::{DType, Device, Tensor};
use fornax_nn_core::check::{Fixture, fill};

/// What numpy and PyTorch computed: `xtask/reference/parity/adaptation.py`.
pub(crate) fn fixture() -> Fixture {
    Fixture::parse(include_str!("../fixtures/adaptation.json")).unwrap()
}

/// The same numbers as on the other side, in f64.
pub(crate) fn data<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(fill::data(name, &shape), (&Device::flex(), DType::F64))
}

/// Labels as both sides draw them.
pub(crate) fn labels(name: &str, count: usize, classes: usize) -> Vec<usize> {
    fill::classes(name, count, classes).into_iter().map(|label| label as usize).collect()
}

pub(crate) fn value(tensor: Tensor<1>) -> f64 {
    tensor.into_scalar::<f64>()
}
