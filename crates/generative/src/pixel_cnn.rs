//! # PixelCNN
//!
//! The chain rule over pixels, row by row, with convolutions that may not look ahead. Each pixel has one of K values, and the network gives
//! the distribution of each given all before it; the likelihood is exact.
//!
//! ```text
//! p(x) = Π_i p(x_i | x_1 … x_{i−1})          i in reading order          bits per dimension = −log₂ p(x) / (height · width)
//! ```
//!
//! ```text
//!  mask A    mask B      what a kernel of 5 × 5 may see: all rows above, and its own row on the left;
//!  1 1 1 1 1   1 1 1 1 1       the pixel itself in B only, for what stands there is known to be blind to it
//!  1 1 1 1 1   1 1 1 1 1
//!  1 1 0 0 0   1 1 1 0 0
//!  0 0 0 0 0   0 0 0 0 0
//!  0 0 0 0 0   0 0 0 0 0
//!
//! x ─▶ A ─▶ [ReLU ─ 1 × 1 ─ ReLU ─ B 3 × 3 ─ ReLU ─ 1 × 1 ─ +] × blocks ─▶ ReLU ─ 1 × 1 ─ ReLU ─ 1 × 1 ─▶ K logits a pixel
//! ```
//!
//! Learning sees all pixels at once; a sample takes a pass for each. Where [MADE](crate::made) has a weight for every pair of pixels,
//! here one kernel serves all places, and what is learnt about one corner holds for the others. The "pixels" may be any grid of symbols:
//! the indices of a [VQ-VAE](crate::vq_vae), for one.
//!
//! **What goes wrong**: one entry of a mask too many, and the network sees its answer: the test takes the gradient of every output to
//! every input. *The blind spot*: stacked masks of this kind never reach a wedge to the upper right, which the gated PixelCNN of the same
//! year fills (<https://arxiv.org/abs/1606.05328>); on small images the rows above carry most of it around. And a sample is only as good as
//! its worst early pixel, since nothing is taken back.
//!
//! Paper: A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu, *Pixel recurrent neural networks*, ICML 2016.
//! <https://arxiv.org/abs/1601.06759>
//!
//! ## Differs from the paper
//!
//! 1. One channel: no order among colours.
//! 2. Values enter one-hot, so that nothing is assumed about their order, and symbols can be modelled as well.
//! 3. A first kernel of 5, not 7, and fewer blocks: the images are small.

use burn::config::Config;
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::optim::ModuleOptimizer;
use burn::tensor::activation::{log_softmax, relu, softmax};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::gradient::{NonFinite, gradients};
use fornax_nn_core::kernels::{Convolve, conv2d};

use crate::seeding;

/// Sizes of a [`PixelCnn`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct PixelCnnConfig {
    /// K, values that a pixel can have, at least 2.
    pub levels: usize,
    /// Channels of the maps, even; the blocks have half of them inside, as in the paper. Default: found on the embedded digits.
    #[config(default = 32)]
    pub channels: usize,
    /// Residual blocks. Default: found on the embedded digits.
    #[config(default = 4)]
    pub blocks: usize,
    /// Side of the first kernel, odd.
    #[config(default = 5)]
    pub kernel: usize,
    /// All initial weights follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl PixelCnnConfig {
    /// Black or white pixels.
    pub fn binary() -> Self {
        Self::new(2)
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[("channels", self.channels)])?;
        if self.levels < 2 {
            return Err(ConfigError::new("levels", format!("must be at least 2, got {}", self.levels)));
        }
        if !self.channels.is_multiple_of(2) {
            return Err(ConfigError::new("channels", format!("must be even, got {}", self.channels)));
        }
        if self.kernel.is_multiple_of(2) {
            return Err(ConfigError::new("kernel", format!("must be odd, got {}", self.kernel)));
        }
        Ok(())
    }

    /// Builds the network on `device`; the same config gives the same weights everywhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<PixelCnn, ConfigError> {
        self.validate()?;
        let (all, half) = (self.channels, self.channels / 2);
        let conv = |from, to, side: usize| {
            let pad = side / 2;
            Conv2dConfig::new([from, to], [side, side])
                .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
                .init(device)
        };
        let block =
            |_| Block { down: conv(all, half, 1), masked: conv(half, half, 3), up: conv(half, all, 1) };
        let model = PixelCnn {
            first: conv(self.levels, all, self.kernel),
            blocks: (0..self.blocks).map(block).collect(),
            hidden: conv(all, all, 1),
            last: conv(all, self.levels, 1),
        };
        // About half of a kernel is masked, half of what comes is cut by ReLU; one pixel of K is on at first.
        let levels = self.levels as f64;
        Ok(seeding::normal(model, self.seed, |path, fans| {
            let variance = match path.split('.').next() {
                Some("first") => 2.0 * levels,
                Some("last") => 1.0,
                _ if path.contains("masked") => 4.0,
                _ if path.contains("up") => 0.5,
                _ => 2.0,
            };
            (variance / fans.fan_in as f64).sqrt()
        }))
    }
}

