//! # LeNet-5
//!
//! The first convolutional network that read handwriting for a living (bank cheques, 1998), and
//! still the shortest way to see the two halves every later one has: **feature extraction** by
//! convolution, non-linearity and pooling, then **classification** by fully connected layers.
//!
//! Three ideas make it work where a plain feed-forward network wastes its weights:
//!
//! - **local connectivity**: a unit sees only a k × k patch of the layer below, because nearby
//!   pixels belong together;
//! - **shared weights**: the same patch of weights (the *filter*) slides over the whole image, so a
//!   stroke is found wherever it stands, and the parameter count does not grow with the image;
//! - **pooling**: each 2 × 2 patch of a map is replaced by its maximum, which halves the map and
//!   makes the answer indifferent to shifts of a pixel.
//!
//! ```text
//! convolution   y[o, i, j] = b[o] + Σ_c Σ_u Σ_v  w[o, c, u, v] · x[c, i + u, j + v]
//! non-linearity a = max(0, y)                     ReLU: thresholding at zero
//! pooling       p[o, i, j] = max over u, v in {0, 1} of a[o, 2i + u, 2j + v]
//! classifier    softmax(W₃ · max(0, W₂ · max(0, W₁ · p + b₁) + b₂) + b₃)
//! ```
//!
//! ```text
//!  image        conv1 5×5, pad 2    pool     conv2 5×5      pool       fc1   fc2   fc3
//! 1×28×28  ──▶    6×28×28    ──▶  6×14×14 ──▶ 16×10×10 ──▶ 16×5×5 ──▶ 120 ──▶ 84 ──▶ 10
//!          └────────────── feature extraction ──────────────────┘ └─ classification ─┘
//! ```
//!
//! Paper: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, *Gradient-based learning applied to document
//! recognition*, Proceedings of the IEEE 86(11), 1998. <https://doi.org/10.1109/5.726791>
//!
//! ## Differs from the paper
//!
//! 1. ReLU instead of the scaled tanh 1.7159 · tanh(2x/3): it does not saturate, so it trains faster.
//! 2. Max pooling instead of a trainable average per map; every second-layer filter sees every
//!    first-layer map (the paper's table of connections saved multiplications of 1998).
//! 3. A linear layer with softmax cross-entropy instead of radial basis outputs.
//! 4. 28 × 28 images are padded by 2 inside `conv1` instead of being stored as 32 × 32.
//! 5. Optional dropout before the last two layers, off in [`LeNetConfig::lenet5`].

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one};
use fornax_nn_core::kernels::Convolve;

use crate::backbone::{Backbone, ImageError, assert_images};
use crate::block::scaled;
use crate::classification::Classifier;
pub use crate::classification::{Batch, loss, train_step};
use crate::geometry::{Stage, Window};

/// Side of the square filters, as in the paper.
const KERNEL: usize = 5;

/// Sizes of a [`LeNet`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct LeNetConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Channels of the image: 1 for grey (the paper's), 3 for colour.
    #[config(default = 1)]
    pub in_channels: usize,
    /// Height and width of the image in pixels; at least 12 each. Default: MNIST's.
    #[config(default = "[28, 28]")]
    pub image_size: [usize; 2],
    /// Filters of the two convolutions. Default: the paper's C1 and C3.
    #[config(default = "[6, 16]")]
    pub channels: [usize; 2],
    /// Units of the two hidden fully connected layers. Default: the paper's C5 and F6.
    #[config(default = "[120, 84]")]
    pub hidden: [usize; 2],
    /// Probability of dropping a unit before `fc2` and `fc3`, in [0, 1). Default: none, as in the paper.
    #[config(default = 0.0)]
    pub dropout: f64,
}

impl LeNetConfig {
    /// The paper's sizes for 28 × 28 grey images and ten digits: 61,706 parameters.
    pub fn lenet5() -> Self {
        Self::new(10)
    }

