//! What a [U-Net](super) is made of.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{Dropout, DropoutConfig, GroupNorm, GroupNormConfig, Linear};
use burn::tensor::activation::{silu, softmax};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::kernels::Convolve;

use super::{UNetConfig, conv, linear};

/// Two convolutions about what they are told of time and class, beside a way that leaves x as it is.
#[derive(Module, Debug)]
pub struct ResidualBlock {
    /// Before the first convolution.
    pub norm1: GroupNorm,
    /// To the block's channels.
    pub conv1: Conv2d,
    /// From e to the block's channels.
    pub embedding: Linear,
    /// Before the second convolution.
    pub norm2: GroupNorm,
    /// Before the second convolution.
    pub dropout: Dropout,
    /// Begins at 0.
    pub conv2: Conv2d,
    /// 1 × 1 where the channels change.
    pub skip: Option<Conv2d>,
}

impl ResidualBlock {
    pub(super) fn new([from, to]: [usize; 2], units: usize, config: &UNetConfig, device: &Device) -> Self {
        Self {
            norm1: GroupNormConfig::new(config.groups, from).init(device),
            conv1: conv([from, to], 3, 1, device),
            embedding: linear([units, to], device),
            norm2: GroupNormConfig::new(config.groups, to).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
            conv2: conv([to, to], 3, 1, device),
            skip: (from != to).then(|| conv([from, to], 1, 1, device)),
        }
    }

    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - e: `[batch, units]`, behind its activation
    /// - output: `[batch, outputs, height, width]`
    pub fn forward(&self, x: Tensor<4>, e: &Tensor<2>) -> Tensor<4> {
        let inner = self.conv1.convolve(silu(self.norm1.forward(x.clone()))); // [B, C, H, W]
        let [batch, channels, _, _] = inner.dims();
        let inner = inner + self.embedding.forward(e.clone()).reshape([batch, channels, 1, 1]);
        let inner = self.conv2.convolve(self.dropout.forward(silu(self.norm2.forward(inner))));
        self.skip.iter().fold(x, |x, skip| skip.convolve(x)) + inner
    }
}

/// Every pixel asks all pixels: one head over a map.
#[derive(Module, Debug)]
pub struct Attention {
    /// Before the projections.
    pub norm: GroupNorm,
    /// Q, K and V side by side.
    pub query_key_value: Linear,
    /// Begins at 0.
    pub output: Linear,
}

impl Attention {
    pub(super) fn new(channels: usize, groups: usize, device: &Device) -> Self {
        Self {
            norm: GroupNormConfig::new(groups, channels).init(device),
            query_key_value: linear([channels, 3 * channels], device),
            output: linear([channels, channels], device),
        }
    }

    /// # Shapes
    ///
    /// - x, output: `[batch, channels, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let pixels = self.norm.forward(x.clone()).flatten::<3>(2, 3).swap_dims(1, 2); // [B, HW, C]
        let all = self.query_key_value.forward(pixels); // [B, HW, 3C]
        let part = |i: usize| all.clone().narrow(2, i * channels, channels); // [B, HW, C]
        let scores = part(0).matmul(part(1).transpose()) / (channels as f64).sqrt(); // [B, HW, HW]
        let answer = self.output.forward(softmax(scores, 2).matmul(part(2))); // [B, HW, C]
        x + answer.swap_dims(1, 2).reshape([batch, channels, height, width])
    }
}

/// Every pixel four times: nearest neighbour at twice the side.
///
/// # Shapes
///
/// - x: `[batch, channels, height, width]`
/// - output: `[batch, channels, 2·height, 2·width]`
pub fn resize_double(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height, 1, width, 1]).repeat(&[1, 1, 1, 2, 1, 2]).reshape([
        batch,
        channels,
        2 * height,
        2 * width,
    ])
}
