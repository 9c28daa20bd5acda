//! # Vision Transformer
//!
//! An image is cut into patches, each patch is a word, and the rest is BERT. Nothing in it knows that neighbouring patches
//! belong together, or that a cat stays a cat when it moves: what a convolutional network is born with, this one learns, if
//! there are images enough.
//!
//! ```text
//! 3×224² ─▶ 16×16 patches, each W·pixels + b ─▶ 196 × 768 ─▶ [CLS] before them ─▶ + P[position] ─▶ dropout ─┐
//!                                                                                                             ▼
//! classes ◀─ W ◀─ the [CLS] position ◀─ norm ◀─ [ x + attention(norm(x)) ─▶ x + W₂·gelu(W₁·norm(x)) ] × 12 ◀──┘
//! ```
//!
//! The `[CLS]` token is learnt and belongs to no patch: it is where the image's class is gathered.
//!
//! Paper: A. Dosovitskiy et al., *An image is worth 16×16 words*, ICLR 2021. <https://arxiv.org/abs/2010.11929>
//!
//! ## Differs from the paper
//!
//! 1. Dropout is off by default, as in torchvision, whose layout and ε = 1e-6 are used.
//! 2. The class layer starts at zero, as in torchvision and when the paper fine-tunes; its hidden layer for pre-training is
//!    left out.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Dropout, DropoutConfig, Initializer, Linear};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Int, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::activation::Activation;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::gradient::{NonFinite, gradients};
use fornax_nn_core::kernels::Convolve;

use crate::attention::{AttentionContext, linear};
use crate::transformer::Stack;
use crate::transformer::block::{BlockConfig, NormOrder};

/// Sizes of a [`VisionTransformer`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct VisionTransformerConfig {
    /// Number of classes. Default: ImageNet's.
    #[config(default = 1000)]
    pub num_classes: usize,
    /// Channels of the image. Default: colour.
    #[config(default = 3)]
    pub in_channels: usize,
    /// Height and width of the image, a multiple of `patch_size`. Default: the paper's.
    #[config(default = 224)]
    pub image_size: usize,
    /// Height and width of a patch. Default: the paper's.
    #[config(default = 16)]
    pub patch_size: usize,
    /// Features of a patch. Default: the base model's.
    #[config(default = 768)]
    pub d_model: usize,
    /// Blocks. Default: the base model's.
    #[config(default = 12)]
    pub layers: usize,
    /// Heads. Default: the base model's.
    #[config(default = 12)]
    pub heads: usize,
    /// Features inside the feed-forward layers. Default: the base model's.
    #[config(default = 3072)]
    pub d_ff: usize,
    /// Default: none, torchvision's.
    #[config(default = 0.0)]
    pub dropout: f64,
}

impl VisionTransformerConfig {
    /// ViT-B/16: 86,567,656 parameters.
    pub fn vit_b_16() -> Self {
        Self::new()
    }

    /// ViT-B/32: 88,224,232 parameters.
    pub fn vit_b_32() -> Self {
        Self::new().with_patch_size(32)
    }

    /// ViT-L/16: 304,326,632 parameters.
    pub fn vit_l_16() -> Self {
        Self::new().with_d_model(1024).with_layers(24).with_heads(16).with_d_ff(4096)
    }

    /// Four layers of 64 features for 16 × 16 grey digits in patches of 4 × 4.
    pub fn digits() -> Self {
        Self::new()
            .with_num_classes(10)
            .with_in_channels(1)
            .with_image_size(16)
            .with_patch_size(4)
            .with_d_model(64)
            .with_layers(4)
            .with_heads(4)
            .with_d_ff(128)
    }

    /// Patches in an image.
    pub fn patches(&self) -> usize {
        (self.image_size / self.patch_size).pow(2)
    }

