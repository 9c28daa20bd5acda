//! # Sequence to sequence with attention
//!
//! A translation has another length and order than its source. An **encoder** reads all of the source, a **decoder** writes the
//! target token by token, each from what it wrote so far. Squeezing the source into one vector in between forgets long sentences;
//! **attention** lets the decoder look back at every step: it weighs all encoder outputs h_j by how well they fit its state.
//!
//! ```text
//! e_tj = score(s, h_j)        α_tj = softmax_j(e_tj)        c_t = Σ_j α_tj h_j
//!
//!  source  x₁   x₂   x₃                     target       y_t
//!          │    │    │                                    ▲
//!        [GRU, both directions]                         [read-out]
//!          h₁   h₂   h₃ ──▶ α_t·h = c_t ──────────────▶   ▲
//!                             ▲                           │
//!                             └──────────── s ──────── [GRU] ◀── y_(t−1), state
//! ```
//!
//! | | [Bahdanau](Attention::Bahdanau) (additive) | [Luong](Attention::Luong) (multiplicative) |
//! |---|---|---|
//! | looks with | the state before the step | the state after it |
//! | score | `vᵀ tanh(W s_(t−1) + U h_j)` | `s_tᵀ W h_j` |
//! | the GRU reads | `[y_(t−1), c_t]` | `[y_(t−1), r_(t−1)]` (input feeding) |
//! | read-out r_t | `tanh(W_r [s_t, c_t])` | the same |
//!
//! ## Training and use differ
//!
//! In training the decoder is given the right previous token (*teacher forcing*), in use its own, right or wrong; a first mistake
//! leads where training never went. *Scheduled sampling* gives it its own token with a rising probability ε also in training
//! ([`Sampling`]). In use, *greedy* search takes the most probable token at each step, *beam* search keeps the k most probable
//! beginnings ([`Seq2Seq::decoder`] with [`beam_search`](crate::generate::beam_search)).
//!
//! Papers: D. Bahdanau, K. Cho, Y. Bengio, *Neural machine translation by jointly learning to align and translate*, 2015
//! <https://arxiv.org/abs/1409.0473>; M.-T. Luong, H. Pham, C. D. Manning, *Effective approaches to attention-based neural
//! machine translation*, 2015 <https://arxiv.org/abs/1508.04025>; S. Bengio et al., *Scheduled sampling*, 2015
//! <https://arxiv.org/abs/1506.03099>; I. Sutskever, O. Vinyals, Q. V. Le, 2014 <https://arxiv.org/abs/1409.3215>.
//!
//! ## Differs from the papers
//!
//! 1. The same read-out for both, a tanh layer; Bahdanau's was a maxout layer that saw y_(t−1) too.
//! 2. Luong with a GRU and a bidirectional encoder where the paper has LSTMs in four layers.

mod decoder;

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one};
use fornax_nn_core::gradient::NonFinite;

use crate::gru::{Gru, GruConfig};
use crate::metric::token_loss;
use crate::training;

pub use decoder::{Decoder, DecoderState};

/// How the decoder weighs what the encoder read; pure data.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Attention {
    /// Additive, with the state before the step.
    Bahdanau,
    /// Multiplicative, with the state after the step.
    Luong,
}

/// Sizes of a [`Seq2Seq`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct Seq2SeqConfig {
    /// Tokens of the source's vocabulary.
    pub source_vocabulary: usize,
    /// Tokens of the target's vocabulary, those of begin and end among them.
    pub target_vocabulary: usize,
    /// How the decoder looks back. Default: the first published.
    #[config(default = "Attention::Bahdanau")]
    pub attention: Attention,
    /// Features of a token. Default: 64, for characters; the papers' words have 620 and 1,000.
    #[config(default = 64)]
    pub embedding_size: usize,
    /// Units of each direction of the encoder, of the decoder, and of the score. Default: 128; the papers have 1,000.
    #[config(default = 128)]
    pub hidden_size: usize,
    /// Probability of dropping a unit of embeddings and read-out, in [0, 1). Default: none, as Bahdanau.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// The token before the first one of a target. Default: 1, behind padding.
    #[config(default = 1)]
    pub begin: usize,
    /// The token after the last one of a target. Default: 2.
    #[config(default = 2)]
    pub end: usize,
}

