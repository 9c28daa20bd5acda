//! What DenseNet is made of.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Dropout, DropoutConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::kernels::{Convolve, Normalise};

use super::{BOTTLENECK, DenseNetConfig};
use crate::block::{Convolution, Init, Norm};

/// Adds `growth` channels to what it reads.
#[derive(Module, Debug)]
pub struct DenseLayer {
    /// Normalisation of everything before.
    pub norm1: BatchNorm,
    /// 1 × 1, to four times the growth rate.
    pub conv1: Conv2d,
    /// Normalisation between the convolutions.
    pub norm2: BatchNorm,
    /// 3 × 3, to the growth rate.
    pub conv2: Conv2d,
    /// Drops what was added.
    pub dropout: Dropout,
}

impl DenseLayer {
    pub(super) fn new(config: &DenseNetConfig, inputs: usize, device: &Device) -> Self {
        let wide = BOTTLENECK * config.growth;
        Self {
            norm1: Norm::default().init(inputs, device),
            conv1: Convolution::new([inputs, wide], 1, Init::HeFanIn).init(device),
            norm2: Norm::default().init(wide, device),
            conv2: Convolution::new([wide, config.growth], 3, Init::HeFanIn).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }

    /// The input, and beside it what the layer makes of it.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, inputs + growth, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let new = self.conv1.convolve(relu(self.norm1.normalise(x.clone()))); // [B, 4k, H, W]
        let new = self.conv2.convolve(relu(self.norm2.normalise(new))); // [B, k, H, W]
        Tensor::cat(vec![x, self.dropout.forward(new)], 1)
    }
}

/// Layers each of which reads all before it.
#[derive(Module, Debug)]
pub struct DenseBlock {
    /// The layers.
    pub denselayers: Vec<DenseLayer>,
}

impl DenseBlock {
    /// The input, and beside it what every layer added.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, inputs + layers · growth, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.denselayers.iter().fold(x, |x, layer| layer.forward(x))
    }
}

/// Halves the channels; the mean that halves the map comes after it.
#[derive(Module, Debug)]
pub struct Transition {
    /// Normalisation of the block's output.
    pub norm: BatchNorm,
    /// 1 × 1, to half the channels.
    pub conv: Conv2d,
}

impl Transition {
    /// Half the channels.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, inputs / 2, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.conv.convolve(relu(self.norm.normalise(x)))
    }
}
