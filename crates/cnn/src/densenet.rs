//! # DenseNet
//!
//! ResNet *adds* a layer's output to its input; DenseNet puts it **beside** the input. Every layer of a block reads the
//! maps of all layers before it and adds a few of its own, k of them (the *growth rate*):
//!
//! ```text
//! x_l = [ x_{l−1},  H_l(x_{l−1}) ]                                  channels C₀ + l·k, nothing is ever overwritten
//! H   = 3×3 to k ∘ ReLU ∘ BN ∘ 1×1 to 4k ∘ ReLU ∘ BN                normalised before, not after, the convolution
//! ```
//!
//! What an early layer found stays readable, so nothing needs to be computed twice, and the loss reaches every layer by a
//! short path. A **transition** between two blocks halves the channels by a 1 × 1 convolution and the map by a mean.
//!
//! ```text
//! DenseNet-121, n layers a block
//!
//! image      7×7/2    pool 3×3/2   n 6        halve      n 12        halve      n 24        halve     n 16     BN, ReLU, mean
//! 3×224² ──▶ 64×112² ──▶ 56² ──▶ 256×56² ──▶ 128×28² ──▶ 512×28² ──▶ 256×14² ──▶ 1024×14² ──▶ 512×7² ──▶ 1024×7² ──▶ classes
//! ```
//!
//! The price is memory: the concatenations are kept for the backward pass and their sizes grow with the square of a
//! block's depth.
//!
//! Paper: G. Huang, Z. Liu, L. van der Maaten, K. Weinberger, *Densely connected convolutional networks*, CVPR 2017.
//! <https://arxiv.org/abs/1608.06993>
//!
//! ## Differs from the paper
//!
//! 1. The small-image stem (3 × 3, stride 1, no pooling) stands before the four blocks of the ImageNet networks; the
//!    paper's CIFAR networks have three equal blocks.

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one};
use fornax_nn_core::kernels::{Convolve, Normalise};

use crate::backbone::{Backbone, assert_images};
use crate::block::{Convolution, Init, Norm, avg_pool, global_avg_pool, linear, max_pool, scaled};
use crate::classification::Classifier;
use crate::geometry::{Stage, Window};

/// The pooling behind the stem for large images.
const POOL: Window = Window::new(3, 2, 1);
/// The mean in a transition.
const HALVE: Window = Window::new(2, 2, 0);
/// A 1 × 1 convolution widens to so many times the growth rate: the paper's.
const BOTTLENECK: usize = 4;

/// Sizes of a [`DenseNet`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct DenseNetConfig {
    /// Layers of the four blocks.
    pub blocks: [usize; 4],
    /// Number of classes. Default: ImageNet's.
    #[config(default = 1000)]
    pub num_classes: usize,
    /// Channels of the image. Default: colour.
    #[config(default = 3)]
    pub in_channels: usize,
    /// Channels that each layer adds, k. Default: the paper's for all but DenseNet-161.
    #[config(default = 32)]
    pub growth: usize,
    /// Channels of the stem. Default: twice the growth rate, as in the paper.
    #[config(default = 64)]
    pub stem: usize,
    /// Probability of dropping what a layer adds, unit by unit, in [0, 1). Default: none, as in torchvision.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// A 3 × 3 stem of stride 1 without pooling, for images of some 32 pixels. Default: no.
    #[config(default = false)]
    pub small_images: bool,
}

impl DenseNetConfig {
    /// 121 layers, 7,978,856 parameters.
    pub fn densenet121() -> Self {
        Self::new([6, 12, 24, 16])
    }

    /// 161 layers and wider, 28,681,000 parameters.
    pub fn densenet161() -> Self {
        Self::new([6, 12, 36, 24]).with_growth(48).with_stem(96)
    }

    /// 169 layers, 14,149,480 parameters.
    pub fn densenet169() -> Self {
        Self::new([6, 12, 32, 32])
    }

    /// 201 layers, 20,013,928 parameters.
    pub fn densenet201() -> Self {
        Self::new([6, 12, 48, 32])
    }