    /// Wider and with dropout, for the 1,797 embedded 8 × 8 digits enlarged to 16 × 16.
    pub fn digits() -> Self {
        Self::new(10)
            .with_image_size([16, 16])
            .with_channels([32, 64])
            .with_hidden([128, 84])
            .with_dropout(0.3)
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
            ("channels", self.channels[0].min(self.channels[1])),
            ("hidden", self.hidden[0].min(self.hidden[1])),
        ])?;
        if self.image_size.iter().any(|&side| side < 12) {
            let reason = format!(
                "each side must be at least 12 for two 5×5 convolutions and poolings, got {:?}",
                self.image_size
            );
            return Err(ConfigError::new("image_size", reason));
        }
        below_one("dropout", self.dropout)
    }

    /// The same network with every width multiplied by `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        self.channels = self.channels.map(|channels| scaled(channels, factor));
        self.hidden = self.hidden.map(|units| scaled(units, factor));
        self
    }

    /// The maps [`forward_features`](Backbone::forward_features) returns: behind each convolution, and the last.
    pub fn stages(&self) -> Vec<Stage> {
        let [c1, c2] = self.channels;
        let pool = Window::new(2, 2, 0);
        vec![
            Stage::new(c1, vec![Window::new(KERNEL, 1, KERNEL / 2)]),
            Stage::new(c2, vec![pool, Window::new(KERNEL, 1, 0)]),
            Stage::new(c2, vec![pool]),
        ]
    }

    /// Builds the network with PyTorch's default initialisation on `device`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<LeNet, ConfigError> {
        self.validate()?;
        let [c1, c2] = self.channels;
        let [h1, h2] = self.hidden;
        let pad = KERNEL / 2; // the map keeps the image's size
        let [height, width] = self.image_size.map(|side| (side / 2 - (KERNEL - 1)) / 2);
        Ok(LeNet {
            conv1: Conv2dConfig::new([self.in_channels, c1], [KERNEL, KERNEL])
                .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
                .init(device),
            conv2: Conv2dConfig::new([c1, c2], [KERNEL, KERNEL]).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            fc1: LinearConfig::new(c2 * height * width, h1).init(device),
            fc2: LinearConfig::new(h1, h2).init(device),
            fc3: LinearConfig::new(h2, self.num_classes).init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
            config: self.clone(),
        })
    }
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct LeNet {
    /// First convolution, padded so that the map keeps the image's size.
    pub conv1: Conv2d,
    /// Second convolution, unpadded.
    pub conv2: Conv2d,
    /// 2 × 2 maximum, stride 2, after either convolution.
    pub pool: MaxPool2d,
    /// First fully connected layer.
    pub fc1: Linear,
    /// Second fully connected layer.
    pub fc2: Linear,
    /// The output layer, one unit a class.
    pub fc3: Linear,
    /// Active only while training.
    pub dropout: Dropout,
    /// What it was built from.
    #[module(skip)]
    pub config: LeNetConfig,
}

impl Backbone for LeNet {
    fn in_channels(&self) -> usize {
        self.config.in_channels
    }

    fn stages(&self) -> Vec<Stage> {
        self.config.stages()
    }

    fn forward_features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        assert_images(self, &images);
        let first = relu(self.conv1.convolve(images)); // [B, C1, H, W]
        let second = relu(self.conv2.convolve(self.pool.forward(first.clone()))); // [B, C2, H/2 − 4, W/2 − 4]
        let pooled = self.pool.forward(second.clone()); // [B, C2, H′, W′]
        vec![first, second, pooled]
    }

    fn check_images(&self, [_, channels, height, width]: [usize; 4]) -> Result<(), ImageError> {
        let (expected, size) = (self.config.in_channels, self.config.image_size);
        if channels != expected {
            return Err(ImageError::Channels { actual: channels, expected });
        }
        if [height, width] != size {
            return Err(ImageError::Size { actual: [height, width], expected: size });
        }
        Ok(())
    }
}

impl Classifier for LeNet {
    fn num_classes(&self) -> usize {
        self.config.num_classes
    }

    fn forward_head(&self, map: Tensor<4>) -> Tensor<2> {
        let x = map.flatten(1, 3); // [B, C2·H′·W′]
        let x = self.dropout.forward(relu(self.fc1.forward(x))); // [B, hidden[0]]
        let x = self.dropout.forward(relu(self.fc2.forward(x))); // [B, hidden[1]]
        self.fc3.forward(x) // [B, num_classes]
    }

    fn reset_classifier(mut self, num_classes: usize) -> Result<Self, ConfigError> {
        self.config.num_classes = num_classes;
        self.config.validate()?;
        self.fc3 = LinearConfig::new(self.config.hidden[1], num_classes).init(&self.fc3.weight.device());
        Ok(self)
    }
}
