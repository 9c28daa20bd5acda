//! What an LSTM does with its gates, as one loop where tensors are memory of this process.
//!
//! ```text
//! i = σ(z_i)   f = σ(z_f)   g = 2σ(z_g) − 1   o = σ(z_o)        c' = f·c + i·g        h = o·tanh c'
//!
//! δ    = dc' + dh·o·(1 − tanh² c')                               what reaches c'
//! dz_i = δ·g·i(1 − i)      dz_f = δ·c·f(1 − f)      dz_g = δ·i·(1 − g²)/2      dz_o = dh·tanh c'·o(1 − o)      dc = δ·f
//! ```
//!
//! The tensor library would walk over memory for each of these operations, forward and backward, and note each of them.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata};
use burn::tensor::{DType, Tensor, TensorData};
use fornax_nn_core::host::{self, Loop, sigmoid};
use fornax_nn_core::operation::record;

use super::cut_rows;

/// h and c', `[hidden, batch]`, from z, `[4 · hidden, batch]`, and c; `otherwise` where no loop can do it.
pub(crate) fn lstm(
    z: Tensor<2>,
    old: Tensor<2>,
    otherwise: impl FnOnce(Tensor<2>, Tensor<2>) -> [Tensor<2>; 2],
) -> [Tensor<2>; 2] {
    let device = z.device();
    if !host::is_flex(&device) || z.dtype() != DType::F32 || old.dtype() != DType::F32 {
        return otherwise(z, old);
    }
    if !device.is_autodiff() && !old.device().is_autodiff() {
        let (outputs, _) = forward(z.into_data(), old.into_data());
        return cut_rows(Tensor::from_data(outputs, &device));
    }
    let recorded = |tensor: &Tensor<2>| tensor.clone().try_into_primitive::<Autodiff<Flex>>();
    let (Ok(of_z), Ok(of_old)) = (recorded(&z), recorded(&old)) else { return otherwise(z, old) };
    drop((z, old)); // So that nobody else has their memory.
    let ((z, of_z), (old, of_old)) = (of_z.into_parts(), of_old.into_parts());
    let device = z.device();
    let (outputs, kept) = forward(data(z), data(old));
    let outputs = Flex::float_from_data(outputs, &device);
    cut_rows(Tensor::from_primitive::<Autodiff<Flex>>(record::<Flex, _, 2>(
        Step,
        [of_z, of_old],
        kept,
        outputs,
    )))
}

fn data(primitive: FloatTensor<Flex>) -> TensorData {
    Tensor::<2>::from_primitive::<Flex>(primitive).into_data()
}

/// The numbers of a tensor that was asked for its type.
fn numbers(data: &TensorData) -> &[f32] {
    data.as_slice().unwrap_or_else(|error| panic!("single precision: {error:?}"))
}

/// What the backward pass needs: i, f, g, o, one after the other; c; tanh c'.
#[derive(Debug, Clone)]
struct Kept {
    gates: TensorData,
    old: TensorData,
    tanh: Vec<f32>,
}

/// h and c', `[2 · hidden, batch]`.
fn forward(mut z: TensorData, old: TensorData) -> (TensorData, Kept) {
    let count = old.num_elements();
    let (mut outputs, mut tanh) = (vec![0.0; 2 * count], vec![0.0; count]);
    let gates = z.as_mut_slice().unwrap_or_else(|error| panic!("single precision: {error:?}"));
    host::vectorised(Forward { gates, old: numbers(&old), outputs: &mut outputs, tanh: &mut tanh });
    let [hidden, batch] = old.shape().dims();
    let shape = [2 * hidden, batch];
    (TensorData::new(outputs, shape), Kept { gates: z, old, tanh })
}

struct Forward<'a> {
    /// z, and then the gates.
    gates: &'a mut [f32],
    old: &'a [f32],
    outputs: &'a mut [f32],
    tanh: &'a mut [f32],
}

impl Loop for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let n = self.old.len();
        let ((i, rest), (h, c)) = (self.gates.split_at_mut(n), self.outputs.split_at_mut(n));
        let (f, rest) = rest.split_at_mut(n);
        let (g, o) = rest.split_at_mut(n);
        let (o, c, tanh) = (&mut o[..n], &mut c[..n], &mut self.tanh[..n]);
        for k in 0..n {
            i[k] = sigmoid(i[k]);
            f[k] = sigmoid(f[k]);
            g[k] = 2.0 * sigmoid(g[k]) - 1.0;
            o[k] = sigmoid(o[k]);
            c[k] = f[k] * self.old[k] + i[k] * g[k];
            tanh[k] = 2.0 * sigmoid(2.0 * c[k]) - 1.0;
            h[k] = o[k] * tanh[k];
        }
    }
}

/// The node of h and c'. Its parents are z and c.
#[derive(Debug)]
struct Step;

impl Backward<Flex, 2> for Step {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let Kept { gates, old, tanh } = ops.state;
        let grad = grads.consume::<Flex>(&ops.node);
        let (device, grad) = (grad.device(), data(grad));
        let mut of_gates = vec![0.0; 4 * tanh.len()];
        let mut of_old = vec![0.0; tanh.len()];
        host::vectorised(Back {
            gates: numbers(&gates),
            old: numbers(&old),
            tanh: &tanh,
            grad: numbers(&grad),
            of_gates: &mut of_gates,
            of_old: &mut of_old,
        });
        let parts = [(of_gates, gates.shape().clone()), (of_old, old.shape().clone())];
        for (parent, (values, shape)) in ops.parents.into_iter().zip(parts) {
            if let Some(parent) = parent {
                let value = Flex::float_from_data(TensorData::new(values, shape), &device);
                grads.register::<Flex>(parent.id, value);
            }
        }
    }
}

struct Back<'a> {
    gates: &'a [f32],
    old: &'a [f32],
    tanh: &'a [f32],
    /// Of h and c'.
    grad: &'a [f32],
    of_gates: &'a mut [f32],
    of_old: &'a mut [f32],
}

impl Loop for Back<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let n = self.old.len();
        let ((i, rest), (dh, dc)) = (self.gates.split_at(n), self.grad.split_at(n));
        let (f, rest) = rest.split_at(n);
        let (g, o) = rest.split_at(n);
        let (dz_i, rest) = self.of_gates.split_at_mut(n);
        let (dz_f, rest) = rest.split_at_mut(n);
        let (dz_g, dz_o) = rest.split_at_mut(n);
        let (o, dc, tanh) = (&o[..n], &dc[..n], &self.tanh[..n]);
        let (dz_o, of_old) = (&mut dz_o[..n], &mut self.of_old[..n]);
        for k in 0..n {
            let through = dc[k] + dh[k] * o[k] * (1.0 - tanh[k] * tanh[k]);
            dz_i[k] = through * g[k] * i[k] * (1.0 - i[k]);
            dz_f[k] = through * self.old[k] * f[k] * (1.0 - f[k]);
            dz_g[k] = through * i[k] * (0.5 - 0.5 * g[k] * g[k]);
            dz_o[k] = dh[k] * tanh[k] * o[k] * (1.0 - o[k]);
            of_old[k] = through * f[k];
        }
    }
}
