//! # VQ-VAE
//!
//! An autoencoder whose code is made of words. The encoder turns an image into a small map of vectors, each is replaced by the nearest of a
//! [codebook](crate::codebook), and the decoder sees those. So an image becomes a grid of indices, and whatever can model a grid of
//! symbols, such as a [PixelCNN](crate::pixel_cnn), models images.
//!
//! ```text
//! z = E(x), a map of vectors          q_ij = e_k, k = argmin_k ‖z_ij − e_k‖          x̂ = D(q)
//! loss = ‖x̂ − x‖² + β · ‖z − sg(q)‖²          e follows moving means          sg stops gradients
//! ```
//!
//! ```text
//!  image       encoder          z          nearest        q           decoder          x̂
//! 1 × 8 × 8 ─▶ halved ─▶ dims × 4 × 4 ─▶ of K codes ─▶ dims × 4 × 4 ─▶ doubled ─▶ 1 × 8 × 8
//!                                            │
//!                                       16 indices ──▶ a prior, learnt afterwards
//! ```
//!
//! The name: with a uniform prior over the K codes and a q(z|x) that is certain, the divergence of the [VAE](crate::vae)'s bound is
//! the constant `ln K` a position, and only the reconstruction is left to learn. There is nothing to collapse, and no noise that blurs. The
//! price is that the uniform prior is a poor one: samples need one that is learnt on the indices.
//!
//! **What goes wrong**: codes die, see the [codebook](crate::codebook); [`perplexity`](crate::codebook::perplexity) shows how many live.
//! And the encoder's vectors can run away from codes that follow them too slowly: β holds them.
//!
//! Paper: A. van den Oord, O. Vinyals, K. Kavukcuoglu, *Neural discrete representation learning*, NeurIPS 2017.
//! <https://arxiv.org/abs/1711.00937>
//!
//! ## Differs from the paper
//!
//! 1. No residual blocks: the images are small.
//! 2. The codebook follows moving means (the paper's appendix A.1), and codes out of use are put elsewhere.
//! 3. The reconstruction is a mean over pixels, not a likelihood.

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Int, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::gradient::{NonFinite, gradients};
use fornax_nn_core::kernels::Convolve;

use crate::codebook::{Codebook, CodebookConfig, Quantized};
use crate::conv_autoencoder::{ConvDecoder, ConvEncoder, check_maps};
use crate::seeding;

/// Sizes of a [`VqVae`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct VqVaeConfig {
    /// Height and width of an image, multiples of 2^levels.
    pub image_size: [usize; 2],
    /// The codebook; its vectors are what stands at each place of the map.
    pub codebook: CodebookConfig,
    /// Channels of an image.
    #[config(default = 1)]
    pub image_channels: usize,
    /// Channels of the maps, each half as large as the one before. Default: found on the embedded digits.
    #[config(default = "vec![64]")]
    pub channels: Vec<usize>,
    /// β. Default: the paper's.
    #[config(default = 0.25)]
    pub commitment: f64,
    /// All initial weights follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl VqVaeConfig {
    /// 8 × 8 pixels as 4 × 4 of 32 codes, for the embedded digits.
    pub fn digits() -> Self {
        Self::new([8, 8], CodebookConfig::new(32, 8))
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(self.commitment.is_finite() && self.commitment >= 0.0) {
            let reason = format!("must not be negative, got {}", self.commitment);
            return Err(ConfigError::new("commitment", reason));
        }
        self.codebook.validate().map_err(|error| error.within("codebook"))?;
        self.grid().map(|_| ())
    }

    /// Height and width of the map of codes.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `image_size` or `channels`.
    pub fn grid(&self) -> Result<[usize; 2], ConfigError> {
        let [_, height, width] = check_maps(self.image_size, self.image_channels, &self.channels)?;
        Ok([height, width])
    }

    /// Builds the network on `device`; the same config gives the same weights everywhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<VqVae, ConfigError> {
        self.validate()?;
        let (deepest, dims) = (self.channels[self.channels.len() - 1], self.codebook.dims);
        let he = |_: &str, fans: fornax_nn_core::init::Fans| (2.0 / fans.fan_in as f64).sqrt();
        let lecun = |_: &str, fans: fornax_nn_core::init::Fans| (1.0 / fans.fan_in as f64).sqrt();
        let (seed, part) = (self.seed, 1 << 32);
        let project = |from, to| Conv2dConfig::new([from, to], [1, 1]).init(device);
        Ok(VqVae {
            encoder: seeding::normal(ConvEncoder::new(self.image_channels, &self.channels, device), seed, he),
            to_code: seeding::normal(project(deepest, dims), seed.wrapping_add(part), lecun),
            codebook: self.codebook.init(device)?,
            from_code: seeding::normal(project(dims, deepest), seed.wrapping_add(2 * part), lecun),
            decoder: seeding::normal(
                ConvDecoder::new(self.image_channels, &self.channels, device),
                seed.wrapping_add(3 * part),
                he,
            ),
            commitment: self.commitment,
        })
    }
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct VqVae {
    /// From the image to maps.
    pub encoder: ConvEncoder,
    /// From a map's channels to the numbers of a code.
    pub to_code: Conv2d,
    /// The codes.
    pub codebook: Codebook,
    /// From the numbers of a code to a map's channels.
    pub from_code: Conv2d,
    /// From the maps to the image.
    pub decoder: ConvDecoder,
    /// β
    #[module(skip)]
    pub commitment: f64,
}

/// What [`VqVae::forward`] finds.
#[derive(Debug, Clone)]
pub struct Output {
    /// x̂, `[batch, image_channels, height, width]`
    pub reconstruction: Tensor<4>,
    /// z, a row for each place, `[batch · h · w, dims]`
    pub vectors: Tensor<2>,
    /// What they were replaced by.
    pub quantized: Quantized,
}

