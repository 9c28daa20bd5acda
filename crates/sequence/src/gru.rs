//! # Gated recurrent units (GRU)
//!
//! An [LSTM](crate::lstm) with one state instead of two and two gates instead of three: what is forgotten makes room for
//! exactly what is written.
//!
//! ```text
//! r_t = σ(W_ir x_t + b_ir + W_hr h_(t−1) + b_hr)              reset gate: how much of the past the candidate sees
//! z_t = σ(W_iz x_t + b_iz + W_hz h_(t−1) + b_hz)              update gate: how much of the past stays
//! n_t = tanh(W_in x_t + b_in + r_t ⊙ (W_hn h_(t−1) + b_hn))   candidate
//! h_t = (1 − z_t) ⊙ n_t + z_t ⊙ h_(t−1)
//! ```
//!
//! ```text
//!  h_(t−1) ──┬────────────────▶ ×z ─────▶ + ──▶ h_t
//!            │                            ▲
//!            └──▶ ×r ──▶ n = tanh ──▶ ×(1−z)
//!                          ▲
//!  x_t ────────────────────┘
//! ```
//!
//! With z near 1 the state passes unchanged and so does its gradient: `∂h_t/∂h_(t−1) = diag z_t + …`, the same way past the
//! multiplications as the LSTM's cell, with three quarters of its parameters. Neither is the better one in general; the LSTM
//! can count without bound, the GRU's state lies between −1 and 1.
//!
//! Papers: K. Cho et al., *Learning phrase representations using RNN encoder–decoder*, 2014 <https://arxiv.org/abs/1406.1078>;
//! J. Chung, C. Gulcehre, K. Cho, Y. Bengio, *Empirical evaluation of gated recurrent neural networks*, 2014
//! <https://arxiv.org/abs/1412.3555>.
//!
//! ## Differs from the papers
//!
//! 1. The reset gate acts after the product, `r ⊙ (W h)`, not before it, `W (r ⊙ h)`: the form of PyTorch and cuDNN, in which
//!    all products of a step are one.
//! 2. z is the share of the old state, as in PyTorch; the first paper's z is the same, Chung's is 1 − z.
//! 3. Order of the gates (r, z, n), two biases and initialisation are PyTorch's `nn.GRU`, whose weights fit by name.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;

use crate::recurrent::{
    Affine, Cell, State, cut_rows, input_sizes, run, sigmoid, tanh, uniform, validate, zeros_like,
};

/// Sizes of a [`Gru`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct GruConfig {
    /// Features of an input.
    pub input_size: usize,
    /// Units of the state.
    pub hidden_size: usize,
    /// Layers on top of each other. Default: PyTorch's.
    #[config(default = 1)]
    pub num_layers: usize,
    /// Whether there are b_i and b_h. Default: PyTorch's.
    #[config(default = true)]
    pub bias: bool,
    /// Probability of dropping a unit between two layers, in [0, 1). Default: PyTorch's.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// A second network reads from the end. Default: PyTorch's.
    #[config(default = false)]
    pub bidirectional: bool,
}

impl GruConfig {
    /// Builds the network: weights uniform on ±1/√hidden_size as in PyTorch.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<Gru, ConfigError> {
        let sizes = [("input_size", self.input_size), ("hidden_size", self.hidden_size)];
        validate(&sizes, self.num_layers, self.dropout)?;
        let directions = 1 + usize::from(self.bidirectional);
        let cells = input_sizes(self.input_size, self.hidden_size, self.num_layers, directions)
            .into_iter()
            .map(|input| GruCell::new(input, self, device))
            .collect();
        Ok(Gru { cells, dropout: DropoutConfig::new(self.dropout).init(), directions })
    }
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct Gru {
    /// The first layer's one or two directions, then the second's.
    pub cells: Vec<GruCell>,
    /// Between layers, only while training.
    pub dropout: Dropout,
    directions: usize,
}

