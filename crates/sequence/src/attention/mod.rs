//! # Attention
//!
//! A soft look-up. Every position asks a question (**query**), every position offers a label (**key**) and a content
//! (**value**); the answer is the mean of the contents, weighted by how well question and label match:
//!
//! ```text
//! scores   s_ij = q_i · k_j / √d  (+ bias_ij)          −∞ where j is hidden from i
//! weights  a_ij = e^(s_ij) / Σ_j e^(s_ij)              rows sum to one; a row that sees nothing is zero
//! answer   y_i  = Σ_j a_ij · v_j
//! ```
//!
//! The scores of d independent numbers of variance one have variance d: √d keeps the softmax out of its flat part. Any
//! position reaches any other in one step, however far away, where a recurrent network needs as many steps as there are
//! positions between; the price is a table of T × S scores.
//!
//! **Several heads** ask h questions at once, each in its own d/h dimensions, and mix the answers:
//!
//! ```text
//!            ┌─ W_q ─▶ split into heads ─ rotate ─┐
//! query  x ──┘                                    ├─▶ softmax(q·kᵀ/√d) · v ─▶ join heads ─ W_o ─▶ y
//! memory m ──┬─ W_k ─▶ split ─ rotate ─ cache ────┤        (mask, bias)
//!            └─ W_v ─▶ split ────────── cache ────┘
//! ```
//!
//! **Grouped queries**: h heads of queries share g < h heads of keys and values (g = 1: multi-query), so that what must be
//! kept while generating shrinks by h/g. **Masks** are boolean, true where hidden ([`mask`]); positions enter as a rotation
//! of queries and keys or as a bias on the scores ([`position`](crate::position)).
//!
//! Papers: A. Vaswani et al., *Attention is all you need*, 2017 (<https://arxiv.org/abs/1706.03762>); N. Shazeer, *Fast
//! Transformer decoding: one write-head is all you need*, 2019 (<https://arxiv.org/abs/1911.02150>); J. Ainslie et al., *GQA*,
//! 2023 (<https://arxiv.org/abs/2305.13245>).
//!
//! ## Differs from the paper
//!
//! 1. Projections have biases, as PyTorch's `nn.MultiheadAttention`; `bias` switches them off.
//! 2. A row that may see nothing (a padded query in a padded batch) gives zeros. Elsewhere it is NaN, or the mean of what
//!    should be hidden.

mod cache;
pub mod mask;

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Initializer, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one};

pub use cache::KeyValueCache;

use crate::position::Rotation;

/// How much of every key each query takes: softmax over the last dimension, exactly zero where `hidden`.
///
/// # Shapes
///
/// - scores: `[batch, heads, queries, keys]`
/// - hidden: the same, or 1 where it does not differ
/// - output: `[batch, heads, queries, keys]`
pub fn attention_weights(scores: Tensor<4>, hidden: Option<&Tensor<4, Bool>>) -> Tensor<4> {
    let Some(hidden) = hidden else { return softmax(scores, 3) };
    // The softmax of a row of −∞ is NaN. Filling the hidden places once more makes it zero, and in the backward pass
    // cuts the NaN off on both sides.
    let scores = scores.mask_fill(hidden.clone(), f32::NEG_INFINITY);
    softmax(scores, 3).mask_fill(hidden.clone(), 0.0)
}

/// What stands between queries and keys besides their product.
#[derive(Debug, Clone, Default)]
pub struct AttentionContext {
    /// True where a key is hidden from a query: `[batch or 1, heads or 1, queries or 1, keys]`.
    pub hidden: Option<Tensor<4, Bool>>,
    /// Added to the scores: `[1, heads, queries, keys]`.
    pub bias: Option<Tensor<4>>,
    /// Turns queries and keys by their positions.
    pub rotation: Option<Rotation>,
}

/// Sizes of a [`MultiHeadAttention`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug)]
pub struct MultiHeadAttentionConfig {
    /// Features of a position, divisible by `heads`.
    pub d_model: usize,
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of keys and values, a divisor of `heads`. Default: as many, the paper's.
    pub kv_heads: Option<usize>,
    /// Probability of dropping a weight after the softmax, in [0, 1). Default: none.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Whether the projections have biases. Default: yes, PyTorch's.
    #[config(default = true)]
    pub bias: bool,
    /// Of the weights of queries, keys and values. Default: Xavier, PyTorch's.
    #[config(default = "Initializer::XavierUniform { gain: 1.0 }")]
    pub initializer: Initializer,
    /// Of the weights of the output. Default: Xavier.
    #[config(default = "Initializer::XavierUniform { gain: 1.0 }")]
    pub output_initializer: Initializer,
}