    /// The same network with every width multiplied by `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        (self.growth, self.stem) = (scaled(self.growth, factor), scaled(self.stem, factor));
        self
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
            ("blocks", self.blocks.into_iter().min().unwrap_or(0)),
            ("growth", self.growth),
            ("stem", self.stem),
        ])?;
        below_one("dropout", self.dropout)
    }

    fn stem_window(&self) -> Window {
        if self.small_images { Window::new(3, 1, 1) } else { Window::new(7, 2, 3) }
    }

    /// Channels in front of block `i`, and in front of the classifier for `i` = 4.
    fn inputs(&self, i: usize) -> usize {
        let halved = |inputs: usize, (block, &layers): (usize, &usize)| {
            let outputs = inputs + layers * self.growth;
            if block < 3 { (outputs / 2).max(1) } else { outputs }
        };
        self.blocks.iter().enumerate().take(i).fold(self.stem, halved)
    }

    /// The maps [`forward_features`](Backbone::forward_features) returns: the stem's (not for small images, where the
    /// first block has the same stride), those of the transitions before they are halved, and the last.
    pub fn stages(&self) -> Vec<Stage> {
        let (mut stages, mut windows) = (Vec::new(), vec![self.stem_window()]);
        if !self.small_images {
            stages.push(Stage::new(self.stem, windows));
            windows = vec![POOL];
        }
        for (i, &layers) in self.blocks.iter().enumerate() {
            windows.extend(vec![Window::new(3, 1, 1); layers]);
            stages.push(Stage::new(self.inputs(i + 1), std::mem::replace(&mut windows, vec![HALVE])));
        }
        stages
    }

    /// Builds the network: convolutions normal with σ = √(2 / fan_in), the output layer as PyTorch's default with zero
    /// biases.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<DenseNet, ConfigError> {
        self.validate()?;
        let stem = Convolution::by([self.in_channels, self.stem], self.stem_window(), Init::HeFanIn);
        let block = |(i, &layers): (usize, &usize)| {
            let inputs = self.inputs(i);
            let layer = |l| DenseLayer::new(self, inputs + l * self.growth, device);
            DenseBlock { denselayers: (0..layers).map(layer).collect() }
        };
        let transition = |i: usize| {
            let inputs = self.inputs(i) + self.blocks[i] * self.growth;
            let conv = Convolution::new([inputs, self.inputs(i + 1)], 1, Init::HeFanIn);
            Transition { norm: Norm::default().init(inputs, device), conv: conv.init(device) }
        };
        Ok(DenseNet {
            features: Features {
                conv0: stem.init(device),
                norm0: Norm::default().init(self.stem, device),
                denseblocks: self.blocks.iter().enumerate().map(block).collect(),
                transitions: (0..3).map(transition).collect(),
                norm5: Norm::default().init(self.inputs(4), device),
            },
            classifier: linear([self.inputs(4), self.num_classes], Init::DefaultWeight, device),
            config: self.clone(),
        })
    }
}

mod layers;

pub use layers::{DenseBlock, DenseLayer, Transition};

/// The feature extraction.
#[derive(Module, Debug)]
pub struct Features {
    /// The stem's convolution.
    pub conv0: Conv2d,
    /// Its normalisation.
    pub norm0: BatchNorm,
    /// The four blocks.
    pub denseblocks: Vec<DenseBlock>,
    /// Between each two of them.
    pub transitions: Vec<Transition>,
    /// Normalisation of the last map.
    pub norm5: BatchNorm,
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct DenseNet {
    /// The feature extraction.
    pub features: Features,
    /// The output layer.
    pub classifier: Linear,
    /// What it was built from.
    #[module(skip)]
    pub config: DenseNetConfig,
}

impl Backbone for DenseNet {
    fn in_channels(&self) -> usize {
        self.config.in_channels
    }

    fn stages(&self) -> Vec<Stage> {
        self.config.stages()
    }

    fn forward_features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        assert_images(self, &images);
        let Features { conv0, norm0, denseblocks, transitions, norm5 } = &self.features;
        let mut x = relu(norm0.normalise(conv0.convolve(images))); // [B, stem, H/2, W/2]
        let mut maps = Vec::new();
        if !self.config.small_images {
            maps.push(x.clone());
            x = max_pool(x, POOL); // [B, stem, H/4, W/4]
        }
        for (i, block) in denseblocks.iter().enumerate() {
            x = block.forward(x); // [B, C + layers·k, h, w]
            if let Some(transition) = transitions.get(i) {
                x = transition.forward(x); // [B, (C + layers·k)/2, h, w]
                maps.push(x.clone());
                x = avg_pool(x, HALVE); // [B, (C + layers·k)/2, h/2, w/2]
            }
        }
        maps.push(relu(norm5.normalise(x)));
        maps
    }
}

impl Classifier for DenseNet {
    fn num_classes(&self) -> usize {
        self.config.num_classes
    }

    fn forward_head(&self, map: Tensor<4>) -> Tensor<2> {
        self.classifier.forward(global_avg_pool(map)) // [B, num_classes]
    }

    fn reset_classifier(mut self, num_classes: usize) -> Result<Self, ConfigError> {
        self.config.num_classes = num_classes;
        self.config.validate()?;
        let device = self.classifier.weight.device();
        self.classifier = linear([self.config.inputs(4), num_classes], Init::DefaultWeight, &device);
        Ok(self)
    }
}
