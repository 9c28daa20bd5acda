//! A batch of texts on their way.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Autoregressive, GenerateConfig, GenerateError, WhenFull, logits};
use crate::tokens::{self, TokenError};

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finish {
    /// With one of the stop tokens.
    StopToken(u32),
    /// It has as many tokens as were asked for.
    MaxTokens,
    /// It has as many tokens as the model can see, and [`WhenFull::Stop`] was asked for.
    ContextFull,
}

/// A batch of texts being written, one token for each row a step.
#[derive(Debug)]
pub struct Generation<'a, M: Autoregressive> {
    model: &'a M,
    config: GenerateConfig,
    state: M::State,
    rows: Vec<Row>,
    /// Read by the model in the next step.
    pending: Vec<Vec<u32>>,
    /// Positions the state holds, padding included.
    held: usize,
}

#[derive(Debug)]
struct Row {
    tokens: Vec<u32>,
    prompt: usize,
    finish: Option<Finish>,
    rng: ChaCha8Rng,
}

impl<'a, M: Autoregressive> Generation<'a, M> {
    /// Begins with prompts, each of at least one token.
    ///
    /// # Errors
    ///
    /// [`GenerateError`] for settings or prompts that cannot be used.
    pub fn new<S: AsRef<[u32]>>(
        model: &'a M,
        prompts: &[S],
        config: &GenerateConfig,
        seed: u64,
    ) -> Result<Self, GenerateError> {
        config.validate()?;
        tokens::check(prompts, model.vocab_size(), model.context())?;
        if !model.takes_padding() {
            let expected = prompts[0].as_ref().len();
            let lengths = prompts.iter().map(|prompt| prompt.as_ref().len()).enumerate();
            if let Some((row, length)) = lengths.into_iter().find(|&(_, length)| length != expected) {
                return Err(TokenError::Ragged { row, length, expected }.into());
            }
        }
        let rows = prompts.iter().enumerate().map(|(row, prompt)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(row as u64);
            let tokens = prompt.as_ref().to_vec();
            let finish = (config.max_tokens == 0).then_some(Finish::MaxTokens);
            Row { prompt: tokens.len(), tokens, finish, rng }
        });
        let rows: Vec<Row> = rows.collect();
        let (state, pending) = read_anew(model, &rows, usize::MAX);
        Ok(Self { model, config: config.clone(), state, rows, pending, held: 0 })
    }

    /// What was written for each prompt so far, without the prompts.
    pub fn texts(&self) -> Vec<&[u32]> {
        self.rows.iter().map(|row| &row.tokens[row.prompt..]).collect()
    }

    /// Why each text ended; `None` while it has not.
    pub fn finished(&self) -> Vec<Option<Finish>> {
        self.rows.iter().map(|row| row.finish).collect()
    }

    /// One more token for each text that has not ended; `None` when all have.
    fn step(&mut self) -> Result<Option<Vec<Option<u32>>>, GenerateError> {
        if let Some(context) = self.model.context()
            && self.held + self.pending[0].len() > context
        {
            match self.config.when_full {
                WhenFull::Stop => self.rows.iter_mut().for_each(|row| {
                    row.finish.get_or_insert(Finish::ContextFull);
                }),
                WhenFull::Slide => {
                    (self.state, self.pending) = read_anew(self.model, &self.rows, (context / 2).max(1));
                    self.held = 0;
                }
            }
        }
        if self.rows.iter().all(|row| row.finish.is_some()) {
            return Ok(None);
        }
        let logits = self.model.advance(&self.pending, &mut self.state);
        self.held += self.pending[0].len();
        let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
        let mut chosen = Vec::with_capacity(self.rows.len());
        let answers = logits.chunks_exact(self.model.vocab_size());
        for (i, (row, logits)) in self.rows.iter_mut().zip(answers).enumerate() {
            chosen.push(if row.finish.is_some() {
                None
            } else {
                Some(row.choose(i, logits, &self.config)?)
            });
        }
        self.pending = self.rows.iter().map(|row| row.tokens[row.tokens.len() - 1..].to_vec()).collect();
        Ok(Some(chosen))
    }
}

impl<M: Autoregressive> Iterator for Generation<'_, M> {
    /// The new token of each row, `None` for a text that has ended.
    type Item = Result<Vec<Option<u32>>, GenerateError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

impl Row {
    fn choose(&mut self, row: usize, logits: &[f32], config: &GenerateConfig) -> Result<u32, GenerateError> {
        let tokens = self.tokens.len();
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(GenerateError::NonFinite { row, tokens });
        }
        let mut logits = logits.to_vec();
        config.process(&mut logits, &self.tokens);
        let noise = self.rng.random::<f64>();
        let token =
            if config.temperature == 0.0 { logits::argmax(&logits) } else { logits::draw(&logits, noise) };
        let token = token.ok_or(GenerateError::NothingLeft { row, tokens })? as u32;
        self.tokens.push(token);
        if config.stop_tokens.contains(&token) {
            self.finish = Some(Finish::StopToken(token));
        } else if self.tokens.len() - self.prompt == config.max_tokens {
            self.finish = Some(Finish::MaxTokens);
        }
        Ok(token)
    }
}

/// A fresh state, and the last tokens of each row for it to read, padded on the left.
fn read_anew<M: Autoregressive>(model: &M, rows: &[Row], last: usize) -> (M::State, Vec<Vec<u32>>) {
    let ends: Vec<&[u32]> =
        rows.iter().map(|row| &row.tokens[row.tokens.len().saturating_sub(last)..]).collect();
    let (padded, real) = tokens::pad(&ends, true);
    let padding: Vec<usize> = real.iter().map(|row| row.iter().filter(|real| !**real).count()).collect();
    (model.begin(&padding), padded)
}
