//! # MobileNetV2
//!
//! A network for phones: 300 million multiplications for a 224 × 224 image where ResNet-50 needs four billion. It is a
//! chain of [inverted residuals](crate::block::InvertedResidual): widen by a factor t, filter each channel on its own,
//! narrow again without an activation, and join the *narrow* ends by the shortcut.
//!
//! ```text
//! t  expansion     c  channels out     n  blocks     s  stride of the first of them
//!
//!  image     3×3/2     t 1     t 6      t 6      t 6      t 6      t 6       t 6       1×1      mean   dropout
//!                      c 16    c 24     c 32     c 64     c 96     c 160     c 320                     linear
//!                      n 1     n 2      n 3      n 4      n 3      n 3       n 1
//! 3×224² ──▶ 32×112² ▶ 112² ──▶ 56² ──▶ 28² ──▶ 14² ──▶  14² ──▶   7²  ──▶   7² ──▶ 1280×7² ──▶ 1280 ──▶ classes
//! ```
//!
//! Activations are min(max(0, x), 6): bounded, they survive arithmetic of eight bits. A factor on all widths trades
//! accuracy for cost; channels are rounded to multiples of eight, which hardware likes.
//!
//! Paper: M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, *MobileNetV2: inverted residuals and linear
//! bottlenecks*, CVPR 2018. <https://arxiv.org/abs/1801.04381>
//!
//! ## Differs from the paper
//!
//! 1. Dropout of 0.2 before the output layer, as in torchvision.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one, positive};

use crate::backbone::{Backbone, assert_images};
use crate::block::{
    Activation, ConvNorm, Convolution, Init, InvertedResidual, InvertedResidualConfig, Norm, global_avg_pool,
    inverted_residual, linear, multiple_of_eight, scaled,
};
use crate::classification::Classifier;
use crate::geometry::{Stage, Window};

/// Expansion, channels, blocks, stride: table 2 of the paper.
const GROUPS: [[usize; 4]; 7] = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
];
/// Channels of the stem, before the factor.
const STEM: usize = 32;

/// Sizes of a [`MobileNetV2`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct MobileNetV2Config {
    /// Number of classes. Default: ImageNet's.
    #[config(default = 1000)]
    pub num_classes: usize,
    /// Channels of the image. Default: colour.
    #[config(default = 3)]
    pub in_channels: usize,
    /// Factor on the channels of all blocks; positive. Default: 1, the paper's.
    #[config(default = 1.0)]
    pub width: f64,
    /// Channels of the last map, which a factor above 1 multiplies. Default: the paper's.
    #[config(default = 1280)]
    pub head: usize,
    /// Probability of dropping a feature before the output layer, in [0, 1). Default: torchvision's.
    #[config(default = 0.2)]
    pub dropout: f64,
}

