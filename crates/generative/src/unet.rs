//! # U-Net, as a denoiser
//!
//! What is noise and what is image has to be decided at every size: whether there is a stroke by looking at all of the image, where its
//! edge runs by looking closely. The U-Net looks at maps of falling size and then again at growing ones, each beside the map of its size
//! from the way down.
//!
//! ```text
//! e = W₂ silu(W₁ e(t)) + class(y)                                  how noisy, and of what: told to every block
//! block(x) = skip(x) + conv(silu(GN(conv(silu(GN(x))) + W silu(e))))
//! attention(x) = x + W softmax(QKᵀ/√C) V,   [Q, K, V] = W′ GN(x)    pixels as a sequence, on the coarsest map
//! ```
//!
//! ```text
//!  x_t ─ conv ─▶ block ────────── beside ─────────▶ block ─ GN, silu, conv ─▶ answer
//!                │ conv /2                           ▲ ×2, conv
//!                block, attention ──── beside ─────▶ block, attention
//!                └─────▶ block, attention, block ────┘
//! ```
//!
//! Group normalisation is over channels of one example, so examples with much noise and with little do not disturb each other, as they
//! would in batch normalisation. The last convolution of every block, of attention and of the network begins at 0: each block begins as
//! the identity and the network by saying 0, the mean of the noise.
//!
//! **What goes wrong**: sides that are not divisible by 2ⁿ do not come up again as they went down, so they are refused. Without the time
//! the network has to guess how noisy its input is; it does so fairly well, and samples stay grainy.
//!
//! Papers: O. Ronneberger et al. 2015, <https://arxiv.org/abs/1505.04597>; J. Ho, A. Jain, P. Abbeel 2020, <https://arxiv.org/abs/2006.11239>.
//!
//! ## Differs from Ho et al.
//!
//! 1. One block a level by default, not two, and none from the convolutions that halve a map to the way up.
//! 2. Attention on the coarsest map, not at 16 × 16. Classes are embedded and added to the time (P. Dhariwal, A. Nichol 2021,
//!    <https://arxiv.org/abs/2105.05233>).

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{GroupNorm, GroupNormConfig, Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Int, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one};
use fornax_nn_core::init::Init;
use fornax_nn_core::kernels::Convolve;

use crate::denoiser::{Denoiser, time_embedding};
use crate::seeding;

mod block;

pub use block::{Attention, ResidualBlock, resize_double};

/// Sizes of a [`UNet`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct UNetConfig {
    /// Channels of each level from the finest, each a map of half the side.
    pub channels: Vec<usize>,
    /// Channels of an image.
    #[config(default = 1)]
    pub image_channels: usize,
    /// Blocks a level. Default: 1, enough for digits; the paper has 2.
    #[config(default = 1)]
    pub blocks: usize,
    /// Groups of the normalisation. Default: 8, of few channels; the paper has 32 of 128.
    #[config(default = 8)]
    pub groups: usize,
    /// In each block, before its last convolution. Default: the paper's for CIFAR-10.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Number of classes; 0 for none.
    #[config(default = 0)]
    pub classes: usize,
    /// All initial weights follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl UNetConfig {
    /// Two levels, for digits of 8 to 16 pixels: 544,801 parameters.
    pub fn digits() -> Self {
        Self::new(vec![32, 64]).with_classes(10)
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let least = self.channels.iter().copied().min().unwrap_or(0);
        at_least_one(&[("channels", least), ("image_channels", self.image_channels)])?;
        at_least_one(&[("blocks", self.blocks), ("groups", self.groups)])?;
        match self.channels.iter().find(|&&channels| !channels.is_multiple_of(self.groups)) {
            Some(odd) => {
                let reason = format!("must be multiples of the {} groups, got {odd}", self.groups);
                Err(ConfigError::new("channels", reason))
            }
            None => below_one("dropout", self.dropout),
        }
    }

    /// Whether images of that side can be halved as often as there are levels.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `side`.
    pub fn validate_side(&self, side: usize) -> Result<(), ConfigError> {
        let factor = 1 << self.channels.len().saturating_sub(1).min(16);
        if side > 0 && side.is_multiple_of(factor) {
            return Ok(());
        }
        Err(ConfigError::new("side", format!("must be a multiple of {factor}, got {side}")))
    }

    /// Builds the network on `device`; the same config gives the same weights everywhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<UNet, ConfigError> {
        self.validate()?;
        let (first, last) = (self.channels[0], self.channels[self.channels.len() - 1]);
        let block = |from, to| ResidualBlock::new([from, to], 4 * first, self, device);
        let attention = |level| level + 1 == self.channels.len();
        let attend =
            |level: usize, channels| attention(level).then(|| Attention::new(channels, self.groups, device));
        let mut from = first;
        let mut skips = Vec::new();
        let down = self.channels.iter().enumerate().map(|(level, &to)| {
            let halve = (level > 0).then(|| conv([from, from], 3, 2, device));
            let blocks = (0..self.blocks).map(|_| {
                let block = block(from, to);
                from = to;
                skips.push(to);
                block
            });
            Level { resize: halve, blocks: blocks.collect(), attention: attend(level, to) }
        });
        let down: Vec<Level> = down.collect();
        let up = self.channels.iter().enumerate().rev().map(|(level, &to)| {
            let double = (level + 1 < self.channels.len()).then(|| conv([from, from], 3, 1, device));
            let blocks = (0..self.blocks).map(|_| {
                let block = block(from + skips.pop().unwrap_or(0), to);
                from = to;
                block
            });
            Level { resize: double, blocks: blocks.collect(), attention: attend(level, to) }
        });
        let up: Vec<Level> = up.collect();
        let embedding = |classes| Initializer::Zeros.init([classes + 1, 4 * first], device);
        let model = UNet {
            time1: linear([first, 4 * first], device),
            time2: linear([4 * first, 4 * first], device),
            class_embedding: (self.classes > 0).then(|| embedding(self.classes)),
            stem: conv([self.image_channels, first], 3, 1, device),
            down,
            middle1: block(last, last),
            attention: Attention::new(last, self.groups, device),
            middle2: block(last, last),
            up,
            norm: GroupNormConfig::new(self.groups, first).init(device),
            output: conv([first, self.image_channels], 3, 1, device),
            classes: self.classes,
        };
        let zero = ["conv2.weight", "attention.output.weight", "output.weight"];
        Ok(seeding::normal(model, self.seed, |path, fans| {
            let silent = zero.iter().any(|end| path.ends_with(end));
            if silent { 0.0 } else { Init::XavierNormal { gain: 1.0 }.std(fans) }
        }))
    }
}

