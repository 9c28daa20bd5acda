//! One layer of a Transformer.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Initializer};
use burn::tensor::{Bool, Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::activation::Activation;
use fornax_nn_core::config::{below_one, positive};
use serde::{Deserialize, Serialize};

use super::feed_forward::{FeedForward, FeedForwardConfig};
use super::norm::{Norm, NormKind};
use crate::attention::{AttentionContext, KeyValueCache, MultiHeadAttention, MultiHeadAttentionConfig};

/// Where the normalisation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormOrder {
    /// Inside the branch: x + f(norm(x)). Gradients reach every layer undiminished, deep stacks train without warm-up; the
    /// sum needs one more norm at the end.
    Pre,
    /// After the sum: norm(x + f(x)), the paper's. Needs warm-up.
    Post,
}

/// Sizes of a [`Block`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug)]
pub struct BlockConfig {
    /// Features of a position.
    pub d_model: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Features inside the feed-forward layer.
    pub d_ff: usize,
    /// Heads of keys and values. Default: as many as `heads`.
    pub kv_heads: Option<usize>,
    /// Default: the paper's.
    #[config(default = "Activation::Relu")]
    pub activation: Activation,
    /// Default: the paper's.
    #[config(default = "NormKind::Layer")]
    pub norm: NormKind,
    /// Default: the paper's.
    #[config(default = "NormOrder::Post")]
    pub order: NormOrder,
    /// Whether the block also attends to a memory, as in a decoder. Default: no.
    #[config(default = false)]
    pub cross: bool,
    /// Probability of dropping an attention weight, or an element of a branch. Default: the paper's.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Whether linear layers and LayerNorm have biases. Default: yes, the paper's.
    #[config(default = true)]
    pub bias: bool,
    /// ε of the normalisations. Default: PyTorch's.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Of all weights but those that end a branch. Default: Xavier, as PyTorch's Transformer.
    #[config(default = "Initializer::XavierUniform { gain: 1.0 }")]
    pub initializer: Initializer,
    /// Of the weights that end a branch. Default: the same.
    #[config(default = "Initializer::XavierUniform { gain: 1.0 }")]
    pub output_initializer: Initializer,
}

impl BlockConfig {
    /// Builds the block on `device`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<Block, ConfigError> {
        below_one("dropout", self.dropout)?;
        positive("epsilon", self.epsilon)?;
        let attention = MultiHeadAttentionConfig::new(self.d_model, self.heads)
            .with_kv_heads(self.kv_heads)
            .with_dropout(self.dropout)
            .with_bias(self.bias)
            .with_initializer(self.initializer.clone())
            .with_output_initializer(self.output_initializer.clone());
        let feed_forward = FeedForwardConfig::new(self.d_model, self.d_ff, self.activation)
            .with_bias(self.bias)
            .with_initializer(self.initializer.clone())
            .with_output_initializer(self.output_initializer.clone());
        let norm = || Norm::new(self.norm, self.d_model, self.epsilon, self.bias, device);
        let cross = if self.cross { Some(attention.init(device)?) } else { None };
        Ok(Block {
            attention: attention.init(device)?,
            attention_norm: norm(),
            cross_norm: cross.as_ref().map(|_| norm()),
            cross,
            feed_forward: feed_forward.init(device)?,
            feed_forward_norm: norm(),
            dropout: DropoutConfig::new(self.dropout).init(),
            order: self.order,
        })
    }
}

/// What a decoder looks at besides itself.
#[derive(Debug, Clone)]
pub struct Memory {
    /// `[batch, keys, d_model]`
    pub states: Tensor<3>,
    /// True where hidden: `[batch, 1, 1, keys]`.
    pub hidden: Option<Tensor<4, Bool>>,
}

