//! # Convolutional autoencoders
//!
//! The [autoencoder](crate::autoencoder) of images. Convolutions of stride 2 shrink the image while they deepen it, one linear layer makes
//! the code, and the decoder is the mirror: transposed convolutions blow the code up again. The weights do not know where in the image
//! they are, so what a stroke looks like is learnt once and not once a place.
//!
//! ```text
//! encoder   x_{l+1} = f(C(x_l)),   C: 4 × 4, stride 2, padding 1      [c, 2n, 2n] → [c′, n, n]
//! code      h = W · flat(x_L) + b
//! decoder   the same backwards, T: transposed 4 × 4, stride 2, padding 1      [c′, n, n] → [c, 2n, 2n]
//! loss      ‖x̂ − x‖² / pixels
//! ```
//!
//! ```text
//!  image            convolutions                                    transposed convolutions        x̂
//! 1 × 8 × 8 ──▶ 32 × 4 × 4 ──▶ 64 × 2 × 2 ──▶ [code] ──▶ 64 × 2 × 2 ──▶ 32 × 4 × 4 ──▶ 1 × 8 × 8
//! ```
//!
//! A convolution of stride s commutes with shifts by s pixels, and so do encoder and decoder with shifts by 2^levels, but for what happens
//! at the border. The linear layers in the middle do not: the code says *where* as well as *what*.
//!
//! **What goes wrong**: *checkerboards*. Where a transposed kernel's size is no multiple of its stride, some pixels are written more often
//! than others, and the pattern shows (A. Odena, V. Dumoulin, C. Olah 2016, <https://doi.org/10.23915/distill.00003>). Kernels of 4 with a
//! stride of 2 write every pixel four times. *Blur*: the squared error is least at the mean of all images that the code could stand for.
//!
//! Paper: J. Masci, U. Meier, D. Cireşan, J. Schmidhuber, *Stacked convolutional auto-encoders for hierarchical feature extraction*, ICANN
//! 2011. <https://doi.org/10.1007/978-3-642-21735-7_7>
//!
//! ## Differs from the paper
//!
//! 1. Strides instead of max-pooling, transposed convolutions instead of full ones; trained at once, not layer by layer.
//! 2. Encoder and decoder do not share weights.

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::activation::Activation;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::gradient::{NonFinite, gradients};
use fornax_nn_core::kernels::Convolve;

use crate::seeding;

/// Sizes of a [`ConvAutoencoder`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct ConvAutoencoderConfig {
    /// Height and width of an image, multiples of 2^levels.
    pub image_size: [usize; 2],
    /// Units of the code.
    pub code: usize,
    /// Channels of an image.
    #[config(default = 1)]
    pub image_channels: usize,
    /// Channels of the maps, each half as large as the one before. Default: found on the embedded digits.
    #[config(default = "vec![32, 64]")]
    pub channels: Vec<usize>,
    /// All initial weights follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl ConvAutoencoderConfig {
    /// 8 × 8 pixels to 8 numbers, for the embedded digits: 71,049 parameters.
    pub fn digits() -> Self {
        Self::new([8, 8], 8)
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[("code", self.code)])?;
        check_maps(self.image_size, self.image_channels, &self.channels).map(|_| ())
    }

    /// Builds the network on `device`; the same config gives the same weights everywhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<ConvAutoencoder, ConfigError> {
        self.validate()?;
        let maps = check_maps(self.image_size, self.image_channels, &self.channels)?;
        let units = maps.iter().product();
        let model = ConvAutoencoder {
            encoder: ConvEncoder::new(self.image_channels, &self.channels, device),
            to_code: LinearConfig::new(units, self.code).init(device),
            from_code: LinearConfig::new(self.code, units).init(device),
            decoder: ConvDecoder::new(self.image_channels, &self.channels, device),
            maps,
        };
        // Keeps the variance of what passes a layer; half of it where GELU follows, as for ReLU.
        Ok(seeding::normal(model, self.seed, |path, fans| {
            let gain = if path.contains("code") { 1.0 } else { 2.0 };
            (gain / fans.fan_in as f64).sqrt()
        }))
    }
}

