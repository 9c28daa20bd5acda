//! # SqueezeNet
//!
//! AlexNet's accuracy with a fiftieth of its parameters, by three rules: use 1 × 1 filters where 3 × 3 are not needed, feed
//! the 3 × 3 ones few channels, and pool late, so that the convolutions work on large maps. A **fire** block follows all
//! of them:
//!
//! ```text
//!                            ┌──▶ expand 1×1, ReLU ──▶ 4·S ──┐
//!  x ──▶ squeeze 1×1, ReLU ──┤                               ├──▶ side by side, 8·S channels
//!        to S channels       └──▶ expand 3×3, ReLU ──▶ 4·S ──┘
//! ```
//!
//! There is no fully connected layer. A last 1 × 1 convolution makes a map for each class, and its mean is the logit:
//! nothing depends on the size of the image.
//!
//! ```text
//! 1.0   image      7×7/2      pool     fire ×3    pool    fire ×4   pool    fire ×1   dropout, 1×1, ReLU    mean
//!       3×224² ──▶ 96×109² ──▶ 54² ──▶ 256×54² ──▶ 27² ──▶ 512×27² ─▶ 13² ──▶ 512×13² ──▶ classes×13² ──▶ classes
//! 1.1   3 × 3 filters in the stem and the poolings earlier: 2.4 times fewer multiplications, the same accuracy
//! ```
//!
//! The poolings are in ceiling mode: a last window that hangs over the edge is kept.
//!
//! What goes wrong: the ReLU stands on the logits. A class whose map is negative everywhere has logit 0 and no gradient,
//! for every image at once, and training cannot bring it back. With a thousand classes one of them hardly matters; with
//! four it does. A bias of 1 in the output layer to begin with avoids it.
//!
//! Paper: F. Iandola et al., *SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and < 0.5 MB model size*,
//! 2016. <https://arxiv.org/abs/1602.07360>
//!
//! ## Differs from the paper
//!
//! 1. Version 1.1 is its authors' later revision, given beside the paper's 1.0.
//! 2. No shortcuts between fire blocks (the paper's variants with them are not torchvision's).
//! 3. Where PyTorch lets a pooling window of 3 hang over a map of 2, the image is refused as too small: see
//!    [`geometry`](crate::geometry).

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{Dropout, DropoutConfig, Relu};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one};
use fornax_nn_core::kernels::Convolve;

use crate::backbone::{Backbone, assert_images};
use crate::block::chain::max_pool_layer;
use crate::block::{Convolution, Init, global_avg_pool, scaled};
use crate::classification::Classifier;
use crate::geometry::{Stage, Window};

/// The poolings.
const POOL: Window = Window::new(3, 2, 0).ceil();
/// How the output layer is drawn.
const OUTPUT: Init = Init::Normal(0.01);

/// Sizes of a [`SqueezeNet`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct SqueezeNetConfig {
    /// Channels and kernel of the stem, whose stride is 2.
    pub stem: [usize; 2],
    /// The fire blocks (0 to 7) that have a pooling before them.
    pub pool_before: [usize; 3],
    /// Number of classes. Default: ImageNet's.
    #[config(default = 1000)]
    pub num_classes: usize,
    /// Channels of the image. Default: colour.
    #[config(default = 3)]
    pub in_channels: usize,
    /// S of the eight fire blocks. Default: the paper's.
    #[config(default = "[16, 16, 32, 32, 48, 48, 64, 64]")]
    pub squeeze: [usize; 8],
    /// Probability of dropping a pixel of the last map, in [0, 1). Default: the paper's.
    #[config(default = 0.5)]
    pub dropout: f64,
}

impl SqueezeNetConfig {
    /// The paper's network, 1,248,424 parameters.
    pub fn squeezenet1_0() -> Self {
        Self::new([96, 7], [0, 3, 7])
    }

    /// The cheaper revision, 1,235,496 parameters.
    pub fn squeezenet1_1() -> Self {
        Self::new([64, 3], [0, 2, 4])
    }

