//! # BERT
//!
//! An encoder sees a whole sentence at once, so it cannot be trained to predict the next word: it would look. BERT hides some
//! words instead and has them guessed from both sides.
//!
//! ```text
//! the cat [MASK] on the mat        of 15 % of the tokens, chosen at random and all to be predicted:
//!          │                         80 % become [MASK]      what guessing is about
//!          ▼                         10 % a random token     so that no token can be trusted
//!         sat                        10 % stay as they are   so that the right one is not ruled out
//! ```
//!
//! ```text
//! tokens ─▶ E[token] + P[position] + S[segment] ─▶ norm ─▶ dropout ─▶ [ attention · feed-forward ] × layers ─┐
//!                                                          post-norm                                         ▼
//!   [CLS] ─▶ tanh(W·x₀) ──── pooled                  gelu(W·x) ─▶ norm ─▶ · Eᵀ + b ─▶ logits of the hidden tokens
//!   mean over real tokens, length one ──── sentence embedding
//! ```
//!
//! What it has learnt serves other tasks: a new layer on the `[CLS]` position classifies; the **mean** of all positions, scaled
//! to length one, is a vector of the sentence, and after training on pairs of sentences the cosine of two such vectors says
//! how much two sentences mean the same.
//!
//! Papers: J. Devlin et al., *BERT*, 2019 (<https://arxiv.org/abs/1810.04805>); N. Reimers, I. Gurevych, *Sentence-BERT*, 2019
//! (<https://arxiv.org/abs/1908.10084>).
//!
//! ## Differs from the paper
//!
//! 1. No next-sentence prediction: later work found it does not help (<https://arxiv.org/abs/1907.11692>).
//! 2. The hidden tokens are drawn anew each time a text is seen, not once for all.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, EmbeddingConfig, Initializer, Linear};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::activation::Activation;
use fornax_nn_core::config::at_least_one;

use crate::attention::{AttentionContext, linear, mask};
use crate::position::indices;
use crate::tokens::{self, TokenError};
use crate::transformer::Stack;
use crate::transformer::block::BlockConfig;
use crate::transformer::norm::{Norm, NormKind};

mod masked;
mod pretrained;

pub use masked::{Batch, Corruption, MaskedBert, Noise, corrupt, loss, train_step};
pub use pretrained::bert_source;

/// Sizes of a [`Bert`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct BertConfig {
    /// Tokens there are.
    pub vocab_size: usize,
    /// Positions there are. Default: the paper's.
    #[config(default = 512)]
    pub context: usize,
    /// Segments there are: first and second sentence. Default: the paper's.
    #[config(default = 2)]
    pub segments: usize,
    /// Features of a position. Default: the base model's.
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
    /// Default: the paper's.
    #[config(default = "Activation::Gelu")]
    pub activation: Activation,
    /// Default: the paper's.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// ε of the normalisations. Default: the authors' code's.
    #[config(default = 1e-12)]
    pub epsilon: f64,
    /// Whether there is a layer on the `[CLS]` position. Default: yes, the paper's.
    #[config(default = true)]
    pub pooler: bool,
}

impl BertConfig {
    /// The base model with the uncased English vocabulary: 109,482,240 parameters.
    pub fn base() -> Self {
        Self::new(30_522)
    }

    /// The large model: 335,141,888 parameters.
    pub fn large() -> Self {
        Self::base().with_d_model(1024).with_layers(24).with_heads(16).with_d_ff(4096)
    }

    /// The sizes of all-MiniLM-L6-v2, a sentence encoder: 22,713,216 parameters.
    pub fn mini_lm() -> Self {
        Self::base().with_d_model(384).with_layers(6).with_d_ff(1536)
    }

    /// Builds the model: weights from N(0, 0.02²), the paper's.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<Bert, ConfigError> {
        let Self { vocab_size, context, segments, d_model, .. } = *self;
        at_least_one(&[("vocab_size", vocab_size), ("context", context), ("segments", segments)])?;
        let normal = Initializer::Normal { mean: 0.0, std: 0.02 };
        let block = BlockConfig::new(d_model, self.heads, self.d_ff)
            .with_activation(self.activation)
            .with_dropout(self.dropout)
            .with_epsilon(self.epsilon)
            .with_initializer(normal.clone())
            .with_output_initializer(normal.clone());
        let stack = Stack::new(self.layers, &block, false, device)?;
        let table = |rows| EmbeddingConfig::new(rows, d_model).with_initializer(normal.clone()).init(device);
        Ok(Bert {
            tokens: table(vocab_size),
            positions: table(context),
            segments: table(segments),
            norm: Norm::new(NormKind::Layer, d_model, self.epsilon, true, device),
            dropout: DropoutConfig::new(self.dropout).init(),
            stack,
            pooler: self.pooler.then(|| linear([d_model, d_model], true, &normal, device)),
            config: self.clone(),
        })
    }
}

