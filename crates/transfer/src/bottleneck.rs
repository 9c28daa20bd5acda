//! # Bottleneck adapters
//!
//! The first adapters: not a correction of a weight but a small layer of their own between the layers of a frozen network.
//!
//! ```text
//! y = x + U·gelu(D·x + b) + c            D: d × w,  U: w × d,  w ≪ d
//!
//!   x ─┬──▶ D ──▶ gelu ──▶ U ──▶ (+) ──▶ y
//!      └──────────────────────────┘         U and c begin at zero: at first y = x
//! ```
//!
//! A function that is not linear can do what no change of rank w can, but it cannot be merged: it stays as two more products
//! for every layer, one after the other, where LoRA costs nothing at inference.
//!
//! [`Bottleneck`] stands behind any layer; [`AdaptedStack`] is a Transformer's stack of frozen blocks with one behind each.
//!
//! Papers: N. Houlsby et al., *Parameter-efficient transfer learning for NLP*, 2019 (<https://arxiv.org/abs/1902.00751>);
//! J. Pfeiffer et al., *AdapterFusion*, 2020 (<https://arxiv.org/abs/2005.00247>).
//!
//! ## Differs from the paper
//!
//! 1. One adapter a block, behind it, as Pfeiffer; Houlsby's two stand behind attention and feed-forward layer, inside the
//!    block's sums.
//! 2. U is exactly zero at first, where the paper draws from N(0, 0.01²).

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_sequence::attention::AttentionContext;
use fornax_sequence::transformer::Stack;
use fornax_sequence::transformer::block::Memory;

/// Sizes of a [`Bottleneck`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct BottleneckConfig {
    /// d: features of what passes by.
    pub d_model: usize,
    /// w: features in between, below `d_model`. Default: the paper's smallest of good ones.
    #[config(default = 64)]
    pub width: usize,
}

impl BottleneckConfig {
    /// Builds the adapter on `device`; it begins as the identity.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<Bottleneck, ConfigError> {
        at_least_one(&[("d_model", self.d_model), ("width", self.width)])?;
        if self.width >= self.d_model {
            let reason = format!("must be below d_model = {}, got {}", self.d_model, self.width);
            return Err(ConfigError::new("width", reason));
        }
        let up = LinearConfig::new(self.width, self.d_model).with_initializer(Initializer::Zeros);
        Ok(Bottleneck { down: LinearConfig::new(self.d_model, self.width).init(device), up: up.init(device) })
    }
}

/// The adapter; see the [module page](self).
#[derive(Module, Debug)]
pub struct Bottleneck {
    /// D and b.
    pub down: Linear,
    /// U and c.
    pub up: Linear,
}

impl Bottleneck {
    /// # Shapes
    ///
    /// - x: `[…, d_model]`
    /// - output: the same
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        x.clone() + self.up.forward(gelu(self.down.forward(x)))
    }

    /// The same for the channels of a map.
    ///
    /// # Shapes
    ///
    /// - map: `[batch, d_model, height, width]`
    /// - output: the same
    pub fn forward_map(&self, map: Tensor<4>) -> Tensor<4> {
        self.forward(map.permute([0, 2, 3, 1])).permute([0, 3, 1, 2])
    }
}

/// A stack of blocks that stay as they are, an adapter behind each.
#[derive(Module, Debug)]
pub struct AdaptedStack {
    /// The frozen blocks.
    pub stack: Stack,
    /// One behind each.
    pub adapters: Vec<Bottleneck>,
}

impl AdaptedStack {
    /// Freezes the stack, dropout included, and puts an adapter behind each block.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field that cannot be used.
    pub fn new(stack: Stack, config: &BottleneckConfig, device: &Device) -> Result<Self, ConfigError> {
        let adapters = stack.blocks.iter().map(|_| config.init(device)).collect::<Result<_, _>>()?;
        Ok(Self { stack: stack.freeze(), adapters })
    }

    /// # Shapes
    ///
    /// - x: `[batch, length, d_model]`
    /// - output: the same
    pub fn forward(&self, x: Tensor<3>, context: &AttentionContext, memory: Option<&Memory>) -> Tensor<3> {
        let layers = self.stack.blocks.iter().zip(&self.adapters);
        let x = layers.fold(x, |x, (block, adapter)| adapter.forward(block.forward(x, context, memory)));
        match &self.stack.norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }
}
