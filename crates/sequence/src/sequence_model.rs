//! # One of the recurrent networks
//!
//! A name in a configuration instead of a type in the code, for programs that compare them: [`Rnn`], [`Lstm`], [`Gru`] and
//! [`StateSpace`] read the same inputs, carry the same kind of state and give the same kind of outputs.

use std::fmt;
use std::str::FromStr;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use serde::{Deserialize, Serialize};

use crate::gru::{Gru, GruConfig};
use crate::lstm::{Lstm, LstmConfig};
use crate::recurrent::State;
use crate::rnn::{Rnn, RnnConfig};
use crate::state_space::{StateSpace, StateSpaceConfig};

/// Which network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// [`Rnn`] with tanh.
    Rnn,
    /// [`Lstm`] with a forget bias of 1, or [`SequenceConfig::chrono`].
    Lstm,
    /// [`Gru`].
    Gru,
    /// [`StateSpace`] with 16 dimensions a channel.
    Ssm,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rnn, Self::Lstm, Self::Gru, Self::Ssm];

    /// The name that [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rnn => "rnn",
            Self::Lstm => "lstm",
            Self::Gru => "gru",
            Self::Ssm => "ssm",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.into_iter().map(Self::name).collect();
            ConfigError::new("kind", format!("expected {}, got {name:?}", known.join(", ")))
        })
    }
}

/// Sizes of a [`SequenceModel`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct SequenceConfig {
    /// Which network.
    pub kind: Kind,
    /// Features of an input.
    pub input_size: usize,
    /// Units of the state, or channels.
    pub hidden_size: usize,
    /// Layers on top of each other. Default: PyTorch's.
    #[config(default = 1)]
    pub num_layers: usize,
    /// Probability of dropping a unit between layers, in [0, 1). Default: PyTorch's.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// A second network reads from the end; not for [`Kind::Ssm`]. Default: PyTorch's.
    #[config(default = false)]
    pub bidirectional: bool,
    /// Steps a memory may have to last, for [`Kind::Lstm`] alone: see [`LstmConfig::chrono`]. Default: a forget bias of 1
    /// instead, Jozefowicz et al.'s.
    #[config(default = "None")]
    pub chrono: Option<usize>,
}

impl SequenceConfig {
    /// Features of an output.
    pub fn output_size(&self) -> usize {
        self.hidden_size * (1 + usize::from(self.bidirectional))
    }

    /// Builds the network.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<SequenceModel, ConfigError> {
        let &Self { kind, input_size, hidden_size, num_layers, dropout, bidirectional, chrono } = self;
        if chrono.is_some() && kind != Kind::Lstm {
            return Err(ConfigError::new("chrono", format!("is for lstm alone, got it for {kind}")));
        }
        Ok(match kind {
            Kind::Rnn => SequenceModel::Rnn(
                RnnConfig::new(input_size, hidden_size)
                    .with_num_layers(num_layers)
                    .with_dropout(dropout)
                    .with_bidirectional(bidirectional)
                    .init(device)?,
            ),
            Kind::Lstm => SequenceModel::Lstm(
                LstmConfig::new(input_size, hidden_size)
                    .with_num_layers(num_layers)
                    .with_dropout(dropout)
                    .with_bidirectional(bidirectional)
                    .with_forget_bias(if chrono.is_some() { 0.0 } else { 1.0 })
                    .with_chrono(chrono)
                    .init(device)?,
            ),
            Kind::Gru => SequenceModel::Gru(
                GruConfig::new(input_size, hidden_size)
                    .with_num_layers(num_layers)
                    .with_dropout(dropout)
                    .with_bidirectional(bidirectional)
                    .init(device)?,
            ),
            Kind::Ssm if bidirectional => {
                let reason = "a state space model reads forwards only; must be false, got true";
                return Err(ConfigError::new("bidirectional", reason));
            }
            Kind::Ssm => SequenceModel::Ssm(
                StateSpaceConfig::new(input_size, hidden_size)
                    .with_num_layers(num_layers)
                    .with_dropout(dropout)
                    .with_state_size(16)
                    .init(device)?,
            ),
        })
    }
}

/// One of the recurrent networks; see the [module page](self).
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum SequenceModel {
    /// Elman's.
    Rnn(Rnn),
    /// With a cell and gates.
    Lstm(Lstm),
    /// With gates.
    Gru(Gru),
    /// Linear in its state.
    Ssm(StateSpace),
}

impl SequenceModel {
    /// Reads a batch of sequences; the states begin with zeros unless given, and the last ones come back.
    ///
    /// # Shapes
    ///
    /// - inputs: `[batch, steps, input_size]`, padding finite
    /// - lengths: one for each sample, 1 to `steps`; nothing when all are `steps`
    /// - outputs: `[batch, steps, output_size]`, zero beyond a sample's length
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
        match self {
            Self::Rnn(model) => model.forward(inputs, lengths, states),
            Self::Lstm(model) => model.forward(inputs, lengths, states),
            Self::Gru(model) => model.forward(inputs, lengths, states),
            Self::Ssm(model) => model.forward(inputs, lengths, states),
        }
    }
}

/// How far back a gradient reaches: the norm of the derivative of the last output with respect to the input k steps before it,
/// for k = 0 … T − 1, the output projected on a fixed direction and the norm taken over the batch.
///
/// # Shapes
///
/// - inputs: `[batch, steps, input_size]`, on an autodiff device
///
/// # Panics
///
/// When the device is not an autodiff device.
pub fn gradient_by_lag(model: &SequenceModel, inputs: Tensor<3>) -> Vec<f64> {
    let inputs = inputs.detach().require_grad();
    let [_, steps, _] = inputs.dims();
    let (outputs, _) = model.forward(inputs.clone(), None, None);
    let last = outputs.narrow(1, steps - 1, 1);
    let [batch, _, features] = last.dims();
    // +1, −1, +1, … so that no unit's sign decides.
    let signs: Vec<f32> = (0..batch * features).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let probe = TensorData::new(signs, [batch, 1, features]);
    let probe = Tensor::<3>::from_data(probe, (&last.device(), last.dtype()));
    let gradients = (last * probe).sum().backward();
    let Some(gradient) = inputs.grad(&gradients) else { panic!("inputs are not on an autodiff device") };
    let norms = gradient.square().sum_dim(0).sum_dim(2).sqrt().into_data();
    let mut by_lag: Vec<f64> = norms.iter::<f64>().collect();
    by_lag.reverse();
    by_lag
}
