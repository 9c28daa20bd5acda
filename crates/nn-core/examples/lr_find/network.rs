//! The network, one step of its training, and how well it reads.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::ModuleOptimizer;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use fornax_nn_core::gradient::{NonFinite, gradients};

/// 64 pixels, 128 hidden units, 10 digits.
#[derive(Module, Debug)]
pub(crate) struct Network {
    hidden: Linear,
    output: Linear,
}

impl Network {
    pub(crate) fn new(device: &Device) -> Self {
        let hidden = LinearConfig::new(64, 128).init(device);
        Self { hidden, output: LinearConfig::new(128, 10).init(device) }
    }

    /// `[B, 64]` to `[B, 10]`
    pub(crate) fn forward(&self, pixels: Tensor<2>) -> Tensor<2> {
        self.output.forward(relu(self.hidden.forward(pixels)))
    }
}

/// One step of learning; the loss is that before it.
pub(crate) fn train_step(
    model: Network,
    optim: &mut ModuleOptimizer,
    lr: f64,
    (pixels, labels): (Tensor<2>, Tensor<1, Int>),
) -> Result<(Network, f32), NonFinite> {
    let logits = model.forward(pixels);
    let loss = CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, labels);
    let (loss, gradients) = gradients(loss, &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}

/// Share of the images `indices` of `labels` that are read right.
pub(crate) fn accuracy(model: &Network, pixels: &Tensor<2>, labels: &[usize], indices: &[usize]) -> f64 {
    let named = model.valid().forward(pixels.clone().inner()).argmax(1).into_data();
    let right = named.iter::<i64>().zip(indices).filter(|(named, i)| *named == labels[**i] as i64).count();
    right as f64 / indices.len() as f64
}
