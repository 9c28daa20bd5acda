//! # Masked autoencoder
//!
//! Hide three quarters of an image's patches, show the rest to a Transformer, and let a second, smaller one paint what is
//! missing. To paint the hidden half of a 3 one must know that it is a 3.
//!
//! ```text
//! image ─▶ patches ─▶ keep 1 in 4 ─▶ W + position ─▶ encoder ─▶ narrow ─┐
//!                                                                       ├─▶ + position ─▶ decoder ─▶ pixels
//!          for every hidden patch the same learnt token ────────────────┘
//!
//! L = mean over hidden patches of (pixels − painted)²
//! ```
//!
//! The encoder never sees the masks: it works on a quarter of the patches, which makes it cheap, and meets the same kind of
//! input afterwards, when nothing is hidden. So much must be hidden because images repeat themselves: with 15 %, as in a text,
//! the gaps can be filled from their borders.
//!
//! Paper: K. He et al., *Masked autoencoders are scalable vision learners*, 2021 (<https://arxiv.org/abs/2111.06377>).
//!
//! ## Differs from the paper
//!
//! 1. No class token: the features of an image are the mean of its patches'.
//! 2. Positions are the one-dimensional sine table, over patches row by row. Targets are pixels as they are.
//! 3. The presets are for images of a few pixels.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::activation::Activation;
use fornax_nn_core::config::{at_least_one, below_one};
use fornax_nn_core::gradient::{NonFinite, gradients};
use fornax_sequence::attention::AttentionContext;
use fornax_sequence::position::sinusoidal;
use fornax_sequence::transformer::Stack;
use fornax_sequence::transformer::block::{BlockConfig, NormOrder};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Sizes of a [`MaskedAutoencoder`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct MaskedAutoencoderConfig {
    /// Height and width of an image, multiples of `patch`.
    pub image_size: [usize; 2],
    /// Side of a patch. Default: 16 patches of the embedded digits.
    #[config(default = 2)]
    pub patch: usize,
    /// Channels of an image.
    #[config(default = 1)]
    pub in_channels: usize,
    /// Features of a patch in the encoder, even.
    #[config(default = 64)]
    pub d_model: usize,
    /// Blocks of the encoder.
    #[config(default = 3)]
    pub layers: usize,
    /// Features of a patch in the decoder, even. Default: half the encoder's, as in the paper's ViT-L.
    #[config(default = 32)]
    pub decoder_d_model: usize,
    /// Blocks of the decoder. Default: one, the paper's least that does well after fine-tuning.
    #[config(default = 1)]
    pub decoder_layers: usize,
    /// Heads of attention in both.
    #[config(default = 4)]
    pub heads: usize,
    /// Share of the patches that is hidden, in [0, 1). Default: the paper's.
    #[config(default = 0.75)]
    pub masked: f64,
}

impl MaskedAutoencoderConfig {
    /// For the embedded 8 × 8 digits.
    pub fn digits() -> Self {
        Self::new([8, 8])
    }

    /// Patches of an image.
    pub fn patches(&self) -> usize {
        let patch = self.patch.max(1);
        (self.image_size[0] / patch) * (self.image_size[1] / patch)
    }

    /// Patches that are shown, at least one.
    pub fn visible(&self) -> usize {
        ((self.patches() as f64 * (1.0 - self.masked)).round() as usize).max(1)
    }

    /// Builds the model on `device`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<MaskedAutoencoder, ConfigError> {
        at_least_one(&[("patch", self.patch), ("in_channels", self.in_channels)])?;
        below_one("masked", self.masked)?;
        if self.image_size.iter().any(|&side| side == 0 || !side.is_multiple_of(self.patch)) {
            let reason = format!("must be multiples of the patch {}, got {:?}", self.patch, self.image_size);
            return Err(ConfigError::new("image_size", reason));
        }
        if self.visible() >= self.patches() {
            let reason = format!("{} hides none of {} patches", self.masked, self.patches());
            return Err(ConfigError::new("masked", reason));
        }
        for (field, width) in [("d_model", self.d_model), ("decoder_d_model", self.decoder_d_model)] {
            if width == 0 || width % 2 == 1 {
                return Err(ConfigError::new(field, format!("must be even and above zero, got {width}")));
            }
        }
        let stack = |width: usize, layers| {
            let block = BlockConfig::new(width, self.heads, 4 * width)
                .with_order(NormOrder::Pre)
                .with_activation(Activation::Gelu)
                .with_dropout(0.0);
            Stack::new(layers, &block, true, device)
        };
        let pixels = self.in_channels * self.patch * self.patch;
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        let token = Initializer::Normal { mean: 0.0, std: 0.02 };
        Ok(MaskedAutoencoder {
            embed: linear(pixels, self.d_model),
            encoder: stack(self.d_model, self.layers)?,
            narrow: linear(self.d_model, self.decoder_d_model),
            token: token.init([1, 1, self.decoder_d_model], device),
            decoder: stack(self.decoder_d_model, self.decoder_layers)
                .map_err(|error| ConfigError::new(format!("decoder_{}", error.field), error.reason))?,
            paint: linear(self.decoder_d_model, pixels),
            config: self.clone(),
        })
    }
}

