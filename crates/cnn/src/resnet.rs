//! # ResNet, ResNeXt, wide ResNet
//!
//! Deeper plain networks have more to say, yet past twenty layers they *trained* worse, not only generalised worse: the
//! gradient has to pass every layer, and a stack of layers learns even the identity with difficulty. A **residual**
//! block learns the difference from its input instead, and the input goes round it:
//!
//! ```text
//! y = f( x + F(x) )            ∂y/∂x contains the identity: the gradient reaches any depth undiminished
//!
//! basic        F = BN(3×3(f(BN(3×3(x)))))                     two convolutions, ResNet-18 and -34
//! bottleneck   F = BN(1×1(f(BN(3×3(f(BN(1×1(x)))))))          narrow, filter, widen by 4: -50 and deeper
//! ```
//!
//! Where a block halves the map or changes the channels, x passes a 1 × 1 convolution of the same stride.
//!
//! ```text
//! image      stem 7×7/2   pool 3×3/2    layer1      layer2     layer3     layer4     mean    fc
//! 3×224² ──▶  64×112²  ──▶  64×56²  ──▶  64×56² ──▶ 128×28² ──▶ 256×14² ──▶ 512×7² ──▶ 512 ──▶ classes
//! ```
//!
//! - **ResNeXt** splits the 3 × 3 of a bottleneck into groups that do not mix: at equal cost, many narrow paths see more
//!   than one wide one.
//! - **Wide** networks give that convolution twice the channels: fewer, wider layers use parallel hardware better.
//! - **Small images** (the paper's CIFAR networks): a 3 × 3 stem of stride 1 and no pooling, or 32 × 32 pixels would be
//!   down to 8 × 8 before the first block.
//!
//! Papers: K. He et al., *Deep residual learning for image recognition*, CVPR 2016
//! (<https://arxiv.org/abs/1512.03385>); S. Xie et al., *Aggregated residual transformations for deep neural networks*,
//! CVPR 2017 (<https://arxiv.org/abs/1611.05431>); S. Zagoruyko, N. Komodakis, *Wide residual networks*, BMVC 2016
//! (<https://arxiv.org/abs/1605.07146>).
//!
//! ## Differs from the paper
//!
//! 1. A bottleneck halves the map in its 3 × 3, not in its first 1 × 1, which would pass over three of four pixels; the
//!    variant is known as v1.5 and is torchvision's.
//! 2. The small-image stem stands before the ImageNet networks' four stages; the paper's CIFAR networks have three.

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::kernels::{Convolve, Normalise};

use crate::backbone::{Backbone, assert_images};
use crate::block::{Convolution, Init, Norm, global_avg_pool, linear, max_pool, scaled};
use crate::classification::Classifier;
use crate::geometry::{Stage, Window};

/// The pooling behind the stem for large images.
const POOL: Window = Window::new(3, 2, 1);

/// Sizes of a [`ResNet`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct ResNetConfig {
    /// Residual blocks of the four stages.
    pub blocks: [usize; 4],
    /// Whether the blocks are bottlenecks, with four times the stage's channels at their ends.
    pub bottleneck: bool,
    /// Number of classes. Default: ImageNet's.
    #[config(default = 1000)]
    pub num_classes: usize,
    /// Channels of the image. Default: colour.
    #[config(default = 3)]
    pub in_channels: usize,
    /// Channels of the four stages; the stem has as many as the first. Default: the paper's.
    #[config(default = "[64, 128, 256, 512]")]
    pub channels: [usize; 4],
    /// Groups of a bottleneck's 3 × 3 convolution. Default: one, the paper's; 32 in ResNeXt.
    #[config(default = 1)]
    pub groups: usize,
    /// Channels of that convolution for each group, in a stage of 64. Default: 64, the paper's; 4 in ResNeXt-50.
    #[config(default = 64)]
    pub width_per_group: usize,
    /// A 3 × 3 stem of stride 1 without pooling, for images of some 32 pixels. Default: no.
    #[config(default = false)]
    pub small_images: bool,
}

impl ResNetConfig {
    /// 18 layers, 11,689,512 parameters.
    pub fn resnet18() -> Self {
        Self::new([2, 2, 2, 2], false)
    }

    /// 34 layers, 21,797,672 parameters.
    pub fn resnet34() -> Self {
        Self::new([3, 4, 6, 3], false)
    }

    /// 50 layers, 25,557,032 parameters.
    pub fn resnet50() -> Self {
        Self::new([3, 4, 6, 3], true)
    }

    /// 101 layers, 44,549,160 parameters.
    pub fn resnet101() -> Self {
        Self::new([3, 4, 23, 3], true)
    }

    /// 152 layers, 60,192,808 parameters.
    pub fn resnet152() -> Self {
        Self::new([3, 8, 36, 3], true)
    }

    /// ResNeXt-50 with 32 groups of 4 channels, 25,028,904 parameters.
    pub fn resnext50_32x4d() -> Self {
        Self::resnet50().with_groups(32).with_width_per_group(4)
    }

    /// ResNeXt-101 with 32 groups of 8 channels, 88,791,336 parameters.
    pub fn resnext101_32x8d() -> Self {
        Self::resnet101().with_groups(32).with_width_per_group(8)
    }

    /// ResNet-50 with twice the channels inside its blocks, 68,883,240 parameters.
    pub fn wide_resnet50_2() -> Self {
        Self::resnet50().with_width_per_group(128)
    }

    /// ResNet-101 with twice the channels inside its blocks, 126,886,696 parameters.
    pub fn wide_resnet101_2() -> Self {
        Self::resnet101().with_width_per_group(128)
    }

