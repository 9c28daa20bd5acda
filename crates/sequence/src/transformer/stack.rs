//! Blocks on top of each other.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;

use super::block::{Block, BlockConfig, Memory};
use super::norm::Norm;
use crate::attention::{AttentionContext, KeyValueCache};

/// An encoder when its blocks see everything, a decoder when a causal mask hides what comes later.
#[derive(Module, Debug)]
pub struct Stack {
    /// From the lowest to the highest.
    pub blocks: Vec<Block>,
    /// After the last: pre-norm blocks leave a sum behind that no norm has seen.
    pub norm: Option<Norm>,
}

impl Stack {
    /// `layers` equal blocks, and a norm at the end if `norm`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `layers` or the block's field that cannot be used.
    pub fn new(layers: usize, block: &BlockConfig, norm: bool, device: &Device) -> Result<Self, ConfigError> {
        at_least_one(&[("layers", layers)])?;
        let blocks = (0..layers).map(|_| block.init(device)).collect::<Result<_, _>>()?;
        let norm = norm.then(|| Norm::new(block.norm, block.d_model, block.epsilon, block.bias, device));
        Ok(Self { blocks, norm })
    }

    /// # Shapes
    ///
    /// - x: `[batch, length, d_model]`
    /// - output: the same
    pub fn forward(&self, x: Tensor<3>, context: &AttentionContext, memory: Option<&Memory>) -> Tensor<3> {
        self.finish(self.blocks.iter().fold(x, |x, block| block.forward(x, context, memory)))
    }

    /// The same for new positions, those before them in `caches`, one a block.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, new, d_model]`
    /// - output: the same
    pub fn forward_cached(
        &self,
        x: Tensor<3>,
        context: &AttentionContext,
        memory: Option<&Memory>,
        caches: &mut [KeyValueCache],
    ) -> Tensor<3> {
        let layers = self.blocks.iter().zip(caches);
        self.finish(layers.fold(x, |x, (block, cache)| block.forward_cached(x, context, memory, cache)))
    }

    fn finish(&self, x: Tensor<3>) -> Tensor<3> {
        match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }
}