/// Attention, attention to a memory where there is one, and a feed-forward layer, each a branch that is added to what passes by.
///
/// ```text
/// pre    x ─┬──▶ norm ─▶ f ─▶ dropout ─▶ + ─▶        post    x ─┬──▶ f ─▶ dropout ─▶ + ─▶ norm ─▶
///           └────────────────────────────┘                      └────────────────────┘
/// ```
#[derive(Module, Debug)]
pub struct Block {
    /// Of the positions to each other.
    pub attention: MultiHeadAttention,
    /// Its norm.
    pub attention_norm: Norm,
    /// Of the positions to a memory.
    pub cross: Option<MultiHeadAttention>,
    /// Its norm.
    pub cross_norm: Option<Norm>,
    /// Of every position for itself.
    pub feed_forward: FeedForward,
    /// Its norm.
    pub feed_forward_norm: Norm,
    /// On every branch, active only while training.
    pub dropout: Dropout,
    /// Where the norms stand.
    #[module(skip)]
    pub order: NormOrder,
}

impl Block {
    /// # Shapes
    ///
    /// - x: `[batch, length, d_model]`
    /// - context: of the self-attention
    /// - output: `[batch, length, d_model]`
    ///
    /// # Panics
    ///
    /// When a block with a memory gets none.
    pub fn forward(&self, x: Tensor<3>, context: &AttentionContext, memory: Option<&Memory>) -> Tensor<3> {
        self.run(x, memory, |x| self.attention.forward(x.clone(), x, context))
    }

    /// The same for new positions, those before them in `cache`.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, new, d_model]`
    /// - output: `[batch, new, d_model]`
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_cached(
        &self,
        x: Tensor<3>,
        context: &AttentionContext,
        memory: Option<&Memory>,
        cache: &mut KeyValueCache,
    ) -> Tensor<3> {
        self.run(x, memory, |x| self.attention.forward_cached(x, context, cache))
    }

    /// The weights of the self-attention that [`forward`](Self::forward) would use.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, length, d_model]`
    /// - output: `[batch, heads, length, length]`
    pub fn attention_map(&self, x: Tensor<3>, context: &AttentionContext) -> Tensor<4> {
        let x = match self.order {
            NormOrder::Pre => self.attention_norm.forward(x),
            NormOrder::Post => x,
        };
        self.attention.forward_with_weights(x.clone(), x, context).1
    }

    /// The weights of the attention to the memory that [`forward`](Self::forward) would use; nothing without one.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, length, d_model]`
    /// - output: `[batch, heads, length, keys]`
    pub fn memory_map(&self, x: Tensor<3>, context: &AttentionContext, memory: &Memory) -> Option<Tensor<4>> {
        let (cross, norm) = self.cross.as_ref().zip(self.cross_norm.as_ref())?;
        let x = self.branch(x, &self.attention_norm, |x| self.attention.forward(x.clone(), x, context));
        let x = match self.order {
            NormOrder::Pre => norm.forward(x),
            NormOrder::Post => x,
        };
        let context = AttentionContext { hidden: memory.hidden.clone(), ..Default::default() };
        Some(cross.forward_with_weights(x, memory.states.clone(), &context).1)
    }

    fn run(
        &self,
        x: Tensor<3>,
        memory: Option<&Memory>,
        attend: impl FnOnce(Tensor<3>) -> Tensor<3>,
    ) -> Tensor<3> {
        let x = self.branch(x, &self.attention_norm, attend);
        let x = match (&self.cross, &self.cross_norm, memory) {
            (Some(cross), Some(norm), Some(Memory { states, hidden })) => {
                let context = AttentionContext { hidden: hidden.clone(), ..Default::default() };
                self.branch(x, norm, |x| cross.forward(x, states.clone(), &context))
            }
            (None, None, None) => x,
            (cross, ..) => panic!(
                "a memory was {}given to a block with{} attention to one",
                if memory.is_some() { "" } else { "not " },
                if cross.is_some() { "" } else { "out" }
            ),
        };
        self.branch(x, &self.feed_forward_norm, |x| self.feed_forward.forward(x))
    }

    fn branch(&self, x: Tensor<3>, norm: &Norm, f: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Tensor<3> {
        match self.order {
            NormOrder::Pre => x.clone() + self.dropout.forward(f(norm.forward(x))),
            NormOrder::Post => norm.forward(x.clone() + self.dropout.forward(f(x))),
        }
    }
}
