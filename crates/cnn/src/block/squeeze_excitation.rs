//! Squeeze-and-excitation: channels weighted by what the whole map shows.
//!
//! ```text
//! squeeze      z_c = mean over the map of x_c
//! excitation   s   = g( W₂ · f(W₁ · z + b₁) + b₂ )       s_c in (0, 1)
//! scale        y_c = s_c · x_c
//! ```
//!
//! A convolution sees a patch; the squeeze sees everything, so that a channel may be turned down because of what stands
//! elsewhere in the image. It costs two small matrices.
//!
//! Paper: J. Hu, L. Shen, G. Sun, *Squeeze-and-excitation networks*, CVPR 2018. <https://arxiv.org/abs/1709.01507>

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::activation::Activation as Formula;
use fornax_nn_core::kernels::Convolve;

use super::{Activation, Convolution, Init, spatial_mean};

/// What a [`SqueezeExcitation`] is built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqueezeExcitationConfig {
    /// Channels of the map.
    pub channels: usize,
    /// Channels between the two matrices.
    pub squeezed: usize,
    /// f: ReLU in the paper and in MobileNetV3, SiLU in EfficientNet.
    pub activation: Activation,
    /// Whether g is piecewise linear (MobileNetV3) instead of the logistic function.
    pub hard_gate: bool,
}

impl SqueezeExcitationConfig {
    /// The layer, its weights normal with σ = √(2 / fan_out), its biases zero.
    pub fn init(&self, device: &Device) -> SqueezeExcitation {
        let conv = |channels| Convolution::new(channels, 1, Init::HeFanOut).bias().init(device);
        SqueezeExcitation {
            fc1: conv([self.channels, self.squeezed]),
            fc2: conv([self.squeezed, self.channels]),
            activation: self.activation,
            hard_gate: self.hard_gate,
        }
    }
}

/// Weights the channels of a map; see the [page](self).
#[derive(Module, Debug)]
pub struct SqueezeExcitation {
    /// W₁ and b₁, a 1 × 1 convolution.
    pub fc1: Conv2d,
    /// W₂ and b₂, a 1 × 1 convolution.
    pub fc2: Conv2d,
    /// f
    #[module(skip)]
    pub activation: Activation,
    /// Whether g is piecewise linear.
    pub hard_gate: bool,
}

impl SqueezeExcitation {
    /// The map with its channels weighted.
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, channels, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let s = self.activation.apply(self.fc1.convolve(spatial_mean(x.clone()))); // [B, squeezed, 1, 1]
        let s = self.fc2.convolve(s); // [B, C, 1, 1]
        let s = if self.hard_gate { Formula::HardSigmoid.apply(s) } else { sigmoid(s) };
        x * s
    }
}
