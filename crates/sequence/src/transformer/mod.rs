//! # The Transformer
//!
//! Layers of two kinds of work: [attention](crate::attention) moves information between positions, a feed-forward layer
//! works on every position alone. Both are branches of a residual stream, so that gradients pass through any depth, and a
//! normalisation keeps the stream in scale. Three networks are built of these blocks:
//!
//! | | who sees whom | learns to | page |
//! |---|---|---|---|
//! | encoder | all see all | understand: fill gaps, embed, classify | [`bert`](crate::bert), [`vit`](crate::vit) |
//! | decoder | each sees those before it | continue | [`gpt`](crate::gpt) |
//! | encoder–decoder | the decoder also sees the encoder's result | turn one sequence into another | here |
//!
//! ```text
//! source ─▶ embed + position ─▶ [ attention · feed-forward ] × N ──── memory ───┐
//!                                                                               ▼
//! target ─▶ embed + position ─▶ [ masked attention · attention to memory · feed-forward ] × N ─▶ · Eᵀ ─▶ logits
//! shifted
//! ```
//!
//! ```text
//! x₀ = √d · E[token] + PE(position)                           the root keeps E of unit variance in step with PE
//! branch   x ← norm(x + f(x))     f: attention, attention to memory, W₂·max(0, W₁·x + b₁) + b₂
//! loss     label-smoothed cross-entropy, ε = 0.1
//! rate     d^(−½) · min(step^(−½), step · warm_up^(−3/2))     nn_core's ScheduleConfig::Noam
//! ```
//!
//! Paper: A. Vaswani et al., *Attention is all you need*, NeurIPS 2017. <https://arxiv.org/abs/1706.03762>
//!
//! ## Differs from the paper
//!
//! 1. Source and target have vocabularies and embeddings of their own; the paper shares one. The output layer is the
//!    target's embedding, as there.
//! 2. Embeddings are drawn from N(0, 1/d), PyTorch's Xavier for the rest; the paper does not say.
//! 3. Dropout also acts on the attention weights, as in PyTorch.

pub mod block;
pub mod feed_forward;
pub mod norm;
mod stack;
mod translate;

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, EmbeddingConfig, Initializer};
use burn::optim::ModuleOptimizer;
use burn::tensor::module::linear;
use burn::tensor::{Bool, Device, Int, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::gradient::{NonFinite, gradients};
use fornax_nn_core::loss::LabelSmoothingConfig;

pub use stack::Stack;
pub use translate::{Decoder, DecoderState};

use crate::attention::{AttentionContext, mask};
use crate::metric::mean_where;
use crate::position::sinusoidal;
use block::{BlockConfig, Memory, NormOrder};

/// Sizes of a [`Transformer`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct TransformerConfig {
    /// Tokens of the source.
    pub source_vocab: usize,
    /// Tokens of the target.
    pub target_vocab: usize,
    /// Features of a position, even. Default: the paper's base model.
    #[config(default = 512)]
    pub d_model: usize,
    /// Heads. Default: the base model's.
    #[config(default = 8)]
    pub heads: usize,
    /// Blocks of the encoder and of the decoder. Default: the base model's.
    #[config(default = 6)]
    pub layers: usize,
    /// Features inside the feed-forward layers. Default: the base model's.
    #[config(default = 2048)]
    pub d_ff: usize,
    /// The longest source or target. Default: enough for a sentence.
    #[config(default = 512)]
    pub context: usize,
    /// Where the norms stand. Default: after the sums, the paper's.
    #[config(default = "NormOrder::Post")]
    pub order: NormOrder,
    /// On every branch, the attention weights and the embeddings. Default: the base model's.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// ε of the label smoothing. Default: the paper's.
    #[config(default = 0.1)]
    pub label_smoothing: f64,
}

impl TransformerConfig {
    /// The paper's base model: 65 million parameters with its 37,000 shared tokens.
    pub fn base(source_vocab: usize, target_vocab: usize) -> Self {
        Self::new(source_vocab, target_vocab)
    }

    /// The paper's big model.
    pub fn big(source_vocab: usize, target_vocab: usize) -> Self {
        Self::new(source_vocab, target_vocab)
            .with_d_model(1024)
            .with_heads(16)
            .with_d_ff(4096)
            .with_dropout(0.3)
    }

    /// Two layers of 64 features, for tasks of a few dozen tokens on a CPU; norms inside the branches, so that it needs no
    /// warm-up.
    pub fn tiny(source_vocab: usize, target_vocab: usize) -> Self {
        Self::new(source_vocab, target_vocab)
            .with_d_model(64)
            .with_heads(4)
            .with_layers(2)
            .with_d_ff(256)
            .with_context(64)
            .with_order(NormOrder::Pre)
    }