impl MultiHeadAttentionConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self { d_model, heads, .. } = *self;
        at_least_one(&[("d_model", d_model), ("heads", heads)])?;
        if !d_model.is_multiple_of(heads) {
            return Err(ConfigError::new("heads", format!("must divide d_model = {d_model}, got {heads}")));
        }
        match self.kv_heads {
            Some(kv_heads) if kv_heads == 0 || !heads.is_multiple_of(kv_heads) => {
                return Err(ConfigError::new(
                    "kv_heads",
                    format!("must divide heads = {heads}, got {kv_heads}"),
                ));
            }
            _ => {}
        }
        below_one("dropout", self.dropout)
    }

    /// Builds the layer on `device`; biases start at zero.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<MultiHeadAttention, ConfigError> {
        self.validate()?;
        let (heads, kv_heads) = (self.heads, self.kv_heads.unwrap_or(self.heads));
        let d_kv = self.d_model / heads * kv_heads;
        let linear = |outputs, initializer: &Initializer| {
            linear([self.d_model, outputs], self.bias, initializer, device)
        };
        Ok(MultiHeadAttention {
            query: linear(self.d_model, &self.initializer),
            key: linear(d_kv, &self.initializer),
            value: linear(d_kv, &self.initializer),
            output: linear(self.d_model, &self.output_initializer),
            dropout: DropoutConfig::new(self.dropout).init(),
            heads,
            kv_heads,
        })
    }
}

/// A linear layer whose bias starts at zero.
pub(crate) fn linear(
    [inputs, outputs]: [usize; 2],
    bias: bool,
    weight: &Initializer,
    device: &Device,
) -> Linear {
    let config = LinearConfig::new(inputs, outputs).with_bias(false).with_initializer(weight.clone());
    let bias = bias.then(|| Initializer::Zeros.init([outputs], device));
    Linear { bias, ..config.init(device) }
}

/// Attention with several heads; see the [module page](self).
#[derive(Module, Debug)]
pub struct MultiHeadAttention {
    /// W_q.
    pub query: Linear,
    /// W_k.
    pub key: Linear,
    /// W_v.
    pub value: Linear,
    /// W_o.
    pub output: Linear,
    /// On the weights, active only while training.
    pub dropout: Dropout,
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
}

impl MultiHeadAttention {
    /// Each position of `x` asks, those of `memory` answer; self-attention when they are the same.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, queries, d_model]`
    /// - memory: `[batch, keys, d_model]`
    /// - output: `[batch, queries, d_model]`
    ///
    /// # Panics
    ///
    /// When the last dimension is not `d_model`, or `context` has other sizes.
    pub fn forward(&self, x: Tensor<3>, memory: Tensor<3>, context: &AttentionContext) -> Tensor<3> {
        self.forward_with_weights(x, memory, context).0
    }

    /// [`forward`](Self::forward), and the weights before dropout, to look at.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, queries, d_model]`
    /// - memory: `[batch, keys, d_model]`
    /// - output: `[batch, queries, d_model]` and `[batch, heads, queries, keys]`
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_with_weights(
        &self,
        x: Tensor<3>,
        memory: Tensor<3>,
        context: &AttentionContext,
    ) -> (Tensor<3>, Tensor<4>) {
        let query = self.queries(x, context);
        let [key, value] = self.keys_and_values(memory, context);
        self.attend(query, key, value, context)
    }

    /// Self-attention of the positions of `x` to themselves and to all before them, whose keys and values are in `cache`;
    /// theirs are added to it.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, new, d_model]`
    /// - context: for `new` queries and as many keys as the cache holds afterwards
    /// - output: `[batch, new, d_model]`
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_cached(
        &self,
        x: Tensor<3>,
        context: &AttentionContext,
        cache: &mut KeyValueCache,
    ) -> Tensor<3> {
        let query = self.queries(x.clone(), context);
        let [key, value] = cache.extend(self.keys_and_values(x, context));
        self.attend(query, key, value, context).0
    }

    fn queries(&self, x: Tensor<3>, context: &AttentionContext) -> Tensor<4> {
        rotated(split_heads(self.query.forward(x), self.heads), context)
    }

    fn keys_and_values(&self, memory: Tensor<3>, context: &AttentionContext) -> [Tensor<4>; 2] {
        let key = split_heads(self.key.forward(memory.clone()), self.kv_heads);
        [rotated(key, context), split_heads(self.value.forward(memory), self.kv_heads)]
    }

    fn attend(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        context: &AttentionContext,
    ) -> (Tensor<3>, Tensor<4>) {
        let [batch, heads, queries, d] = query.dims();
        let keys = key.dims()[2];
        // Queries that share keys are rows of one product.
        let rows = heads / self.kv_heads * queries;
        let query = (query * (d as f64).powf(-0.5)).reshape([batch, self.kv_heads, rows, d]);
        let mut scores = query.matmul(key.swap_dims(2, 3)).reshape([batch, heads, queries, keys]);
        if let Some(bias) = &context.bias {
            scores = scores + bias.clone();
        }
        let weights = attention_weights(scores, context.hidden.as_ref()); // [B, H, T, S]
        let used = self.dropout.forward(weights.clone()).reshape([batch, self.kv_heads, rows, keys]);
        let answer = used.matmul(value).reshape([batch, heads, queries, d]); // [B, H, T, D]
        let joined = answer.swap_dims(1, 2).reshape([batch, queries, heads * d]); // [B, T, H·D]
        (self.output.forward(joined), weights)
    }
}

/// `[batch, length, heads · d]` to `[batch, heads, length, d]`.
fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [batch, length, width] = x.dims();
    x.reshape([batch, length, heads, width / heads]).swap_dims(1, 2)
}

fn rotated(x: Tensor<4>, context: &AttentionContext) -> Tensor<4> {
    match &context.rotation {
        Some(rotation) => rotation.apply(x),
        None => x,
    }
}