impl Seq2SeqConfig {
    /// Builds the model.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<Seq2Seq, ConfigError> {
        at_least_one(&[
            ("source_vocabulary", self.source_vocabulary),
            ("embedding_size", self.embedding_size),
            ("hidden_size", self.hidden_size),
        ])?;
        for (field, token) in [("begin", self.begin), ("end", self.end)] {
            if token >= self.target_vocabulary {
                let reason =
                    format!("must be below target_vocabulary = {}, got {token}", self.target_vocabulary);
                return Err(ConfigError::new(field, reason));
            }
        }
        below_one("dropout", self.dropout)?;
        let (size, hidden) = (self.embedding_size, self.hidden_size);
        let (fed, query) = match self.attention {
            Attention::Bahdanau => (2 * hidden, Some(LinearConfig::new(hidden, hidden).init(device))),
            Attention::Luong => (hidden, None),
        };
        let score = LinearConfig::new(hidden, 1).with_bias(false).init(device);
        Ok(Seq2Seq {
            source: EmbeddingConfig::new(self.source_vocabulary, size).init(device),
            target: EmbeddingConfig::new(self.target_vocabulary, size).init(device),
            encoder: GruConfig::new(size, hidden).with_bidirectional(true).init(device)?,
            bridge: LinearConfig::new(hidden, hidden).init(device),
            decoder: GruConfig::new(size + fed, hidden).init(device)?,
            keys: LinearConfig::new(2 * hidden, hidden).with_bias(false).init(device),
            score: query.is_some().then_some(score),
            query,
            readout: LinearConfig::new(3 * hidden, hidden).init(device),
            head: LinearConfig::new(hidden, self.target_vocabulary).init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
            begin: self.begin,
            end: self.end,
        })
    }
}

/// Encoder, attention and decoder; see the [module page](self).
#[derive(Module, Debug)]
pub struct Seq2Seq {
    /// From source tokens to features.
    pub source: Embedding,
    /// From target tokens to features.
    pub target: Embedding,
    /// Reads the source in both directions.
    pub encoder: Gru,
    /// From the encoder's last state backwards to the decoder's first, `tanh(W ·)`.
    pub bridge: Linear,
    /// Writes the target.
    pub decoder: Gru,
    /// U (Bahdanau) or W (Luong), on the encoder's outputs.
    pub keys: Linear,
    /// v; Bahdanau only.
    pub score: Option<Linear>,
    /// W, on the decoder's state; Bahdanau only.
    pub query: Option<Linear>,
    /// W_r.
    pub readout: Linear,
    /// From the read-out to logits.
    pub head: Linear,
    /// Active only while training.
    pub dropout: Dropout,
    begin: usize,
    end: usize,
}

/// With which probability the decoder is given its own last token instead of the right one, and the numbers in [0, 1) that
/// decide: one a token, `[batch · steps]`.
#[derive(Debug, Clone, Copy)]
pub struct Sampling<'a> {
    /// ε, 0 for teacher forcing.
    pub rate: f64,
    /// Below ε: its own.
    pub noise: &'a [f32],
}

