//! # Recurrent language models
//!
//! A text is predicted token by token, each from all before it:
//!
//! ```text
//! P(w₁ … w_T) = Π P(w_t | w₁ … w_(t−1))          loss = −(1/T) Σ ln P(w_t | …)
//!
//!  w_(t−1) ──▶ embedding ──▶ recurrent layers ──▶ linear ──▶ softmax ──▶ P(w_t | …)
//!                              ▲         │
//!                              └─ state ◀┘
//! ```
//!
//! The state stands for the past, so the model has no window: it can write for ever with the memory of one step.
//!
//! ## Truncated backpropagation through time
//!
//! A text of a million tokens cannot be unrolled. It is read in stretches of k steps; the state goes on from one to the next, its
//! history does not. The forward pass is that of the whole text, gradients reach back k steps at most.
//!
//! ```text
//!  ──[ k steps ]──s──[ k steps ]──s──[ k steps ]──▶      forward
//!    ◀─────────┘  │    ◀─────────┘  │    ◀─────────┘     backward, cut by detach(s)
//! ```
//!
//! The batch are B places of one long text, cut into B equal *lanes*: lane b of the next stretch goes on where lane b of this one
//! ended. P. J. Werbos, *Backpropagation through time: what it does and how to do it*, 1990 <https://doi.org/10.1109/5.58337>;
//! T. Mikolov et al., *Recurrent neural network based language model*, 2010.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::optim::ModuleOptimizer;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::gradient::NonFinite;
use fornax_nn_core::metric::most_probable;

use crate::metric::token_loss;
use crate::recurrent::{State, detach};
use crate::sequence_model::{Kind, SequenceConfig, SequenceModel};
use crate::training;

/// Sizes of a [`LanguageModel`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct LanguageConfig {
    /// Which network reads.
    pub kind: Kind,
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// Features of a token. Default: 64, enough to tell characters apart.
    #[config(default = 64)]
    pub embedding_size: usize,
    /// Units of the state. Default: 128, as Karpathy's char-rnn.
    #[config(default = 128)]
    pub hidden_size: usize,
    /// Layers. Default: char-rnn's 2.
    #[config(default = 2)]
    pub num_layers: usize,
    /// Probability of dropping a unit after the embedding, between layers and before the output. Default: none.
    #[config(default = 0.0)]
    pub dropout: f64,
}

impl LanguageConfig {
    /// Builds the model.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<LanguageModel, ConfigError> {
        for (field, size) in [("vocabulary", self.vocabulary), ("embedding_size", self.embedding_size)] {
            if size == 0 {
                return Err(ConfigError::new(field, "must be at least 1, got 0"));
            }
        }
        let between = if self.num_layers > 1 { self.dropout } else { 0.0 };
        let body = SequenceConfig::new(self.kind, self.embedding_size, self.hidden_size)
            .with_num_layers(self.num_layers)
            .with_dropout(between);
        Ok(LanguageModel {
            body: body.init(device)?,
            embedding: EmbeddingConfig::new(self.vocabulary, self.embedding_size).init(device),
            head: LinearConfig::new(self.hidden_size, self.vocabulary).init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
        })
    }
}

/// The model; see the [module page](self).
#[derive(Module, Debug)]
pub struct LanguageModel {
    /// From tokens to features.
    pub embedding: Embedding,
    /// Reads.
    pub body: SequenceModel,
    /// From features to logits.
    pub head: Linear,
    /// Active only while training.
    pub dropout: Dropout,
}

/// One stretch of every lane.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// `[batch, steps]`
    pub inputs: Tensor<2, Int>,
    /// `[batch, steps]`: the token after each of the inputs.
    pub targets: Tensor<2, Int>,
}

impl LanguageModel {
    /// Logits of the token after each token; the states begin with zeros unless given, and the last ones come back.
    ///
    /// # Shapes
    ///
    /// - tokens: `[batch, steps]`, below `vocabulary` ([`check_tokens`](crate::error::check_tokens) tells)
    /// - logits: `[batch, steps, vocabulary]`
    ///
    /// # Panics
    ///
    /// When there is no token, or the states do not fit.
    pub fn forward(&self, tokens: Tensor<2, Int>, states: Option<Vec<State>>) -> (Tensor<3>, Vec<State>) {
        let x = self.dropout.forward(self.embedding.forward(tokens)); // [B, T, E]
        let (h, states) = self.body.forward(x, None, states); // [B, T, H]
        (self.head.forward(self.dropout.forward(h)), states)
    }

    /// Writes one token for each number of `noise`, after reading `prompt`.
    ///
    /// A number u in [0, 1) becomes the first token whose cumulated probability exceeds u; temperatures below 1 make likely
    /// tokens likelier, 0 always takes the most probable one. Call it on [`valid`](Module::valid).
    ///
    /// # Panics
    ///
    /// When `prompt` is empty or has a token that is not in the vocabulary.
    pub fn sample(&self, prompt: &[u32], temperature: f64, noise: &[f32], device: &Device) -> Vec<u32> {
        let vocabulary = self.embedding.weight.dims()[0];
        assert!(
            !prompt.is_empty() && prompt.iter().all(|&token| (token as usize) < vocabulary),
            "a prompt of {} tokens, expected at least one and all below {vocabulary}",
            prompt.len()
        );
        let mut next: Vec<i64> = prompt.iter().map(|&token| i64::from(token)).collect();
        let mut states = None;
        let mut written = Vec::with_capacity(noise.len());
        for &u in noise {
            let length = next.len();
            let tokens = Tensor::from_data(TensorData::new(next, [1, length]), device);
            let (logits, after) = self.forward(tokens, states);
            let logits = logits.narrow(1, length - 1, 1).reshape([1, vocabulary]);
            let sharp = logits.div_scalar(temperature.max(1e-6));
            let p: Vec<f32> = softmax(sharp, 1).into_data().iter::<f32>().collect();
            let token = if temperature > 0.0 { inverse(&p, u) } else { most_probable(&p).0 };
            written.push(token as u32);
            next = vec![token as i64];
            states = Some(after);
        }
        written
    }
}

/// The first index whose cumulated probability exceeds `u`.
fn inverse(p: &[f32], u: f32) -> usize {
    let mut below = 0.0;
    p.iter()
        .position(|p| {
            below += p;
            below > u
        })
        .unwrap_or(p.len() - 1)
}

/// One step of truncated backpropagation through time: forward from `states`, loss, backward within the stretch, clipped to
/// `max_norm`, update. Returns model, loss and the states for the next stretch, cut off from this one.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step(
    model: LanguageModel,
    optim: &mut ModuleOptimizer,
    (lr, max_norm): (f64, f64),
    stretch: Stretch,
    states: Option<Vec<State>>,
) -> Result<(LanguageModel, f32, Vec<State>), NonFinite> {
    let (logits, states) = model.forward(stretch.inputs, states);
    let loss = token_loss(logits, stretch.targets, None);
    let (model, loss) = training::train_step(model, optim, lr, max_norm, loss)?;
    Ok((model, loss, detach(states)))
}
