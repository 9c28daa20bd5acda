//! # VGG
//!
//! One question, asked cleanly: what does *depth* do? Every convolution is 3 × 3, every pooling 2 × 2, and the network
//! only grows longer, from 11 layers with weights to 19.
//!
//! Two 3 × 3 convolutions see as much as one of 5 × 5, three as much as 7 × 7, with more non-linearities between and
//! fewer weights:
//!
//! ```text
//! three of 3×3, C channels     3 · 3²·C² = 27·C²
//! one of 7×7                        7²·C² = 49·C²
//! ```
//!
//! ```text
//! VGG-16, n convolutions 3×3 and ReLU, then the maximum of 2×2, five times
//!
//! image       n 2        n 2         n 3        n 3        n 3              mean 7×7  linear, ReLU, dropout, twice
//! 3×224² ──▶ 64×224² ─▶ 128×112² ─▶ 256×56² ─▶ 512×28² ─▶ 512×14² ─▶ 512×7² ──▶ 25088 ──▶ 4096 ──▶ 4096 ──▶ classes
//! ```
//!
//! Four of five parameters are in the first fully connected layer; the networks after it average instead. Past 19 layers
//! a plain chain gets *worse*: that is where [ResNet](crate::resnet) begins.
//!
//! Paper: K. Simonyan, A. Zisserman, *Very deep convolutional networks for large-scale image recognition*, ICLR 2015.
//! <https://arxiv.org/abs/1409.1556>
//!
//! ## Differs from the paper
//!
//! 1. Each size also with batch normalisation, which came a year later and makes the deep ones trainable from scratch;
//!    the paper began them with the weights of shallow ones.
//! 2. The last map is averaged to 7 × 7 whatever its size, so images of 32 pixels and more are taken; where the map is
//!    smaller, its pixels are repeated.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, Relu};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one};

use crate::backbone::{Backbone, assert_images};
use crate::block::chain::{self, Plan};
use crate::block::{Init, Norm, Step, adaptive_avg_pool, linear, scaled};
use crate::classification::Classifier;
use crate::geometry::{Stage, Window};

/// Side of the grid the classifier reads.
const GRID: usize = 7;
/// How fully connected weights are drawn: the paper's σ.
const LINEAR: Init = Init::Normal(0.01);

/// Sizes of a [`Vgg`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct VggConfig {
    /// Convolutions of the five stages.
    pub layers: [usize; 5],
    /// Number of classes. Default: ImageNet's.
    #[config(default = 1000)]
    pub num_classes: usize,
    /// Channels of the image. Default: colour.
    #[config(default = 3)]
    pub in_channels: usize,
    /// Filters of the stages. Default: the paper's.
    #[config(default = "[64, 128, 256, 512, 512]")]
    pub channels: [usize; 5],
    /// Whether each convolution is followed by a batch normalisation. Default: no, as in the paper.
    #[config(default = false)]
    pub batch_norm: bool,
    /// Units of the two hidden fully connected layers. Default: the paper's.
    #[config(default = 4096)]
    pub hidden: usize,
    /// Probability of dropping a unit of each of them, in [0, 1). Default: the paper's.
    #[config(default = 0.5)]
    pub dropout: f64,
}

impl VggConfig {
    /// 11 layers (configuration A), 132,863,336 parameters.
    pub fn vgg11() -> Self {
        Self::new([1, 1, 2, 2, 2])
    }

    /// 13 layers (configuration B), 133,047,848 parameters.
    pub fn vgg13() -> Self {
        Self::new([2, 2, 2, 2, 2])
    }

    /// 16 layers (configuration D), 138,357,544 parameters.
    pub fn vgg16() -> Self {
        Self::new([2, 2, 3, 3, 3])
    }

    /// 19 layers (configuration E), 143,667,240 parameters.
    pub fn vgg19() -> Self {
        Self::new([2, 2, 4, 4, 4])
    }

    /// [`vgg11`](Self::vgg11) with batch normalisation, 132,868,840 parameters.
    pub fn vgg11_bn() -> Self {
        Self::vgg11().with_batch_norm(true)
    }