impl Seq2Seq {
    /// Logits of each target token, given those before it, and where the decoder looked.
    ///
    /// # Shapes
    ///
    /// - sources: `[batch, source_steps]`, padded on the right; lengths: one for each
    /// - inputs: `[batch, steps]`: begin, then the targets without their last
    /// - logits: `[batch, steps, target_vocabulary]`
    /// - attention: `[batch, steps, source_steps]`, rows sum to one and are zero on padding
    ///
    /// # Panics
    ///
    /// When sizes or lengths do not fit.
    pub fn forward(
        &self,
        sources: Tensor<2, Int>,
        lengths: &[usize],
        inputs: Tensor<2, Int>,
        sampling: Option<Sampling<'_>>,
    ) -> (Tensor<3>, Tensor<3>) {
        let [batch, steps] = inputs.dims();
        let (memory, mut state) = self.encode(sources, lengths);
        let (mut readouts, mut looks) = (Vec::with_capacity(steps), Vec::with_capacity(steps));
        let mut own: Option<Tensor<2, Int>> = None;
        for t in 0..steps {
            let mut token = inputs.clone().narrow(1, t, 1); // [B, 1]
            if let (Some(Sampling { rate, noise }), Some(own)) = (sampling, own.take()) {
                let chosen: Vec<bool> = (0..batch).map(|b| f64::from(noise[b * steps + t]) < rate).collect();
                let chosen =
                    Tensor::<2, Bool>::from_data(TensorData::new(chosen, [batch, 1]), &token.device());
                token = token.mask_where(chosen, own);
            }
            let (readout, look);
            (readout, look, state) = self.step(&memory, token, &state);
            own = sampling.map(|_| self.head.forward(readout.clone().detach()).argmax(1));
            readouts.push(readout);
            looks.push(look);
        }
        let readouts = self.dropout.forward(Tensor::stack::<3>(readouts, 1)); // [B, T, H]
        (self.head.forward(readouts), Tensor::stack(looks, 1))
    }

    /// Writes each source's target, taking the most probable token until the end or `max_steps`; and where it looked,
    /// `[batch, steps, source_steps]`. Call it on [`valid`](Module::valid).
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn greedy(
        &self,
        sources: Tensor<2, Int>,
        lengths: &[usize],
        max_steps: usize,
    ) -> (Vec<Vec<u32>>, Tensor<3>) {
        let batch = lengths.len();
        let device = sources.device();
        let (memory, mut state) = self.encode(sources, lengths);
        let mut token = Tensor::<2, Int>::full([batch, 1], self.begin as i64, &device);
        let (mut written, mut ended) = (vec![Vec::new(); batch], vec![false; batch]);
        let mut looks = Vec::new();
        while looks.len() < max_steps.max(1) && ended.contains(&false) {
            let (readout, look);
            (readout, look, state) = self.step(&memory, token, &state);
            token = self.head.forward(readout).argmax(1);
            looks.push(look);
            for (b, next) in token.to_data().iter::<i64>().enumerate() {
                ended[b] |= next == self.end as i64;
                if !ended[b] {
                    written[b].push(next as u32);
                }
            }
        }
        (written, Tensor::stack(looks, 1))
    }
}

/// Sources, and targets between begin and end.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, source_steps]`, padded on the right
    pub sources: Tensor<2, Int>,
    /// Tokens of each source.
    pub lengths: Vec<usize>,
    /// `[batch, steps]`: begin, then the target.
    pub inputs: Tensor<2, Int>,
    /// `[batch, steps]`: the target, then end.
    pub targets: Tensor<2, Int>,
    /// `[batch, steps]`, true where a target token counts.
    pub mask: Tensor<2, Bool>,
}

/// One step of learning: forward, token loss, gradient clipped to `max_norm`, update. Returns the new model and the loss before
/// the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step(
    model: Seq2Seq,
    optim: &mut ModuleOptimizer,
    (lr, max_norm): (f64, f64),
    batch: Batch,
    sampling: Option<Sampling<'_>>,
) -> Result<(Seq2Seq, f32), NonFinite> {
    let (logits, _) = model.forward(batch.sources, &batch.lengths, batch.inputs, sampling);
    let loss = token_loss(logits, batch.targets, Some(batch.mask));
    training::train_step(model, optim, lr, max_norm, loss)
}