    /// Builds the model on `device`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<Transformer, ConfigError> {
        let (source_vocab, target_vocab) = (self.source_vocab, self.target_vocab);
        at_least_one(&[
            ("source_vocab", source_vocab),
            ("target_vocab", target_vocab),
            ("context", self.context),
        ])?;
        if !self.d_model.is_multiple_of(2) {
            return Err(ConfigError::new("d_model", format!("must be even, got {}", self.d_model)));
        }
        LabelSmoothingConfig::new()
            .with_epsilon(self.label_smoothing)
            .init()
            .map_err(|error| ConfigError::new("label_smoothing", error.reason))?;
        let block = BlockConfig::new(self.d_model, self.heads, self.d_ff)
            .with_order(self.order)
            .with_dropout(self.dropout);
        let norm = self.order == NormOrder::Pre;
        let deviation = (self.d_model as f64).powf(-0.5);
        let embedding = |vocab| {
            let initializer = Initializer::Normal { mean: 0.0, std: deviation };
            EmbeddingConfig::new(vocab, self.d_model).with_initializer(initializer).init(device)
        };
        Ok(Transformer {
            encoder: Stack::new(self.layers, &block, norm, device)?,
            decoder: Stack::new(self.layers, &block.with_cross(true), norm, device)?,
            source: embedding(source_vocab),
            target: embedding(target_vocab),
            dropout: DropoutConfig::new(self.dropout).init(),
            config: self.clone(),
        })
    }
}

/// The encoder–decoder; see the [module page](self).
#[derive(Module, Debug)]
pub struct Transformer {
    /// Embedding of the source's tokens.
    pub source: Embedding,
    /// Embedding of the target's tokens, and the output layer.
    pub target: Embedding,
    /// Reads the source.
    pub encoder: Stack,
    /// Writes the target.
    pub decoder: Stack,
    /// On the embeddings, active only while training.
    pub dropout: Dropout,
    /// What it was built from.
    #[module(skip)]
    pub config: TransformerConfig,
}

impl Transformer {
    /// What the encoder makes of the source.
    ///
    /// # Shapes
    ///
    /// - source: `[batch, length]`
    /// - real: `[batch, length]`, false where padded
    /// - output: states of `[batch, length, d_model]`
    ///
    /// # Panics
    ///
    /// When the source is longer than `context`.
    pub fn encode(&self, source: Tensor<2, Int>, real: Tensor<2, Bool>) -> Memory {
        let hidden = Some(mask::padding(real));
        let context = AttentionContext { hidden: hidden.clone(), ..Default::default() };
        let states = self.encoder.forward(self.embed(&self.source, source, 0), &context, None);
        Memory { states, hidden }
    }

    /// Logits of the token after each of `target`, which is the true target behind a token that begins.
    ///
    /// # Shapes
    ///
    /// - target: `[batch, length]`
    /// - output: `[batch, length, target_vocab]`
    ///
    /// # Panics
    ///
    /// When the target is longer than `context`.
    pub fn decode(&self, target: Tensor<2, Int>, memory: &Memory) -> Tensor<3> {
        let length = target.dims()[1];
        let hidden = mask::causal(0..length, 0..length, None, &[], &target.device());
        let context = AttentionContext { hidden, ..Default::default() };
        self.logits(self.decoder.forward(self.embed(&self.target, target, 0), &context, Some(memory)))
    }

    /// Tokens as the stack gets them, the first at position `start`.
    fn embed(&self, embedding: &Embedding, tokens: Tensor<2, Int>, start: usize) -> Tensor<3> {
        let (length, d_model) = (tokens.dims()[1], self.config.d_model);
        let end = start + length;
        assert!(end <= self.config.context, "{end} tokens, the context is {}", self.config.context);
        let embedded = embedding.forward(tokens) * (d_model as f64).sqrt(); // [B, T, D]
        let positions = sinusoidal(end, d_model, &embedded.device()).narrow(0, start, length);
        self.dropout.forward(embedded.clone() + positions.cast(embedded.dtype()).unsqueeze())
    }

    fn logits(&self, x: Tensor<3>) -> Tensor<3> {
        linear(x, self.target.weight.val().transpose(), None) // [B, T, V]
    }
}

/// Pairs of sequences, padded on the right.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, source length]`
    pub source: Tensor<2, Int>,
    /// `[batch, source length]`, false where padded.
    pub source_real: Tensor<2, Bool>,
    /// `[batch, target length]`: the target behind a token that begins.
    pub inputs: Tensor<2, Int>,
    /// `[batch, target length]`: the target with a token that ends.
    pub targets: Tensor<2, Int>,
    /// `[batch, target length]`, false where padded.
    pub target_real: Tensor<2, Bool>,
}

/// Label-smoothed cross-entropy in nats, averaged over the real tokens.
///
/// # Shapes
///
/// - logits: `[batch, length, target_vocab]`
/// - targets, real: `[batch, length]`
pub fn loss(logits: Tensor<3>, targets: Tensor<2, Int>, real: Tensor<2, Bool>, smoothing: f64) -> Tensor<1> {
    let [batch, length, vocab] = logits.dims();
    let log_p = burn::tensor::activation::log_softmax(logits, 2);
    let right = log_p.clone().gather(2, targets.unsqueeze_dim(2)).reshape([batch, length]);
    let spread = log_p.sum_dim(2).reshape([batch, length]) * (1.0 / vocab as f64);
    mean_where(right * -(1.0 - smoothing) - spread * smoothing, real)
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step(
    model: Transformer,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: Batch,
) -> Result<(Transformer, f32), NonFinite> {
    let memory = model.encode(batch.source, batch.source_real);
    let logits = model.decode(batch.inputs, &memory);
    let loss = loss(logits, batch.targets, batch.target_real, model.config.label_smoothing);
    let (loss, gradients) = gradients(loss, &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}
