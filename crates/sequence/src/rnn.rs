//! # Recurrent networks of Elman and of Jordan
//!
//! The simplest network with a memory. It is a feed-forward layer that reads, beside the input, what it made of the past:
//!
//! 1. **Initialise** weights and biases at random, the state with zeros.
//! 2. **For every step**: *update the state* from the input and the previous state, then *output*.
//!
//! ```text
//! Elman    h_t = φ(W_ih x_t + b_ih + W_hh h_(t−1) + b_hh)      the state is the hidden layer
//!
//! Jordan   h_t = φ(W_ih x_t + b_ih + W_hh y_(t−1) + b_hh)      the state is the previous output
//!          y_t = W_ho h_t + b_o
//! ```
//!
//! ```text
//!        Elman                           Jordan
//!         y_t                      ┌────── y_t
//!          ▲                       │        ▲
//!  ┌────▶ h_t ──┐                  ▼        │
//!  │       ▲    │               y_(t−1) ─▶ h_t
//!  h_(t−1)─┘◀───┘                           ▲
//!         x_t                              x_t
//! ```
//!
//! Elman's state may hold what was never said. Jordan's is what it said, and can be set from outside (teacher forcing).
//!
//! ## Backpropagation through time, and what goes wrong
//!
//! Unrolled, T steps are T layers with the same weights, and the gradient of a loss at step T with respect to the state k
//! steps earlier is a product of k Jacobians:
//!
//! ```text
//! ∂h_T/∂h_(T−k) = Π diag φ'(z_t) · W_hh          norm ≤ (max φ' · ‖W_hh‖)^k
//! ```
//!
//! Below one it vanishes with k, above one it explodes ([`health`](fornax_nn_core::health) tells which). Longer memories need
//! [`lstm`](crate::lstm) or [`gru`](crate::gru); ReLU with W_hh started at the identity (Le et al.) helps a plain network.
//!
//! Papers: J. L. Elman, *Finding structure in time*, 1990 <https://doi.org/10.1207/s15516709cog1402_1>; M. I. Jordan, *Serial
//! order: a parallel distributed processing approach*, ICS Report 8604, UC San Diego, 1986; Q. V. Le, N. Jaitly, G. E. Hinton,
//! *A simple way to initialize recurrent networks of rectified linear units*, 2015 <https://arxiv.org/abs/1504.00941>.
//!
//! ## Differs from the papers
//!
//! 1. Layers, two directions, dropout, lengths and the two biases are those of PyTorch's `nn.RNN`, whose weights fit.
//! 2. tanh or ReLU instead of the logistic function; Jordan's outputs are linear.
//! 3. Jordan's state is the last output only, not a decaying sum of all outputs.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;

use crate::recurrent::{
    Affine, Cell, Shared, State, bias_column, input_sizes, run, tanh, uniform, validate, zeros_like,
};

/// What makes the state non-linear; pure data.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Nonlinearity {
    /// tanh: bounded, so the state cannot explode; its derivative is at most 1, so the gradient vanishes.
    Tanh,
    /// max(0, z): its derivative is 1 where a unit is on; the state may grow without bound.
    Relu,
}

impl Nonlinearity {
    fn forward(self, z: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Tanh => tanh(z),
            Self::Relu => relu(z),
        }
    }
}

/// Sizes of an [`Rnn`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct RnnConfig {
    /// Features of an input.
    pub input_size: usize,
    /// Units of the state.
    pub hidden_size: usize,
    /// Layers on top of each other. Default: PyTorch's.
    #[config(default = 1)]
    pub num_layers: usize,
    /// φ. Default: PyTorch's.
    #[config(default = "Nonlinearity::Tanh")]
    pub nonlinearity: Nonlinearity,
    /// Whether there are b_ih and b_hh. Default: PyTorch's.
    #[config(default = true)]
    pub bias: bool,
    /// Probability of dropping a unit between two layers, in [0, 1). Default: PyTorch's.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// A second network reads from the end. Default: PyTorch's.
    #[config(default = false)]
    pub bidirectional: bool,
}

impl RnnConfig {
    /// Builds the network: weights uniform on ±1/√hidden_size as in PyTorch.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<Rnn, ConfigError> {
        let sizes = [("input_size", self.input_size), ("hidden_size", self.hidden_size)];
        validate(&sizes, self.num_layers, self.dropout)?;
        let directions = 1 + usize::from(self.bidirectional);
        let cells = input_sizes(self.input_size, self.hidden_size, self.num_layers, directions)
            .into_iter()
            .map(|input| RnnCell::new(input, self.hidden_size, self.hidden_size, self, device))
            .collect();
        Ok(Rnn { cells, dropout: DropoutConfig::new(self.dropout).init(), directions })
    }
}

/// Elman's network in layers; see the [module page](self).
#[derive(Module, Debug)]
pub struct Rnn {
    /// The first layer's one or two directions, then the second's.
    pub cells: Vec<RnnCell>,
    /// Between layers, only while training.
    pub dropout: Dropout,
    directions: usize,
}