/// Channels, height and width of the deepest maps of images of `size`.
pub(crate) fn check_maps(
    size: [usize; 2],
    image_channels: usize,
    channels: &[usize],
) -> Result<[usize; 3], ConfigError> {
    let least = channels.iter().copied().min().unwrap_or(0);
    at_least_one(&[("image_channels", image_channels), ("channels", least)])?;
    let factor = u32::try_from(channels.len()).ok().and_then(|levels| 2_usize.checked_pow(levels));
    match factor {
        Some(factor) if size.iter().all(|&side| side > 0 && side % factor == 0) => {
            Ok([channels[channels.len() - 1], size[0] / factor, size[1] / factor])
        }
        _ => {
            let levels = channels.len();
            let reason =
                format!("each side must be a multiple of 2^{levels}, once halved a level, got {size:?}");
            Err(ConfigError::new("image_size", reason))
        }
    }
}

/// Convolutions that halve the image, GELU behind each.
#[derive(Module, Debug)]
pub struct ConvEncoder {
    /// From the image down.
    pub convs: Vec<Conv2d>,
}

impl ConvEncoder {
    pub(crate) fn new(image_channels: usize, channels: &[usize], device: &Device) -> Self {
        let inputs = std::iter::once(image_channels).chain(channels.iter().copied());
        let conv = |(from, &to)| {
            Conv2dConfig::new([from, to], [4, 4])
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device)
        };
        Self { convs: inputs.zip(channels).map(conv).collect() }
    }

    /// The deepest maps.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, image_channels, height, width]`
    /// - output: `[batch, channels, height / 2^levels, width / 2^levels]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.convs.iter().fold(x, |x, conv| Activation::Gelu.apply(conv.convolve(x))) // [B, C_l, H/2ˡ, W/2ˡ]
    }
}

/// Transposed convolutions that double the maps, GELU before each.
#[derive(Module, Debug)]
pub struct ConvDecoder {
    /// From the deepest maps up.
    pub convs: Vec<ConvTranspose2d>,
}

impl ConvDecoder {
    pub(crate) fn new(image_channels: usize, channels: &[usize], device: &Device) -> Self {
        let outputs = channels.iter().rev().skip(1).copied().chain([image_channels]);
        let conv = |(&from, to)| {
            ConvTranspose2dConfig::new([from, to], [4, 4])
                .with_stride([2, 2])
                .with_padding([1, 1])
                .init(device)
        };
        Self { convs: channels.iter().rev().zip(outputs).map(conv).collect() }
    }

    /// Images, of which nothing bounds the pixels.
    ///
    /// # Shapes
    ///
    /// - maps: `[batch, channels, height / 2^levels, width / 2^levels]`
    /// - output: `[batch, image_channels, height, width]`
    pub fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        self.convs.iter().fold(maps, |x, conv| conv.convolve(Activation::Gelu.apply(x)))
    }
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct ConvAutoencoder {
    /// From the image to maps.
    pub encoder: ConvEncoder,
    /// From the maps to the code.
    pub to_code: Linear,
    /// From the code to maps.
    pub from_code: Linear,
    /// From the maps to the image.
    pub decoder: ConvDecoder,
    /// Channels, height and width of the maps.
    #[module(skip)]
    pub maps: [usize; 3],
}

impl ConvAutoencoder {
    /// The code h.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, image_channels, height, width]`
    /// - output: `[batch, code]`
    ///
    /// # Panics
    ///
    /// When the image is not of the configured size.
    pub fn encode(&self, x: Tensor<4>) -> Tensor<2> {
        let size = x.dims();
        let maps = self.encoder.forward(x); // [B, C, h, w]
        let [_, c, h, w] = maps.dims();
        assert_eq!([c, h, w], self.maps, "expected images that make maps of this size; images are {size:?}");
        self.to_code.forward(maps.flatten(1, 3))
    }

    /// What a code stands for.
    ///
    /// # Shapes
    ///
    /// - code: `[batch, code]`
    /// - output: `[batch, image_channels, height, width]`
    pub fn decode(&self, code: Tensor<2>) -> Tensor<4> {
        let ([batch, _], [c, h, w]) = (code.dims(), self.maps);
        self.decoder.forward(self.from_code.forward(code).reshape([batch, c, h, w]))
    }

