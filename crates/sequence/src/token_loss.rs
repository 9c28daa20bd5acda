//! The loss of predicting tokens.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Int, Tensor};

/// Mean cross-entropy in nats over the real positions: `−log softmax(logits)[target]`.
///
/// # Shapes
///
/// - logits: `[batch, length, vocab]`
/// - targets: `[batch, length]`
/// - real: `[batch, length]`, true where there is something to predict; all without
pub fn cross_entropy(logits: Tensor<3>, targets: Tensor<2, Int>, real: Option<Tensor<2, Bool>>) -> Tensor<1> {
    let [batch, length, vocab] = logits.dims();
    let log_p = log_softmax(logits.reshape([batch * length, vocab]), 1); // [B·T, V]
    let loss = -log_p.gather(1, targets.reshape([batch * length, 1])); // [B·T, 1]
    match real {
        None => loss.mean(),
        Some(real) => mean_where(loss.reshape([batch, length]), real),
    }
}

/// The mean of the values where `real`; zero where nothing is.
///
/// # Shapes
///
/// - values, real: `[batch, length]`
pub(crate) fn mean_where(values: Tensor<2>, real: Tensor<2, Bool>) -> Tensor<1> {
    let count = real.clone().int().sum().float().cast(values.dtype()).clamp_min(1.0);
    values.mask_fill(real.bool_not(), 0.0).sum() / count
}