/// The model; see the [module page](self).
#[derive(Module, Debug)]
pub struct MaskedAutoencoder {
    /// From a patch's pixels to its features.
    pub embed: Linear,
    /// What is transferred.
    pub encoder: Stack,
    /// From the encoder's width to the decoder's.
    pub narrow: Linear,
    /// Stands for every hidden patch: `[1, 1, decoder_d_model]`.
    pub token: Param<Tensor<3>>,
    /// Paints.
    pub decoder: Stack,
    /// From features to pixels.
    pub paint: Linear,
    /// What it was built from.
    #[module(skip)]
    pub config: MaskedAutoencoderConfig,
}

/// For each image an order of its patches; the first of them are shown.
#[derive(Debug, Clone)]
pub struct Masking {
    /// `[batch, patches]`: the patch at each place of the order.
    pub order: Tensor<2, Int>,
    /// `[batch, patches]`: the place of each patch in the order.
    pub place: Tensor<2, Int>,
}

impl MaskedAutoencoderConfig {
    /// Draws an order for each of `batch` images; `index` is that of the step.
    pub fn masking(&self, batch: usize, seed: u64, index: u64, device: &Device) -> Masking {
        let patches = self.patches();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(index);
        let (mut order, mut place) = (Vec::new(), vec![0; batch * patches]);
        for row in 0..batch {
            let mut patch: Vec<i64> = (0..patches as i64).collect();
            for i in (1..patches).rev() {
                patch.swap(i, rng.random_range(0..=i));
            }
            for (at, &patch) in patch.iter().enumerate() {
                place[row * patches + patch as usize] = at as i64;
            }
            order.extend(patch);
        }
        let tensor = |values| Tensor::from_data(TensorData::new(values, [batch, patches]), device);
        Masking { order: tensor(order), place: tensor(place) }
    }
}

impl MaskedAutoencoder {
    /// Patches as rows of pixels, row by row.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`
    /// - output: `[batch, patches, in_channels · patch²]`
    ///
    /// # Panics
    ///
    /// On images of other sizes than the configuration's.
    pub fn patches(&self, images: Tensor<4>) -> Tensor<3> {
        let [batch, channels, height, width] = images.dims();
        let expected = (self.config.in_channels, self.config.image_size);
        let actual = (channels, [height, width]);
        assert!(actual == expected, "images of {actual:?} channels and size, expected {expected:?}");
        let p = self.config.patch;
        let x = images.reshape([batch, channels, height / p, p, width / p, p]);
        let x = x.permute([0, 2, 4, 1, 3, 5]); // [B, H/p, W/p, C, p, p]
        x.reshape([batch, (height / p) * (width / p), channels * p * p])
    }

    /// Features of whole images, for other tasks.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`
    /// - output: `[batch, d_model]`
    pub fn encode(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.embedded(images);
        self.encoder.forward(x, &AttentionContext::default(), None).mean_dim(1).squeeze_dim(1)
    }

    /// All patches painted, the hidden ones from what is shown.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`
    /// - output: `[batch, patches, in_channels · patch²]`
    pub fn forward(&self, images: Tensor<4>, masking: &Masking) -> Tensor<3> {
        let context = AttentionContext::default();
        let x = self.embedded(images); // [B, N, D]
        let [batch, patches, _] = x.dims();
        let visible = self.config.visible();
        let shown = rows(x, masking.order.clone().narrow(1, 0, visible)); // [B, V, D]
        let shown = self.narrow.forward(self.encoder.forward(shown, &context, None)); // [B, V, E]
        let width = self.config.decoder_d_model;
        let hidden = self.token.val().expand([batch, patches - visible, width]);
        let all = rows(Tensor::cat(vec![shown, hidden], 1), masking.place.clone()); // [B, N, E]
        let position = sinusoidal(patches, width, &all.device()).cast(all.dtype()).unsqueeze::<3>();
        self.paint.forward(self.decoder.forward(all + position, &context, None))
    }

    /// Mean squared error of the hidden patches' pixels.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`
    pub fn loss(&self, images: Tensor<4>, masking: &Masking) -> Tensor<1> {
        let difference = self.forward(images.clone(), masking) - self.patches(images);
        let (visible, patches) = (self.config.visible(), self.config.patches());
        let hidden = rows(difference, masking.order.clone().narrow(1, visible, patches - visible));
        (hidden.clone() * hidden).mean()
    }

    fn embedded(&self, images: Tensor<4>) -> Tensor<3> {
        let x = self.embed.forward(self.patches(images)); // [B, N, D]
        let [_, patches, width] = x.dims();
        let position = sinusoidal(patches, width, &x.device()).cast(x.dtype()).unsqueeze::<3>();
        x + position
    }
}

/// For each image the rows of `x` that `index` names.
fn rows(x: Tensor<3>, index: Tensor<2, Int>) -> Tensor<3> {
    let ([batch, _, width], [_, count]) = (x.dims(), index.dims());
    x.gather(1, index.unsqueeze_dim::<3>(2).expand([batch, count, width]))
}

/// One step of learning. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step(
    model: MaskedAutoencoder,
    optim: &mut ModuleOptimizer,
    lr: f64,
    images: Tensor<4>,
    masking: &Masking,
) -> Result<(MaskedAutoencoder, f32), NonFinite> {
    let (loss, gradients) = gradients(model.loss(images, masking), &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}
