//! # State space models (S4D)
//!
//! A recurrence that is *linear* in its state. It gives up the gates of an [LSTM](crate::lstm) and gains that the whole sequence
//! can be computed at once, because a linear recurrence is a convolution. Each of H channels is a system of its own:
//!
//! ```text
//! continuous   s'(τ) = A s(τ) + u(τ)          y(τ) = 2 Re(C s(τ)) + D u(τ)          A diagonal, N/2 complex numbers
//! discrete     s_t = Ā s_(t−1) + u_t          y_t  = 2 Re(C̄ s_t) + D u_t            a step of length Δ
//!              Ā = exp(Δ A)                   C̄ = C (Ā − 1) / A                     zero-order hold: u constant within a step
//! unrolled     y_t = Σ_(k ≤ t) K_k u_(t−k) + D u_t         K_k = 2 Re(Σ_n C̄_n Ā_n^k)
//! ```
//!
//! A real system with conjugate pairs of eigenvalues is diagonal over the complex numbers, and half of each pair suffices, hence
//! N/2 and the 2 Re. Eigenvalues `A_n = −½ + iπn` are damped waves of every frequency; the state holds how much of each is in
//! the past, a spectrum that forgets. `Re A = −exp(·) < 0` by construction, so |Ā| < 1: the state cannot explode, and how slowly
//! it fades is learnt, by A and by Δ.
//!
//! ```text
//! x ──▶ norm ──▶ H systems, one a channel ──▶ GELU ──▶ linear, GLU ──▶ dropout ──▶ + ──▶
//! │                                                                                ▲
//! └────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! ## Chunks
//!
//! The recurrence takes T steps one after the other; the convolution takes one matrix product of T² products. Between the two,
//! the sequence is cut into chunks of L: within a chunk the triangular matrix `K_(i−j)`, from chunk to chunk the state.
//!
//! ```text
//! y_i = Σ_(j ≤ i) K_(i−j) u_j  +  2 Re Σ_n C̄_n Ā_n^(i+1) s_n            i, j = 0 … L − 1 within the chunk
//! s ← Ā^L s + Σ_j Ā^(L−1−j) u_j
//! ```
//!
//! All are batched matrix products, T·L of work for T/L sequential steps; [`Layer::forward`] and [`Layer::step`] compute the same.
//!
//! Papers: A. Gu, A. Gupta, K. Goel, C. Ré, *On the parameterization and initialization of diagonal state space models*, 2022
//! <https://arxiv.org/abs/2206.11893> (S4D); A. Gu, K. Goel, C. Ré, *Efficiently modeling long sequences with structured state
//! spaces*, 2022 <https://arxiv.org/abs/2111.00396>.
//!
//! ## Differs from the papers
//!
//! 1. Chunks instead of a Fourier transform over the whole sequence: the state comes out, so long texts can be read in
//!    pieces, and no padding to twice the length is needed.
//! 2. B is 1 and lives in C (the paper's minimal code does so too); layer norm before the system, not batch norm after it.

mod layer;

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::below_one;

use crate::error::{SequenceError, check_inputs};
use crate::recurrent::{State, valid_steps, validate};

pub use layer::Layer;

/// Sizes of a [`StateSpace`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct StateSpaceConfig {
    /// Features of an input.
    pub input_size: usize,
    /// Channels, each with a system of its own.
    pub hidden_size: usize,
    /// Layers on top of each other. Default: the paper's 4.
    #[config(default = 4)]
    pub num_layers: usize,
    /// N, real dimensions of a channel's state, even. Default: the paper's 64.
    #[config(default = 64)]
    pub state_size: usize,
    /// Probability of dropping a unit after each system, in [0, 1). Default: none, as the other networks here.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Smallest and largest initial Δ. Default: the paper's 0.001 and 0.1, memories of about 10 to 1,000 steps.
    #[config(default = "[0.001, 0.1]")]
    pub step_range: [f64; 2],
    /// L, steps computed at once. Default: 32, a guess that was not tuned.
    #[config(default = 32)]
    pub chunk: usize,
}

impl StateSpaceConfig {
    /// Builds the network: A as S4D-Lin, C from the complex normal distribution, Δ log-uniform in its range.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<StateSpace, ConfigError> {
        let sizes =
            [("input_size", self.input_size), ("hidden_size", self.hidden_size), ("chunk", self.chunk)];
        validate(&sizes, self.num_layers, 0.0)?;
        below_one("dropout", self.dropout)?;
        if self.state_size == 0 || self.state_size % 2 == 1 {
            let reason = format!("must be even and at least 2, got {}", self.state_size);
            return Err(ConfigError::new("state_size", reason));
        }
        let [least, most] = self.step_range;
        if !(least > 0.0 && least < most && most.is_finite()) {
            let reason = format!("must be 0 < least < most, got {:?}", self.step_range);
            return Err(ConfigError::new("step_range", reason));
        }
        Ok(StateSpace {
            encoder: LinearConfig::new(self.input_size, self.hidden_size).init(device),
            layers: (0..self.num_layers).map(|_| Layer::new(self, device)).collect(),
        })
    }
}

/// The network: an affine map to H channels, then layers; see the [module page](self).
#[derive(Module, Debug)]
pub struct StateSpace {
    /// From inputs to channels.
    pub encoder: Linear,
    /// One after the other.
    pub layers: Vec<Layer>,
}

impl StateSpace {
    /// Reads a batch of sequences; the states begin with zeros unless given, and the last ones come back.
    ///
    /// With lengths, the recurrence is computed step by step so that each sample's state stays where it ends; without, in
    /// chunks.
    ///
    /// # Shapes
    ///
    /// - inputs: `[batch, steps, input_size]`, padding finite
    /// - lengths: one for each sample, 1 to `steps`; nothing when all are `steps`
    /// - outputs: `[batch, steps, hidden_size]`, zero beyond a sample's length
    /// - states: one for each layer, real (`hidden`) and imaginary part (`cell`), each `[batch, hidden_size · state_size / 2]`
    ///
    /// # Panics
    ///
    /// When sizes, lengths or states do not fit; [`check_inputs`] tells beforehand.
    pub fn forward(
        &self,
        inputs: Tensor<3>,
        lengths: Option<&[usize]>,
        states: Option<Vec<State>>,
    ) -> (Tensor<3>, Vec<State>) {
        let [batch, count, _] = inputs.dims();
        let expected: Vec<_> = self.layers.iter().map(|layer| layer.state_dims(batch)).collect();
        let states = states.unwrap_or_else(|| self.layers.iter().map(|layer| layer.start(batch)).collect());
        let actual: Vec<_> = states.iter().map(|state| state.hidden.dims()).collect();
        let checked = check_inputs(inputs.dims(), lengths, self.encoder.weight.dims()[0]).and_then(|()| {
            let error =
                SequenceError::States { actual: format!("{actual:?}"), expected: format!("{expected:?}") };
            if actual == expected { Ok(()) } else { Err(error) }
        });
        if let Err(error) = checked {
            panic!("{error}");
        }
        let valid = valid_steps(lengths, count, &inputs);
        let mut x = self.encoder.forward(inputs); // [B, T, H]
        let mut last = Vec::with_capacity(states.len());
        for (layer, state) in self.layers.iter().zip(states) {
            let (y, after) = match lengths {
                None => layer.forward(x, state),
                Some(_) => layer.scan(x, state, &valid),
            };
            x = y;
            last.push(after);
        }
        (x, last)
    }
}