impl Gru {
    /// Reads a batch of sequences; the states begin with zeros unless given, and the last ones come back.
    ///
    /// # Shapes
    ///
    /// - inputs: `[batch, steps, input_size]`, padding finite
    /// - lengths: one for each sample, 1 to `steps`; nothing when all are `steps`
    /// - outputs: `[batch, steps, hidden_size · directions]`, zero beyond a sample's length
    /// - states: one for each layer and direction, `[batch, hidden_size]`
    ///
    /// # Panics
    ///
    /// When sizes, lengths or states do not fit; [`check_inputs`](crate::error::check_inputs) tells beforehand.
    pub fn forward(
        &self,
        inputs: Tensor<3>,
        lengths: Option<&[usize]>,
        states: Option<Vec<State>>,
    ) -> (Tensor<3>, Vec<State>) {
        run(&self.cells, self.directions, &self.dropout, inputs, lengths, states)
    }
}

/// One layer in one direction, with PyTorch's parameters; rows in the order r, z, n.
#[derive(Module, Debug)]
pub struct GruCell {
    /// `[3 · hidden, input]`
    pub weight_ih: Param<Tensor<2>>,
    /// `[3 · hidden, hidden]`
    pub weight_hh: Param<Tensor<2>>,
    /// `[3 · hidden]`
    pub bias_ih: Option<Param<Tensor<1>>>,
    /// `[3 · hidden]`
    pub bias_hh: Option<Param<Tensor<1>>>,
}

impl GruCell {
    fn new(input: usize, config: &GruConfig, device: &Device) -> Self {
        let hidden = config.hidden_size;
        let bias = || config.bias.then(|| uniform([3 * hidden], hidden, device));
        Self {
            weight_ih: uniform([3 * hidden, input], hidden, device),
            weight_hh: uniform([3 * hidden, hidden], hidden, device),
            bias_ih: bias(),
            bias_hh: bias(),
        }
    }
}

impl Cell for GruCell {
    type Ready = ();

    fn input_size(&self) -> usize {
        self.weight_ih.dims()[1]
    }

    fn start(&self, batch: usize) -> State {
        State { hidden: zeros_like(&self.weight_hh, [batch, self.weight_hh.dims()[1]]), cell: None }
    }

    /// One matrix whose four groups of rows are r, z, the candidate's part of x, and its part of h: the reset gate comes between
    /// the last two, so they are not summed.
    fn ready(&self) -> (Affine, ()) {
        let [rows, hidden] = self.weight_hh.dims();
        let zeros = |columns| zeros_like(&self.weight_hh, [hidden, columns]);
        let of_input = |w: Tensor<2>| {
            let columns = w.dims()[1];
            Tensor::cat(vec![w, zeros(columns)], 0)
        };
        let of_state = |w: Tensor<2>| {
            let (columns, gates) = (w.dims()[1], 2 * hidden);
            let parts = vec![w.clone().narrow(0, 0, gates), zeros(columns), w.narrow(0, gates, rows - gates)];
            Tensor::cat(parts, 0)
        };
        let bias = self.bias_ih.as_ref().zip(self.bias_hh.as_ref());
        let bias =
            bias.map(|(ih, hh)| of_input(ih.val().unsqueeze_dim(1)) + of_state(hh.val().unsqueeze_dim(1)));
        (Affine::new(of_input(self.weight_ih.val()), of_state(self.weight_hh.val()), bias), ())
    }

    /// z: `[4H, B]`
    fn step((): &(), z: Tensor<2>, state: &State) -> State {
        let old = state.hidden.clone();
        let [gates, candidate] = cut_rows(z);
        let ([r, z], [of_x, of_h]) = (cut_rows(sigmoid(gates)), cut_rows(candidate));
        let n = tanh(of_x + r * of_h);
        State { hidden: n.clone() + z * (old - n), cell: None } // [H, B]
    }
}