    /// The reconstruction x̂.
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, image_channels, height, width]`
    ///
    /// # Panics
    ///
    /// When the image is not of the configured size.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.decode(self.encode(x))
    }
}

/// Mean squared error of the reconstruction of `inputs` next to `targets`; to remove noise, the inputs have it.
///
/// # Shapes
///
/// - inputs, targets: `[batch, image_channels, height, width]`
/// - output: `[1]`
pub fn loss(model: &ConvAutoencoder, inputs: Tensor<4>, targets: Tensor<4>) -> Tensor<1> {
    (model.forward(inputs) - targets).square().mean()
}

/// One step of learning. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step(
    model: ConvAutoencoder,
    optim: &mut ModuleOptimizer,
    lr: f64,
    (inputs, targets): (Tensor<4>, Tensor<4>),
) -> Result<(ConvAutoencoder, f32), NonFinite> {
    let (loss, gradients) = gradients(loss(&model, inputs, targets), &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fornax_nn_core::check::{assert_close, fill};

    #[test]
    fn convolutions_commute_with_shifts_by_their_stride() {
        // A picture in the middle of 24 × 24 pixels: its maps, away from the border, move as it does.
        let device = Device::flex();
        let encoder = fill::fill(ConvEncoder::new(1, &[3, 4], &device));
        let decoder = fill::fill(ConvDecoder::new(1, &[3, 4], &device));
        let picture = fill::input::<4>("x", [1, 1, 4, 4], &device);
        let at = |y: usize, x: usize| {
            let canvas = Tensor::zeros([1, 1, 24, 24], &device);
            canvas.slice_assign([0..1, 0..1, y..y + 4, x..x + 4], picture.clone())
        };
        let (here, there) = (encoder.forward(at(8, 8)), encoder.forward(at(12, 8)));
        let (a, b) =
            (here.clone().slice([0..1, 0..4, 1..4, 1..5]), there.clone().slice([0..1, 0..4, 2..5, 1..5]));
        assert_close(&a, &b, 1e-5, 1e-6);
        assert!(a.abs().max().into_scalar::<f32>() > 0.05);
        let (here, there) = (decoder.forward(here), decoder.forward(there));
        let (a, b) = (here.slice([0..1, 0..1, 8..12, 8..16]), there.slice([0..1, 0..1, 12..16, 8..16]));
        assert_close(&a, &b, 1e-5, 1e-6);
    }

    #[test]
    fn every_pixel_is_written_equally_often() {
        // All weights 1 and no bias: the decoder's last layer counts how often it writes a pixel.
        let device = Device::flex();
        let mut decoder = ConvDecoder::new(1, &[1], &device);
        let conv = &mut decoder.convs[0];
        conv.weight = conv.weight.clone().map(|w| w.ones_like());
        conv.bias = conv.bias.clone().map(|b| b.map(|b| b.zeros_like()));
        let written = conv.forward(Tensor::ones([1, 1, 5, 5], &device));
        assert_eq!(written.dims(), [1, 1, 10, 10]);
        let inside = written.slice([0..1, 0..1, 1..9, 1..9]).flatten::<1>(0, 3);
        assert_close(&inside, &[4.0; 64], 0.0, 1e-5);
    }

    #[test]
    fn unusable_sizes_are_named() {
        let error = |config: ConvAutoencoderConfig| config.init(&Device::flex()).unwrap_err().to_string();
        assert!(error(ConvAutoencoderConfig::new([8, 6], 2)).starts_with("image_size"));
        assert!(error(ConvAutoencoderConfig::new([0, 8], 2)).starts_with("image_size"));
        assert!(error(ConvAutoencoderConfig::new([8, 8], 0)).starts_with("code"));
        let without = ConvAutoencoderConfig::new([8, 8], 2).with_channels(vec![]);
        assert!(error(without).starts_with("channels"));
        let deep = ConvAutoencoderConfig::new([8, 8], 2).with_channels(vec![1; 80]);
        assert!(error(deep).starts_with("image_size"));
    }

    #[test]
    #[should_panic(expected = "[2, 1, 12, 8]")]
    fn an_image_of_another_size_is_named() {
        let device = Device::flex();
        let model = ConvAutoencoderConfig::digits().init(&device).unwrap();
        model.forward(Tensor::zeros([2, 1, 12, 8], &device));
    }
}
