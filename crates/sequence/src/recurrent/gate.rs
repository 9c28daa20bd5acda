//! The arithmetic of a step: one product, and activations with nothing computed twice.

use burn::module::Param;
use burn::tensor::{DType, Tensor, TensorData};
use fornax_nn_core::host;

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
    tangent(z, &[Curve::Sigmoid], |z| {
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
    tangent(z, &[Curve::Tanh], |z| {
        let y = z.mul_scalar(2.0).exp().add_scalar(1.0).recip().mul_scalar(-2.0).add_scalar(1.0);
        (y.clone(), y.square().neg().add_scalar(1.0))
    })
}

/// What a run of rows goes through.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Curve {
    /// σ(z)
    Sigmoid,
    /// tanh z
    Tanh,
    /// tanh(z/2) = 2σ(z) − 1
    HalfTanh,
}

impl Curve {
    /// Replaces each of `z` by the curve's value there. With `slopes` it takes the curve's slope down, and replaces z by the offset of
    /// the line that touches the curve, `slope · z + offset`.
    fn along(self, z: &mut [f32], slopes: Option<&mut [f32]>) {
        match self {
            Self::Sigmoid => replace(z, slopes, host::sigmoid, |y| y - y * y),
            Self::Tanh => replace(z, slopes, |z| 2.0 * host::sigmoid(2.0 * z) - 1.0, |y| 1.0 - y * y),
            Self::HalfTanh => replace(z, slopes, |z| 2.0 * host::sigmoid(z) - 1.0, |y| 0.5 - 0.5 * y * y),
        }
    }
}

fn replace(
    z: &mut [f32],
    slopes: Option<&mut [f32]>,
    curve: impl Fn(f32) -> f32,
    slope_at: impl Fn(f32) -> f32,
) {
    match slopes {
        None => z.iter_mut().for_each(|z| *z = curve(*z)),
        Some(slopes) => {
            for (z, slope) in z.iter_mut().zip(slopes) {
                let y = curve(*z);
                *slope = slope_at(y);
                *z = y - *z * *slope;
            }
        }
    }
}

/// `y₀ + y₀'·(z − z₀)` at z₀ = z: the value of y and, by autodiff, its gradient, with nothing computed twice. On flex one loop over
/// `curves`, equal shares of z from its beginning; elsewhere `value_and_slope` of the tensor library.
pub(crate) fn tangent<const D: usize>(
    z: Tensor<D>,
    curves: &[Curve],
    value_and_slope: impl FnOnce(Tensor<D>) -> (Tensor<D>, Tensor<D>),
) -> Tensor<D> {
    if host::is_flex(&z.device()) && z.dtype() == DType::F32 {
        return on_host(z, curves);
    }
    let point = z.clone().detach();
    let (value, slope) = value_and_slope(point.clone());
    if !z.device().is_autodiff() {
        return value;
    }
    let offset = value - point * slope.clone();
    z * slope + offset
}

/// [`tangent`] in single precision, where z is memory of this process.
fn on_host<const D: usize>(z: Tensor<D>, curves: &[Curve]) -> Tensor<D> {
    let (device, shape) = (z.device(), z.dims());
    let share = z.shape().num_elements().div_ceil(curves.len());
    let along = |mut data: TensorData, mut slopes: Option<&mut [f32]>| {
        if let Ok(values) = data.as_mut_slice::<f32>() {
            for (i, (part, curve)) in values.chunks_mut(share).zip(curves).enumerate() {
                let slopes = slopes.as_mut().map(|slopes| &mut slopes[i * share..][..part.len()]);
                curve.along(part, slopes);
            }
        }
        Tensor::from_data(data, &device)
    };
    if !device.is_autodiff() {
        return along(z.into_data(), None);
    }
    let mut slopes = vec![0.0; z.shape().num_elements()];
    let offset = along(z.clone().inner().into_data(), Some(&mut slopes));
    z * Tensor::from_data(TensorData::new(slopes, shape), &device) + offset
}
