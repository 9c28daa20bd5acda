//! # GoogLeNet (Inception v1)
//!
//! How large should a filter be? An **inception** block does not choose: it runs filters of several sizes side by side and
//! puts their maps next to each other. What would be expensive becomes cheap by 1 × 1 convolutions that bring the channels
//! down first; the whole network has a twelfth of AlexNet's parameters.
//!
//! ```text
//!      ┌──▶ 1×1 ───────────────────────────┐
//!      ├──▶ 1×1, narrow ──▶ 3×3 ───────────┤
//!  x ──┤                                   ├──▶ side by side
//!      ├──▶ 1×1, narrow ──▶ larger filter ─┤
//!      └──▶ maximum of 3×3 ──▶ 1×1 ────────┘        every convolution with batch normalisation and ReLU
//! ```
//!
//! At 22 layers the gradient hardly reached the stem in 2014. So two **auxiliary classifiers** read maps on the way and
//! add their loss while training; in inference they are not run:
//!
//! ```text
//! loss = CE(logits) + 0.3 · CE(auxiliary logits behind 4a) + 0.3 · CE(auxiliary logits behind 4d)
//!
//! image      7×7/2   pool   1×1, 3×3  pool   3a 3b  pool   4a ⋯ 4d ⋯ 4e   pool   5a 5b    mean    dropout, linear
//! 3×224² ──▶ 64×112² ▶ 56² ▶ 192×56² ▶ 28² ▶ 480×28² ▶ 14² ▶   832×14²   ▶  7² ──▶ 1024×7² ──▶ 1024 ──▶ classes
//!                                                        │       │
//!                                                   auxiliary  auxiliary
//! ```
//!
//! Poolings are in ceiling mode: a last window that hangs over the edge is kept.
//!
//! Paper: C. Szegedy et al., *Going deeper with convolutions*, CVPR 2015. <https://arxiv.org/abs/1409.4842>
//!
//! ## Differs from the paper
//!
//! 1. Batch normalisation after every convolution, as in torchvision (and in Inception v2).
//! 2. The larger filter is 3 × 3 where the paper has 5 × 5: a slip of torchvision's that its weights are trained with.
//! 3. No response normalisation; dropout of 0.2 before the output layer instead of 0.4 (torchvision's).
//! 4. The auxiliary heads average to 4 × 4 whatever the size of the map.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one, positive};

use crate::backbone::{Backbone, assert_images};
use crate::block::{Init, global_avg_pool, linear, max_pool, scaled};
use crate::classification::{Batch, Classifier, loss};
use crate::geometry::{Stage, Window};

mod inception;

pub use inception::{Auxiliary, BasicConv, Inception};

/// Channels of each block: 1 × 1; narrow and wide of 3 × 3; narrow and wide of the larger filter; behind the maximum.
const BLOCKS: [[usize; 6]; 9] = [
    [64, 96, 128, 16, 32, 32],
    [128, 128, 192, 32, 96, 64],
    [192, 96, 208, 16, 48, 64],
    [160, 112, 224, 24, 64, 64],
    [128, 128, 256, 24, 64, 64],
    [112, 144, 288, 32, 64, 64],
    [256, 160, 320, 32, 128, 128],
    [256, 160, 320, 32, 128, 128],
    [384, 192, 384, 48, 128, 128],
];
/// Channels of the three convolutions before them.
const STEM: [usize; 3] = [64, 64, 192];
/// All poolings but the last.
const POOL: Window = Window::new(3, 2, 0).ceil();
/// The last one.
const LAST_POOL: Window = Window::new(2, 2, 0).ceil();
/// Weight of either auxiliary loss: the paper's.
const AUXILIARY: f64 = 0.3;
/// How the linear layers are drawn.
const LINEAR: Init = Init::NormalWeight(0.01);

/// Sizes of a [`GoogLeNet`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct GoogLeNetConfig {
    /// Number of classes. Default: ImageNet's.
    #[config(default = 1000)]
    pub num_classes: usize,
    /// Channels of the image. Default: colour.
    #[config(default = 3)]
    pub in_channels: usize,
    /// Factor on all widths; positive. Default: the paper's network.
    #[config(default = 1.0)]
    pub width: f64,
    /// Whether there are auxiliary classifiers. Default: yes, as in the paper.
    #[config(default = true)]
    pub auxiliary: bool,
    /// Probability of dropping a feature before the output layer, in [0, 1). Default: torchvision's.
    #[config(default = 0.2)]
    pub dropout: f64,
    /// Probability of dropping a hidden unit of an auxiliary classifier, in [0, 1). Default: the paper's.
    #[config(default = 0.7)]
    pub auxiliary_dropout: f64,
}

impl GoogLeNetConfig {
    /// The paper's network: 13,004,888 parameters, 6,379,984 of them in the auxiliary classifiers.
    pub fn googlenet() -> Self {
        Self::new()
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
        below_one("dropout", self.dropout)?;
        below_one("auxiliary_dropout", self.auxiliary_dropout)
    }

    /// Channels of block `i`.
    fn block(&self, i: usize) -> [usize; 6] {
        BLOCKS[i].map(|channels| scaled(channels, self.width))
    }

    /// Channels that block `i` puts out.
    fn outputs(&self, i: usize) -> usize {
        let [c1, _, c3, _, c5, pooled] = self.block(i);
        c1 + c3 + c5 + pooled
    }

