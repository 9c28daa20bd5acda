//! # Long short-term memory (LSTM)
//!
//! A plain recurrent network rewrites its whole state at every step, and its gradient is multiplied by a matrix each time. An
//! LSTM keeps a **cell** beside the state it shows, and only *adds* to it. Three gates, numbers between 0 and 1 that the
//! network computes itself, say how much is let in, kept, and shown:
//!
//! ```text
//! i_t = σ(W_ii x_t + b_ii + W_hi h_(t−1) + b_hi)         input gate: what is written
//! f_t = σ(W_if x_t + b_if + W_hf h_(t−1) + b_hf)         forget gate: what is kept
//! g_t = tanh(W_ig x_t + b_ig + W_hg h_(t−1) + b_hg)      candidate: what would be written
//! o_t = σ(W_io x_t + b_io + W_ho h_(t−1) + b_ho)         output gate: what is shown
//! c_t = f_t ⊙ c_(t−1) + i_t ⊙ g_t
//! h_t = o_t ⊙ tanh(c_t)
//! ```
//!
//! ```text
//!  c_(t−1) ──────▶ × ─────────▶ + ─────────┬─────▶ c_t
//!                  ▲            ▲          │
//!                  │         i ─×─ g     tanh
//!                  f            │          ▼
//!                  ▲            ▲      o ─ × ────▶ h_t
//!                  └─────┬──────┴──────┘
//!  h_(t−1), x_t ─────────┘
//! ```
//!
//! Along the cell the Jacobian is `∂c_t/∂c_(t−1) = diag f_t` plus what goes through the gates: with f near 1 an error passes
//! hundreds of steps, the *constant error carousel* of the first paper. A network that starts with f = ½ forgets half at every
//! step; a forget gate's bias of 1 ([`LstmConfig::forget_bias`]) starts it at f = 0.73, and tasks with long gaps train at all. A
//! unit with a constant f forgets within 1/(1 − f) steps. *Chrono initialisation* ([`LstmConfig::chrono`]) turns that round:
//! memories of 2 to T steps, each as likely as the other, and as much written as is forgotten:
//!
//! ```text
//! b_f = ln u,   b_i = −b_f,   u uniform on [1, T − 1]        f = u / (1 + u), i = 1 − f while the rest is small
//! ```
//!
//! **Variants.** *Peepholes* let the gates see the cell: `i` and `f` the old one, `o` the new one, each unit only its own, so
//! that a gate can count. A *projection* makes h smaller than c: `h_t = W_hr (o_t ⊙ tanh c_t)`, fewer weights for the same
//! memory.
//!
//! Papers: S. Hochreiter, J. Schmidhuber, *Long short-term memory*, Neural Computation 9(8), 1997
//! <https://doi.org/10.1162/neco.1997.9.8.1735>; F. A. Gers, J. Schmidhuber, F. Cummins, *Learning to forget*, 2000
//! <https://doi.org/10.1162/089976600300015015>; F. A. Gers, J. Schmidhuber, *Recurrent nets that time and count*, 2000
//! <https://doi.org/10.1109/IJCNN.2000.861302>; H. Sak, A. Senior, F. Beaufays, 2014 (projections)
//! <https://arxiv.org/abs/1402.1128>; R. Jozefowicz, W. Zaremba, I. Sutskever, 2015 (forget bias)
//! <https://proceedings.mlr.press/v37/jozefowicz15.html>; C. Tallec, Y. Ollivier, *Can recurrent neural networks warp time?*,
//! 2018 (chrono) <https://arxiv.org/abs/1804.11188>.
//!
//! ## Differs from the papers
//!
//! 1. The full gradient through time, where the first paper cut it at the gates.
//! 2. Order of the gates, two biases and initialisation are PyTorch's `nn.LSTM`, whose weights fit by name.
//! 3. tanh x is computed as 2σ(2x) − 1, so that one exponential serves all four gates: the rows of g are doubled beforehand.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use fornax_nn_core::ConfigError;

use crate::recurrent::{
    Affine, Cell, Shared, State, bias_column, cell, cut_rows, input_sizes, run, sigmoid, tanh, uniform,
    validate, zeros_like,
};

