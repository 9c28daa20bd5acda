//! # What all recurrent networks share
//!
//! A recurrent network reads a sequence one step at a time and carries a **state**, the only thing it knows of what came
//! before. The same weights serve every step, so the number of parameters does not depend on the length:
//!
//! ```text
//! s_t = f(x_t, s_(t−1); θ)        y_t = g(s_t)        t = 1 … T
//!
//!         y₁          y₂          y₃
//!         ▲           ▲           ▲
//! s₀ ──▶ [f] ──s₁──▶ [f] ──s₂──▶ [f] ──▶ s₃          the same f, unrolled through time
//!         ▲           ▲           ▲
//!         x₁          x₂          x₃
//! ```
//!
//! [`rnn`](crate::rnn), [`lstm`](crate::lstm) and [`gru`](crate::gru) are three choices of f. What surrounds it stands here:
//!
//! - **layers**: the outputs of one are the inputs of the next, with dropout between;
//! - **two directions**: a second network reads from the end, outputs stand side by side;
//! - **lengths**: a padded batch gives what its sequences give alone. At and beyond its length a sample's state stays what
//!   it was and its output is zero. Read backwards, the same rule keeps the initial state until the sequence begins, so
//!   nothing has to be reversed;
//! - **truncated backpropagation**: [`State::detach`] cuts the graph, the next stretch goes on from the state's values.
//!
//! ## How a step is computed
//!
//! Samples are columns. What the inputs contribute depends on no state, so it is one product for all steps, or one for as many as
//! stay in a core's cache; a step has one more, for all gates; the outputs are collected and stacked once:
//!
//! ```text
//! P_t = [W_ih  b] · [x_t; 1]                     [gates, features] · [features, batch], for many t in one call
//! z_t = P_t + W_hh · h_(t−1)                     [gates, hidden] · [hidden, batch]
//! ```
//!
//! So the weights stay as PyTorch has them and a gate is a run of rows without gaps. With samples as rows the same products and
//! their backward passes take more than twice the time (flex, 32 samples, 192 → 512: 158 and 259 µs against 63 and 80 µs).
//!
//! Going backward, the gradient of each weight is one product for many steps; `recurrent/collect` says how, and `docs/log.md`
//! what it brings.
//!
//! *The activations of the tensor library* are left out in training. Their backward pass computes the exponential a second time,
//! and exponentials cost as much as products here (σ of 512 × 32 numbers: over 100 µs). Here a [gate](self) is replaced by its
//! tangent at the point where it stands, `y ≈ y₀ + y₀'·(z − z₀)`, which has the same value and the same gradient, and keeps `y₀'`
//! instead. On flex one loop makes all three ([`host`](fornax_nn_core::host)), elsewhere the tensor library does. An LSTM goes further:
//! on flex all it does with its gates is one loop, and so is the way back (`recurrent/cell.rs`).

#[cfg(feature = "flex")]
pub(crate) mod cell;
// Without any of these backends there is nothing to record with.
#[cfg_attr(
    not(any(feature = "flex", feature = "ndarray", feature = "wgpu-unfused")),
    allow(dead_code, unused_imports, unused_variables)
)]
mod collect;
mod gate;

use burn::module::{Initializer, Param};
use burn::nn::Dropout;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one};

use crate::error::{SequenceError, check_inputs};

pub(crate) use collect::{Shared, cut_rows, unstack};
pub(crate) use gate::{Affine, bias_column};
pub use gate::{sigmoid, tanh};

/// Without flex there is no loop.
#[cfg(not(feature = "flex"))]
pub(crate) mod cell {
    use burn::tensor::Tensor;

    pub(crate) fn lstm(
        z: Tensor<2>,
        old: Tensor<2>,
        otherwise: impl FnOnce(Tensor<2>, Tensor<2>) -> [Tensor<2>; 2],
    ) -> [Tensor<2>; 2] {
        otherwise(z, old)
    }
}

/// What one layer and direction carries from step to step.
#[derive(Debug, Clone)]
pub struct State {
    /// `[batch, hidden]`, what the layer shows of itself.
    pub hidden: Tensor<2>,
    /// `[batch, hidden]`, what an LSTM keeps besides; other networks have none.
    pub cell: Option<Tensor<2>>,
}

