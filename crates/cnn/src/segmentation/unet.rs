//! # U-Net
//!
//! Segmentation from a few hundred images: an encoder halves the maps to see more of the image, a decoder doubles them
//! again, and at every size the decoder is given the encoder's map beside its own. The coarse maps know *what* is there,
//! the fine ones *where* exactly its edge runs; side by side, the decoder need not choose.
//!
//! ```text
//! x_i  encoder's map at level i, C_i channels        y_n = x_n         level n is the coarsest
//! y_i = double(  [ x_i ; nearest(1×1(y_{i+1})) ]  )                    [ ; ] channels side by side
//! double(x) = f(BN(3×3(f(BN(3×3(x))))))              f = max(0, ·)
//! logits = 1×1(y_0)
//! ```
//!
//! ```text
//!  image ─▶ x0 ─────────────── beside ──────────────▶ y0 ─▶ logits
//!           │ pool                                    ▲ ×2
//!           x1 ────────────── beside ─────────▶ y1 ───┘
//!           │ pool                              ▲ ×2
//!           x2 ────────── beside ───────▶ y2 ───┘
//!           │ pool                        ▲ ×2
//!           x3 ───────────────────────────┘
//! ```
//!
//! The decoder asks nothing of the encoder but its maps, so it stands on any [`Backbone`]. [`UNetEncoder`], the paper's
//! own, is one of them; both together are a [`UNet`].
//!
//! Paper: O. Ronneberger, P. Fischer, T. Brox, *U-Net: convolutional networks for biomedical image segmentation*,
//! MICCAI 2015. <https://arxiv.org/abs/1505.04597>
//!
//! ## Differs from the paper
//!
//! 1. Convolutions are padded: an image gives a mask of its own size, with nothing cropped.
//! 2. Batch normalisation behind every 3 × 3, which the paper is a year too early for.
//! 3. The up-convolution is a 1 × 1 at the small size and a repetition of pixels: no checkerboard, and any size fits.
//! 4. No dropout and no weights for the pixels between touching cells.

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::kernels::Convolve;

use super::{Decoder, Segmenter};
use crate::backbone::{Backbone, FeatureInfo, assert_images};
use crate::block::{Activation, ConvNorm, Convolution, Init, Norm, max_pool, resize_nearest};
use crate::geometry::{Stage, Window};

/// The encoder's pooling.
const POOL: Window = Window::new(2, 2, 0);

/// Sizes of a [`UNet`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct UNetConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Channels of the image. Default: grey, the paper's microscope.
    #[config(default = 1)]
    pub in_channels: usize,
    /// Channels of each level, the finest first. Default: the paper's.
    #[config(default = "vec![64, 128, 256, 512, 1024]")]
    pub channels: Vec<usize>,
}

impl UNetConfig {
    /// Four levels and few channels, for images of some 64 pixels.
    pub fn small(num_classes: usize) -> Self {
        Self::new(num_classes).with_channels(vec![16, 32, 64, 96])
    }

    /// Builds encoder and decoder, convolutions normal with σ = √(2 / fan_out).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<UNet, ConfigError> {
        at_least_one(&[
            ("in_channels", self.in_channels),
            ("channels", self.channels.iter().copied().min().unwrap_or(0)),
        ])?;
        let inputs = [self.in_channels].into_iter().chain(self.channels.iter().copied());
        let levels = inputs.zip(&self.channels).map(|(from, &to)| DoubleConv::new([from, to], device));
        let encoder = UNetEncoder { levels: levels.collect(), config: self.clone() };
        let decoder = UNetDecoderConfig::new(self.num_classes)
            .with_max_channels(self.channels.iter().copied().max().unwrap_or(0));
        let decoder = decoder.init(&encoder.feature_info(), device)?;
        Ok(Segmenter::new(encoder, decoder))
    }
}

/// The paper's network: its own encoder under the decoder.
pub type UNet = Segmenter<UNetEncoder, UNetDecoder>;

/// Two 3 × 3 convolutions, each normalised and rectified.
#[derive(Module, Debug)]
pub struct DoubleConv {
    /// From the channels given.
    pub conv1: ConvNorm,
    /// Among those put out.
    pub conv2: ConvNorm,
}

impl DoubleConv {
    fn new([from, to]: [usize; 2], device: &Device) -> Self {
        let conv = |from| {
            let conv = Convolution::new([from, to], 3, Init::HeFanOut);
            ConvNorm::new(conv, Norm::default(), Activation::Relu, device)
        };
        Self { conv1: conv(from), conv2: conv(to) }
    }

