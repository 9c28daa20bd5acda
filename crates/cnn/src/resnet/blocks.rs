//! The two residual blocks.

use burn::module::Module;
use burn::nn::BatchNorm;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

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
        let branch = relu(self.bn1.forward(self.conv1.forward(x.clone())));
        let branch = self.bn2.forward(self.conv2.forward(branch));
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
        let branch = relu(self.bn1.forward(self.conv1.forward(x.clone())));
        let branch = relu(self.bn2.forward(self.conv2.forward(branch)));
        let branch = self.bn3.forward(self.conv3.forward(branch));
        relu(branch + shortcut(&self.downsample, x))
    }
}

fn shortcut(downsample: &Option<(Conv2d, BatchNorm)>, x: Tensor<4>) -> Tensor<4> {
    match downsample {
        Some((conv, norm)) => norm.forward(conv.forward(x)),
        None => x,
    }
}
