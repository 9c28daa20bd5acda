//! # How well was a sequence predicted?
//!
//! ```text
//! loss            L = −(1/n) Σ ln p(token)                 nats a token
//! perplexity      e^L                                      as uncertain as a choice among so many
//! bits a char     L · tokens / (ln 2 · characters)         comparable between vocabularies
//! token accuracy  share of tokens that are the most probable ones
//! exact match     share of sequences that are right in every token
//! BLEU            BP · exp(¼ Σ_(n=1…4) ln p_n)             n-grams in common, brevity penalised
//! ```
//!
//! In BLEU, p_n is the share of the candidates' n-grams that a reference has, each counted at most as often as in the reference,
//! over the whole corpus, and BP = min(1, e^(1 − r/c)) with c and r the candidates' and references' total lengths, so that
//! saying little but certain things does not pay. K. Papineni, S. Roukos, T. Ward, W.-J. Zhu, *BLEU: a method for automatic
//! evaluation of machine translation*, 2002. <https://doi.org/10.3115/1073083.1073135>
//!
//! ## Differs from the paper
//!
//! 1. One reference a candidate. 2. No smoothing: a corpus without a common 4-gram scores 0, as in the paper.

use std::collections::HashMap;
use std::hash::Hash;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Int, Tensor};

/// Longest n-gram of BLEU, the paper's.
const ORDER: usize = 4;

/// Mean cross-entropy in nats over the tokens that count.
///
/// # Shapes
///
/// - logits: `[batch, steps, vocabulary]`
/// - targets: `[batch, steps]`
/// - mask: `[batch, steps]`, true where a token counts; nothing when all do
pub fn token_loss(logits: Tensor<3>, targets: Tensor<2, Int>, mask: Option<Tensor<2, Bool>>) -> Tensor<1> {
    let [batch, steps, _] = logits.dims();
    let loss = -log_softmax(logits, 2).gather(2, targets.unsqueeze_dim(2)).reshape([batch, steps]);
    match mask {
        None => loss.mean(),
        Some(mask) => mean_where(loss, mask),
    }
}

/// The mean of the values where `mask`; zero where nothing counts.
///
/// # Shapes
///
/// - values, mask: `[batch, steps]`
pub(crate) fn mean_where(values: Tensor<2>, mask: Tensor<2, Bool>) -> Tensor<1> {
    let count = mask.clone().int().sum().float().cast(values.dtype()).clamp_min(1.0);
    values.mask_fill(mask.bool_not(), 0.0).sum() / count
}

/// e to the loss: among how many equally likely tokens the model hesitates.
///
/// ```
/// use fornax_sequence::metric::perplexity;
///
/// assert!((perplexity((10.0_f64).ln()) - 10.0).abs() < 1e-12);
/// ```
pub fn perplexity(loss: f64) -> f64 {
    loss.exp()
}

/// Bits for each character of a text of so many tokens and characters.
///
/// ```
/// use fornax_sequence::metric::bits_per_char;
///
/// // Two characters a token, each token a fair coin: half a bit a character.
/// assert!((bits_per_char(2.0_f64.ln(), 100, 200) - 0.5).abs() < 1e-12);
/// ```
pub fn bits_per_char(loss: f64, tokens: usize, characters: usize) -> f64 {
    loss / std::f64::consts::LN_2 * tokens as f64 / characters as f64
}

/// Share of the tokens that count which are the most probable ones.
///
/// # Shapes
///
/// As [`token_loss`].
pub fn token_accuracy(logits: Tensor<3>, targets: Tensor<2, Int>, mask: Option<Tensor<2, Bool>>) -> f64 {
    let [batch, steps, _] = logits.dims();
    let right = logits.argmax(2).reshape([batch, steps]).equal(targets);
    let (right, count) = match mask {
        None => (right, (batch * steps) as f64),
        Some(mask) => (right.bool_and(mask.clone()), mask.int().sum().into_scalar::<i64>() as f64),
    };
    right.int().sum().into_scalar::<i64>() as f64 / count.max(1.0)
}

/// Share of the candidates that equal their reference.
///
/// # Panics
///
/// When there are not as many references as candidates.
pub fn exact_match<T: PartialEq>(candidates: &[T], references: &[T]) -> f64 {
    assert_eq!(candidates.len(), references.len(), "expected one reference a candidate");
    let right = candidates.iter().zip(references).filter(|(a, b)| a == b).count();
    right as f64 / candidates.len().max(1) as f64
}

/// BLEU over a corpus of candidates with one reference each, 0 to 1.
///
/// # Panics
///
/// When there are not as many references as candidates.
pub fn bleu<T: Eq + Hash>(candidates: &[Vec<T>], references: &[Vec<T>]) -> f64 {
    assert_eq!(candidates.len(), references.len(), "expected one reference a candidate");
    let (mut common, mut total) = ([0usize; ORDER], [0usize; ORDER]);
    for (candidate, reference) in candidates.iter().zip(references) {
        for n in 1..=ORDER {
            let available = counts(reference, n);
            for (gram, count) in counts(candidate, n) {
                common[n - 1] += count.min(available.get(gram).copied().unwrap_or(0));
                total[n - 1] += count;
            }
        }
    }
    if common.contains(&0) {
        return 0.0;
    }
    let precision = common.iter().zip(total).map(|(&c, t)| (c as f64 / t as f64).ln()).sum::<f64>();
    let length = |texts: &[Vec<T>]| texts.iter().map(Vec::len).sum::<usize>() as f64;
    let brevity = (1.0 - length(references) / length(candidates)).min(0.0);
    (brevity + precision / ORDER as f64).exp()
}

fn counts<T: Eq + Hash>(text: &[T], n: usize) -> HashMap<&[T], usize> {
    let mut counts = HashMap::new();
    for gram in text.windows(n) {
        *counts.entry(gram).or_insert(0) += 1;
    }
    counts
}
