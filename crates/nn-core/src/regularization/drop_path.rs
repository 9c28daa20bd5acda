//! Drop-path, or stochastic depth: whole residual branches are skipped at random.
//!
//! ```text
//! training    y = x + m/(1 − p) · branch(x)      m ~ Bernoulli(1 − p), one for each example
//! inference   y = x + branch(x)
//! ```
//!
//! A residual network that drops branches is, for each example, a shallower one: gradients reach the
//! bottom through fewer layers, and the whole is an ensemble over depths. Dividing by 1 − p keeps the
//! expectation, so inference needs no change.
//!
//! Early layers are what all later ones build on; the rule of the paper keeps them: with L blocks and
//! p_L at the end, block l = 1..L drops with probability p_l = p_L·l/L ([`DropPathConfig::by_depth`]).
//!
//! Paper: G. Huang et al., *Deep networks with stochastic depth*, ECCV 2016.
//! <https://arxiv.org/abs/1603.09382>
//!
//! ## Differs from the paper
//!
//! 1. Examples of a batch are dropped one by one, not all together: less noise in the gradient.
//! 2. Kept branches are divided by 1 − p in training, instead of multiplied by it at inference.

use burn::config::Config;
use burn::module::{Flag, Module, Param};
use burn::tensor::{Tensor, TensorData};

use crate::ConfigError;
use crate::init::Draw;

/// Setting of a [`DropPath`].
#[derive(Config, Debug, PartialEq)]
pub struct DropPathConfig {
    /// Probability p of skipping the branch, in [0, 1).
    pub prob: f64,
}

impl DropPathConfig {
    /// One setting for each of `blocks` blocks: p_l = `last`·l/blocks.
    pub fn by_depth(blocks: usize, last: f64) -> Vec<Self> {
        (1..=blocks).map(|l| Self { prob: last * l as f64 / blocks as f64 }).collect()
    }

    /// Checks p.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `prob` outside [0, 1).
    pub fn init(&self) -> Result<DropPath, ConfigError> {
        if !(0.0..1.0).contains(&self.prob) {
            return Err(ConfigError::new("prob", format!("must lie in [0, 1), got {}", self.prob)));
        }
        Ok(DropPath { prob: self.prob, training: Param::from_bool(true) })
    }
}

/// Skips a branch for some examples while training; see the [page](self).
#[derive(Module, Debug)]
pub struct DropPath {
    /// Probability of skipping.
    pub prob: f64,
    /// Off in [`valid`](Module::valid) and frozen modules, as in Burn's dropout.
    pub training: Param<Flag>,
}

impl DropPath {
    /// The branch, scaled or zeroed for each example while training, as it is otherwise. Which
    /// examples are dropped follows from `seed`: give every step and every layer its own.
    ///
    /// # Shapes
    ///
    /// - branch, output: `[batch, ...]`
    pub fn forward<const D: usize>(&self, branch: Tensor<D>, seed: u64) -> Tensor<D> {
        if !self.training.is_enabled() || !branch.device().is_autodiff() || self.prob == 0.0 {
            return branch;
        }
        let mut draw = Draw::new(seed, 0);
        let batch = branch.dims()[0];
        let keep: Vec<f32> = (0..batch).map(|_| if draw.uniform() < self.prob { 0.0 } else { 1.0 }).collect();
        let options = (&branch.device(), branch.dtype());
        let keep = Tensor::from_data(TensorData::new(keep, [batch]), options);
        self.apply(branch, keep)
    }

    /// The branch under a given mask.
    ///
    /// # Shapes
    ///
    /// - branch, output: `[batch, ...]`
    /// - keep: `[batch]`, 1 for the examples that keep the branch, 0 for the others
    pub fn apply<const D: usize>(&self, branch: Tensor<D>, keep: Tensor<1>) -> Tensor<D> {
        let mut shape = [1; D];
        shape[0] = keep.dims()[0];
        branch * (keep * (1.0 - self.prob).recip()).reshape(shape)
    }
}
