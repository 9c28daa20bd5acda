//! # EfficientNet
//!
//! Given more computing power, should a network become deeper, wider, or read larger images? All at once, in fixed
//! proportions: **compound scaling**. A search found the small B0, and one exponent φ makes its family,
//!
//! ```text
//! depth α^φ, width β^φ, side of the image γ^φ       α = 1.2, β = 1.1, γ = 1.15, so that α·β²·γ² ≈ 2: twice the cost a step
//! ```
//!
//! The blocks are [inverted residuals](crate::block::InvertedResidual) with
//! [squeeze-and-excitation](crate::block::SqueezeExcitation) and SiLU, x · σ(x); the deeper one is, the more often its
//! branch is dropped while training ([stochastic depth](crate::block::drop_path)).
//!
//! ```text
//! B0: t expansion, k kernel, c channels out, n blocks
//!
//!  image      3×3/2     t1 k3    t6 k3    t6 k5    t6 k3    t6 k5     t6 k5    t6 k3     1×1     mean  dropout
//!                       c16 n1   c24 n2   c40 n2   c80 n3   c112 n3   c192 n4  c320 n1                 linear
//! 3×224² ──▶ 32×112² ──▶ 112² ──▶ 56² ──▶ 28² ──▶  14² ──▶   14² ──▶   7² ──▶   7² ──▶ 1280×7² ─▶ 1280 ─▶ classes
//! ```
//!
//! | | depth | width | image side | dropout |
//! |---|---|---|---|---|
//! | B0 | 1.0 | 1.0 | 224 | 0.2 |
//! | B1 | 1.1 | 1.0 | 240 | 0.2 |
//! | B2 | 1.2 | 1.1 | 260 | 0.3 |
//! | B3 | 1.4 | 1.2 | 300 | 0.3 |
//! | B4 | 1.8 | 1.4 | 380 | 0.4 |
//!
//! Paper: M. Tan, Q. Le, *EfficientNet: rethinking model scaling for convolutional neural networks*, ICML 2019.
//! <https://arxiv.org/abs/1905.11946>
//!
//! ## Differs from the paper
//!
//! 1. ε and momentum of the normalisations are PyTorch's, as in torchvision up to B4.

use burn::config::Config;
use burn::module::Module;
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

/// Expansion, kernel, stride, channels in, channels out, blocks: table 1 of the paper.
const STAGES: [[usize; 6]; 7] = [
    [1, 3, 1, 32, 16, 1],
    [6, 3, 2, 16, 24, 2],
    [6, 5, 2, 24, 40, 2],
    [6, 3, 2, 40, 80, 3],
    [6, 5, 1, 80, 112, 3],
    [6, 5, 2, 112, 192, 4],
    [6, 3, 1, 192, 320, 1],
];
/// Channels of the stem, before the factor.
const STEM: usize = 32;
/// The last map has so many times the channels of the last block.
const HEAD: usize = 4;

/// Sizes of an [`EfficientNet`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct EfficientNetConfig {
    /// Factor on all widths; positive.
    pub width: f64,
    /// Factor on the number of blocks of each stage; positive.
    pub depth: f64,
    /// Probability of dropping a feature before the output layer, in [0, 1).
    pub dropout: f64,
    /// Number of classes. Default: ImageNet's.
    #[config(default = 1000)]
    pub num_classes: usize,
    /// Channels of the image. Default: colour.
    #[config(default = 3)]
    pub in_channels: usize,
    /// Towards which the probability of dropping a branch grows from the first block to the last, in [0, 1). Default: the
    /// paper's.
    #[config(default = 0.2)]
    pub drop_path: f64,
}

impl EfficientNetConfig {
    /// The network the search found: 5,288,548 parameters.
    pub fn efficientnet_b0() -> Self {
        Self::new(1.0, 1.0, 0.2)
    }

    /// 7,794,184 parameters.
    pub fn efficientnet_b1() -> Self {
        Self::new(1.0, 1.1, 0.2)
    }

    /// 9,109,994 parameters.
    pub fn efficientnet_b2() -> Self {
        Self::new(1.1, 1.2, 0.3)
    }

    /// 12,233,232 parameters.
    pub fn efficientnet_b3() -> Self {
        Self::new(1.2, 1.4, 0.3)
    }

