//! One tensor in pieces.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::{Autodiff, Backend, TensorMetadata};
use burn::tensor::{Slice, Tensor};

use fornax_nn_core::operation::{Recorded, record};

use super::Places;

/// `[T, …]` as T tensors, cut in halves: a cut's backward pass costs the size of what is cut, so halving costs
/// T log T where cutting off one step after the other costs T².
pub(crate) fn unstack(steps: Tensor<3>) -> Vec<Tensor<2>> {
    let [count, rows, columns] = steps.dims();
    if count == 1 {
        return vec![steps.reshape([rows, columns])];
    }
    let half = count / 2;
    let mut first = unstack(steps.clone().narrow(0, 0, half));
    first.extend(unstack(steps.narrow(0, half, count - half)));
    first
}

/// A matrix in N pieces with as many rows each.
pub(crate) fn cut_rows<const N: usize>(whole: Tensor<2>) -> [Tensor<2>; N] {
    recorded!(whole, |B, whole| pieces::<B, N>(whole).map(Tensor::from_primitive::<Autodiff<B>>));
    let size = whole.dims()[0] / N;
    std::array::from_fn(|at| whole.clone().narrow(0, at * size, size))
}

fn pieces<B: Backend, const N: usize>(whole: Recorded<B>) -> [Recorded<B>; N] {
    let ((whole, node), places) = (whole.into_parts(), Places::<B>::new());
    let size = whole.shape()[0] / N;
    let whole = record::<B, _, 1>(Whole, [node], (places.clone(), N), whole);
    std::array::from_fn(|at| {
        let slices = [Slice::from(at * size..(at + 1) * size), Slice::full()];
        let value = B::float_slice(whole.primitive().clone(), &slices);
        record::<B, _, 1>(Piece, [whole.node()], (places.clone(), at), value)
    })
}

/// The node of a matrix before those of its pieces …
#[derive(Debug)]
struct Whole;

impl<B: Backend> Backward<B, 1> for Whole {
    /// What they leave, and how many they are.
    type State = (Places<B>, usize);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (places, count) = ops.state;
        if let ([Some(parent)], Some(pieces)) = (ops.parents, places.take(count)) {
            grads.register::<B>(parent.id, B::float_cat(pieces, 0));
        }
    }
}

/// … and the node of a piece.
#[derive(Debug)]
struct Piece;

impl<B: Backend> Backward<B, 1> for Piece {
    type State = (Places<B>, usize);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (places, at) = ops.state;
        places.push(at, grads.consume::<B>(&ops.node));
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tolerance};

    use super::*;

    #[test]
    fn pieces_have_the_values_and_gradient_of_narrow() {
        let device = Device::flex().autodiff();
        let whole = Tensor::<2>::random([6, 2], Distribution::Default, &device).require_grad();
        let plain: Vec<_> = (0..3).map(|at| whole.clone().narrow(0, 2 * at, 2)).collect();
        let pieces = cut_rows::<3>(whole.clone()).to_vec();
        assert_eq!(cut_rows::<3>(whole.clone().inner())[2].dims(), [2, 2]);
        let [found, expected] = [pieces, plain].map(|pieces| {
            let [first, _, last] = [0, 1, 2].map(|at| pieces[at].clone());
            whole.grad(&(first.clone() * last + first.square()).sum().backward())
        });
        let (Some(found), Some(expected)) = (found, expected) else { panic!("a gradient is missing") };
        found.into_data().assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(1e-5));
    }
}