impl VqVae {
    /// z, a row for each place of the map.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, image_channels, height, width]`
    /// - output: `[batch · h · w, dims]`, and `[batch, h, w]`
    fn vectors(&self, x: Tensor<4>) -> (Tensor<2>, [usize; 3]) {
        let z = self.to_code.convolve(self.encoder.forward(x)); // [B, D, h, w]
        let [batch, dims, height, width] = z.dims();
        let rows = z.permute([0, 2, 3, 1]).reshape([batch * height * width, dims]);
        (rows, [batch, height, width])
    }

    /// An image from vectors of the codebook.
    fn image(&self, vectors: Tensor<2>, [batch, height, width]: [usize; 3]) -> Tensor<4> {
        let dims = vectors.dims()[1];
        let maps = vectors.reshape([batch, height, width, dims]).permute([0, 3, 1, 2]); // [B, D, h, w]
        self.decoder.forward(self.from_code.convolve(maps))
    }

    /// The indices that an image becomes.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, image_channels, height, width]`
    /// - output: `[batch, height / 2^levels, width / 2^levels]`
    pub fn encode(&self, x: Tensor<4>) -> Tensor<3, Int> {
        let (rows, grid) = self.vectors(x);
        self.codebook.nearest(rows).reshape(grid)
    }

    /// The image that indices stand for.
    ///
    /// # Shapes
    ///
    /// - codes: `[batch, height / 2^levels, width / 2^levels]`
    /// - output: `[batch, image_channels, height, width]`
    pub fn decode(&self, codes: Tensor<3, Int>) -> Tensor<4> {
        let grid = codes.dims();
        self.image(self.codebook.lookup(codes.flatten(0, 2)), grid)
    }

    /// The reconstruction, and all on the way to it.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, image_channels, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Output {
        let (vectors, grid) = self.vectors(x);
        let quantized = self.codebook.quantize(vectors.clone());
        Output { reconstruction: self.image(quantized.vectors.clone(), grid), vectors, quantized }
    }
}

/// Mean squared error of the reconstruction, and the encoder's commitment to its codes.
///
/// # Shapes
///
/// - x: `[batch, image_channels, height, width]`
/// - output: `[1]`
pub fn loss(output: &Output, x: Tensor<4>, commitment: f64) -> Tensor<1> {
    (output.reconstruction.clone() - x).square().mean() + output.quantized.commitment.clone() * commitment
}

/// One step of learning: the networks by gradient, then the codebook by what the encoder gave it. Returns the new model and the loss
/// before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step(
    model: VqVae,
    optim: &mut ModuleOptimizer,
    lr: f64,
    x: Tensor<4>,
) -> Result<(VqVae, f32), NonFinite> {
    let output = model.forward(x.clone());
    let (loss, gradients) = gradients(loss(&output, x, model.commitment), &model)?;
    let mut model = optim.step(lr, model, gradients);
    model.codebook = model.codebook.follow(output.vectors, output.quantized.codes);
    Ok((model, loss))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fornax_nn_core::check::{assert_close, fill};

    #[test]
    fn what_is_encoded_can_be_decoded() {
        let device = Device::flex();
        let model = fill::fill(VqVaeConfig::digits().init(&device).unwrap());
        let x = fill::input::<4>("x", [2, 1, 8, 8], &device);
        let codes = model.encode(x.clone());
        assert_eq!(codes.dims(), [2, 4, 4]);
        assert_close(&model.decode(codes), &model.forward(x).reconstruction, 1e-5, 1e-6);
    }

    #[test]
    fn two_kinds_of_image_become_words_and_none_is_lost() {
        // Stripes across and stripes down, of two strengths: four images that few codes suffice for.
        let device = Device::flex().autodiff();
        let pixels = |i: usize| {
            let (down, strength) = (i % 2 == 1, if i < 2 { 1.0 } else { 0.5 });
            (0..64).map(move |p| strength * f32::from(u8::from((if down { p / 8 } else { p % 8 }) % 2 == 0)))
        };
        let x: Vec<f32> = (0..4).flat_map(pixels).collect();
        let x = Tensor::<4>::from_data(burn::tensor::TensorData::new(x, [4, 1, 8, 8]), &device);
        let config = VqVaeConfig::new([8, 8], CodebookConfig::new(6, 4)).with_channels(vec![8]);
        let mut model = config.init(&device).unwrap();
        let mut optim = burn::optim::AdamConfig::new().init();
        let mut last = f32::INFINITY;
        for _ in 0..400 {
            (model, last) = train_step(model, &mut optim, 1e-2, x.clone()).unwrap();
        }
        // The mean image leaves an error of 0.16.
        assert!(last < 0.01, "{last}");
        let codes: Vec<usize> = model.encode(x).into_data().iter::<i64>().map(|k| k as usize).collect();
        let used = crate::codebook::perplexity(&codes, 6);
        assert!((3.0..=6.0).contains(&used), "{used}");
    }

    #[test]
    fn unusable_sizes_are_named() {
        let book = || CodebookConfig::new(4, 2);
        let error = |config: VqVaeConfig| config.init(&Device::flex()).unwrap_err().to_string();
        assert!(error(VqVaeConfig::new([7, 8], book())).starts_with("image_size"));
        assert!(error(VqVaeConfig::new([8, 8], CodebookConfig::new(0, 2))).starts_with("codebook.codes"));
        assert!(error(VqVaeConfig::new([8, 8], book()).with_commitment(-1.0)).starts_with("commitment"));
    }
}
