//! The two residual blocks.

use burn::module::Module;
use burn::nn::BatchNorm;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::kernels::{Convolve, Normalise};

use super::ResNetConfig;
use crate::block::{Convolution, Init, Norm};

impl ResNetConfig {
    /// A block of a stage of `channels`, drawn as the network's page says.
    pub(super) fn block(&self, inputs: usize, channels: usize, stride: usize, device: &Device) -> Block {
        let (width, outputs) = (self.width(channels), self.outputs(channels));
        let conv = |channels, kernel| Convolution::new(channels, kernel, Init::HeFanOut);
        let norm = |channels| Norm::default().init(channels, device);
        let downsample = (stride != 1 || inputs != outputs)
            .then(|| (conv([inputs, outputs], 1).stride(stride).init(device), norm(outputs)));
        if !self.bottleneck {
            return Block::Basic(BasicBlock {
                conv1: conv([inputs, outputs], 3).stride(stride).init(device),
                bn1: norm(outputs),
                conv2: conv([outputs; 2], 3).init(device),
                bn2: norm(outputs),
                downsample,
            });
        }
        Block::Bottleneck(Bottleneck {
            conv1: conv([inputs, width], 1).init(device),
            bn1: norm(width),
            conv2: conv([width; 2], 3).stride(stride).groups(self.groups).init(device),
            bn2: norm(width),
            conv3: conv([width, outputs], 1).init(device),
            bn3: norm(outputs),
            downsample,
        })
    }
}

/// Either residual block.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "all blocks of a network are of one kind")]
pub enum Block {
    /// Two 3 × 3 convolutions.
    Basic(BasicBlock),
    /// 1 × 1, 3 × 3, 1 × 1.
    Bottleneck(Bottleneck),
}

impl Block {
    /// f(x + F(x))
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, outputs, ⌈height / stride⌉, ⌈width / stride⌉]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Basic(block) => block.forward(x),
            Self::Bottleneck(block) => block.forward(x),
        }
    }
}

/// Two 3 × 3 convolutions round which the input goes.
#[derive(Module, Debug)]
pub struct BasicBlock {
    /// 3 × 3, with the block's stride.
    pub conv1: Conv2d,
    /// Normalisation of `conv1`.
    pub bn1: BatchNorm,
    /// 3 × 3.
    pub conv2: Conv2d,
    /// Normalisation of `conv2`.
    pub bn2: BatchNorm,
    /// 1 × 1 and normalisation on the input's way round, where size or channels change.
    pub downsample: Option<(Conv2d, BatchNorm)>,
}

impl BasicBlock {
    /// f(x + F(x))
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, outputs, ⌈height / stride⌉, ⌈width / stride⌉]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let branch = relu(self.bn1.normalise(self.conv1.convolve(x.clone())));
        let branch = self.bn2.normalise(self.conv2.convolve(branch));
        relu(branch + shortcut(&self.downsample, x))
    }
}

/// Narrow, filter, widen, and the input round it.
#[derive(Module, Debug)]
pub struct Bottleneck {
    /// 1 × 1, to fewer channels.
    pub conv1: Conv2d,
    /// Normalisation of `conv1`.
    pub bn1: BatchNorm,
    /// 3 × 3, grouped in ResNeXt, with the block's stride.
    pub conv2: Conv2d,
    /// Normalisation of `conv2`.
    pub bn2: BatchNorm,
    /// 1 × 1, to four times the stage's channels.
    pub conv3: Conv2d,
    /// Normalisation of `conv3`.
    pub bn3: BatchNorm,
    /// 1 × 1 and normalisation on the input's way round, where size or channels change.
    pub downsample: Option<(Conv2d, BatchNorm)>,
}

impl Bottleneck {
    /// f(x + F(x))
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, outputs, ⌈height / stride⌉, ⌈width / stride⌉]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let branch = relu(self.bn1.normalise(self.conv1.convolve(x.clone())));
        let branch = relu(self.bn2.normalise(self.conv2.convolve(branch)));
        let branch = self.bn3.normalise(self.conv3.convolve(branch));
        relu(branch + shortcut(&self.downsample, x))
    }
}

fn shortcut(downsample: &Option<(Conv2d, BatchNorm)>, x: Tensor<4>) -> Tensor<4> {
    match downsample {
        Some((conv, norm)) => norm.normalise(conv.convolve(x)),
        None => x,
    }
}