/// A branch that what enters is added to.
#[derive(Module, Debug)]
pub struct Block {
    /// To half of the channels.
    pub down: Conv2d,
    /// Looks around, backwards only.
    pub masked: Conv2d,
    /// Back to all channels.
    pub up: Conv2d,
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct PixelCnn {
    /// Looks at the pixels before, not at the pixel itself.
    pub first: Conv2d,
    /// What is made of them.
    pub blocks: Vec<Block>,
    /// Before the logits.
    pub hidden: Conv2d,
    /// To the logits.
    pub last: Conv2d,
}

/// `conv` with what comes later in reading order cut off; of the pixel itself nothing (mask A) or all (mask B).
fn masked(conv: &Conv2d, x: Tensor<4>, itself: bool) -> Tensor<4> {
    let weight = conv.weight.val(); // [out, in, k, k]
    let side = weight.dims()[3];
    let middle = side * side / 2;
    let seen = |i: usize| if i < middle || (itself && i == middle) { 1.0 } else { 0.0 };
    let mask: Vec<f32> = (0..side * side).map(seen).collect();
    let options = (&weight.device(), weight.dtype());
    let mask = Tensor::<4>::from_data(TensorData::new(mask, [1, 1, side, side]), options);
    let pad = side / 2;
    let options = ConvOptions::new([1, 1], [pad, pad], [1, 1], 1);
    conv2d(x, weight * mask, conv.bias.as_ref().map(|bias| bias.val()), options)
}

impl PixelCnn {
    /// K, values that a pixel can have.
    pub fn levels(&self) -> usize {
        self.last.weight.dims()[0]
    }

    /// Logits of every pixel's value, each from the pixels before it.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, levels, height, width]`, one-hot
    /// - output: `[batch, levels, height, width]`
    ///
    /// # Panics
    ///
    /// When the levels of `x` are not the configured ones.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let (found, levels) = (x.dims()[1], self.levels());
        assert_eq!(found, levels, "expected {levels} values a pixel, one-hot, got {found}");
        let x = masked(&self.first, x, false); // [B, C, H, W]
        let x = self.blocks.iter().fold(x, |x, block| {
            let inside = relu(block.down.convolve(relu(x.clone()))); // [B, C/2, H, W]
            let inside = relu(masked(&block.masked, inside, true)); // [B, C/2, H, W]
            x + block.up.convolve(inside) // [B, C, H, W]
        });
        self.last.convolve(relu(self.hidden.convolve(relu(x)))) // [B, K, H, W]
    }

    /// A plane for each value.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, height, width]`, each below the number of levels
    /// - output: `[batch, levels, height, width]`
    pub fn one_hot(&self, x: Tensor<3, Int>) -> Tensor<4> {
        let planes = x.one_hot::<4>(self.levels()).float(); // [B, H, W, K]
        planes.permute([0, 3, 1, 2]).cast(self.last.weight.dtype())
    }

    /// ln p(x) in nats, exact.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, height, width]`, each below the number of levels
    /// - output: `[batch]`
    pub fn log_prob(&self, x: Tensor<3, Int>) -> Tensor<1> {
        let x = self.one_hot(x); // [B, K, H, W]
        let terms = log_softmax(self.forward(x.clone()), 1) * x; // [B, K, H, W]
        terms.flatten::<2>(1, 3).sum_dim(1).squeeze_dim(1)
    }

    /// Samples: each pixel has the first value up to which the probabilities add up to more than its uniform number.
    ///
    /// # Shapes
    ///
    /// - uniform: `[batch, height, width]`, in [0, 1)
    /// - output: `[batch, height, width]`
    pub fn sample(&self, uniform: Tensor<3>) -> Tensor<3, Int> {
        let [batch, height, width] = uniform.dims();
        let most = self.levels() as i64 - 1;
        let zeros = Tensor::<3, Int>::zeros([batch, height, width], &uniform.device());
        (0..height * width).fold(zeros, |x, i| {
            let at = [0..batch, i / width..i / width + 1, i % width..i % width + 1];
            let logits = self.forward(self.one_hot(x.clone())); // [B, K, H, W]
            let here = logits.slice([at[0].clone(), 0..most as usize + 1, at[1].clone(), at[2].clone()]);
            let below = softmax(here.squeeze_dims::<2>(&[2, 3]), 1).cumsum(1); // [B, K]
            let number = uniform.clone().slice(at.clone()).squeeze_dim::<2>(2); // [B, 1]
            let value = below.lower_equal(number.expand([batch, most as usize + 1])).int().sum_dim(1);
            x.slice_assign(at, value.clamp(0, most).unsqueeze_dim(2)) // [B, 1, 1]
        })
    }
}