    /// f(BN(3×3(f(BN(3×3(x))))))
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, outputs, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.conv2.forward(self.conv1.forward(x))
    }
}

/// The contracting half, a [`Backbone`] like any other.
#[derive(Module, Debug)]
pub struct UNetEncoder {
    /// Two convolutions a level, from the finest.
    pub levels: Vec<DoubleConv>,
    /// What it was built from.
    #[module(skip)]
    pub config: UNetConfig,
}

impl Backbone for UNetEncoder {
    fn in_channels(&self) -> usize {
        self.config.in_channels
    }

    fn stages(&self) -> Vec<Stage> {
        let convs = [Window::new(3, 1, 1); 2];
        let windows = |level: usize| if level == 0 { convs.to_vec() } else { vec![POOL, convs[0], convs[1]] };
        self.config.channels.iter().enumerate().map(|(i, &c)| Stage::new(c, windows(i))).collect()
    }

    fn forward_features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        assert_images(self, &images);
        let mut maps: Vec<Tensor<4>> = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            let x = match maps.last() {
                Some(finer) => max_pool(finer.clone(), POOL), // [B, C_{i−1}, H/2ⁱ, W/2ⁱ]
                None => images.clone(),
            };
            maps.push(level.forward(x)); // [B, C_i, H/2ⁱ, W/2ⁱ]
        }
        maps
    }
}

/// Sizes of a [`UNetDecoder`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct UNetDecoderConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// A level puts out as many channels as the backbone's map there has (the paper's rule), but no more than these.
    /// Default: 256, so that the wide maps of a deep backbone do not make the decoder larger than itself.
    #[config(default = 256)]
    pub max_channels: usize,
}

impl UNetDecoderConfig {
    /// Builds the decoder for a backbone with these maps.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, maps: &[FeatureInfo], device: &Device) -> Result<UNetDecoder, ConfigError> {
        at_least_one(&[
            ("num_classes", self.num_classes),
            ("max_channels", self.max_channels),
            ("maps", maps.len()),
        ])?;
        let mut inputs = maps.last().map_or(0, |map| map.channels);
        let mut up = |skip: &FeatureInfo| {
            let outputs = skip.channels.min(self.max_channels);
            let narrow = Convolution::new([inputs, outputs], 1, Init::HeFanOut).bias().init(device);
            inputs = outputs;
            Up { narrow, convs: DoubleConv::new([skip.channels + outputs, outputs], device) }
        };
        let ups = maps.iter().rev().skip(1).map(&mut up).collect();
        let output = Convolution::new([inputs, self.num_classes], 1, Init::Default).bias().init(device);
        Ok(UNetDecoder { ups, output, num_classes: self.num_classes })
    }
}

/// A step up: the coarser map enlarged, the encoder's map beside it, two convolutions over both.
#[derive(Module, Debug)]
pub struct Up {
    /// 1 × 1, before the map is enlarged.
    pub narrow: Conv2d,
    /// Over both maps.
    pub convs: DoubleConv,
}

impl Up {
    /// double([skip; nearest(1×1(x))])
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs, h, w]`, the coarser map
    /// - skip: `[batch, skip_channels, height, width]`
    /// - output: `[batch, outputs, height, width]`
    pub fn forward(&self, x: Tensor<4>, skip: Tensor<4>) -> Tensor<4> {
        let [.., height, width] = skip.dims();
        let x = resize_nearest(self.narrow.convolve(x), [height, width]); // [B, outputs, H, W]
        self.convs.forward(Tensor::cat(vec![skip, x], 1))
    }
}

/// The expanding half; see the [module page](self).
#[derive(Module, Debug)]
pub struct UNetDecoder {
    /// From the coarsest level up.
    pub ups: Vec<Up>,
    /// 1 × 1 to the classes.
    pub output: Conv2d,
    num_classes: usize,
}

impl Decoder for UNetDecoder {
    fn num_classes(&self) -> usize {
        self.num_classes
    }

    fn forward(&self, mut maps: Vec<Tensor<4>>) -> Tensor<4> {
        let (actual, expected) = (maps.len(), self.ups.len() + 1);
        assert!(actual == expected, "{actual} maps, expected {expected}");
        let coarsest = maps.remove(actual - 1);
        let x =
            self.ups.iter().zip(maps.into_iter().rev()).fold(coarsest, |x, (up, skip)| up.forward(x, skip));
        self.output.convolve(x) // [B, num_classes, H_0, W_0]
    }
}
