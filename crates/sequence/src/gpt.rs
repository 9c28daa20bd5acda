//! # GPT
//!
//! A decoder alone, trained on nothing but the next token. With text enough that one task contains all others: to
//! continue "2 + 2 =" one must add, to continue a story one must remember who is in it.
//!
//! ```text
//! p(text) = Π_t p(token_t | token_<t)           loss = −1/T · Σ_t log p(token_t | token_<t)
//! ```
//!
//! One pass trains on every prefix at once, for a **causal mask** hides from each position what comes later.
//!
//! ```text
//! tokens ──▶ E[token] + P[position] ─▶ dropout ─┐
//!                                               ▼
//!        ┌── x + attention(norm(x)) ─▶ x + W₂·gelu(W₁·norm(x)) ──┐  × layers
//!        └───────────────────────────◀────────────────────────────┘
//!                                               │
//!                                    norm ─▶ · Eᵀ ─▶ logits of the next token
//! ```
//!
//! The output layer is the embedding itself. Weights are drawn from N(0, 0.02²), those that end a branch from
//! N(0, (0.02/√(2·layers))²), so that the sum of all branches begins as wide as one.
//!
//! The same page gives the models that came later, by its fields: rotary or ALiBi [positions](crate::position), RMSNorm,
//! SwiGLU, grouped queries and a sliding window make it a Llama or a Mistral ([`GptConfig::modern`]).
//!
//! Papers: A. Radford et al., *Language models are unsupervised multitask learners*, 2019
//! (<https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf>); H. Touvron et al.,
//! *LLaMA*, 2023 (<https://arxiv.org/abs/2302.13971>); A. Jiang et al., *Mistral 7B*, 2023 (<https://arxiv.org/abs/2310.06825>).
//!
//! ## Differs from the paper
//!
//! 1. Biases of linear layers can be left out (`bias`), as in A. Karpathy's nanoGPT, whose training recipe [`train_step`] and
//!    [`optimizer`] follow: gradients clipped at norm 1, AdamW that decays matrices only.

use burn::module::Module;
use burn::nn::{Dropout, Embedding};
use burn::optim::ModuleOptimizer;
use burn::tensor::module::linear;
use burn::tensor::{Bool, Int, Tensor};
use fornax_nn_core::gradient::{NonFinite, gradients};
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::{ConfigError, clip};

use crate::attention::{AttentionContext, mask};
use crate::metric::token_loss;
use crate::position::{PositionKind, Rotation, alibi, indices, sinusoidal};
use crate::transformer::Stack;

mod config;
mod generation;
mod pretrained;

pub use config::GptConfig;
pub use generation::GptState;
pub use pretrained::gpt2_source;

/// The longest gradient a step follows: GPT-3's and nanoGPT's.
const MAX_NORM: f64 = 1.0;

/// The model; see the [module page](self).
#[derive(Module, Debug)]
pub struct Gpt {
    /// E: the embedding of tokens, and the output layer.
    pub tokens: Embedding,
    /// P, where positions are learnt.
    pub positions: Option<Embedding>,
    /// The blocks.
    pub stack: Stack,
    /// On the embeddings, active only while training.
    pub dropout: Dropout,
    /// What it was built from.
    #[module(skip)]
    pub config: GptConfig,
}

