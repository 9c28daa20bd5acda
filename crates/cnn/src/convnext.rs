//! # ConvNeXt
//!
//! After vision transformers had overtaken convolutional networks, the question was whether it was the attention. This
//! network takes ResNet-50 and changes it step by step into what a Swin transformer is *around* its attention: patches
//! for a stem, stages in the proportion 3 : 3 : 9 : 3, filters of each channel on its own (as attention mixes positions but
//! not channels), 7 × 7 large, few activations and few normalisations, GELU, and layer instead of batch normalisation.
//! It comes out as good, without attention.
//!
//! ```text
//!        7×7, one filter      layer norm,     linear,      linear,      times γ,
//!  x ──▶   a channel      ──▶ channels   ──▶ C → 4C, ──▶   4C → C  ──▶  a factor   ──▶ (+) ──▶ y
//!  │                                          GELU                      a channel       ▲
//!  └────────────────────────────────────────────────────────────────────────────────────┘
//!
//! GELU(z) = z · Φ(z)             γ begins at 1e-6: every block begins as the identity
//! ```
//!
//! ```text
//! image      4×4/4, norm    ×3        norm, 2×2/2     ×3    norm, 2×2/2    ×9    norm, 2×2/2    ×3     mean, norm  linear
//! 3×224² ──▶   96×56²   ──▶ 96×56² ──▶ 192×28²  ──▶ 192×28² ──▶ 384×14² ──▶ 384×14² ──▶ 768×7² ──▶ 768×7² ──▶ 768 ──▶ classes
//! ```
//!
//! Layer normalisation needs no batch, so that training and inference are the same function.
//!
//! Paper: Z. Liu et al., *A ConvNet for the 2020s*, CVPR 2022. <https://arxiv.org/abs/2201.03545>
//!
//! ## Differs from the paper
//!
//! 1. Nothing in the network; the defaults of stochastic depth are torchvision's (0.5 for base, as in the paper).

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{Identity, LayerNorm, LayerNormConfig, Linear};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one};
use fornax_nn_core::kernels::Convolve;

use crate::backbone::{Backbone, assert_images};
use crate::block::{Convolution, Init, global_avg_pool, linear, scaled};
use crate::classification::Classifier;
use crate::geometry::{Stage, Window};

mod block;

pub use block::{Block, Permute, channel_norm};

/// The patches of the stem.
const PATCH: Window = Window::new(4, 4, 0);
/// Between two stages.
const HALVE: Window = Window::new(2, 2, 0);
/// The filter of a block.
const FILTER: Window = Window::new(7, 1, 3);
/// How all weights are drawn: the paper's. (Cut off at ±2, a hundred deviations away.)
const WEIGHTS: Init = Init::Normal(0.02);

/// Sizes of a [`ConvNext`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct ConvNextConfig {
    /// Blocks of the four stages.
    pub blocks: [usize; 4],
    /// Channels of the four stages.
    pub channels: [usize; 4],
    /// Probability of dropping the branch of the last block while training, in [0, 1); it grows from 0 at the first.
    pub drop_path: f64,
    /// Number of classes. Default: ImageNet's.
    #[config(default = 1000)]
    pub num_classes: usize,
    /// Channels of the image. Default: colour.
    #[config(default = 3)]
    pub in_channels: usize,
    /// What γ begins at. Default: the paper's.
    #[config(default = 1e-6)]
    pub layer_scale: f64,
}

impl ConvNextConfig {
    /// 28,589,128 parameters.
    pub fn convnext_tiny() -> Self {
        Self::new([3, 3, 9, 3], [96, 192, 384, 768], 0.1)
    }

    /// 50,223,688 parameters.
    pub fn convnext_small() -> Self {
        Self::new([3, 3, 27, 3], [96, 192, 384, 768], 0.4)
    }

    /// 88,591,464 parameters.
    pub fn convnext_base() -> Self {
        Self::new([3, 3, 27, 3], [128, 256, 512, 1024], 0.5)
    }