impl Rnn {
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

/// One layer in one direction, with PyTorch's parameters.
#[derive(Module, Debug)]
pub struct RnnCell {
    /// W_ih, `[hidden, input]`
    pub weight_ih: Param<Tensor<2>>,
    /// W_hh, `[hidden, state]`; the state is the hidden layer (Elman) or the output (Jordan).
    pub weight_hh: Param<Tensor<2>>,
    /// b_ih, `[hidden]`
    pub bias_ih: Option<Param<Tensor<1>>>,
    /// b_hh, `[hidden]`
    pub bias_hh: Option<Param<Tensor<1>>>,
    #[module(skip)]
    nonlinearity: Nonlinearity,
}

impl RnnCell {
    fn new(input: usize, hidden: usize, state: usize, config: &RnnConfig, device: &Device) -> Self {
        let bias = || config.bias.then(|| uniform([hidden], hidden, device));
        Self {
            weight_ih: uniform([hidden, input], hidden, device),
            weight_hh: uniform([hidden, state], hidden, device),
            bias_ih: bias(),
            bias_hh: bias(),
            nonlinearity: config.nonlinearity,
        }
    }

    fn weights(&self) -> Affine {
        let bias = bias_column(self.bias_ih.as_ref(), self.bias_hh.as_ref());
        Affine::new(self.weight_ih.val(), self.weight_hh.val(), bias)
    }
}

impl Cell for RnnCell {
    type Ready = Nonlinearity;

    fn input_size(&self) -> usize {
        self.weight_ih.dims()[1]
    }

    fn start(&self, batch: usize) -> State {
        State { hidden: zeros_like(&self.weight_hh, [batch, self.weight_hh.dims()[1]]), cell: None }
    }

    fn ready(&self) -> (Affine, Nonlinearity) {
        (self.weights(), self.nonlinearity)
    }

    fn step(nonlinearity: &Nonlinearity, z: Tensor<2>, _: &State) -> State {
        State { hidden: nonlinearity.forward(z), cell: None } // [H, B]
    }
}

/// Sizes of a [`Jordan`] network; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct JordanConfig {
    /// Features of an input.
    pub input_size: usize,
    /// Units of the hidden layer.
    pub hidden_size: usize,
    /// Features of an output, which are the state.
    pub output_size: usize,
    /// φ of the hidden layer. Default: as in [`RnnConfig`].
    #[config(default = "Nonlinearity::Tanh")]
    pub nonlinearity: Nonlinearity,
}

impl JordanConfig {
    /// Builds the network: weights uniform on ±1/√hidden_size, as an [`Rnn`]'s.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<Jordan, ConfigError> {
        let &Self { input_size, hidden_size, output_size, nonlinearity } = self;
        let sizes = [("input_size", input_size), ("hidden_size", hidden_size), ("output_size", output_size)];
        validate(&sizes, 1, 0.0)?;
        let config = RnnConfig::new(input_size, hidden_size).with_nonlinearity(nonlinearity);
        let hidden = RnnCell::new(input_size, hidden_size, output_size, &config, device);
        let output = LinearConfig::new(hidden_size, output_size).init(device);
        Ok(Jordan { cells: vec![JordanCell { hidden, output }], dropout: DropoutConfig::new(0.0).init() })
    }
}

/// Jordan's network; see the [module page](self).
#[derive(Module, Debug)]
pub struct Jordan {
    /// The one layer.
    pub cells: Vec<JordanCell>,
    dropout: Dropout,
}

/// The layer of a [`Jordan`] network.
#[derive(Module, Debug)]
pub struct JordanCell {
    /// Reads input and previous output.
    pub hidden: RnnCell,
    /// Makes the output.
    pub output: Linear,
}

impl Jordan {
    /// Reads a batch of sequences. To force it along right answers, read step by step with the right outputs as states.
    ///
    /// # Shapes
    ///
    /// - inputs, lengths: as for [`Rnn::forward`]
    /// - outputs: `[batch, steps, output_size]`, zero beyond a sample's length
    /// - states: one, `[batch, output_size]`
    ///
    /// # Panics
    ///
    /// As [`Rnn::forward`].
    pub fn forward(
        &self,
        inputs: Tensor<3>,
        lengths: Option<&[usize]>,
        states: Option<Vec<State>>,
    ) -> (Tensor<3>, Vec<State>) {
        run(&self.cells, 1, &self.dropout, inputs, lengths, states)
    }
}

impl Cell for JordanCell {
    /// Of the hidden layer, and of the output layer `[O, H]` and `[O, 1]`.
    type Ready = (Nonlinearity, Shared, Option<Tensor<2>>);

    fn input_size(&self) -> usize {
        self.hidden.input_size()
    }

    fn start(&self, batch: usize) -> State {
        self.hidden.start(batch)
    }

    fn ready(&self) -> (Affine, Self::Ready) {
        let bias = self.output.bias.as_ref().map(|bias| bias.val().unsqueeze_dim(1));
        let weight = Shared::new(self.output.weight.val().transpose());
        (self.hidden.weights(), (self.hidden.nonlinearity, weight, bias))
    }

    fn step((nonlinearity, weight, bias): &Self::Ready, z: Tensor<2>, _: &State) -> State {
        let hidden = nonlinearity.forward(z); // [H, B]
        let output = bias.iter().fold(weight.times(hidden), |y, bias| y + bias.clone()); // [O, B]
        State { hidden: output, cell: None }
    }
}
