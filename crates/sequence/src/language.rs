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
//! The state stands for the past, so the model has no window: it can write for ever with the memory of one step, by
//! [`generate`](crate::generate) as every other model of this crate.
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
use burn::tensor::{Device, Int, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::gradient::NonFinite;

use crate::generate::Autoregressive;
use crate::metric::token_loss;
use crate::recurrent::{State, detach};
use crate::sequence_model::{Kind, SequenceConfig, SequenceModel};
use crate::{tokens, training};

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
        at_least_one(&[("vocabulary", self.vocabulary), ("embedding_size", self.embedding_size)])?;
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
}

impl Autoregressive for LanguageModel {
    type State = Option<Vec<State>>;

    fn vocab_size(&self) -> usize {
        self.embedding.weight.dims()[0]
    }

    fn context(&self) -> Option<usize> {
        None
    }

    fn takes_padding(&self) -> bool {
        false
    }

    fn begin(&self, _padding: &[usize]) -> Self::State {
        None
    }

    fn advance(&self, tokens: &[Vec<u32>], state: &mut Self::State) -> Tensor<2> {
        let tokens = tokens::to_tensor(tokens, &self.embedding.weight.device());
        let last = tokens.dims()[1] - 1;
        let (logits, after) = self.forward(tokens, state.take());
        *state = Some(after);
        logits.narrow(1, last, 1).squeeze_dim(1)
    }

    fn select(&self, state: Self::State, rows: &[usize]) -> Self::State {
        let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let rows = Tensor::from_data(rows.as_slice(), &self.embedding.weight.device());
        state.map(|layers| layers.into_iter().map(|layer| layer.select(&rows)).collect())
    }
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
