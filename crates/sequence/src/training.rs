//! The step of learning that all recurrent models share: their gradients explode now and then, so they are clipped.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use fornax_nn_core::clip;
use fornax_nn_core::gradient::{NonFinite, gradients};

/// One step of learning on a loss that was computed: gradient, clipped to this norm, update. Returns the model and the loss.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step<M: Module>(
    model: M,
    optim: &mut ModuleOptimizer,
    lr: f64,
    max_norm: f64,
    loss: Tensor<1>,
) -> Result<(M, f32), NonFinite> {
    let (loss, gradients) = gradients(loss, &model)?;
    let (_, gradients) = clip::global_norm(&model, gradients, max_norm);
    Ok((optim.step(lr, model, gradients), loss))
}