/// The encoder; see the [module page](self).
#[derive(Module, Debug)]
pub struct Bert {
    /// E.
    pub tokens: Embedding,
    /// P.
    pub positions: Embedding,
    /// S.
    pub segments: Embedding,
    /// On the sum of the three.
    pub norm: Norm,
    /// On the normalised sum, active only while training.
    pub dropout: Dropout,
    /// The blocks.
    pub stack: Stack,
    /// On the `[CLS]` position.
    pub pooler: Option<Linear>,
    /// What it was built from.
    #[module(skip)]
    pub config: BertConfig,
}

impl Bert {
    /// The state of every position; all tokens are of the first segment.
    ///
    /// # Shapes
    ///
    /// - tokens: `[batch, length]`, length at most `context`
    /// - real: `[batch, length]`, false where padded
    /// - output: `[batch, length, d_model]`
    ///
    /// # Panics
    ///
    /// When there are more tokens than positions.
    pub fn forward(&self, tokens: Tensor<2, Int>, real: Tensor<2, Bool>) -> Tensor<3> {
        let segments = tokens.zeros_like();
        self.forward_segments(tokens, segments, real)
    }

    /// [`forward`](Self::forward) for tokens of several segments.
    ///
    /// # Shapes
    ///
    /// - tokens, segments: `[batch, length]`
    /// - real: `[batch, length]`, false where padded
    /// - output: `[batch, length, d_model]`
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_segments(
        &self,
        tokens: Tensor<2, Int>,
        segments: Tensor<2, Int>,
        real: Tensor<2, Bool>,
    ) -> Tensor<3> {
        let (length, context) = (tokens.dims()[1], self.config.context);
        assert!(length <= context, "{length} tokens, the context is {context}");
        let positions = indices(&[(0..length).collect()], &tokens.device());
        let x =
            self.tokens.forward(tokens) + self.segments.forward(segments) + self.positions.forward(positions);
        let x = self.dropout.forward(self.norm.forward(x)); // [B, T, D]
        let context = AttentionContext { hidden: Some(mask::padding(real)), ..Default::default() };
        self.stack.forward(x, &context, None)
    }

    /// What the layer on the `[CLS]` position makes of the states.
    ///
    /// # Shapes
    ///
    /// - states: `[batch, length, d_model]`
    /// - output: `[batch, d_model]`
    ///
    /// # Panics
    ///
    /// When the model was built without that layer.
    pub fn pool(&self, states: Tensor<3>) -> Tensor<2> {
        let Some(pooler) = &self.pooler else { panic!("this Bert was built with `pooler` = false") };
        pooler.forward(states.narrow(1, 0, 1).squeeze_dim(1)).tanh()
    }

    /// A vector of length one for each sentence: the mean of the states of its tokens, `[CLS]` and `[SEP]` among them.
    ///
    /// # Shapes
    ///
    /// - output: `[sentences, d_model]`
    ///
    /// # Errors
    ///
    /// [`TokenError`] when a sentence is empty, longer than the context, or has an unknown token.
    pub fn embed<S: AsRef<[u32]>>(&self, sentences: &[S]) -> Result<Tensor<2>, TokenError> {
        tokens::check(sentences, self.config.vocab_size, Some(self.config.context))?;
        let (rows, real) = tokens::pad(sentences, false);
        let device = self.tokens.weight.device();
        let shape = [real.len(), real[0].len()];
        let real = Tensor::<2, Bool>::from_data(TensorData::new(real.concat(), shape), &device);
        let states = self.forward(tokens::to_tensor(&rows, &device), real.clone());
        Ok(sentence_embedding(states, real))
    }
}

/// The mean of the real positions, scaled to length one.
///
/// # Shapes
///
/// - states: `[batch, length, d_model]`
/// - real: `[batch, length]`
/// - output: `[batch, d_model]`
pub fn sentence_embedding(states: Tensor<3>, real: Tensor<2, Bool>) -> Tensor<2> {
    let hidden = real.bool_not().unsqueeze_dim::<3>(2).expand(states.dims());
    // The mean and the sum point in one direction, and only that is left.
    let sum = states.mask_fill(hidden, 0.0).sum_dim(1).squeeze_dim::<2>(1); // [B, D]
    let norm = sum.clone().square().sum_dim(1).sqrt().clamp_min(1e-12);
    sum / norm
}