impl State {
    /// The same values without their history: where backpropagation through time is cut.
    pub fn detach(self) -> Self {
        self.map(Tensor::detach)
    }

    /// The rows of some samples, in this order: what beam search needs when a hypothesis is continued twice.
    ///
    /// # Shapes
    ///
    /// - samples: `[n]`, indices below `batch`
    pub fn select(self, samples: &Tensor<1, Int>) -> Self {
        self.map(|part| part.select(0, samples.clone()))
    }

    fn map(self, f: impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        Self { hidden: f(self.hidden), cell: self.cell.map(f) }
    }

    /// `self` where `valid` is 1, `old` where it is 0.
    pub(crate) fn or(self, old: &Self, valid: &Tensor<2>) -> Self {
        let choose = |new: Tensor<2>, old: Tensor<2>| (new - old.clone()) * valid.clone() + old;
        let cell = self.cell.zip(old.cell.clone()).map(|(new, old)| choose(new, old));
        Self { hidden: choose(self.hidden, old.hidden.clone()), cell }
    }
}

/// Cuts the history of the states of all layers; see [`State::detach`].
pub fn detach(states: Vec<State>) -> Vec<State> {
    states.into_iter().map(State::detach).collect()
}

/// One layer in one direction. Within it samples are columns: inputs and states are `[features, batch]`.
pub(crate) trait Cell {
    /// Weights besides those of input and state as a step uses them, made once a sequence.
    type Ready;

    /// Features of an input.
    fn input_size(&self) -> usize;

    /// Zeros for the parts of the state, as everybody else sees it: `[batch, features]`.
    fn start(&self, batch: usize) -> State;

    /// Lays the weights out: of input and state, and the others.
    fn ready(&self) -> (Affine, Self::Ready);

    /// The state after a step, from what input and state come to, `[gates, batch]`.
    fn step(ready: &Self::Ready, z: Tensor<2>, state: &State) -> State;
}

/// Reads a batch with all layers; `cells` holds the first layer's one or two directions, then the second's.
pub(crate) fn run<C: Cell>(
    cells: &[C],
    directions: usize,
    dropout: &Dropout,
    inputs: Tensor<3>,
    lengths: Option<&[usize]>,
    states: Option<Vec<State>>,
) -> (Tensor<3>, Vec<State>) {
    let [batch, count, _] = inputs.dims();
    let checked = check_inputs(inputs.dims(), lengths, cells[0].input_size())
        .and_then(|()| check_states(cells, batch, states.as_deref()));
    if let Err(error) = checked {
        panic!("{error}");
    }
    let valid = valid_steps(lengths, count, &inputs);
    let mut states =
        states.unwrap_or_else(|| cells.iter().map(|cell| cell.start(batch)).collect()).into_iter();
    let mut last = Vec::with_capacity(cells.len());
    let mut x = inputs.permute([1, 2, 0]); // [T, D, B]
    for (layer, pair) in cells.chunks(directions).enumerate() {
        if layer > 0 && dropout.prob > 0.0 {
            x = dropout.forward(x);
        }
        let mut sides = Vec::with_capacity(directions);
        for ((direction, cell), state) in pair.iter().enumerate().zip(states.by_ref()) {
            let (outputs, state) = scan(cell, x.clone(), state, &valid, direction == 1);
            sides.push(outputs);
            last.push(state);
        }
        x = if sides.len() == 1 { sides.remove(0) } else { Tensor::cat(sides, 1) }; // [T, H, B]
    }
    (x.permute([2, 0, 1]), last)
}

/// One layer in one direction: its outputs in the order of time, `[T, H, B]`, and its last state.
fn scan<C: Cell>(
    cell: &C,
    x: Tensor<3>,
    state: State,
    valid: &[Option<Tensor<2>>],
    backwards: bool,
) -> (Tensor<3>, State) {
    let (affine, ready) = cell.ready();
    let mut valid: Vec<_> = valid.iter().collect();
    if backwards {
        valid.reverse();
    }
    let mut state = state.map(Tensor::transpose);
    let mut outputs = Vec::with_capacity(valid.len());
    for (of_input, valid) in affine.of_inputs(x, backwards).zip(valid) {
        let z = affine.and_state(of_input, state.hidden.clone());
        let new = C::step(&ready, z, &state);
        let Some(valid) = valid else {
            outputs.push(new.hidden.clone());
            state = new;
            continue;
        };
        outputs.push(new.hidden.clone() * valid.clone());
        state = new.or(&state, valid);
    }
    if backwards {
        outputs.reverse();
    }
    (Tensor::stack(outputs, 0), state.map(Tensor::transpose))
}

