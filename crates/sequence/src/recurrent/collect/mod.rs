//! What a recurrent network does for many steps at once.
//!
//! Each step multiplies by the same weights. Forward, the products with the inputs need no state and are one call for as many steps
//! as half a megabyte holds. Backward, everything that sums over the steps can wait until others are through:
//!
//! ```text
//! P_t = W·x_t                one call a block                  dx = Wᵀ·[g₁ | … | g_T]     one call
//! dW  = Σ g_t·x_tᵀ           T products and T sums of matrices
//!     = [g₁ … g_T] · [x₁ … x_T]ᵀ                               one for every 512 columns
//! ```
//!
//! The tensor library alone would pay for it: to cut P apart it gives the gradient of every piece a tensor of P's whole size, zero
//! but for the piece, and adds T of them. So there are operations between two generations of nodes here. The nodes of the steps
//! leave what they have and pass nothing on; the node before them, whose turn comes when theirs is over, takes it.
//!
//! This holds for the backends this crate has features for. With gradient checkpointing or on another backend the tensor
//! library's operations do, with the same result.

use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, Slice};

/// Returns `$body` with `$primitive`, the tensor as its backend `$backend` records it; goes on if nothing is recorded.
macro_rules! recorded {
    ($tensor:expr, |$backend:ident, $primitive:ident| $body:expr) => {
        #[cfg(feature = "flex")]
        recorded!(@on Flex, $tensor, |$backend, $primitive| $body);
        #[cfg(feature = "ndarray")]
        recorded!(@on NdArray, $tensor, |$backend, $primitive| $body);
        #[cfg(feature = "wgpu-unfused")]
        recorded!(@on Cube, $tensor, |$backend, $primitive| $body);
    };
    (@on $name:ident, $tensor:expr, |$backend:ident, $primitive:ident| $body:expr) => {{
        #[allow(deprecated)] // As Burn calls ndarray.
        type $backend = burn::backend::$name;
        if let Ok($primitive) = $tensor.clone().try_into_primitive::<Autodiff<$backend>>() {
            return $body;
        }
    }};
}

mod cut;
mod shared;

pub(crate) use cut::{cut_rows, unstack};
pub(crate) use shared::Shared;

/// Gradients of equal size with their places.
#[derive(Debug, Clone)]
struct Places<B: Backend>(Arc<Mutex<Vec<Placed<B>>>>);

type Placed<B> = (usize, FloatTensor<B>);

impl<B: Backend> Places<B> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn push(&self, at: usize, grad: FloatTensor<B>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((at, grad));
    }

    /// Those of the places 0 to `count`, zeros where there is none; nothing if there are none at all.
    fn take(self, count: usize) -> Option<Vec<FloatTensor<B>>> {
        let found = take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let (_, like) = found.first()?;
        let (shape, device, dtype) = (like.shape(), like.device(), like.dtype());
        let mut each = vec![None; count];
        found.into_iter().for_each(|(at, grad)| each[at] = Some(grad));
        let zeros = || B::float_zeros(shape.clone(), &device, dtype.into());
        Some(each.into_iter().map(|grad| grad.unwrap_or_else(zeros)).collect())
    }
}

/// The matrix at `at` of `[any, rows, columns]`.
fn matrix<B: Backend>(all: FloatTensor<B>, at: usize) -> FloatTensor<B> {
    let [_, rows, columns] = all.shape().dims();
    let slice = B::float_slice(all, &[Slice::from(at..at + 1), Slice::full(), Slice::full()]);
    B::float_reshape(slice, Shape::new([rows, columns]))
}

/// A matrix as the only one of `[1, rows, columns]`.
fn alone<B: Backend>(matrix: FloatTensor<B>) -> FloatTensor<B> {
    let [rows, columns] = matrix.shape().dims();
    B::float_reshape(matrix, Shape::new([1, rows, columns]))
}