    /// Builds the model on `device`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<VisionTransformer, ConfigError> {
        let Self { image_size, patch_size, in_channels, d_model, .. } = *self;
        let sizes = [("image_size", image_size), ("patch_size", patch_size), ("in_channels", in_channels)];
        at_least_one(&sizes)?;
        at_least_one(&[("num_classes", self.num_classes)])?;
        if !image_size.is_multiple_of(patch_size) {
            let reason = format!("must divide image_size = {image_size}, got {patch_size}");
            return Err(ConfigError::new("patch_size", reason));
        }
        let block = BlockConfig::new(d_model, self.heads, self.d_ff)
            .with_activation(Activation::Gelu)
            .with_order(NormOrder::Pre)
            .with_dropout(self.dropout)
            .with_epsilon(1e-6);
        let normal = |std| Initializer::Normal { mean: 0.0, std };
        let fan_in = (in_channels * patch_size * patch_size) as f64;
        Ok(VisionTransformer {
            stack: Stack::new(self.layers, &block, true, device)?,
            patches: Conv2dConfig::new([in_channels, d_model], [patch_size, patch_size])
                .with_stride([patch_size, patch_size])
                .with_initializer(normal(fan_in.powf(-0.5)))
                .init(device),
            class_token: Initializer::Zeros.init([1, 1, d_model], device),
            positions: normal(0.02).init([1, self.patches() + 1, d_model], device),
            dropout: DropoutConfig::new(self.dropout).init(),
            head: linear([d_model, self.num_classes], true, &Initializer::Zeros, device),
            config: self.clone(),
        })
    }
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct VisionTransformer {
    /// From pixels to patches: a convolution whose stride is its size.
    pub patches: Conv2d,
    /// `[CLS]`.
    pub class_token: Param<Tensor<3>>,
    /// P, that of `[CLS]` first.
    pub positions: Param<Tensor<3>>,
    /// On the sum, active only while training.
    pub dropout: Dropout,
    /// The blocks.
    pub stack: Stack,
    /// The output layer.
    pub head: Linear,
    /// What it was built from.
    #[module(skip)]
    pub config: VisionTransformerConfig,
}

impl VisionTransformer {
    /// The states of `[CLS]` and of every patch.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, image_size, image_size]`
    /// - output: `[batch, 1 + patches, d_model]`
    ///
    /// # Panics
    ///
    /// When the images have other sizes.
    pub fn features(&self, images: Tensor<4>) -> Tensor<3> {
        let (side, channels) = (self.config.image_size, self.config.in_channels);
        let [batch, found @ ..] = images.dims();
        assert_eq!(found, [channels, side, side], "channels, height and width of the images");
        let patches = self.patches.convolve(images).flatten::<3>(2, 3).swap_dims(1, 2); // [B, N, D]
        let class = self.class_token.val().repeat_dim(0, batch); // [B, 1, D]
        let x = Tensor::cat(vec![class, patches], 1) + self.positions.val(); // [B, 1 + N, D]
        self.stack.forward(self.dropout.forward(x), &AttentionContext::default(), None)
    }

    /// Logits of the classes.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, image_size, image_size]`
    /// - output: `[batch, num_classes]`
    ///
    /// # Panics
    ///
    /// As [`features`](Self::features).
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.head.forward(self.features(images).narrow(1, 0, 1).squeeze_dim(1))
    }
}

/// One labelled batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, in_channels, image_size, image_size]`
    pub images: Tensor<4>,
    /// `[batch]`, class indices below `num_classes`
    pub targets: Tensor<1, Int>,
}

/// Mean cross-entropy in nats.
///
/// # Shapes
///
/// - logits: `[batch, num_classes]`
/// - targets: `[batch]`
pub fn loss(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, targets)
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step(
    model: VisionTransformer,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: Batch,
) -> Result<(VisionTransformer, f32), NonFinite> {
    let loss = loss(model.forward(batch.images), batch.targets);
    let (loss, gradients) = gradients(loss, &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}