/// A convolution that keeps the side, or divides it by its stride.
fn conv(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Conv2d {
    let padding = kernel / 2;
    Conv2dConfig::new(channels, [kernel; 2])
        .with_stride([stride; 2])
        .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
        .with_initializer(Initializer::Zeros)
        .init(device)
}

fn linear([from, to]: [usize; 2], device: &Device) -> Linear {
    LinearConfig::new(from, to).with_initializer(Initializer::Zeros).init(device)
}

/// All that happens at one size, on the way down or up.
#[derive(Module, Debug)]
pub struct Level {
    /// From the level before: a convolution that halves, or one behind the doubling.
    pub resize: Option<Conv2d>,
    /// In turn.
    pub blocks: Vec<ResidualBlock>,
    /// Behind each block, on the coarsest map.
    pub attention: Option<Attention>,
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct UNet {
    /// W₁ of the time.
    pub time1: Linear,
    /// W₂ of the time.
    pub time2: Linear,
    /// `[classes + 1, 4·channels]`, the last for no class.
    pub class_embedding: Option<Param<Tensor<2>>>,
    /// From pixels to channels.
    pub stem: Conv2d,
    /// From the finest level.
    pub down: Vec<Level>,
    /// Between down and up.
    pub middle1: ResidualBlock,
    /// Between down and up.
    pub attention: Attention,
    /// Between down and up.
    pub middle2: ResidualBlock,
    /// From the coarsest level.
    pub up: Vec<Level>,
    /// Before the output.
    pub norm: GroupNorm,
    /// From channels to pixels.
    pub output: Conv2d,
    /// Number of classes; 0 for none.
    #[module(skip)]
    pub classes: usize,
}

impl UNet {
    /// e, what every block is told.
    ///
    /// # Shapes
    ///
    /// - time, labels: `[batch]`
    /// - output: `[batch, 4·channels]`
    pub fn embed(&self, time: Tensor<1>, labels: Option<&Tensor<1, Int>>) -> Tensor<2> {
        let [units, _] = self.time1.weight.val().dims();
        let batch = time.dims()[0];
        let time = self.time2.forward(silu(self.time1.forward(time_embedding(time, units))));
        match &self.class_embedding {
            Some(classes) => {
                let none = || Tensor::full([batch], self.classes as i64, &time.device());
                time.clone() + classes.val().select(0, labels.cloned().unwrap_or_else(none))
            }
            None => {
                assert!(labels.is_none(), "expected no labels, for there are no classes");
                time
            }
        }
    }
}

impl Denoiser<4> for UNet {
    fn classes(&self) -> usize {
        self.classes
    }

    /// # Panics
    ///
    /// When a side is not divisible by 2ⁿ⁻¹ for n levels, or there are labels and no classes.
    fn forward(&self, x: Tensor<4>, time: Tensor<1>, labels: Option<&Tensor<1, Int>>) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let factor = 1 << (self.down.len() - 1);
        let fits = height.is_multiple_of(factor) && width.is_multiple_of(factor);
        assert!(fits, "expected sides divisible by {factor}, got {height} × {width}");
        let e = silu(self.embed(time, labels)); // [B, 4C]
        let mut x = self.stem.convolve(x); // [B, C_0, H, W]
        let mut skips = Vec::new();
        for level in &self.down {
            x = level.resize.iter().fold(x, |x, halve| halve.convolve(x)); // [B, C_{i−1}, H/2ⁱ, W/2ⁱ]
            for block in &level.blocks {
                x = block.forward(x, &e); // [B, C_i, H/2ⁱ, W/2ⁱ]
                x = level.attention.iter().fold(x, |x, attention| attention.forward(x));
                skips.push(x.clone());
            }
        }
        x = self.middle2.forward(self.attention.forward(self.middle1.forward(x, &e)), &e);
        for level in &self.up {
            x = level.resize.iter().fold(x, |x, conv| conv.convolve(resize_double(x)));
            for block in &level.blocks {
                x = Tensor::cat([x].into_iter().chain(skips.pop()).collect(), 1);
                x = block.forward(x, &e); // [B, C_i, H/2ⁱ, W/2ⁱ]
                x = level.attention.iter().fold(x, |x, attention| attention.forward(x));
            }
        }
        self.output.convolve(silu(self.norm.forward(x))) // [B, C, H, W]
    }
}

#[cfg(test)]
mod tests;
