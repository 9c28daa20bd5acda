//! # Generation
//!
//! A language model gives p(token | text so far). To write, one chooses a token, appends it, and asks again; how one chooses
//! is a matter of taste, and decides more about the result than a few points of loss.
//!
//! ```text
//! text ─▶ model ─▶ logits ─▶ penalties ─▶ ÷ temperature ─▶ cut the tail ─▶ softmax ─▶ draw ─▶ token ─┐
//!   ▲                        repetition                     top-k, top-p,                             │
//!   └─────────────────────── n-grams ────────────────────── min-p, typical ───────────────────────────┘
//! ```
//!
//! - **greedy** (temperature 0) takes the likeliest token: right for translation, dull and soon in circles for prose;
//! - **temperature** T divides the logits: below 1 sharper, above 1 flatter;
//! - **cutting the tail**: thousands of unlikely tokens are together likely, and one of them derails a text ([`logits`]);
//! - **beam search** ([`beam_search`]) follows several continuations and keeps the likeliest as a whole.
//!
//! Models remember the text by a **state** of their own (keys and values in a Transformer, a hidden vector in a recurrent
//! network), so that a token costs one position; [`Autoregressive`] is all that is asked of them. Prompts of several
//! lengths go in one batch, padded on the left.
//!
//! Everything drawn follows from a seed and the row: row r draws from stream r of ChaCha8, whatever else is in the batch.
//!
//! ```
//! use burn::tensor::Device;
//! use fornax_sequence::generate::{GenerateConfig, generate, stream};
//! use fornax_sequence::gpt::GptConfig;
//!
//! let model = GptConfig::nano(20).with_layers(1).init(&Device::flex())?;
//! let config = GenerateConfig::new().with_max_tokens(5).with_temperature(0.8).with_top_k(Some(10));
//! let texts = generate(&model, &[vec![1, 2, 3], vec![4]], &config, 7)?;
//! assert_eq!(texts[0].len(), 5);
//!
//! let mut streamed = Vec::new();
//! for token in stream(&model, &[1, 2, 3], &config, 7)? {
//!     streamed.push(token?); // one at a time, as it is chosen
//! }
//! assert_eq!(streamed, texts[0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Papers: A. Holtzman et al., *The curious case of neural text degeneration*, 2020 (top-p,
//! <https://arxiv.org/abs/1904.09751>); C. Meister et al., *Locally typical sampling*, 2023
//! (<https://arxiv.org/abs/2202.00666>); N. Minh et al., *Min-p sampling*, 2024 (<https://arxiv.org/abs/2407.01082>);
//! N. Keskar et al., *CTRL*, 2019 (repetition penalty, <https://arxiv.org/abs/1909.05858>).

mod batch;
mod beam;
mod config;
pub mod logits;
mod text;

use burn::tensor::Tensor;
use fornax_nn_core::ConfigError;

pub use batch::{Finish, Generation};
pub use beam::{BeamConfig, Hypothesis, beam_search};
pub use config::{GenerateConfig, WhenFull};
pub use text::TextStream;

use crate::tokens::TokenError;

/// A model that predicts the next token from all before it.
pub trait Autoregressive {
    /// What it remembers of the tokens so far, for every row of a batch.
    type State: Clone;

    /// Tokens there are.
    fn vocab_size(&self) -> usize;

    /// Tokens it can see at once, if that is bounded.
    fn context(&self) -> Option<usize>;

    /// Whether rows may begin with padding. Default: yes.
    fn takes_padding(&self) -> bool {
        true
    }

    /// The state before any token. The first `padding[row]` tokens of each row will be padding, not to be looked at.
    fn begin(&self, padding: &[usize]) -> Self::State;

    /// Reads as many further tokens for each row.
    ///
    /// # Shapes
    ///
    /// - tokens: `[batch][new]`, at least one each
    /// - output: `[batch, vocab_size]`, logits of the token after the last
    fn advance(&self, tokens: &[Vec<u32>], state: &mut Self::State) -> Tensor<2>;

    /// The state of a batch that has these rows, a row as often as it is named.
    fn select(&self, state: Self::State, rows: &[usize]) -> Self::State;
}

/// Why nothing was generated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// Settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Prompts.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The model's answer is NaN or infinite.
    #[error("the model's logits for row {row} are not finite after {tokens} tokens")]
    NonFinite {
        /// Which prompt.
        row: usize,
        /// Tokens read so far.
        tokens: usize,
    },
    /// Every token is forbidden.
    #[error("no token is left for row {row} after {tokens} tokens: no_repeat_ngram forbids all")]
    NothingLeft {
        /// Which prompt.
        row: usize,
        /// Tokens so far.
        tokens: usize,
    },
}

/// Writes on from each prompt until all have ended, and returns what was written, without the prompts.
///
/// # Errors
///
/// [`GenerateError`] for settings or prompts that cannot be used, or a model that answers NaN.
pub fn generate<M: Autoregressive, S: AsRef<[u32]>>(
    model: &M,
    prompts: &[S],
    config: &GenerateConfig,
    seed: u64,
) -> Result<Vec<Vec<u32>>, GenerateError> {
    let mut generation = Generation::new(model, prompts, config, seed)?;
    for step in generation.by_ref() {
        step?;
    }
    Ok(generation.texts().into_iter().map(<[u32]>::to_vec).collect())
}

/// Writes on from one prompt, a token at a time.
///
/// # Errors
///
/// [`GenerateError`] as from [`generate`], at once or in the place of a token.
pub fn stream<'a, M: Autoregressive>(
    model: &'a M,
    prompt: &[u32],
    config: &GenerateConfig,
    seed: u64,
) -> Result<impl Iterator<Item = Result<u32, GenerateError>> + use<'a, M>, GenerateError> {
    let generation = Generation::new(model, &[prompt], config, seed)?;
    Ok(generation.filter_map(|step| step.map(|tokens| tokens[0]).transpose()))
}