    /// [`vgg13`](Self::vgg13) with batch normalisation, 133,053,736 parameters.
    pub fn vgg13_bn() -> Self {
        Self::vgg13().with_batch_norm(true)
    }

    /// [`vgg16`](Self::vgg16) with batch normalisation, 138,365,992 parameters.
    pub fn vgg16_bn() -> Self {
        Self::vgg16().with_batch_norm(true)
    }

    /// [`vgg19`](Self::vgg19) with batch normalisation, 143,678,248 parameters.
    pub fn vgg19_bn() -> Self {
        Self::vgg19().with_batch_norm(true)
    }

    /// The same network with every width multiplied by `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        self.channels = self.channels.map(|channels| scaled(channels, factor));
        self.hidden = scaled(self.hidden, factor);
        self
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let least = |sizes: [usize; 5]| sizes.into_iter().min().unwrap_or(0);
        at_least_one(&[
            ("num_classes", self.num_classes),
            ("in_channels", self.in_channels),
            ("layers", least(self.layers)),
            ("channels", least(self.channels)),
            ("hidden", self.hidden),
        ])?;
        below_one("dropout", self.dropout)
    }

    fn plan(&self) -> Vec<Plan> {
        let stages = self.layers.iter().zip(self.channels);
        stages
            .flat_map(|(&layers, channels)| {
                let convolutions = vec![Plan::Conv(channels, Window::new(3, 1, 1)); layers];
                convolutions.into_iter().chain([Plan::Pool(Window::new(2, 2, 0))])
            })
            .collect()
    }

    /// The maps [`forward_features`](Backbone::forward_features) returns: the last one before each pooling, and the last.
    pub fn stages(&self) -> Vec<Stage> {
        chain::stages(&self.plan())
    }

    /// Builds the network: convolutions normal with σ = √(2 / fan_out), linear layers normal with σ = 0.01.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<Vgg, ConfigError> {
        self.validate()?;
        let norm = self.batch_norm.then(Norm::default);
        let dropout = || DropoutConfig::new(self.dropout).init();
        let linear = |sizes| linear(sizes, LINEAR, device);
        Ok(Vgg {
            features: chain::build(&self.plan(), self.in_channels, Init::HeFanOut, norm, device),
            classifier: (
                linear([self.channels[4] * GRID * GRID, self.hidden]),
                Relu::new(),
                dropout(),
                linear([self.hidden; 2]),
                Relu::new(),
                dropout(),
                linear([self.hidden, self.num_classes]),
            ),
            config: self.clone(),
        })
    }
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct Vgg {
    /// Convolutions with ReLU, and a pooling after each stage.
    pub features: Vec<Step>,
    /// Linear, ReLU and dropout, twice, and the output layer.
    pub classifier: (Linear, Relu, Dropout, Linear, Relu, Dropout, Linear),
    /// What it was built from.
    #[module(skip)]
    pub config: VggConfig,
}

impl Backbone for Vgg {
    fn in_channels(&self) -> usize {
        self.config.in_channels
    }

    fn stages(&self) -> Vec<Stage> {
        self.config.stages()
    }

    fn forward_features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        assert_images(self, &images);
        chain::maps(&self.features, images)
    }
}

impl Classifier for Vgg {
    fn num_classes(&self) -> usize {
        self.config.num_classes
    }

    fn forward_head(&self, map: Tensor<4>) -> Tensor<2> {
        let (fc1, relu1, dropout1, fc2, relu2, dropout2, output) = &self.classifier;
        let x = adaptive_avg_pool(map, GRID).flatten(1, 3); // [B, C5·49]
        let x = dropout1.forward(relu1.forward(fc1.forward(x))); // [B, hidden]
        let x = dropout2.forward(relu2.forward(fc2.forward(x))); // [B, hidden]
        output.forward(x) // [B, num_classes]
    }

    fn reset_classifier(mut self, num_classes: usize) -> Result<Self, ConfigError> {
        self.config.num_classes = num_classes;
        self.config.validate()?;
        let output = &mut self.classifier.6;
        *output = linear([self.config.hidden, num_classes], LINEAR, &output.weight.device());
        Ok(self)
    }
}
