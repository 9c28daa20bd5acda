//! # AlexNet
//!
//! The network that won ImageNet in 2012 by eleven points and ended the age of hand-made features. Nothing in it was new
//! but the size, and three things that made the size trainable: **ReLU** instead of tanh, which trained six times faster;
//! **dropout** in the two large fully connected layers, which hold nine of ten parameters; and a **graphics card**.
//!
//! ```text
//! image      11×11/4    3×3/2    5×5     3×3/2    3×3     3×3     3×3    3×3/2   mean 6×6    dropout, linear, ReLU, twice
//! 3×224² ──▶  64×55² ──▶ 27² ──▶ 192×27² ─▶ 13² ──▶ 384 ──▶ 256 ──▶ 256×13² ─▶ 6² ──▶ 9216 ──▶ 4096 ──▶ 4096 ──▶ classes
//!            conv       pool    conv     pool     conv    conv    conv   pool
//! ```
//!
//! Pooling windows of 3 × 3 overlap at stride 2: the paper found them to overfit a little less than windows of 2 × 2.
//!
//! Papers: A. Krizhevsky, I. Sutskever, G. Hinton, *ImageNet classification with deep convolutional neural networks*,
//! NIPS 2012 (<https://doi.org/10.1145/3065386>); in the form of A. Krizhevsky, *One weird trick for parallelizing
//! convolutional neural networks*, 2014 (<https://arxiv.org/abs/1404.5997>), which is torchvision's.
//!
//! ## Differs from the paper
//!
//! 1. One tower, not two half networks on two cards: 64, 192, 384, 256, 256 filters instead of 96, 256, 384, 384, 256.
//! 2. No response normalisation, which later work found to add nothing.
//! 3. The last map is averaged to 6 × 6 whatever its size, so images of 63 pixels and more are taken, not of 224 alone.
//!    Where the map is smaller than 6 × 6, its pixels are repeated.
//! 4. PyTorch's initialisation, not σ = 0.01 with some biases at one.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, Relu};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one};

use crate::backbone::{Backbone, assert_images};
use crate::block::chain::{self, Plan};
use crate::block::{Init, Step, adaptive_avg_pool, linear, scaled};
use crate::classification::Classifier;
use crate::geometry::{Stage, Window};

/// The overlapping poolings.
const POOL: Window = Window::new(3, 2, 0);
/// Side of the grid the classifier reads.
const GRID: usize = 6;

/// Sizes of an [`AlexNet`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct AlexNetConfig {
    /// Number of classes. Default: ImageNet's.
    #[config(default = 1000)]
    pub num_classes: usize,
    /// Channels of the image. Default: colour.
    #[config(default = 3)]
    pub in_channels: usize,
    /// Filters of the five convolutions. Default: those of the paper of 2014.
    #[config(default = "[64, 192, 384, 256, 256]")]
    pub channels: [usize; 5],
    /// Units of the two hidden fully connected layers. Default: the paper's.
    #[config(default = 4096)]
    pub hidden: usize,
    /// Probability of dropping a unit before each of them, in [0, 1). Default: the paper's.
    #[config(default = 0.5)]
    pub dropout: f64,
}

impl AlexNetConfig {
    /// torchvision's network: 61,100,840 parameters.
    pub fn alexnet() -> Self {
        Self::new()
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
        at_least_one(&[
            ("num_classes", self.num_classes),
            ("in_channels", self.in_channels),
            ("channels", self.channels.into_iter().min().unwrap_or(0)),
            ("hidden", self.hidden),
        ])?;
        below_one("dropout", self.dropout)
    }

    fn plan(&self) -> Vec<Plan> {
        let [c1, c2, c3, c4, c5] = self.channels;
        vec![
            Plan::Conv(c1, Window::new(11, 4, 2)),
            Plan::Pool(POOL),
            Plan::Conv(c2, Window::new(5, 1, 2)),
            Plan::Pool(POOL),
            Plan::Conv(c3, Window::new(3, 1, 1)),
            Plan::Conv(c4, Window::new(3, 1, 1)),
            Plan::Conv(c5, Window::new(3, 1, 1)),
            Plan::Pool(POOL),
        ]
    }

    /// The maps [`forward_features`](Backbone::forward_features) returns: the last one before each pooling, and the last.
    pub fn stages(&self) -> Vec<Stage> {
        chain::stages(&self.plan())
    }

    /// Builds the network with PyTorch's default initialisation.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<AlexNet, ConfigError> {
        self.validate()?;
        let dropout = || DropoutConfig::new(self.dropout).init();
        let linear = |sizes| linear(sizes, Init::Default, device);
        Ok(AlexNet {
            features: chain::build(&self.plan(), self.in_channels, Init::Default, None, device),
            classifier: (
                dropout(),
                linear([self.channels[4] * GRID * GRID, self.hidden]),
                Relu::new(),
                dropout(),
                linear([self.hidden; 2]),
                Relu::new(),
                linear([self.hidden, self.num_classes]),
            ),
            config: self.clone(),
        })
    }
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct AlexNet {
    /// Five convolutions with ReLU, and three poolings.
    pub features: Vec<Step>,
    /// Dropout, linear and ReLU, twice, and the output layer.
    pub classifier: (Dropout, Linear, Relu, Dropout, Linear, Relu, Linear),
    /// What it was built from.
    #[module(skip)]
    pub config: AlexNetConfig,
}

impl Backbone for AlexNet {
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

impl Classifier for AlexNet {
    fn num_classes(&self) -> usize {
        self.config.num_classes
    }

    fn forward_head(&self, map: Tensor<4>) -> Tensor<2> {
        let (dropout1, fc1, relu1, dropout2, fc2, relu2, output) = &self.classifier;
        let x = adaptive_avg_pool(map, GRID).flatten(1, 3); // [B, C5·36]
        let x = relu1.forward(fc1.forward(dropout1.forward(x))); // [B, hidden]
        let x = relu2.forward(fc2.forward(dropout2.forward(x))); // [B, hidden]
        output.forward(x) // [B, num_classes]
    }

    fn reset_classifier(mut self, num_classes: usize) -> Result<Self, ConfigError> {
        self.config.num_classes = num_classes;
        self.config.validate()?;
        let output = &mut self.classifier.6;
        *output = linear([self.config.hidden, num_classes], Init::Default, &output.weight.device());
        Ok(self)
    }
}
