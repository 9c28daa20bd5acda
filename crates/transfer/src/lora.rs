//! # LoRA: low-rank adaptation
//!
//! What fine-tuning adds to a weight has a low *intrinsic rank*: a few directions of the input decide, a few of the output
//! change. So learn the change as a product of two thin matrices and leave the weight alone:
//!
//! ```text
//! W′ = W + (α/r)·A·B          A: in × r,  B: r × out,  r ≪ min(in, out)
//!
//!        ┌──────── W (frozen) ────────┐
//!   x ──▶│                            ├──(+)──▶ y          parameters: r·(in + out) instead of in·out
//!        └──▶ A ──▶ r numbers ──▶ B ──┘
//! ```
//!
//! A is drawn at random and B is zero: at first W′ = W, and the first gradient of B is not zero, so it moves. α/r keeps the
//! size of the change the same when r is varied, so that the learning rate need not be.
//!
//! **Convolutions.** A weight `out × in × k × k` is a matrix of `out` rows and `in·k·k` columns; its change is again a
//! product, of `out × r` and `r × in·k·k`: a convolution to r maps followed by one of 1 × 1. Nothing else differs.
//!
//! **QLoRA.** The frozen weights may be stored in 8 bits: `model.quantize_weights_group(&mut quantizer, group)` (Burn's) for
//! the matrices named, then [`attach`](crate::adapter::attach); they are expanded where they are used. A is then drawn in
//! f32. Burn's own `apply_lora` and `apply_qlora` attach the same layer to *every* matrix, embeddings included, with
//! numbers from the global generator; what this page adds is choice by name, convolutions, seeds, checks and files.
//!
//! Papers: E. Hu et al., *LoRA*, 2021 (<https://arxiv.org/abs/2106.09685>); T. Dettmers et al., *QLoRA*, 2023
//! (<https://arxiv.org/abs/2305.14314>).
//!
//! ## Differs from the paper
//!
//! 1. Which weights are adapted is up to `names`; the paper's choice for Transformers, queries and values, is
//!    [`LoraConfig::attention`].
//! 2. A is uniform in ±1/√in, as in the authors' code, where the paper says normal.
//! 3. W′ is computed and used, rather than x·W and x·A·B apart: one product of matrices instead of three, for the price of
//!    a temporary the size of W. Then it also works on layers that know nothing of it.
//! 4. No dropout before A.

use burn::config::Config;
use burn::module::{LoraAdapter, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, positive};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::adapter::{AdapterError, Method, Target};

/// Settings of a low-rank adapter; attach it with [`attach`](crate::adapter::attach).
#[derive(Config, Debug, PartialEq)]
pub struct LoraConfig {
    /// r: directions learnt for each weight, below both of its sides.
    pub rank: usize,
    /// α: the change is scaled by α/r. Default: twice the rank, as in QLoRA's experiments and most recipes since.
    pub alpha: Option<f64>,
    /// The layers to adapt, each name a run of whole components of a path (`query`, `blocks.3`). Default: all linear layers
    /// and convolutions; an embedding is adapted where it is named.
    #[config(default = "Vec::new()")]
    pub names: Vec<String>,
}

impl LoraConfig {
    /// Queries and values of every attention, the paper's choice, for the Transformers of `fornax-sequence`.
    pub fn attention(rank: usize) -> Self {
        Self::new(rank).with_names(vec!["query".to_owned(), "value".to_owned()])
    }

    /// α/r.
    pub fn scale(&self) -> f64 {
        self.alpha.map_or(2.0, |alpha| alpha / self.rank.max(1) as f64)
    }
}

impl Method for LoraConfig {
    type Layer = LoraAdapter;

    fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[("rank", self.rank)])?;
        positive("alpha", self.alpha.unwrap_or(1.0))
    }

    fn check(&self, target: &Target) -> Result<(), AdapterError> {
        check_rank(self.rank, target)
    }

    fn layer<const D: usize>(
        &self,
        target: &Target,
        weight: Tensor<D>,
        noise: &mut ChaCha8Rng,
    ) -> LoraAdapter {
        let [a, b] = factors(self.rank, target, &weight, noise);
        LoraAdapter { a, b, scale: self.scale() }
    }
}

/// A rank that saves nothing is a mistake.
fn check_rank(rank: usize, target: &Target) -> Result<(), AdapterError> {
    let [rows, columns] = target.matrix();
    let smallest = rows.min(columns);
    if rank < smallest {
        return Ok(());
    }
    Err(AdapterError::Rank { path: target.path.clone(), rank, smallest, rows, columns })
}

/// The factors of a change that begins as zero: `[rows, rank]` and `[rank, columns]` of the weight as a matrix. The one on
/// the inputs' side is random.
fn factors<const D: usize>(
    rank: usize,
    target: &Target,
    weight: &Tensor<D>,
    noise: &mut ChaCha8Rng,
) -> [Param<Tensor<2>>; 2] {
    let [rows, columns] = target.matrix();
    // Of a quantized weight the type says nothing about the factors'.
    let dtype = if weight.dtype().is_float() { weight.dtype() } else { DType::F32 };
    let place: (&Device, DType) = (&weight.device(), dtype);
    let mut random = |shape: [usize; 2], inputs: usize| {
        let bound = 1.0 / (inputs as f32).sqrt();
        let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| noise.random_range(-bound..bound)).collect();
        Tensor::from_data(TensorData::new(values, shape), place)
    };
    let zero = |shape: [usize; 2]| Tensor::zeros(shape, place);
    let [left, right] = if target.inputs == 0 {
        [random([rows, rank], rows), zero([rank, columns])]
    } else {
        [zero([rows, rank]), random([rank, columns], columns)]
    };
    [Param::from_tensor(left), Param::from_tensor(right)]
}