    /// The same network with every width multiplied by `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        self.channels = self.channels.map(|channels| scaled(channels, factor));
        self
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let least = |sizes: [usize; 4]| sizes.into_iter().min().unwrap_or(0);
        at_least_one(&[
            ("num_classes", self.num_classes),
            ("in_channels", self.in_channels),
            ("blocks", least(self.blocks)),
            ("channels", least(self.channels)),
        ])?;
        if !self.layer_scale.is_finite() {
            return Err(ConfigError::new("layer_scale", format!("must be finite, got {}", self.layer_scale)));
        }
        below_one("drop_path", self.drop_path)
    }

    /// The maps [`forward_features`](Backbone::forward_features) returns: one a stage, at the strides 4 to 32.
    pub fn stages(&self) -> Vec<Stage> {
        let stage = |i: usize| {
            let mut windows = vec![if i == 0 { PATCH } else { HALVE }];
            windows.resize(1 + self.blocks[i], FILTER);
            Stage::new(self.channels[i], windows)
        };
        (0..4).map(stage).collect()
    }

    /// Builds the network: all weights normal with σ = 0.02, biases zero.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<ConvNext, ConfigError> {
        self.validate()?;
        let conv = |channels, window| Convolution::by(channels, window, WEIGHTS).bias().init(device);
        let total: usize = self.blocks.iter().sum();
        let mut index = 0;
        let mut features = Vec::new();
        for (i, (&blocks, &channels)) in self.blocks.iter().zip(&self.channels).enumerate() {
            features.push(match i {
                0 => Feature::Stem((conv([self.in_channels, channels], PATCH), norm(channels, device))),
                _ => {
                    let inputs = self.channels[i - 1];
                    Feature::Halve((norm(inputs, device), conv([inputs, channels], HALVE)))
                }
            });
            let mut stage = Vec::with_capacity(blocks);
            for _ in 0..blocks {
                let drop_path = self.drop_path * index as f64 / (total - 1).max(1) as f64;
                stage.push(Block::new(channels, drop_path, self.layer_scale, device)?);
                index += 1;
            }
            features.push(Feature::Stage(stage));
        }
        Ok(ConvNext {
            features,
            classifier: (norm(self.channels[3], device), Identity::new(), self.output(device)),
            config: self.clone(),
        })
    }

    fn output(&self, device: &Device) -> Linear {
        linear([self.channels[3], self.num_classes], WEIGHTS, device)
    }
}

/// Over the channels of each pixel; ε is the paper's.
fn norm(channels: usize, device: &Device) -> LayerNorm {
    LayerNormConfig::new(channels).with_epsilon(1e-6).init(device)
}

/// A step of the feature extraction, as torchvision numbers them.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a network has eight of them")]
pub enum Feature {
    /// Patches of the image.
    Stem((Conv2d, LayerNorm)),
    /// Half the size.
    Halve((LayerNorm, Conv2d)),
    /// Blocks at one size.
    Stage(Vec<Block>),
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct ConvNext {
    /// Stem and stages in turn with halvings.
    pub features: Vec<Feature>,
    /// Normalisation, nothing (torchvision flattens here), and the output layer.
    pub classifier: (LayerNorm, Identity, Linear),
    /// What it was built from.
    #[module(skip)]
    pub config: ConvNextConfig,
}

impl Backbone for ConvNext {
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
                Feature::Stem((conv, norm)) => channel_norm(norm, conv.convolve(x)), // [B, C1, H/4, W/4]
                Feature::Halve((norm, conv)) => conv.convolve(channel_norm(norm, x)), // [B, C′, h/2, w/2]
                Feature::Stage(blocks) => {
                    let x = blocks.iter().fold(x, |x, block| block.forward(x));
                    maps.push(x.clone());
                    x
                }
            };
        }
        maps
    }
}

impl Classifier for ConvNext {
    fn num_classes(&self) -> usize {
        self.config.num_classes
    }

    fn forward_head(&self, map: Tensor<4>) -> Tensor<2> {
        let (norm, _, output) = &self.classifier;
        output.forward(norm.forward(global_avg_pool(map))) // [B, num_classes]
    }

    fn reset_classifier(mut self, num_classes: usize) -> Result<Self, ConfigError> {
        self.config.num_classes = num_classes;
        self.config.validate()?;
        self.classifier.2 = self.config.output(&self.classifier.2.weight.device());
        Ok(self)
    }
}