    /// 19,341,616 parameters.
    pub fn efficientnet_b4() -> Self {
        Self::new(1.4, 1.8, 0.4)
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
        positive("depth", self.depth)?;
        below_one("dropout", self.dropout)?;
        below_one("drop_path", self.drop_path)
    }

    fn rounded(&self, channels: usize) -> usize {
        multiple_of_eight(channels as f64 * self.width)
    }

    /// The blocks, stage by stage.
    fn blocks(&self) -> Vec<Vec<InvertedResidualConfig>> {
        let count = |blocks: usize| (blocks as f64 * self.depth).ceil() as usize;
        let total: usize = STAGES.iter().map(|&[.., blocks]| count(blocks)).sum();
        let mut index = 0;
        let mut block = |[expansion, kernel, stride, inputs, outputs, _]: [usize; 6], first: bool| {
            let (inputs, outputs) =
                (self.rounded(if first { inputs } else { outputs }), self.rounded(outputs));
            let drop_path = self.drop_path * index as f64 / total as f64;
            index += 1;
            InvertedResidualConfig {
                inputs,
                expanded: multiple_of_eight((inputs * expansion) as f64),
                outputs,
                kernel,
                stride: if first { stride } else { 1 },
                activation: Activation::Silu,
                norm: Norm::default(),
                squeeze: Some(((inputs / 4).max(1), Activation::Silu, false)),
                drop_path,
                flat: false,
            }
        };
        STAGES.map(|stage| (0..count(stage[5])).map(|i| block(stage, i == 0)).collect()).to_vec()
    }

    /// Channels of the last map.
    fn outputs(&self) -> usize {
        HEAD * self.rounded(STAGES[6][4])
    }

    /// The maps [`forward_features`](Backbone::forward_features) returns: the last one at each of the strides 2 to 32.
    pub fn stages(&self) -> Vec<Stage> {
        let stem = (self.rounded(STEM), Window::new(3, 2, 1));
        inverted_residual::stages(stem, &self.blocks().concat(), self.outputs())
    }

    /// Builds the network: convolutions normal with σ = √(2 / fan_out), the output layer uniform over ±1/√num_classes.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<EfficientNet, ConfigError> {
        self.validate()?;
        let conv_norm = |channels, kernel, stride| {
            let conv = Convolution::new(channels, kernel, Init::HeFanOut).stride(stride);
            Feature::ConvNorm(ConvNorm::new(conv, Norm::default(), Activation::Silu, device))
        };
        let mut features = vec![conv_norm([self.in_channels, self.rounded(STEM)], 3, 2)];
        for stage in self.blocks() {
            let block = |block: InvertedResidualConfig| Ok(Block { block: block.init(device)? });
            let blocks: Result<_, ConfigError> = stage.into_iter().map(block).collect();
            features.push(Feature::Stage(blocks?));
        }
        features.push(conv_norm([self.rounded(STAGES[6][4]), self.outputs()], 1, 1));
        Ok(EfficientNet {
            features,
            classifier: (DropoutConfig::new(self.dropout).init(), self.output(device)),
            config: self.clone(),
        })
    }

    fn output(&self, device: &Device) -> Linear {
        linear([self.outputs(), self.num_classes], Init::OverOutputs, device)
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
#[allow(clippy::large_enum_variant, reason = "a network has nine of them")]
pub enum Feature {
    /// The first or the last convolution.
    ConvNorm(ConvNorm),
    /// Inverted residuals, the first of which may halve the map.
    Stage(Vec<Block>),
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct EfficientNet {
    /// Stem, seven stages, last convolution.
    pub features: Vec<Feature>,
    /// Dropout and the output layer.
    pub classifier: (Dropout, Linear),
    /// What it was built from.
    #[module(skip)]
    pub config: EfficientNetConfig,
}

impl Backbone for EfficientNet {
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
                Feature::Stage(blocks) => {
                    if blocks.iter().any(|Block { block }| block.stride > 1) {
                        maps.push(x.clone()); // the last map before it is halved
                    }
                    blocks.iter().fold(x, |x, Block { block }| block.forward(x))
                }
            };
        }
        maps.push(x); // [B, 1280, H/32, W/32]
        maps
    }
}

impl Classifier for EfficientNet {
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
        self.classifier.1 = self.config.output(&self.classifier.1.weight.device());
        Ok(self)
    }
}
