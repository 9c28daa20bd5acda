//! # DeepLabV3
//!
//! No way back up: one coarse map is looked at through filters of several *dilations* at once. A 3 × 3 filter of
//! dilation d touches nine pixels spread over 2d + 1, so with a few weights it sees a neighbourhood, the object it
//! belongs to and its surroundings; a branch that averages the whole map adds what the scene is.
//!
//! ```text
//! ASPP(x) = f(BN(1×1([ b₀ ; b₁ ; b₂ ; b₃ ; b₄ ])))                  [ ; ] channels side by side
//! b₀ = f(BN(1×1(x)))      b_i = f(BN(3×3, dilation r_i (x)))      b₄ = f(BN(1×1(mean of x))) everywhere
//! logits = 1×1(f(BN(3×3(ASPP(x)))))
//! ```
//!
//! ```text
//!            ┌─ 1×1 ────────────┐
//!            ├─ 3×3 rate 6 ─────┤
//!  C_i ──────┼─ 3×3 rate 12 ────┼─ beside ─▶ 1×1 ─▶ 3×3 ─▶ 1×1 ─▶ logits, interpolated to the image
//!            ├─ 3×3 rate 18 ────┤
//!            └─ mean ─▶ 1×1 ────┘
//! ```
//!
//! While training, the averaging branch is normalised over the images of the batch alone: take at least two.
//!
//! Paper: L.-C. Chen, G. Papandreou, F. Schroff, H. Adam, *Rethinking atrous convolution for semantic image
//! segmentation*, 2017. <https://arxiv.org/abs/1706.05587>
//!
//! ## Differs from the paper
//!
//! 1. The paper turns the last strides of the backbone into dilations, to keep its last map at stride 16 or 8. Here the
//!    backbone is any and stays as it is; the decoder takes the coarsest map of at most `max_stride`, which for a ResNet
//!    is layer 3, not 4. With a larger `max_stride` it takes the last one, and sees coarser.
//! 2. One more 3 × 3 before the output, as in torchvision.

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one};
use fornax_nn_core::kernels::Convolve;

use super::Decoder;
use crate::backbone::FeatureInfo;
use crate::block::{Activation, ConvNorm, Convolution, Init, Norm, resize_bilinear, spatial_mean};

/// Sizes of a [`DeepLabDecoder`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct DeepLabDecoderConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Channels of every branch. Default: the paper's.
    #[config(default = 256)]
    pub channels: usize,
    /// Dilations of the branches. Default: the paper's for a map of stride 16.
    #[config(default = "vec![6, 12, 18]")]
    pub rates: Vec<usize>,
    /// The coarsest stride of a map to work on. Default: 16, the paper's for training.
    #[config(default = 16)]
    pub max_stride: usize,
    /// Probability of dropping a feature behind the branches, in [0, 1). Default: 0.5, torchvision's.
    #[config(default = 0.5)]
    pub dropout: f64,
}

impl DeepLabDecoderConfig {
    /// Builds the decoder for a backbone with these maps.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, maps: &[FeatureInfo], device: &Device) -> Result<DeepLabDecoder, ConfigError> {
        at_least_one(&[
            ("num_classes", self.num_classes),
            ("channels", self.channels),
            ("rates", self.rates.iter().copied().min().unwrap_or(0)),
        ])?;
        below_one("dropout", self.dropout)?;
        let level = maps.iter().rposition(|map| map.stride <= self.max_stride).ok_or_else(|| {
            let finest = maps.first().map_or(0, |map| map.stride);
            let reason = format!("must be at least the backbone's finest, {finest}, got {}", self.max_stride);
            ConfigError::new("max_stride", reason)
        })?;
        let inputs = maps[level].channels;
        let block = |conv| ConvNorm::new(conv, Norm::default(), Activation::Relu, device);
        let conv = |inputs, kernel| Convolution::new([inputs, self.channels], kernel, Init::HeFanOut);
        let dilated = self.rates.iter().map(|&rate| block(conv(inputs, 3).dilation(rate)));
        Ok(DeepLabDecoder {
            convs: std::iter::once(block(conv(inputs, 1))).chain(dilated).collect(),
            pooling: block(conv(inputs, 1)),
            project: block(conv((self.rates.len() + 2) * self.channels, 1)),
            dropout: DropoutConfig::new(self.dropout).init(),
            head: block(conv(self.channels, 3)),
            output: Convolution::new([self.channels, self.num_classes], 1, Init::Default).bias().init(device),
            level,
            num_classes: self.num_classes,
        })
    }
}

/// The decoder; see the [module page](self).
#[derive(Module, Debug)]
pub struct DeepLabDecoder {
    /// 1 × 1, then 3 × 3 of each rate.
    pub convs: Vec<ConvNorm>,
    /// 1 × 1 over the mean of the map.
    pub pooling: ConvNorm,
    /// 1 × 1 over all branches.
    pub project: ConvNorm,
    /// Active only while training.
    pub dropout: Dropout,
    /// 3 × 3 before the output.
    pub head: ConvNorm,
    /// 1 × 1 to the classes.
    pub output: Conv2d,
    /// Which of the backbone's maps it works on.
    level: usize,
    num_classes: usize,
}

impl Decoder for DeepLabDecoder {
    fn num_classes(&self) -> usize {
        self.num_classes
    }

    fn forward(&self, mut maps: Vec<Tensor<4>>) -> Tensor<4> {
        assert!(self.level < maps.len(), "{} maps, expected more than {}", maps.len(), self.level);
        let x = maps.swap_remove(self.level); // [B, C_i, H_i, W_i]
        let [.., height, width] = x.dims();
        let mut branches: Vec<Tensor<4>> = self.convs.iter().map(|conv| conv.forward(x.clone())).collect();
        let mean = self.pooling.forward(spatial_mean(x)); // [B, C, 1, 1]
        branches.push(resize_bilinear(mean, [height, width])); // one pixel enlarged: the same everywhere
        let x = self.dropout.forward(self.project.forward(Tensor::cat(branches, 1))); // [B, C, H_i, W_i]
        self.output.convolve(self.head.forward(x)) // [B, num_classes, H_i, W_i]
    }
}