fn check_states<C: Cell>(cells: &[C], batch: usize, states: Option<&[State]>) -> Result<(), SequenceError> {
    let Some(states) = states else { return Ok(()) };
    let shapes = |states: &[State]| {
        let shapes: Vec<_> =
            states.iter().map(|s| (s.hidden.dims(), s.cell.as_ref().map(Tensor::dims))).collect();
        format!("{shapes:?}")
    };
    let fresh: Vec<State> = cells.iter().map(|cell| cell.start(batch)).collect();
    let (actual, expected) = (shapes(states), shapes(&fresh));
    if actual == expected { Ok(()) } else { Err(SequenceError::States { actual, expected }) }
}

/// For each step `[1, batch]` with 1 where a sample has not ended; nothing where none has.
pub(crate) fn valid_steps(
    lengths: Option<&[usize]>,
    steps: usize,
    like: &Tensor<3>,
) -> Vec<Option<Tensor<2>>> {
    let Some(lengths) = lengths else { return vec![None; steps] };
    let mask = |t: usize| {
        let valid: Vec<f32> = lengths.iter().map(|&length| f32::from(u8::from(t < length))).collect();
        valid.contains(&0.0).then(|| {
            let data = TensorData::new(valid, [1, lengths.len()]);
            Tensor::from_data(data, (&like.device(), like.dtype()))
        })
    };
    (0..steps).map(mask).collect()
}

/// Refuses sizes no recurrent network can have.
pub(crate) fn validate(sizes: &[(&str, usize)], num_layers: usize, dropout: f64) -> Result<(), ConfigError> {
    at_least_one(sizes)?;
    at_least_one(&[("num_layers", num_layers)])?;
    below_one("dropout", dropout)?;
    if dropout > 0.0 && num_layers == 1 {
        let reason = format!("acts between layers, of which there is one; must be 0, got {dropout}");
        return Err(ConfigError::new("dropout", reason));
    }
    Ok(())
}

/// The input sizes of all cells: the first layer reads the inputs, the others what is below.
pub(crate) fn input_sizes(input: usize, output: usize, layers: usize, directions: usize) -> Vec<usize> {
    let mut sizes = vec![input; directions];
    sizes.resize(layers * directions, output * directions);
    sizes
}

/// Uniform on ±1/√hidden, as PyTorch draws the weights of its recurrent layers.
pub(crate) fn uniform<const D: usize>(shape: [usize; D], hidden: usize, device: &Device) -> Param<Tensor<D>> {
    let bound = 1.0 / (hidden as f64).sqrt();
    Initializer::Uniform { min: -bound, max: bound }.init(shape, device)
}

/// Zeros beside a weight: same device, same number type.
pub(crate) fn zeros_like(weight: &Param<Tensor<2>>, shape: [usize; 2]) -> Tensor<2> {
    let weight = weight.val();
    let dtype: DType = weight.dtype();
    Tensor::zeros(shape, (&weight.device(), dtype))
}

/// PyTorch's name for a parameter: `cells.3.weight_ih` of a bidirectional network is `weight_ih_l1_reverse`. Names of other
/// modules stay as they are.
pub fn torch_name(path: &str, bidirectional: bool) -> String {
    let mut parts: Vec<&str> = path.split('.').collect();
    let place = parts.iter().rposition(|part| *part == "cells");
    let Some(at) = place.filter(|at| at + 3 == parts.len()) else { return path.to_owned() };
    let Ok(cell) = parts[at + 1].parse::<usize>() else { return path.to_owned() };
    let directions = 1 + usize::from(bidirectional);
    let reverse = if cell % directions == 1 { "_reverse" } else { "" };
    let name = format!("{}_l{}{reverse}", parts[at + 2], cell / directions);
    parts.truncate(at);
    parts.push(&name);
    parts.join(".")
}
