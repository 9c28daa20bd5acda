//! # IA³: infused adapter by inhibiting and amplifying inner activations
//!
//! The smallest adapter: a factor for each of some activations, and nothing else. A feature that the new task does not need
//! is turned down, one that it needs is turned up.
//!
//! ```text
//! attention      softmax(q · (l_k ⊙ k)ᵀ/√d) · (l_v ⊙ v)
//! feed-forward   W₂ · (l_ff ⊙ f(W₁·x))
//! ```
//!
//! A factor on an activation is a factor on the weight that makes it, or on the one that reads it:
//!
//! ```text
//! outputs   l ⊙ (x·W) = x·(W·diag(l))         columns of W        keys: `key`
//! inputs    (l ⊙ x)·W = x·(diag(l)·W)         rows of W           values: `output`; inside: `down`
//! ```
//!
//! so that it merges into the weights like the others. All factors begin at one.
//!
//! Paper: H. Liu et al., *Few-shot parameter-efficient fine-tuning is better and cheaper than in-context learning*, 2022
//! (<https://arxiv.org/abs/2205.05638>).
//!
//! ## Differs from the paper
//!
//! 1. Values are scaled where they are read, at the rows of W_o. With as many heads of values as of queries that is the same
//!    product, a bias of the values included; with fewer it is a factor for each query's copy.
//! 2. Where outputs are scaled, a bias is not (T5 has none). For keys that changes nothing: what it adds to the scores is
//!    the same for all keys, and the softmax takes it away.

use burn::config::Config;
use burn::module::{Module, Param, Reparameterization};
use burn::tensor::Tensor;
use fornax_nn_core::ConfigError;
use rand_chacha::ChaCha8Rng;

use crate::adapter::{Method, Target};

/// Settings of an adapter of factors; attach it with [`attach`](crate::adapter::attach). Names are runs of whole components
/// of a path.
#[derive(Config, Debug, PartialEq)]
pub struct Ia3Config {
    /// Layers whose outputs are scaled.
    pub outputs: Vec<String>,
    /// Layers whose inputs are scaled. Of a grouped convolution all groups share the factors.
    pub inputs: Vec<String>,
}

impl Ia3Config {
    /// The paper's keys, values and feed-forward layers, for the Transformers of `fornax-sequence`.
    pub fn transformer() -> Self {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self::new(names(&["attention.key"]), names(&["attention.output", "feed_forward.down"]))
    }
}

/// The correction of one weight.
#[derive(Module, Debug)]
pub struct Ia3Layer {
    /// l: one factor for each place along `dim`.
    pub factors: Param<Tensor<1>>,
    /// The dimension that is scaled.
    pub dim: usize,
}

impl Method for Ia3Config {
    type Layer = Ia3Layer;

    fn names(&self) -> Vec<&str> {
        self.outputs.iter().chain(&self.inputs).map(String::as_str).collect()
    }

    fn validate(&self) -> Result<(), ConfigError> {
        if self.outputs.is_empty() && self.inputs.is_empty() {
            return Err(ConfigError::new("outputs", "no layer is named, neither here nor in inputs"));
        }
        match self.outputs.iter().find(|name| self.inputs.contains(name)) {
            Some(name) => Err(ConfigError::new("inputs", format!("{name:?} is among the outputs too"))),
            None => Ok(()),
        }
    }

    fn layer<const D: usize>(&self, target: &Target, weight: Tensor<D>, _noise: &mut ChaCha8Rng) -> Ia3Layer {
        let scales_outputs = self.outputs.iter().any(|name| target.is_named(name));
        let dim = if scales_outputs { target.outputs } else { target.inputs };
        let options = (&weight.device(), weight.dtype());
        Ia3Layer { factors: Param::from_tensor(Tensor::ones([target.shape[dim]], options)), dim }
    }
}

impl Reparameterization for Ia3Layer {
    const NAME: &'static str = "ia3";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let mut shape = [1; D];
        shape[self.dim] = self.factors.dims()[0];
        base * self.factors.val().reshape(shape)
    }
}