    /// ResNet-18 for 32 × 32 colour images and ten classes.
    pub fn resnet18_cifar() -> Self {
        Self::resnet18().with_small_images(true).with_num_classes(10)
    }

    /// ResNet-18 of a quarter of the width, for 32 × 32 grey digits.
    pub fn resnet18_digits() -> Self {
        Self::resnet18_cifar().with_in_channels(1).with_channels([16, 32, 64, 128])
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
            ("groups", self.groups),
            ("width_per_group", self.width_per_group),
        ])?;
        if !self.bottleneck && (self.groups, self.width_per_group) != (1, 64) {
            let reason = format!("only in bottlenecks, got {} × {}", self.groups, self.width_per_group);
            return Err(ConfigError::new("groups", reason));
        }
        if self.channels.iter().any(|&channels| self.width(channels) == 0) {
            let reason = format!("leaves a bottleneck no channels with {:?}", self.channels);
            return Err(ConfigError::new("width_per_group", reason));
        }
        Ok(())
    }

    /// Channels of a bottleneck's 3 × 3 convolution in a stage of `channels`.
    fn width(&self, channels: usize) -> usize {
        channels * self.width_per_group / 64 * self.groups
    }

    /// Channels a block of a stage of `channels` puts out.
    fn outputs(&self, channels: usize) -> usize {
        if self.bottleneck { 4 * channels } else { channels }
    }

    fn stem(&self) -> Window {
        if self.small_images { Window::new(3, 1, 1) } else { Window::new(7, 2, 3) }
    }

    /// The maps [`forward_features`](Backbone::forward_features) returns: the stem's (not for small images, where the
    /// first stage has the same stride), then one a stage.
    pub fn stages(&self) -> Vec<Stage> {
        let (mut stages, mut windows) = (Vec::new(), vec![self.stem()]);
        if !self.small_images {
            stages.push(Stage::new(self.channels[0], windows));
            windows = vec![POOL];
        }
        for (i, (&blocks, &channels)) in self.blocks.iter().zip(&self.channels).enumerate() {
            let filters = if self.bottleneck { blocks } else { 2 * blocks };
            windows.push(Window::new(3, if i > 0 { 2 } else { 1 }, 1));
            windows.extend(vec![Window::new(3, 1, 1); filters.saturating_sub(1)]);
            stages.push(Stage::new(self.outputs(channels), std::mem::take(&mut windows)));
        }
        stages
    }

    /// Builds the network: convolutions normal with σ = √(2 / fan_out), the output layer as PyTorch's default.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<ResNet, ConfigError> {
        self.validate()?;
        let conv1 = Convolution::by([self.in_channels, self.channels[0]], self.stem(), Init::HeFanOut);
        let mut inputs = self.channels[0];
        let mut stage = |i: usize| -> Vec<Block> {
            let block = |block: usize| {
                let stride = if i > 0 && block == 0 { 2 } else { 1 };
                let inputs = std::mem::replace(&mut inputs, self.outputs(self.channels[i]));
                self.block(inputs, self.channels[i], stride, device)
            };
            (0..self.blocks[i]).map(block).collect()
        };
        Ok(ResNet {
            conv1: conv1.init(device),
            bn1: Norm::default().init(self.channels[0], device),
            layer1: stage(0),
            layer2: stage(1),
            layer3: stage(2),
            layer4: stage(3),
            fc: linear([self.outputs(self.channels[3]), self.num_classes], Init::Default, device),
            config: self.clone(),
        })
    }
}

mod blocks;

pub use blocks::{BasicBlock, Block, Bottleneck};

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct ResNet {
    /// The stem's convolution.
    pub conv1: Conv2d,
    /// The stem's normalisation.
    pub bn1: BatchNorm,
    /// Blocks of the first stage.
    pub layer1: Vec<Block>,
    /// Blocks of the second stage, at half the size.
    pub layer2: Vec<Block>,
    /// Blocks of the third stage, at a quarter.
    pub layer3: Vec<Block>,
    /// Blocks of the fourth stage, at an eighth.
    pub layer4: Vec<Block>,
    /// The output layer.
    pub fc: Linear,
    /// What it was built from.
    #[module(skip)]
    pub config: ResNetConfig,
}

impl Backbone for ResNet {
    fn in_channels(&self) -> usize {
        self.config.in_channels
    }

    fn stages(&self) -> Vec<Stage> {
        self.config.stages()
    }

    fn forward_features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        assert_images(self, &images);
        let mut x = relu(self.bn1.normalise(self.conv1.convolve(images))); // [B, C1, H/2, W/2]
        let mut maps = Vec::new();
        if !self.config.small_images {
            maps.push(x.clone());
            x = max_pool(x, POOL); // [B, C1, H/4, W/4]
        }
        for layer in [&self.layer1, &self.layer2, &self.layer3, &self.layer4] {
            x = layer.iter().fold(x, |x, block| block.forward(x)); // from layer2 on half the size of the one before
            maps.push(x.clone());
        }
        maps
    }
}

impl Classifier for ResNet {
    fn num_classes(&self) -> usize {
        self.config.num_classes
    }

    fn forward_head(&self, map: Tensor<4>) -> Tensor<2> {
        self.fc.forward(global_avg_pool(map)) // [B, num_classes]
    }

    fn reset_classifier(mut self, num_classes: usize) -> Result<Self, ConfigError> {
        self.config.num_classes = num_classes;
        self.config.validate()?;
        let inputs = self.config.outputs(self.config.channels[3]);
        self.fc = linear([inputs, num_classes], Init::Default, &self.fc.weight.device());
        Ok(self)
    }
}
