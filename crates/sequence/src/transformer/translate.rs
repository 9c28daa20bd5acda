//! From a source to a target, token by token.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::Transformer;
use super::block::Memory;
use crate::attention::{AttentionContext, KeyValueCache, mask};
use crate::generate::{Autoregressive, GenerateConfig, GenerateError, generate};
use crate::tokens;

/// A [`Transformer`] that has read its sources and can be asked to go on, by [`generate`] or a
/// [beam search](crate::generate::beam_search).
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    model: &'a Transformer,
    memory: Memory,
}

/// What a decoder remembers of the targets so far.
#[derive(Debug, Clone)]
pub struct DecoderState {
    memory: Memory,
    caches: Vec<KeyValueCache>,
    past: usize,
}

impl Transformer {
    /// Reads sources, one for each row of the batch that will be generated.
    ///
    /// # Errors
    ///
    /// [`TokenError`](tokens::TokenError) when one is empty, longer than the context, or has an unknown token.
    pub fn decoder<S: AsRef<[u32]>>(&self, sources: &[S]) -> Result<Decoder<'_>, tokens::TokenError> {
        tokens::check(sources, self.config.source_vocab, Some(self.config.context))?;
        let (rows, real) = tokens::pad(sources, false);
        let device = self.device();
        let shape = [real.len(), real[0].len()];
        let real = Tensor::from_data(TensorData::new(real.concat(), shape), &device);
        Ok(Decoder { model: self, memory: self.encode(tokens::to_tensor(&rows, &device), real) })
    }

    /// The targets of sources: each begins with the token `begin`, which is not part of the result.
    ///
    /// # Errors
    ///
    /// [`GenerateError`] for tokens or settings that cannot be used.
    pub fn translate<S: AsRef<[u32]>>(
        &self,
        sources: &[S],
        begin: u32,
        config: &GenerateConfig,
        seed: u64,
    ) -> Result<Vec<Vec<u32>>, GenerateError> {
        let decoder = self.decoder(sources)?;
        generate(&decoder, &vec![vec![begin]; sources.len()], config, seed)
    }

    /// How much every position of the target takes from every position of the memory, layer by layer: to look at.
    ///
    /// # Shapes
    ///
    /// - target: `[batch, length]`, length at most `context`
    /// - output: for each layer `[batch, heads, length, source length]`, rows sum to one
    ///
    /// # Panics
    ///
    /// As [`decode`](Self::decode).
    pub fn memory_maps(&self, target: Tensor<2, Int>, memory: &Memory) -> Vec<Tensor<4>> {
        let length = target.dims()[1];
        let hidden = mask::causal(0..length, 0..length, None, &[], &target.device());
        let context = AttentionContext { hidden, ..Default::default() };
        let mut x = self.embed(&self.target, target, 0);
        let mut maps = Vec::new();
        for block in &self.decoder.blocks {
            maps.extend(block.memory_map(x.clone(), &context, memory));
            x = block.forward(x, &context, Some(memory));
        }
        maps
    }

    fn device(&self) -> Device {
        self.target.weight.device()
    }
}

impl Autoregressive for Decoder<'_> {
    type State = DecoderState;

    fn vocab_size(&self) -> usize {
        self.model.config.target_vocab
    }

    fn context(&self) -> Option<usize> {
        Some(self.model.config.context)
    }

    fn takes_padding(&self) -> bool {
        false
    }

    fn begin(&self, _padding: &[usize]) -> DecoderState {
        let caches = vec![KeyValueCache::new(None); self.model.config.layers];
        DecoderState { memory: self.memory.clone(), caches, past: 0 }
    }

    fn advance(&self, tokens: &[Vec<u32>], state: &mut DecoderState) -> Tensor<2> {
        let tokens = tokens::to_tensor(tokens, &self.model.device());
        let (model, new) = (self.model, tokens.dims()[1]);
        let end = state.past + new;
        let hidden = mask::causal(state.past..end, 0..end, None, &[], &tokens.device());
        let context = AttentionContext { hidden, ..Default::default() };
        let x = model.embed(&model.target, tokens, state.past);
        let x = model.decoder.forward_cached(x, &context, Some(&state.memory), &mut state.caches);
        state.past = end;
        model.logits(x.narrow(1, new - 1, 1)).squeeze_dim(1)
    }

    fn select(&self, state: DecoderState, rows: &[usize]) -> DecoderState {
        let device = self.model.device();
        let indices: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let indices = Tensor::from_data(indices.as_slice(), &device);
        let states = state.memory.states.select(0, indices.clone());
        let hidden = state.memory.hidden.map(|hidden| hidden.select(0, indices));
        let caches = state.caches.into_iter().map(|cache| cache.select(rows, &device)).collect();
        DecoderState { memory: Memory { states, hidden }, caches, past: state.past }
    }
}