impl Gpt {
    /// Logits of the token after each.
    ///
    /// # Shapes
    ///
    /// - tokens: `[batch, length]`, length at most `context`
    /// - output: `[batch, length, vocab_size]`
    ///
    /// # Panics
    ///
    /// When there are more tokens than the context.
    pub fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let length = tokens.dims()[1];
        let (x, context) = self.embed(tokens, 0..length, &[]);
        self.logits(self.stack.forward(x, &context, None))
    }

    /// How much every position takes from every other, layer by layer: to look at.
    ///
    /// # Shapes
    ///
    /// - tokens: `[batch, length]`, length at most `context`
    /// - output: for each layer `[batch, heads, length, length]`, rows sum to one
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn attention_maps(&self, tokens: Tensor<2, Int>) -> Vec<Tensor<4>> {
        let length = tokens.dims()[1];
        let (mut x, context) = self.embed(tokens, 0..length, &[]);
        let mut maps = Vec::new();
        for block in &self.stack.blocks {
            maps.push(block.attention_map(x.clone(), &context));
            x = block.forward(x, &context, None);
        }
        maps
    }

    /// Tokens at positions `at` as the first block gets them, and what they see of the keys of all positions up to theirs
    /// that are still kept. The first `padding[row]` positions of a row are none.
    fn embed(
        &self,
        tokens: Tensor<2, Int>,
        at: std::ops::Range<usize>,
        padding: &[usize],
    ) -> (Tensor<3>, AttentionContext) {
        let GptConfig { context, d_model, heads, position, .. } = self.config;
        assert!(at.end <= context, "{} tokens, the context is {context}", at.end);
        let device = tokens.device();
        let unpadded = [0];
        let rows = if padding.iter().all(|&pad| pad == 0) { &unpadded[..] } else { padding };
        let positions: Vec<Vec<usize>> =
            rows.iter().map(|&pad| at.clone().map(|i| i.saturating_sub(pad)).collect()).collect();
        let mut x = self.tokens.forward(tokens); // [B, T, D]
        if let Some(table) = &self.positions {
            x = x + table.forward(indices(&positions, &device)); // [B or 1, T, D]
        } else if position == PositionKind::Sinusoidal {
            let table = sinusoidal(at.end, d_model, &device).cast(x.dtype());
            let rows = positions.len();
            let rows = table.select(0, indices(&positions, &device).flatten(0, 1)).reshape([
                rows,
                at.len(),
                d_model,
            ]);
            x = x + rows;
        }
        let keys = self.reach(at.clone());
        let hidden = mask::causal(at.clone(), keys.clone(), self.config.window, padding, &device);
        let rotation =
            (position == PositionKind::Rotary).then(|| Rotation::new(&positions, d_model / heads, &device));
        let bias = (position == PositionKind::Alibi).then(|| alibi(heads, at, keys, &device).cast(x.dtype()));
        (self.dropout.forward(x), AttentionContext { hidden, bias, rotation })
    }

    /// The positions whose keys those at `at` can see.
    fn reach(&self, at: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let first = self.config.window.map_or(0, |window| (at.start + 1).saturating_sub(window));
        first..at.end
    }

    fn logits(&self, x: Tensor<3>) -> Tensor<3> {
        linear(x, self.tokens.weight.val().transpose(), None) // [B, T, V]
    }
}

/// Windows of text.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, length]`
    pub inputs: Tensor<2, Int>,
    /// `[batch, length]`: the token after each of the inputs.
    pub targets: Tensor<2, Int>,
    /// `[batch, length]`, true where input and target are real; all without.
    pub real: Option<Tensor<2, Bool>>,
}

/// AdamW with nanoGPT's settings for small models: β₂ = 0.99, and a decay of 0.1 on matrices only (embeddings included, norms
/// and biases left alone). The learning rate that goes with it is 1e-3, warmed up over 100 steps, then a cosine down to 1e-4.
///
/// # Errors
///
/// None: the settings are in range.
pub fn optimizer(model: &Gpt) -> Result<ModuleOptimizer, ConfigError> {
    AdamWConfig::new().with_beta_2(0.99).with_weight_decay(0.1).init_for_matrices(model)
}

/// Mean cross-entropy of a batch in nats a token.
pub fn loss(model: &Gpt, batch: Batch) -> Tensor<1> {
    token_loss(model.forward(batch.inputs), batch.targets, batch.real)
}

/// One step of learning: forward, loss, backward, gradients clipped at norm 1, update. Returns the new model and the loss
/// before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step(
    model: Gpt,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: Batch,
) -> Result<(Gpt, f32), NonFinite> {
    let (loss, gradients) = gradients(loss(&model, batch), &model)?;
    let (_, gradients) = clip::global_norm(&model, gradients, MAX_NORM);
    Ok((optim.step(lr, model, gradients), loss))
}
