//! How tokens are chosen, as data.

use burn::config::Config;
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use serde::{Deserialize, Serialize};

use super::logits;

/// What to do when a text has as many tokens as the model can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// End the text there.
    Stop,
    /// Forget the first half and read the second half anew.
    Slide,
}

/// How tokens are chosen; pure data.
#[derive(Config, Debug, PartialEq)]
pub struct GenerateConfig {
    /// New tokens at most. Default: a paragraph.
    #[config(default = 200)]
    pub max_tokens: usize,
    /// What logits are divided by; 0 takes the likeliest. Default: 1, the model's own distribution.
    #[config(default = 1.0)]
    pub temperature: f64,
    /// Keep the k likeliest. Default: all.
    pub top_k: Option<usize>,
    /// Keep the likeliest that together reach this probability, in (0, 1]. Default: all.
    pub top_p: Option<f64>,
    /// Keep those at least this many times as likely as the likeliest, in [0, 1]. Default: all.
    pub min_p: Option<f64>,
    /// Keep the most typical that together reach this probability, in (0, 1). Default: all.
    pub typical_p: Option<f64>,
    /// Divides positive logits of tokens already there and multiplies negative ones. Default: 1, none.
    #[config(default = 1.0)]
    pub repetition_penalty: f64,
    /// No sequence of n tokens twice. Default: allowed.
    pub no_repeat_ngram: Option<usize>,
    /// Tokens that end a text; they are its last. Default: none.
    #[config(default = "Vec::new()")]
    pub stop_tokens: Vec<u32>,
    /// At the end of the model's context. Default: go on with the second half.
    #[config(default = "WhenFull::Slide")]
    pub when_full: WhenFull,
}

impl GenerateConfig {
    /// The likeliest token every time.
    pub fn greedy(max_tokens: usize) -> Self {
        Self::new().with_max_tokens(max_tokens).with_temperature(0.0)
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[
            ("top_k", self.top_k.unwrap_or(1)),
            ("no_repeat_ngram", self.no_repeat_ngram.unwrap_or(1)),
        ])?;
        let within = |field, value: f64, good: bool, range: &str| match good {
            true => Ok(()),
            false => Err(ConfigError::new(field, format!("must {range}, got {value}"))),
        };
        let t = self.temperature;
        within("temperature", t, t >= 0.0 && t.is_finite(), "be zero or positive and finite")?;
        let (p, min) = (self.top_p.unwrap_or(1.0), self.min_p.unwrap_or(0.0));
        within("top_p", p, p > 0.0 && p <= 1.0, "lie in (0, 1]")?;
        within("min_p", min, (0.0..=1.0).contains(&min), "lie in [0, 1]")?;
        let typical = self.typical_p.unwrap_or(0.5);
        within("typical_p", typical, typical > 0.0 && typical < 1.0, "lie in (0, 1)")?;
        let penalty = self.repetition_penalty;
        within("repetition_penalty", penalty, penalty > 0.0 && penalty.is_finite(), "be positive and finite")
    }

    /// The logits that are drawn from: penalties, temperature and cuts in this order, for a text of `tokens` so far.
    pub fn process(&self, logits: &mut [f32], tokens: &[u32]) {
        if self.repetition_penalty != 1.0 {
            logits::repetition_penalty(logits, tokens, self.repetition_penalty);
        }
        if let Some(n) = self.no_repeat_ngram {
            logits::no_repeat_ngram(logits, tokens, n);
        }
        if self.temperature > 0.0 {
            logits::temperature(logits, self.temperature);
        }
        if let Some(k) = self.top_k {
            logits::top_k(logits, k);
        }
        if let Some(p) = self.top_p {
            logits::top_p(logits, p);
        }
        if let Some(p) = self.min_p {
            logits::min_p(logits, p);
        }
        if let Some(p) = self.typical_p {
            logits::typical(logits, p);
        }
    }
}
