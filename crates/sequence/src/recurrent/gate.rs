//! The arithmetic of a step: one product, and activations with nothing computed twice.

use burn::module::Param;
use burn::tensor::{DType, Tensor, TensorData};
use fornax_nn_core::host::{self, Loop};

use super::collect::Shared;

/// The weights of a step: of input and bias, and of the state.
#[derive(Debug, Clone)]
pub(crate) struct Affine {
    /// `[outputs, input (+ 1)]`
    of_input: Shared,
    /// `[outputs, state]`
    of_state: Shared,
    bias: bool,
}

impl Affine {
    /// From the weights and the bias, `[outputs, 1]`.
    pub(crate) fn new(of_input: Tensor<2>, of_state: Tensor<2>, bias: Option<Tensor<2>>) -> Self {
        let biased = bias.is_some();
        let of_input = match bias {
            Some(bias) => Tensor::cat(vec![of_input, bias], 1),
            None => of_input,
        };
        Self { of_input: Shared::new(of_input), of_state: Shared::new(of_state), bias: biased }
    }

    /// `[W_ih b] · [x; 1]` for each step of `[steps, input, batch]`, in their order or backwards.
    pub(crate) fn of_inputs(&self, x: Tensor<3>, backwards: bool) -> impl Iterator<Item = Tensor<2>> + use<> {
        if !self.bias {
            return self.of_input.times_each(x, backwards);
        }
        let (dtype, [steps, _, batch]): (DType, _) = (x.dtype(), x.dims());
        let ones = Tensor::ones([steps, 1, batch], (&x.device(), dtype));
        self.of_input.times_each(Tensor::cat(vec![x, ones], 1), backwards)
    }

    /// `[W_ih b] · [x; 1]` for one step's `[input, batch]`.
    pub(crate) fn of_input(&self, x: Tensor<2>) -> Tensor<2> {
        if !self.bias {
            return self.of_input.times(x);
        }
        let (dtype, [_, batch]): (DType, _) = (x.dtype(), x.dims());
        self.of_input.times(Tensor::cat(vec![x.clone(), Tensor::ones([1, batch], (&x.device(), dtype))], 0))
    }

    /// One of [`of_inputs`](Self::of_inputs), and `W_hh · h`.
    pub(crate) fn and_state(&self, of_input: Tensor<2>, hidden: Tensor<2>) -> Tensor<2> {
        of_input + self.of_state.times(hidden)
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
    tangent(z, Curve::Sigmoid, |z| {
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
    tangent(z, Curve::Tanh, |z| {
        let y = z.mul_scalar(2.0).exp().add_scalar(1.0).recip().mul_scalar(-2.0).add_scalar(1.0);
        (y.clone(), y.square().neg().add_scalar(1.0))
    })
}

/// What an activation is.
#[derive(Debug, Clone, Copy)]
enum Curve {
    /// σ(z)
    Sigmoid,
    /// tanh z
    Tanh,
}

impl Curve {
    /// Replaces each of `z` by the curve's value there. With `slopes` it takes the curve's slope down, and replaces z by the offset of
    /// the line that touches the curve, `slope · z + offset`.
    fn along(self, z: &mut [f32], slopes: Option<&mut [f32]>) {
        match self {
            Self::Sigmoid => {
                host::vectorised(Along { z, slopes, curve: host::sigmoid, slope_at: |y: f32| y - y * y });
            }
            Self::Tanh => {
                let curve = |z: f32| 2.0 * host::sigmoid(2.0 * z) - 1.0;
                host::vectorised(Along { z, slopes, curve, slope_at: |y: f32| 1.0 - y * y });
            }
        }
    }
}

/// The loop of [`Curve::along`].
struct Along<'a, Y, S> {
    z: &'a mut [f32],
    slopes: Option<&'a mut [f32]>,
    curve: Y,
    slope_at: S,
}

impl<Y: Fn(f32) -> f32, S: Fn(f32) -> f32> Loop for Along<'_, Y, S> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        match self.slopes {
            None => self.z.iter_mut().for_each(|z| *z = (self.curve)(*z)),
            Some(slopes) => {
                for (z, slope) in self.z.iter_mut().zip(slopes) {
                    let y = (self.curve)(*z);
                    *slope = (self.slope_at)(y);
                    *z = y - *z * *slope;
                }
            }
        }
    }
}

/// `y₀ + y₀'·(z − z₀)` at z₀ = z: the value of y and, by autodiff, its gradient, with nothing computed twice. On flex one loop along
/// the curve; elsewhere `value_and_slope` of the tensor library.
fn tangent<const D: usize>(
    z: Tensor<D>,
    curve: Curve,
    value_and_slope: impl FnOnce(Tensor<D>) -> (Tensor<D>, Tensor<D>),
) -> Tensor<D> {
    if host::is_flex(&z.device()) && z.dtype() == DType::F32 {
        return on_host(z, curve);
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
fn on_host<const D: usize>(z: Tensor<D>, curve: Curve) -> Tensor<D> {
    let (device, shape) = (z.device(), z.dims());
    let along = |mut data: TensorData, slopes: Option<&mut [f32]>| {
        if let Ok(values) = data.as_mut_slice() {
            curve.along(values, slopes);
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