    /// The same network with every width multiplied by `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        self.stem[0] = scaled(self.stem[0], factor);
        self.squeeze = self.squeeze.map(|squeeze| scaled(squeeze, factor));
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
            ("stem", self.stem[0].min(self.stem[1])),
            ("squeeze", self.squeeze.into_iter().min().unwrap_or(0)),
        ])?;
        let [a, b, c] = self.pool_before;
        if !(a < b && b < c && c < 8) {
            let reason = format!("must be three growing numbers below 8, got {:?}", self.pool_before);
            return Err(ConfigError::new("pool_before", reason));
        }
        below_one("dropout", self.dropout)
    }

    fn stem_window(&self) -> Window {
        Window::new(self.stem[1], 2, 0)
    }

    /// Channels behind the last fire block.
    fn outputs(&self) -> usize {
        8 * self.squeeze[7]
    }

    /// The maps [`forward_features`](Backbone::forward_features) returns: the last one before each pooling, and the last.
    pub fn stages(&self) -> Vec<Stage> {
        let mut stages = Vec::new();
        let mut current = Stage::new(self.stem[0], vec![self.stem_window()]);
        for (i, squeeze) in self.squeeze.iter().enumerate() {
            if self.pool_before.contains(&i) {
                stages.push(std::mem::replace(&mut current, Stage::new(0, vec![POOL])));
            }
            current.channels = 8 * squeeze;
            current.windows.push(Window::new(3, 1, 1));
        }
        stages.push(current);
        stages
    }

    /// Builds the network: convolutions uniform over ±√(6 / fan_in), the output layer normal with σ = 0.01.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<SqueezeNet, ConfigError> {
        self.validate()?;
        let stem = Convolution::by([self.in_channels, self.stem[0]], self.stem_window(), Init::HeUniform);
        let mut features = vec![Feature::Conv(stem.bias().init(device)), Feature::Relu(Relu::new())];
        let mut inputs = self.stem[0];
        for (i, &squeeze) in self.squeeze.iter().enumerate() {
            if self.pool_before.contains(&i) {
                features.push(Feature::Pool(max_pool_layer(POOL)));
            }
            features.push(Feature::Fire(Fire::new(inputs, squeeze, device)));
            inputs = 8 * squeeze;
        }
        Ok(SqueezeNet {
            features,
            classifier: (DropoutConfig::new(self.dropout).init(), self.output(device)),
            config: self.clone(),
        })
    }

    fn output(&self, device: &Device) -> Conv2d {
        Convolution::new([self.outputs(), self.num_classes], 1, OUTPUT).bias().init(device)
    }
}

/// Few channels, then filters of two sizes side by side.
#[derive(Module, Debug)]
pub struct Fire {
    /// 1 × 1, to few channels.
    pub squeeze: Conv2d,
    /// 1 × 1, to half of the outputs.
    pub expand1x1: Conv2d,
    /// 3 × 3, to the other half.
    pub expand3x3: Conv2d,
}

impl Fire {
    fn new(inputs: usize, squeeze: usize, device: &Device) -> Self {
        let conv = |sizes, kernel| Convolution::new(sizes, kernel, Init::HeUniform).bias().init(device);
        Self {
            squeeze: conv([inputs, squeeze], 1),
            expand1x1: conv([squeeze, 4 * squeeze], 1),
            expand3x3: conv([squeeze, 4 * squeeze], 3),
        }
    }

    /// Squeeze and expand.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, 8 · squeeze, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = relu(self.squeeze.convolve(x)); // [B, S, H, W]
        let expanded = [self.expand1x1.convolve(x.clone()), self.expand3x3.convolve(x)];
        relu(Tensor::cat(expanded.to_vec(), 1)) // [B, 8·S, H, W]
    }
}

/// A step of the feature extraction, as torchvision numbers them.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a network has thirteen of them")]
pub enum Feature {
    /// The stem.
    Conv(Conv2d),
    /// Behind the stem.
    Relu(Relu),
    /// The maximum of each window.
    Pool(MaxPool2d),
    /// A fire block.
    Fire(Fire),
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct SqueezeNet {
    /// Stem, poolings and fire blocks.
    pub features: Vec<Feature>,
    /// Dropout and the output layer, a 1 × 1 convolution.
    pub classifier: (Dropout, Conv2d),
    /// What it was built from.
    #[module(skip)]
    pub config: SqueezeNetConfig,
}

impl Backbone for SqueezeNet {
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
                Feature::Conv(layer) => layer.convolve(x),
                Feature::Relu(layer) => layer.forward(x),
                Feature::Fire(block) => block.forward(x),
                Feature::Pool(layer) => {
                    maps.push(x.clone()); // the last map before it is halved
                    layer.forward(x)
                }
            };
        }
        maps.push(x); // [B, 512, H/16, W/16]
        maps
    }
}

impl Classifier for SqueezeNet {
    fn num_classes(&self) -> usize {
        self.config.num_classes
    }

    fn forward_head(&self, map: Tensor<4>) -> Tensor<2> {
        let (dropout, output) = &self.classifier;
        global_avg_pool(relu(output.convolve(dropout.forward(map)))) // [B, num_classes]
    }

    fn reset_classifier(mut self, num_classes: usize) -> Result<Self, ConfigError> {
        self.config.num_classes = num_classes;
        self.config.validate()?;
        self.classifier.1 = self.config.output(&self.classifier.1.weight.device());
        Ok(self)
    }
}
