//! # Operations of our own under Burn's autodiff
//!
//! Burn composes a gradient of the gradients of its own operations. Where a gradient is cheaper in one piece, an operation can have
//! its own: the value is computed without recording, and [`record`] leaves a node behind that knows the way back.

use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::ops::{Backward, NodeGuard, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};

/// The recording tensor of a backend.
pub type Recorded<B> = FloatTensor<Autodiff<B>>;

/// `value` as the result of an operation on `parents`; where none of them wants a gradient, `state` is not kept.
pub fn record<B: Backend, O: Backward<B, N>, const N: usize>(
    operation: O,
    parents: [NodeGuard; N],
    state: O::State,
    value: FloatTensor<B>,
) -> Recorded<B> {
    match operation.prepare::<NoCheckpointing>(parents).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, value),
        OpsKind::UnTracked(prep) => prep.finish(value),
    }
}