    /// The maps [`forward_features`](Backbone::forward_features) returns: the last one before each pooling, and the last.
    pub fn stages(&self) -> Vec<Stage> {
        let [c1, _, c3] = STEM.map(|channels| scaled(channels, self.width));
        let stage = |channels: usize, pool: Window, filters: usize| {
            let mut windows = vec![pool];
            windows.resize(1 + filters, Window::new(3, 1, 1));
            Stage::new(channels, windows)
        };
        vec![
            Stage::new(c1, vec![Window::new(7, 2, 3)]),
            stage(c3, POOL, 1),
            stage(self.outputs(1), POOL, 2),
            stage(self.outputs(6), POOL, 5),
            stage(self.outputs(8), LAST_POOL, 2),
        ]
    }

    /// Builds the network: weights normal with σ = 0.01, biases of linear layers as PyTorch's default.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<GoogLeNet, ConfigError> {
        self.validate()?;
        let [c1, c2, c3] = STEM.map(|channels| scaled(channels, self.width));
        let conv = |channels, window| BasicConv::new(channels, window, device);
        let mut inputs = c3;
        let mut block = |i: usize| {
            let inputs = std::mem::replace(&mut inputs, self.outputs(i));
            Inception::new(inputs, self.block(i), device)
        };
        let auxiliary = |i: usize| self.auxiliary.then(|| Auxiliary::new(self, self.outputs(i), device));
        Ok(GoogLeNet {
            conv1: conv([self.in_channels, c1], Window::new(7, 2, 3)),
            conv2: conv([c1, c2], Window::new(1, 1, 0)),
            conv3: conv([c2, c3], Window::new(3, 1, 1)),
            inception3a: block(0),
            inception3b: block(1),
            inception4a: block(2),
            inception4b: block(3),
            inception4c: block(4),
            inception4d: block(5),
            inception4e: block(6),
            inception5a: block(7),
            inception5b: block(8),
            aux1: auxiliary(2),
            aux2: auxiliary(5),
            dropout: DropoutConfig::new(self.dropout).init(),
            fc: linear([self.outputs(8), self.num_classes], LINEAR, device),
            config: self.clone(),
        })
    }
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
#[allow(missing_docs, reason = "the layers are the paper's, in its order")]
pub struct GoogLeNet {
    pub conv1: BasicConv,
    pub conv2: BasicConv,
    pub conv3: BasicConv,
    pub inception3a: Inception,
    pub inception3b: Inception,
    pub inception4a: Inception,
    pub inception4b: Inception,
    pub inception4c: Inception,
    pub inception4d: Inception,
    pub inception4e: Inception,
    pub inception5a: Inception,
    pub inception5b: Inception,
    /// Reads the map behind `inception4a` while training.
    pub aux1: Option<Auxiliary>,
    /// Reads the map behind `inception4d` while training.
    pub aux2: Option<Auxiliary>,
    pub dropout: Dropout,
    pub fc: Linear,
    /// What it was built from.
    #[module(skip)]
    pub config: GoogLeNetConfig,
}

impl GoogLeNet {
    /// The maps, and what the auxiliary classifiers read.
    fn run(&self, images: Tensor<4>) -> (Vec<Tensor<4>>, [Tensor<4>; 2]) {
        assert_images(self, &images);
        let x1 = self.conv1.forward(images); // [B, 64, H/2, W/2]
        let x2 = self.conv3.forward(self.conv2.forward(max_pool(x1.clone(), POOL))); // [B, 192, H/4, W/4]
        let x3 = self.inception3a.forward(max_pool(x2.clone(), POOL));
        let x3 = self.inception3b.forward(x3); // [B, 480, H/8, W/8]
        let x4a = self.inception4a.forward(max_pool(x3.clone(), POOL));
        let x4c = self.inception4c.forward(self.inception4b.forward(x4a.clone()));
        let x4d = self.inception4d.forward(x4c);
        let x4 = self.inception4e.forward(x4d.clone()); // [B, 832, H/16, W/16]
        let x5 = self.inception5a.forward(max_pool(x4.clone(), LAST_POOL));
        let x5 = self.inception5b.forward(x5); // [B, 1024, H/32, W/32]
        (vec![x1, x2, x3, x4, x5], [x4a, x4d])
    }
}

impl Backbone for GoogLeNet {
    fn in_channels(&self) -> usize {
        self.config.in_channels
    }

    fn stages(&self) -> Vec<Stage> {
        self.config.stages()
    }

    fn forward_features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        self.run(images).0
    }
}

impl Classifier for GoogLeNet {
    fn num_classes(&self) -> usize {
        self.config.num_classes
    }

    fn forward_head(&self, map: Tensor<4>) -> Tensor<2> {
        self.fc.forward(self.dropout.forward(global_avg_pool(map))) // [B, num_classes]
    }

    fn reset_classifier(mut self, num_classes: usize) -> Result<Self, ConfigError> {
        self.config.num_classes = num_classes;
        self.config.validate()?;
        let device = self.fc.weight.device();
        self.fc = linear([self.config.outputs(8), num_classes], LINEAR, &device);
        for auxiliary in [&mut self.aux1, &mut self.aux2].into_iter().flatten() {
            auxiliary.reset(num_classes);
        }
        Ok(self)
    }

    fn training_loss(&self, batch: Batch) -> Tensor<1> {
        let (maps, on_the_way) = self.run(batch.images);
        let [.., last] = &maps[..] else { unreachable!("the network has five maps") };
        let total = loss(self.forward_head(last.clone()), batch.targets.clone());
        let heads = [&self.aux1, &self.aux2].into_iter().zip(on_the_way);
        heads.fold(total, |total, (head, map)| match head {
            Some(head) => total + loss(head.forward(map), batch.targets.clone()) * AUXILIARY,
            None => total,
        })
    }
}