impl MobileNetV2Config {
    /// The paper's network: 3,504,872 parameters.
    pub fn mobilenet_v2() -> Self {
        Self::new()
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[
            ("num_classes", self.num_classes),
            ("in_channels", self.in_channels),
            ("head", self.head),
        ])?;
        positive("width", self.width)?;
        below_one("dropout", self.dropout)
    }

    /// The same network with every width multiplied by `factor`.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        let (head, width) = (scaled(self.head, factor.min(1.0)), self.width * factor);
        self.with_head(head).with_width(width)
    }

    /// `channels` times the factor.
    fn rounded(&self, channels: usize) -> usize {
        multiple_of_eight(channels as f64 * self.width)
    }

    fn last(&self) -> usize {
        multiple_of_eight(self.head as f64 * self.width.max(1.0))
    }

    /// The blocks one after the other.
    fn blocks(&self) -> Vec<InvertedResidualConfig> {
        let mut inputs = self.rounded(STEM);
        let mut blocks = Vec::new();
        for [expansion, channels, count, stride] in GROUPS {
            for i in 0..count {
                let outputs = self.rounded(channels);
                blocks.push(InvertedResidualConfig {
                    inputs,
                    expanded: expansion * inputs,
                    outputs,
                    kernel: 3,
                    stride: if i == 0 { stride } else { 1 },
                    activation: Activation::Relu6,
                    norm: Norm::default(),
                    squeeze: None,
                    drop_path: 0.0,
                    flat: true,
                });
                inputs = outputs;
            }
        }
        blocks
    }

    /// The maps [`forward_features`](Backbone::forward_features) returns: the last one at each of the strides 2 to 32.
    pub fn stages(&self) -> Vec<Stage> {
        let stem = (self.rounded(STEM), Window::new(3, 2, 1));
        inverted_residual::stages(stem, &self.blocks(), self.last())
    }

    /// Builds the network: convolutions normal with σ = √(2 / fan_out), the output layer normal with σ = 0.01.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<MobileNetV2, ConfigError> {
        self.validate()?;
        let conv_norm = |channels, kernel, stride| {
            let conv = Convolution::new(channels, kernel, Init::HeFanOut).stride(stride);
            Feature::ConvNorm(ConvNorm::new(conv, Norm::default(), Activation::Relu6, device))
        };
        let blocks = self.blocks();
        let mut features = vec![conv_norm([self.in_channels, self.rounded(STEM)], 3, 2)];
        for block in &blocks {
            features.push(Feature::Block(Block { conv: block.init(device)? }));
        }
        let inputs = blocks.last().map_or(0, |block| block.outputs);
        features.push(conv_norm([inputs, self.last()], 1, 1));
        Ok(MobileNetV2 {
            features,
            classifier: (
                DropoutConfig::new(self.dropout).init(),
                linear([self.last(), self.num_classes], Init::Normal(0.01), device),
            ),
            config: self.clone(),
        })
    }
}

/// An inverted residual, named as torchvision's.
#[derive(Module, Debug)]
pub struct Block {
    /// The block.
    pub conv: InvertedResidual,
}

/// A step of the feature extraction.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a network has nineteen of them")]
pub enum Feature {
    /// The first or the last convolution.
    ConvNorm(ConvNorm),
    /// An inverted residual.
    Block(Block),
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct MobileNetV2 {
    /// Stem, seventeen inverted residuals, last convolution.
    pub features: Vec<Feature>,
    /// Dropout and the output layer.
    pub classifier: (Dropout, Linear),
    /// What it was built from.
    #[module(skip)]
    pub config: MobileNetV2Config,
}

impl Backbone for MobileNetV2 {
    fn in_channels(&self) -> usize {
        self.config.in_channels
    }

    fn stages(&self) -> Vec<Stage> {
        self.config.stages()
    }

    fn forward_features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        assert_images(self, &images);
        let mut maps = Vec::new();
        let mut x = images;
        for feature in &self.features {
            x = match feature {
                Feature::ConvNorm(layer) => layer.forward(x),
                Feature::Block(block) => {
                    if block.conv.stride > 1 {
                        maps.push(x.clone()); // the last map before it is halved
                    }
                    block.conv.forward(x)
                }
            };
        }
        maps.push(x); // [B, 1280, H/32, W/32]
        maps
    }
}

impl Classifier for MobileNetV2 {
    fn num_classes(&self) -> usize {
        self.config.num_classes
    }

    fn forward_head(&self, map: Tensor<4>) -> Tensor<2> {
        let (dropout, output) = &self.classifier;
        output.forward(dropout.forward(global_avg_pool(map))) // [B, num_classes]
    }

    fn reset_classifier(mut self, num_classes: usize) -> Result<Self, ConfigError> {
        self.config.num_classes = num_classes;
        self.config.validate()?;
        let device = self.classifier.1.weight.device();
        self.classifier.1 = linear([self.config.last(), num_classes], Init::Normal(0.01), &device);
        Ok(self)
    }
}
