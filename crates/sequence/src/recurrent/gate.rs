//! The arithmetic of a step: one product, and activations with nothing computed twice.

use burn::module::Param;
use burn::tensor::{DType, Tensor};

/// The weights of a step: of input and bias, and of the state.
#[derive(Debug, Clone)]
pub(crate) struct Affine {
    /// `[outputs, input (+ 1)]`
    of_input: Tensor<2>,
    /// `[outputs, state]`
    of_state: Tensor<2>,
    /// `[1, batch]`, what the bias is multiplied by.
    ones: Option<Tensor<2>>,
}

impl Affine {
    /// From the weights and the bias, `[outputs, 1]`.
    pub(crate) fn new(
        of_input: Tensor<2>,
        of_state: Tensor<2>,
        bias: Option<Tensor<2>>,
        batch: usize,
    ) -> Self {
        let dtype: DType = of_input.dtype();
        let ones = bias.as_ref().map(|_| Tensor::ones([1, batch], (&of_input.device(), dtype)));
        let of_input = match bias {
            Some(bias) => Tensor::cat(vec![of_input, bias], 1),
            None => of_input,
        };
        Self { of_input, of_state, ones }
    }

    /// `[W_ih b] · [x; 1] + W_hh · h`
    pub(crate) fn forward(&self, x: Tensor<2>, hidden: Tensor<2>) -> Tensor<2> {
        let x = match &self.ones {
            Some(ones) => Tensor::cat(vec![x, ones.clone()], 0),
            None => x,
        };
        self.of_input.clone().matmul(x) + self.of_state.clone().matmul(hidden)
    }
}

/// The sum of both biases as a column.
pub(crate) fn bias_column(ih: Option<&Param<Tensor<1>>>, hh: Option<&Param<Tensor<1>>>) -> Option<Tensor<2>> {
    ih.zip(hh).map(|(ih, hh)| (ih.val() + hh.val()).unsqueeze_dim(1))
}

/// σ(z) = 1 / (1 + e⁻ᶻ), whose derivative is σ(1 − σ).
///
/// # Shapes
///
/// - z: any; the output has the same
pub fn sigmoid<const D: usize>(z: Tensor<D>) -> Tensor<D> {
    tangent(z, |z| {
        let y = z.neg().exp().add_scalar(1.0).recip();
        (y.clone(), y.clone() - y.square())
    })
}

/// tanh z = 1 − 2 / (e²ᶻ + 1), whose derivative is 1 − tanh².
///
/// # Shapes
///
/// - z: any; the output has the same
pub fn tanh<const D: usize>(z: Tensor<D>) -> Tensor<D> {
    tangent(z, |z| {
        let y = z.mul_scalar(2.0).exp().add_scalar(1.0).recip().mul_scalar(-2.0).add_scalar(1.0);
        (y.clone(), y.square().neg().add_scalar(1.0))
    })
}

/// `y₀ + y₀'·(z − z₀)` at z₀ = z: the value of y and, by autodiff, its gradient, with nothing computed twice.
pub(crate) fn tangent<const D: usize>(
    z: Tensor<D>,
    value_and_slope: impl FnOnce(Tensor<D>) -> (Tensor<D>, Tensor<D>),
) -> Tensor<D> {
    let point = z.clone().detach();
    let (value, slope) = value_and_slope(point.clone());
    if !z.device().is_autodiff() {
        return value;
    }
    let offset = value - point * slope.clone();
    z * slope + offset
}
