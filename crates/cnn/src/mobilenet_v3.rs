//! # MobileNetV3
//!
//! MobileNetV2's [inverted residuals](crate::block::InvertedResidual), retuned: a search over architectures chose kernels,
//! widths and where to put [squeeze-and-excitation](crate::block::SqueezeExcitation), and two corrections were made by
//! hand. The ends of the network, which cost much and bring little, were shortened: the widening to the final features
//! happens *after* the mean, on one pixel. And ReLU gave way, in the deeper half, to
//!
//! ```text
//! hard swish    h(x) = x · min(max(0, x + 3), 6) / 6          close to x·σ(x), without an exponential
//! ```
//!
//! ```text
//! large
//!  image     3×3/2    3×3    3×3/2 ×2   5×5/2 ×3   3×3/2 ×4   3×3 ×2   5×5/2 ×3    1×1      mean  linear, h   dropout, linear
//! 3×224² ──▶ 16×112² ▶ 16 ──▶ 24×56² ──▶ 40×28² ──▶ 80×14² ──▶ 112 ──▶ 160×7² ──▶ 960×7² ──▶ 960 ──▶ 1280 ──▶ classes
//!                                       excited                excited  excited
//! ```
//!
//! Paper: A. Howard et al., *Searching for MobileNetV3*, ICCV 2019. <https://arxiv.org/abs/1905.02244>
//!
//! ## Differs from the paper
//!
//! 1. The excitation's inner channels are a quarter of the block's, rounded to a multiple of eight, as in torchvision.

use burn::config::Config;
use burn::module::Module;
use burn::nn::activation::HardSwish;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one, positive};

use crate::backbone::{Backbone, assert_images};
use crate::block::{
    Activation, ConvNorm, Convolution, Init, InvertedResidual, InvertedResidualConfig, Norm, global_avg_pool,
    inverted_residual, linear, multiple_of_eight,
};
use crate::classification::Classifier;
use crate::geometry::{Stage, Window};

/// Kernel, expanded channels, channels, excitation (1 for yes), hard swish instead of ReLU, stride: table 1 of the paper.
const LARGE: [[usize; 6]; 15] = [
    [3, 16, 16, 0, 0, 1],
    [3, 64, 24, 0, 0, 2],
    [3, 72, 24, 0, 0, 1],
    [5, 72, 40, 1, 0, 2],
    [5, 120, 40, 1, 0, 1],
    [5, 120, 40, 1, 0, 1],
    [3, 240, 80, 0, 1, 2],
    [3, 200, 80, 0, 1, 1],
    [3, 184, 80, 0, 1, 1],
    [3, 184, 80, 0, 1, 1],
    [3, 480, 112, 1, 1, 1],
    [3, 672, 112, 1, 1, 1],
    [5, 672, 160, 1, 1, 2],
    [5, 960, 160, 1, 1, 1],
    [5, 960, 160, 1, 1, 1],
];
/// The same, table 2 of the paper.
const SMALL: [[usize; 6]; 11] = [
    [3, 16, 16, 1, 0, 2],
    [3, 72, 24, 0, 0, 2],
    [3, 88, 24, 0, 0, 1],
    [5, 96, 40, 1, 1, 2],
    [5, 240, 40, 1, 1, 1],
    [5, 240, 40, 1, 1, 1],
    [5, 120, 48, 1, 1, 1],
    [5, 144, 48, 1, 1, 1],
    [5, 288, 96, 1, 1, 2],
    [5, 576, 96, 1, 1, 1],
    [5, 576, 96, 1, 1, 1],
];
/// Channels of the stem, before the factor.
const STEM: usize = 16;
/// ε and momentum of all normalisations: the paper's (its momentum counts the other way, 0.99).
const NORM: Norm = Norm { epsilon: 1e-3, momentum: 0.01 };
/// How the linear layers are drawn.
const LINEAR: Init = Init::Normal(0.01);

/// Sizes of a [`MobileNetV3`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct MobileNetV3Config {
    /// The large network or the small one.
    pub large: bool,
    /// Number of classes. Default: ImageNet's.
    #[config(default = 1000)]
    pub num_classes: usize,
    /// Channels of the image. Default: colour.
    #[config(default = 3)]
    pub in_channels: usize,
    /// Factor on all widths; positive. Default: 1, the paper's.
    #[config(default = 1.0)]
    pub width: f64,
    /// Probability of dropping a feature before the output layer, in [0, 1). Default: torchvision's.
    #[config(default = 0.2)]
    pub dropout: f64,
}

impl MobileNetV3Config {
    /// For phones that can afford it: 5,483,032 parameters.
    pub fn mobilenet_v3_large() -> Self {
        Self::new(true)
    }

    /// For those that cannot: 2,542,856 parameters.
    pub fn mobilenet_v3_small() -> Self {
        Self::new(false)
    }

