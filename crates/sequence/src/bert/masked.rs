//! Learning to fill gaps.

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear};
use burn::optim::ModuleOptimizer;
use burn::tensor::module::linear;
use burn::tensor::{Bool, Device, Int, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::gradient::{NonFinite, gradients};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Bert, BertConfig};
use crate::metric::token_loss;
use crate::transformer::norm::{Norm, NormKind};

/// What is done to a text before it is to be restored.
#[derive(Debug, Clone, PartialEq)]
pub struct Corruption {
    /// The token that stands for a gap.
    pub mask_token: u32,
    /// Tokens there are, to draw random ones from.
    pub vocab_size: usize,
    /// Tokens that are never chosen: `[CLS]`, `[SEP]`, padding.
    pub special: Vec<u32>,
    /// Share of the tokens to be predicted. The paper's is 0.15.
    pub share: f64,
}

impl Corruption {
    /// The paper's 15 %, 80 % of them hidden, 10 % replaced and 10 % left.
    pub fn new(mask_token: u32, vocab_size: usize, special: Vec<u32>) -> Self {
        Self { mask_token, vocab_size, special, share: 0.15 }
    }
}

/// What is drawn for a token, each uniform in [0, 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// Below the share: the token is to be predicted.
    pub chosen: f64,
    /// Below 0.8: hidden; below 0.9: replaced; else left.
    pub fate: f64,
    /// Which token takes its place.
    pub token: f64,
}

impl Noise {
    /// For `count` tokens.
    pub fn draw(seed: u64, count: usize) -> Vec<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = || rng.random::<f64>();
        (0..count).map(|_| Self { chosen: uniform(), fate: uniform(), token: uniform() }).collect()
    }
}

/// The text to be shown, and which of its tokens are to be predicted.
///
/// # Panics
///
/// When there is not a draw for each token.
pub fn corrupt(tokens: &[u32], corruption: &Corruption, noise: &[Noise]) -> (Vec<u32>, Vec<bool>) {
    assert_eq!(tokens.len(), noise.len(), "a draw for each token");
    let each = tokens.iter().zip(noise).map(|(&token, noise)| {
        if corruption.special.contains(&token) || noise.chosen >= corruption.share {
            return (token, false);
        }
        let shown = match noise.fate {
            fate if fate < 0.8 => corruption.mask_token,
            fate if fate < 0.9 => (noise.token * corruption.vocab_size as f64) as u32,
            _ => token,
        };
        (shown, true)
    });
    each.unzip()
}

/// A [`Bert`] that names the tokens that were hidden.
#[derive(Module, Debug)]
pub struct MaskedBert {
    /// The encoder; its embedding is the output layer too.
    pub bert: Bert,
    /// W of the head.
    pub transform: Linear,
    /// Behind it.
    pub norm: Norm,
    /// b, one for each token.
    pub bias: Param<Tensor<1>>,
}

impl MaskedBert {
    /// Builds the model on `device`; `config.pooler` should be off, as nothing trains it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn new(config: &BertConfig, device: &Device) -> Result<Self, ConfigError> {
        let d_model = config.d_model;
        let normal = Initializer::Normal { mean: 0.0, std: 0.02 };
        Ok(Self {
            bert: config.init(device)?,
            transform: crate::attention::linear([d_model, d_model], true, &normal, device),
            norm: Norm::new(NormKind::Layer, d_model, config.epsilon, true, device),
            bias: Initializer::Zeros.init([config.vocab_size], device),
        })
    }

    /// Logits of what stands at each position.
    ///
    /// # Shapes
    ///
    /// - tokens: `[batch, length]`
    /// - real: `[batch, length]`, false where padded
    /// - output: `[batch, length, vocab_size]`
    ///
    /// # Panics
    ///
    /// When there are more tokens than positions.
    pub fn forward(&self, tokens: Tensor<2, Int>, real: Tensor<2, Bool>) -> Tensor<3> {
        let x = self.bert.forward(tokens, real);
        let x = self.norm.forward(self.bert.config.activation.apply(self.transform.forward(x)));
        linear(x, self.bert.tokens.weight.val().transpose(), Some(self.bias.val()))
    }
}

/// Corrupted texts and what they were.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, length]`, as shown.
    pub tokens: Tensor<2, Int>,
    /// `[batch, length]`, false where padded.
    pub real: Tensor<2, Bool>,
    /// `[batch, length]`, as they were.
    pub targets: Tensor<2, Int>,
    /// `[batch, length]`, true where the token is to be predicted.
    pub chosen: Tensor<2, Bool>,
}

/// Mean cross-entropy in nats over the tokens to be predicted.
pub fn loss(model: &MaskedBert, batch: Batch) -> Tensor<1> {
    token_loss(model.forward(batch.tokens, batch.real), batch.targets, Some(batch.chosen))
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step(
    model: MaskedBert,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: Batch,
) -> Result<(MaskedBert, f32), NonFinite> {
    let (loss, gradients) = gradients(loss(&model, batch), &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}
