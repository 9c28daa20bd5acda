//! Going on from a text, a token at a time.

use burn::tensor::Tensor;

use super::Gpt;
use crate::attention::KeyValueCache;
use crate::generate::Autoregressive;
use crate::tokens;

/// What a [`Gpt`] remembers of the text so far.
#[derive(Debug, Clone)]
pub struct GptState {
    caches: Vec<KeyValueCache>,
    padding: Vec<usize>,
    past: usize,
}

impl Autoregressive for Gpt {
    type State = GptState;

    fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    fn context(&self) -> Option<usize> {
        Some(self.config.context)
    }

    fn begin(&self, padding: &[usize]) -> GptState {
        let caches = vec![KeyValueCache::new(self.config.window); self.config.layers];
        GptState { caches, padding: padding.to_vec(), past: 0 }
    }

    fn advance(&self, tokens: &[Vec<u32>], state: &mut GptState) -> Tensor<2> {
        let tokens = tokens::to_tensor(tokens, &self.tokens.weight.device());
        let new = tokens.dims()[1];
        let (x, context) = self.embed(tokens, state.past..state.past + new, &state.padding);
        let x = self.stack.forward_cached(x, &context, None, &mut state.caches);
        state.past += new;
        self.logits(x.narrow(1, new - 1, 1)).squeeze_dim(1)
    }

    fn select(&self, state: GptState, rows: &[usize]) -> GptState {
        let device = self.tokens.weight.device();
        let caches = state.caches.into_iter().map(|cache| cache.select(rows, &device)).collect();
        let padding = rows.iter().map(|&row| state.padding[row]).collect();
        GptState { caches, padding, past: state.past }
    }
}