    /// The same network with every width multiplied by `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        self.width *= factor;
        self
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[("num_classes", self.num_classes), ("in_channels", self.in_channels)])?;
        positive("width", self.width)?;
        below_one("dropout", self.dropout)
    }

    fn rounded(&self, channels: usize) -> usize {
        multiple_of_eight(channels as f64 * self.width)
    }

    /// The blocks one after the other.
    fn blocks(&self) -> Vec<InvertedResidualConfig> {
        let mut inputs = self.rounded(STEM);
        let table: &[_] = if self.large { &LARGE } else { &SMALL };
        let block = |&[kernel, expanded, channels, excited, hard, stride]: &[usize; 6]| {
            let (expanded, outputs) = (self.rounded(expanded), self.rounded(channels));
            let squeezed = multiple_of_eight((expanded / 4) as f64);
            InvertedResidualConfig {
                inputs: std::mem::replace(&mut inputs, outputs),
                expanded,
                outputs,
                kernel,
                stride,
                activation: if hard == 1 { Activation::HardSwish } else { Activation::Relu },
                norm: NORM,
                squeeze: (excited == 1).then_some((squeezed, Activation::Relu, true)),
                drop_path: 0.0,
                flat: false,
            }
        };
        table.iter().map(block).collect()
    }

    /// Channels of the last block, of the last map, and of the features behind the mean.
    fn ends(&self) -> [usize; 3] {
        let last = self.rounded(if self.large { 160 } else { 96 });
        [last, 6 * last, self.rounded(if self.large { 1280 } else { 1024 })]
    }

    /// The maps [`forward_features`](Backbone::forward_features) returns: the last one at each of the strides 2 to 32.
    pub fn stages(&self) -> Vec<Stage> {
        let stem = (self.rounded(STEM), Window::new(3, 2, 1));
        inverted_residual::stages(stem, &self.blocks(), self.ends()[1])
    }

    /// Builds the network: convolutions normal with σ = √(2 / fan_out), linear layers normal with σ = 0.01.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<MobileNetV3, ConfigError> {
        self.validate()?;
        let conv_norm = |channels, kernel, stride| {
            let conv = Convolution::new(channels, kernel, Init::HeFanOut).stride(stride);
            Feature::ConvNorm(ConvNorm::new(conv, NORM, Activation::HardSwish, device))
        };
        let [narrow, wide, hidden] = self.ends();
        let mut features = vec![conv_norm([self.in_channels, self.rounded(STEM)], 3, 2)];
        for block in self.blocks() {
            features.push(Feature::Block(Block { block: block.init(device)? }));
        }
        features.push(conv_norm([narrow, wide], 1, 1));
        Ok(MobileNetV3 {
            features,
            classifier: (
                linear([wide, hidden], LINEAR, device),
                HardSwish::new(),
                DropoutConfig::new(self.dropout).init(),
                linear([hidden, self.num_classes], LINEAR, device),
            ),
            config: self.clone(),
        })
    }
}

/// An inverted residual, named as torchvision's.
#[derive(Module, Debug)]
pub struct Block {
    /// The block.
    pub block: InvertedResidual,
}

/// A step of the feature extraction.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a network has some seventeen of them")]
pub enum Feature {
    /// The first or the last convolution.
    ConvNorm(ConvNorm),
    /// An inverted residual.
    Block(Block),
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct MobileNetV3 {
    /// Stem, inverted residuals, last convolution.
    pub features: Vec<Feature>,
    /// To the features, hard swish, dropout, and the output layer.
    pub classifier: (Linear, HardSwish, Dropout, Linear),
    /// What it was built from.
    #[module(skip)]
    pub config: MobileNetV3Config,
}

impl Backbone for MobileNetV3 {
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
                Feature::Block(Block { block }) => {
                    if block.stride > 1 {
                        maps.push(x.clone()); // the last map before it is halved
                    }
                    block.forward(x)
                }
            };
        }
        maps.push(x); // [B, 960, H/32, W/32]
        maps
    }
}

impl Classifier for MobileNetV3 {
    fn num_classes(&self) -> usize {
        self.config.num_classes
    }

    fn forward_head(&self, map: Tensor<4>) -> Tensor<2> {
        let (widen, activation, dropout, output) = &self.classifier;
        let x = activation.forward(widen.forward(global_avg_pool(map))); // [B, 1280]
        output.forward(dropout.forward(x)) // [B, num_classes]
    }

    fn reset_classifier(mut self, num_classes: usize) -> Result<Self, ConfigError> {
        self.config.num_classes = num_classes;
        self.config.validate()?;
        let [.., hidden] = self.config.ends();
        let output = &mut self.classifier.3;
        *output = linear([hidden, num_classes], LINEAR, &output.weight.device());
        Ok(self)
    }
}
