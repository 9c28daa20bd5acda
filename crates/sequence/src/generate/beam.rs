//! Following several continuations at once.

use std::cmp::Ordering;

use burn::config::Config;
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;

use super::{Autoregressive, GenerateError, logits};
use crate::tokens;

/// Settings of a beam search; pure data.
#[derive(Config, Debug, PartialEq)]
pub struct BeamConfig {
    /// Continuations kept; 1 is greedy.
    pub beams: usize,
    /// New tokens at most. Default: a sentence.
    #[config(default = 50)]
    pub max_tokens: usize,
    /// α: a text is judged by Σ log p / length^α. 0 prefers short texts, 1 compares by token. Default: Hugging Face's.
    #[config(default = 1.0)]
    pub length_penalty: f64,
    /// No sequence of n tokens twice. Default: allowed.
    pub no_repeat_ngram: Option<usize>,
    /// Tokens that end a text; they are its last. Default: none.
    #[config(default = "Vec::new()")]
    pub stop_tokens: Vec<u32>,
}

/// A text that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// Its tokens, without the prompt.
    pub tokens: Vec<u32>,
    /// Σ log p / length^α.
    pub score: f64,
}

/// The likeliest texts behind `prompt`, best first, at most as many as there are beams.
///
/// In every step each kept text is continued by every token; the best that end are set aside, the best others are kept. The
/// search ends when no kept text could beat the worst of a full set aside, as judged at its present length.
///
/// # Errors
///
/// [`GenerateError`] for settings or a prompt that cannot be used, or a model that answers NaN.
pub fn beam_search<M: Autoregressive>(
    model: &M,
    prompt: &[u32],
    config: &BeamConfig,
) -> Result<Vec<Hypothesis>, GenerateError> {
    at_least_one(&[("beams", config.beams), ("no_repeat_ngram", config.no_repeat_ngram.unwrap_or(1))])?;
    if !config.length_penalty.is_finite() {
        let reason = format!("must be finite, got {}", config.length_penalty);
        return Err(ConfigError::new("length_penalty", reason).into());
    }
    tokens::check(&[prompt], model.vocab_size(), model.context())?;
    let room = model.context().map_or(usize::MAX, |context| context - prompt.len() + 1);
    let score = |sum: f64, length: usize| sum / (length as f64).powf(config.length_penalty);

    let mut kept = vec![Candidate { parent: 0, tokens: Vec::new(), sum: 0.0 }];
    let mut done: Vec<Hypothesis> = Vec::new();
    let mut state = model.begin(&[0]);
    let mut pending = vec![prompt.to_vec()];
    for length in 1..=config.max_tokens.min(room) {
        let answer: Vec<f32> = model.advance(&pending, &mut state).into_data().iter::<f32>().collect();
        let mut candidates = Vec::new();
        for (parent, (text, logits)) in kept.iter().zip(answer.chunks_exact(model.vocab_size())).enumerate() {
            if !logits.iter().all(|logit| logit.is_finite()) {
                return Err(GenerateError::NonFinite { row: 0, tokens: prompt.len() + length - 1 });
            }
            candidates.extend(continuations(parent, text, logits, prompt, config));
        }
        candidates.sort_by(|a, b| b.sum.total_cmp(&a.sum));
        candidates.truncate(width(config));
        kept.clear();
        for (rank, candidate) in candidates.into_iter().enumerate() {
            let ends = candidate.tokens.last().is_some_and(|last| config.stop_tokens.contains(last));
            if !ends && kept.len() < config.beams {
                kept.push(candidate);
            } else if ends && rank < config.beams {
                done.push(Hypothesis { score: score(candidate.sum, length), tokens: candidate.tokens });
            }
        }
        done.sort_by(best_first);
        done.truncate(config.beams);
        let Some(best) = kept.first().map(|text| score(text.sum, length)) else { break };
        if done.len() == config.beams && done.last().is_some_and(|worst| worst.score >= best) {
            kept.clear();
            break;
        }
        let parents: Vec<usize> = kept.iter().map(|text| text.parent).collect();
        state = model.select(state, &parents);
        pending = kept.iter().map(|text| text.tokens[length - 1..].to_vec()).collect();
    }
    // What has not ended counts as it is.
    done.extend(kept.into_iter().map(|text| {
        let score = score(text.sum, text.tokens.len().max(1));
        Hypothesis { tokens: text.tokens, score }
    }));
    done.sort_by(best_first);
    done.truncate(config.beams);
    Ok(done)
}

fn best_first(a: &Hypothesis, b: &Hypothesis) -> Ordering {
    b.score.total_cmp(&a.score)
}

/// How many candidates are looked at: so many that all that end leave enough that go on.
fn width(config: &BeamConfig) -> usize {
    config.beams * (1 + config.stop_tokens.len().max(1))
}

/// A text on its way.
struct Candidate {
    /// The row of the batch it continues.
    parent: usize,
    tokens: Vec<u32>,
    /// Σ log p.
    sum: f64,
}

/// A text and each token behind it that is allowed.
fn continuations<'a>(
    parent: usize,
    text: &'a Candidate,
    logits: &[f32],
    prompt: &[u32],
    config: &BeamConfig,
) -> impl Iterator<Item = Candidate> + use<'a> {
    let log_p: Vec<f64> = logits::softmax(logits).into_iter().map(f64::ln).collect();
    let mut allowed = logits.to_vec();
    if let Some(n) = config.no_repeat_ngram {
        logits::no_repeat_ngram(&mut allowed, &[prompt, &text.tokens].concat(), n);
    }
    let mut order: Vec<usize> =
        (0..log_p.len()).filter(|&token| allowed[token] > f32::NEG_INFINITY).collect();
    order.sort_by(|&a, &b| log_p[b].total_cmp(&log_p[a]));
    // No more of one text can be among the best of all.
    order.truncate(width(config));
    order.into_iter().map(move |token| {
        let tokens = [&text.tokens[..], &[token as u32]].concat();
        Candidate { parent, tokens, sum: text.sum + log_p[token] }
    })
}