/// The mean of −ln p(x) in nats.
///
/// # Shapes
///
/// - x: `[batch, height, width]`
/// - output: `[1]`
pub fn loss(model: &PixelCnn, x: Tensor<3, Int>) -> Tensor<1> {
    -model.log_prob(x).mean()
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step(
    model: PixelCnn,
    optim: &mut ModuleOptimizer,
    lr: f64,
    x: Tensor<3, Int>,
) -> Result<(PixelCnn, f32), NonFinite> {
    let (loss, gradients) = gradients(loss(&model, x), &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fornax_nn_core::check::fill;

    fn model(levels: usize, device: &Device) -> PixelCnn {
        fill::fill(PixelCnnConfig::new(levels).with_channels(8).with_blocks(2).init(device).unwrap())
    }

    #[test]
    fn no_output_sees_its_own_pixel_or_a_later_one() {
        let device = Device::flex().autodiff();
        let model = model(3, &device);
        let x = (fill::input::<4>("x", [8, 3, 4, 5], &device) * 3.0).detach().require_grad();
        for i in 0..20 {
            let output = model.forward(x.clone()).slice([0..8, 0..3, i / 5..i / 5 + 1, i % 5..i % 5 + 1]);
            let gradient = x.grad(&output.square().sum().backward()).unwrap(); // [8, 3, 4, 5]
            let largest = gradient.abs().max_dim(0).max_dim(1).flatten::<1>(0, 3);
            let seen: Vec<bool> = largest.into_data().iter::<f64>().map(|g| g != 0.0).collect();
            assert!(seen[i..].iter().all(|seen| !seen), "{i}: {seen:?}");
            // All before it in its row, and all above, but for the blind spot on the right.
            let (row, column) = (i / 5, i % 5);
            let reached = |j: usize| j / 5 == row || (j % 5) <= column + (row - j / 5);
            assert!((0..i).filter(|&j| reached(j)).all(|j| seen[j]), "{i}: {seen:?}");
        }
    }

    fn all(device: &Device) -> Tensor<3, Int> {
        // 3⁴ images of 2 × 2 pixels.
        let pixels: Vec<i64> = (0..81).flat_map(|i| [i / 27 % 3, i / 9 % 3, i / 3 % 3, i % 3]).collect();
        Tensor::from_data(TensorData::new(pixels, [81, 2, 2]), device)
    }

    #[test]
    fn the_probabilities_of_all_images_sum_to_one() {
        let device = Device::flex();
        let total = model(3, &device).log_prob(all(&device)).exp().sum().into_scalar::<f64>();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
    }

    #[test]
    fn samples_come_as_often_as_the_model_says() {
        let (device, n) = (Device::flex(), 20_000);
        let model = model(3, &device);
        device.seed(3);
        let uniform = Tensor::random([n, 2, 2], burn::tensor::Distribution::Default, &device);
        let pixels: Vec<i64> = model.sample(uniform).into_data().iter::<i64>().collect();
        let mut seen = [0.0f64; 81];
        pixels.chunks(4).for_each(|p| seen[(27 * p[0] + 9 * p[1] + 3 * p[2] + p[3]) as usize] += 1.0);
        let expected = model.log_prob(all(&device)).exp().into_data();
        for (seen, p) in seen.iter().zip(expected.iter::<f64>()) {
            // Binomial deviation, five of them.
            let deviation = (n as f64 * p * (1.0 - p)).sqrt();
            assert!((seen - n as f64 * p).abs() < 5.0 * deviation, "{seen}, expected {}", n as f64 * p);
        }
    }

    #[test]
    fn it_learns_that_a_row_repeats_and_no_more_than_that() {
        // The first row is random, the second one the same: 4 ln 2 nats, one bit for each two pixels.
        let device = Device::flex().autodiff();
        let bit = |i: usize, column: usize| (i >> column & 1) as i64;
        let pixels: Vec<i64> = (0..16).flat_map(|i| (0..8).map(move |p| bit(i, p % 4))).collect();
        let x = Tensor::<3, Int>::from_data(TensorData::new(pixels, [16, 2, 4]), &device);
        let mut model = PixelCnnConfig::binary().with_channels(16).with_blocks(1).init(&device).unwrap();
        let mut optim = burn::optim::AdamConfig::new().init();
        let mut last = f32::INFINITY;
        for _ in 0..300 {
            (model, last) = train_step(model, &mut optim, 0.01, x.clone()).unwrap();
        }
        let entropy = 4.0 * 2f32.ln();
        assert!(last > entropy - 1e-3 && last < entropy + 0.05, "{last}, entropy {entropy}");
    }

    #[test]
    fn unusable_sizes_are_named() {
        let error = |config: PixelCnnConfig| config.init(&Device::flex()).unwrap_err().to_string();
        assert!(error(PixelCnnConfig::new(1)).starts_with("levels"));
        assert!(error(PixelCnnConfig::new(2).with_channels(7)).starts_with("channels"));
        assert!(error(PixelCnnConfig::new(2).with_kernel(4)).starts_with("kernel"));
    }
}