/// Sizes of an [`Lstm`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct LstmConfig {
    /// Features of an input.
    pub input_size: usize,
    /// Units of the cell.
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
    /// Features of h, fewer than `hidden_size`. Default: no projection, as in PyTorch.
    #[config(default = "None")]
    pub proj_size: Option<usize>,
    /// Gates see the cell (Gers and Schmidhuber). Default: no, as in PyTorch.
    #[config(default = false)]
    pub peephole: bool,
    /// Added to the forget gate's bias at the beginning. Default: 0, as in PyTorch; Jozefowicz et al. advise 1.
    #[config(default = 0.0)]
    pub forget_bias: f64,
    /// T, the steps a memory may have to last: the biases of forget and input gate begin as chrono initialisation has them. At
    /// least 3. Default: they begin as in PyTorch.
    #[config(default = "None")]
    pub chrono: Option<usize>,
}

impl LstmConfig {
    /// Features of h: the projection's, or the cell's.
    pub fn output_size(&self) -> usize {
        self.proj_size.unwrap_or(self.hidden_size)
    }

    /// Builds the network: weights uniform on ±1/√hidden_size as in PyTorch.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<Lstm, ConfigError> {
        let sizes = [("input_size", self.input_size), ("hidden_size", self.hidden_size)];
        validate(&sizes, self.num_layers, self.dropout)?;
        if let Some(size) = self.proj_size.filter(|size| !(1..self.hidden_size).contains(size)) {
            let reason = format!("must be 1 to hidden_size − 1 = {}, got {size}", self.hidden_size - 1);
            return Err(ConfigError::new("proj_size", reason));
        }
        if !self.forget_bias.is_finite() || (self.forget_bias != 0.0 && !self.bias) {
            let reason = format!("needs a finite number and bias = true, got {}", self.forget_bias);
            return Err(ConfigError::new("forget_bias", reason));
        }
        if let Some(longest) =
            self.chrono.filter(|&longest| longest < 3 || !self.bias || self.forget_bias != 0.0)
        {
            let reason =
                format!("needs at least 3 steps, bias = true and forget_bias = 0, got {longest} steps");
            return Err(ConfigError::new("chrono", reason));
        }
        let directions = 1 + usize::from(self.bidirectional);
        let cells = input_sizes(self.input_size, self.output_size(), self.num_layers, directions)
            .into_iter()
            .map(|input| LstmCell::new(input, self, device))
            .collect();
        Ok(Lstm { cells, dropout: DropoutConfig::new(self.dropout).init(), directions })
    }
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct Lstm {
    /// The first layer's one or two directions, then the second's.
    pub cells: Vec<LstmCell>,
    /// Between layers, only while training.
    pub dropout: Dropout,
    directions: usize,
}

impl Lstm {
    /// Reads a batch of sequences; the states begin with zeros unless given, and the last ones come back.
    ///
    /// # Shapes
    ///
    /// - inputs: `[batch, steps, input_size]`, padding finite
    /// - lengths: one for each sample, 1 to `steps`; nothing when all are `steps`
    /// - outputs: `[batch, steps, output_size · directions]`, zero beyond a sample's length
    /// - states: one for each layer and direction, hidden `[batch, output_size]`, cell `[batch, hidden_size]`
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

/// One layer in one direction, with PyTorch's parameters; rows in the order i, f, g, o.
#[derive(Module, Debug)]
pub struct LstmCell {
    /// `[4 · hidden, input]`
    pub weight_ih: Param<Tensor<2>>,
    /// `[4 · hidden, output]`
    pub weight_hh: Param<Tensor<2>>,
    /// `[4 · hidden]`
    pub bias_ih: Option<Param<Tensor<1>>>,
    /// `[4 · hidden]`
    pub bias_hh: Option<Param<Tensor<1>>>,
    /// `[output, hidden]`: the projection.
    pub weight_hr: Option<Param<Tensor<2>>>,
    /// `[3, hidden]`: what the gates i, f and o see of the cell.
    pub peephole: Option<Param<Tensor<2>>>,
}

impl LstmCell {
    fn new(input: usize, config: &LstmConfig, device: &Device) -> Self {
        let (hidden, output) = (config.hidden_size, config.output_size());
        let [bias_ih, bias_hh] = biases(config, device);
        Self {
            weight_ih: uniform([4 * hidden, input], hidden, device),
            weight_hh: uniform([4 * hidden, output], hidden, device),
            bias_ih: config.bias.then(|| Param::from_tensor(bias_ih)),
            bias_hh: config.bias.then(|| Param::from_tensor(bias_hh)),
            weight_hr: config.proj_size.map(|size| uniform([size, hidden], hidden, device)),
            peephole: config.peephole.then(|| uniform([3, hidden], hidden, device)),
        }
    }
}

/// Both biases at the beginning, `[4 · hidden]`.
fn biases(config: &LstmConfig, device: &Device) -> [Tensor<1>; 2] {
    let hidden = config.hidden_size;
    let drawn = || uniform::<1>([4 * hidden], hidden, device).val().detach().set_require_grad(false);
    let (ih, hh) = (drawn(), drawn());
    let like = (&ih.device(), ih.dtype());
    let rest = |bias: &Tensor<1>| bias.clone().narrow(0, 2 * hidden, 2 * hidden);
    let Some(longest) = config.chrono else {
        let shift = |row| if row / hidden == 1 { config.forget_bias } else { 0.0 };
        let shift: Vec<f64> = (0..4 * hidden).map(shift).collect();
        return [ih + Tensor::from_data(TensorData::new(shift, [4 * hidden]), like), hh];
    };
    let spread = Distribution::Uniform(1.0, longest as f64 - 1.0);
    let forget = Tensor::<1>::random([hidden], spread, like).log();
    let ih = Tensor::cat(vec![forget.clone().neg(), forget, rest(&ih)], 0);
    [ih, Tensor::cat(vec![Tensor::zeros([2 * hidden], like), rest(&hh)], 0)]
}

/// The other weights of an [`LstmCell`] as its step uses them.
#[derive(Debug)]
pub(crate) struct Ready {
    /// `[output, hidden]`
    projection: Option<Shared>,
    /// Three columns `[hidden, 1]`
    peephole: Option<[Tensor<2>; 3]>,
}

impl Cell for LstmCell {
    type Ready = Ready;

