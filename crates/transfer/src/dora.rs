//! # DoRA: weight-decomposed low-rank adaptation
//!
//! Full fine-tuning turns a weight's columns and stretches them more or less independently; LoRA does both together, the
//! more of one the more of the other. DoRA gives each output a length of its own and leaves the turning to LoRA:
//!
//! ```text
//! W′ = m ⊙ V / ‖V‖        V = W + (α/r)·A·B          ‖·‖ and m: one number for each output
//!
//!   W + s·A·B ──▶ divide by its length ──▶ direction ──▶ times m ──▶ W′
//!                 (a constant for the gradient)          (learnt, begins as ‖W‖)
//! ```
//!
//! At first V = W and m = ‖W‖, so W′ = W up to rounding. It costs one number for each output more than LoRA, and is worth
//! most at small ranks.
//!
//! Paper: S. Liu et al., *DoRA: weight-decomposed low-rank adaptation*, 2024 (<https://arxiv.org/abs/2402.09353>).
//!
//! ## Differs from the paper
//!
//! 1. `constant_norm` can be switched off, and the gradient then goes through the length too (the paper's equation 6
//!    rather than its section 4.3). It is how the page's formula is checked against finite differences.

use burn::config::Config;
use burn::module::{LoraAdapter, Module, Param, Reparameterization};
use burn::tensor::Tensor;
use fornax_nn_core::ConfigError;
use rand_chacha::ChaCha8Rng;

use crate::adapter::{AdapterError, Method, Target};
use crate::lora::LoraConfig;

/// Settings of a weight-decomposed adapter; attach it with [`attach`](crate::adapter::attach).
#[derive(Config, Debug, PartialEq)]
pub struct DoraConfig {
    /// r: directions learnt for each weight, below both of its sides.
    pub rank: usize,
    /// α: the change is scaled by α/r. Default: twice the rank, the paper's.
    pub alpha: Option<f64>,
    /// The layers to adapt, each name a run of whole components of a path. Default: all linear layers and convolutions.
    #[config(default = "Vec::new()")]
    pub names: Vec<String>,
    /// Whether the gradient takes ‖V‖ for a constant, which saves a fifth of the memory. Default: yes, the paper's.
    #[config(default = true)]
    pub constant_norm: bool,
}

/// The correction of one weight.
#[derive(Module, Debug)]
pub struct DoraLayer {
    /// A, B and α/r.
    pub low_rank: LoraAdapter,
    /// m: `[outputs]`.
    pub magnitude: Param<Tensor<1>>,
    /// The dimension of the outputs.
    pub outputs: usize,
    /// Whether ‖V‖ is a constant for the gradient.
    pub constant_norm: bool,
}

impl DoraConfig {
    /// The change beneath the length.
    fn low_rank(&self) -> LoraConfig {
        LoraConfig::new(self.rank).with_alpha(self.alpha)
    }
}

impl Method for DoraConfig {
    type Layer = DoraLayer;

    fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    fn validate(&self) -> Result<(), ConfigError> {
        self.low_rank().validate()
    }

    fn check(&self, target: &Target) -> Result<(), AdapterError> {
        self.low_rank().check(target)
    }

    fn layer<const D: usize>(&self, target: &Target, weight: Tensor<D>, noise: &mut ChaCha8Rng) -> DoraLayer {
        let low_rank = self.low_rank().layer(target, weight.clone(), noise);
        let magnitude = length(weight, target.outputs).flatten(0, D - 1);
        DoraLayer {
            low_rank,
            magnitude: Param::from_tensor(magnitude),
            outputs: target.outputs,
            constant_norm: self.constant_norm,
        }
    }
}

impl Reparameterization for DoraLayer {
    const NAME: &'static str = "dora";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let v = self.low_rank.apply(base);
        let source = if self.constant_norm { v.clone().detach() } else { v.clone() };
        let norm = length(source, self.outputs);
        let mut shape = [1; D];
        shape[self.outputs] = self.magnitude.dims()[0];
        v * (self.magnitude.val().reshape(shape) / norm.clamp_min(f32::MIN_POSITIVE))
    }
}

/// Euclidean length over all dimensions but one.
fn length<const D: usize>(weight: Tensor<D>, kept: usize) -> Tensor<D> {
    let square = weight.clone() * weight;
    (0..D).filter(|&dim| dim != kept).fold(square, |sum, dim| sum.sum_dim(dim)).sqrt()
}