    fn input_size(&self) -> usize {
        self.weight_ih.dims()[1]
    }

    fn start(&self, batch: usize) -> State {
        let [rows, output] = self.weight_hh.dims();
        let zeros = |size| zeros_like(&self.weight_hh, [batch, size]);
        State { hidden: zeros(output), cell: Some(zeros(rows / 4)) }
    }

    /// The rows of g doubled, so that σ is all the gates need: tanh x = 2σ(2x) − 1.
    fn ready(&self) -> (Affine, Ready) {
        let like = self.weight_hh.val();
        let hidden = like.dims()[0] / 4;
        let gain = (0..4 * hidden).map(|row| if row / hidden == 2 { 2.0 } else { 1.0 }).collect::<Vec<f64>>();
        let gain = TensorData::new(gain, [4 * hidden, 1]);
        let gain = Tensor::<2>::from_data(gain, (&like.device(), like.dtype()));
        let doubled = |weight: &Param<Tensor<2>>| weight.val() * gain.clone();
        let bias = bias_column(self.bias_ih.as_ref(), self.bias_hh.as_ref()).map(|bias| bias * gain.clone());
        let see = |p: &Param<Tensor<2>>| [0, 1, 2].map(|gate| p.val().narrow(0, gate, 1).transpose());
        let ready = Ready {
            projection: self.weight_hr.as_ref().map(|weight| Shared::new(weight.val())),
            peephole: self.peephole.as_ref().map(see),
        };
        (Affine::new(doubled(&self.weight_ih), doubled(&self.weight_hh), bias), ready)
    }

    /// z: `[4H, B]`
    fn step(ready: &Ready, z: Tensor<2>, state: &State) -> State {
        let old = state.cell.clone().unwrap_or_else(|| z.clone().narrow(0, 0, z.dims()[0] / 4).zeros_like());
        let [shown, cell] = match &ready.peephole {
            None => cell::lstm(z, old, |z, old| {
                let [i, f, g, o] = cut_rows(sigmoid(z));
                let cell = f * old + i * g.mul_scalar(2.0).sub_scalar(1.0);
                [o * tanh(cell.clone()), cell]
            }),
            Some([to_i, to_f, to_o]) => {
                let [i, f, g, o] = cut_rows(z);
                let i = sigmoid(i + old.clone() * to_i.clone());
                let f = sigmoid(f + old.clone() * to_f.clone());
                let g = sigmoid(g).mul_scalar(2.0).sub_scalar(1.0);
                let cell = f * old + i * g;
                [sigmoid(o + cell.clone() * to_o.clone()) * tanh(cell.clone()), cell]
            }
        }; // [H, B]
        let hidden = ready.projection.iter().fold(shown, |shown, p| p.times(shown));
        State { hidden, cell: Some(cell) }
    }
}
