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
//! Samples are columns, and all gates come out of two products; the outputs are collected and stacked once:
//!
//! ```text
//! z = [W_ih  b] · [x; 1] + W_hh · h              [gates, features] · [features, batch]
//! ```
//!
//! So the weights stay as PyTorch has them and a gate is a run of rows without gaps. With samples as rows the same products and
//! their backward passes take more than twice the time (flex, 32 samples, 192 → 512: 158 and 259 µs against 63 and 80 µs). Two
//! things are left out:
//!
//! - *The input's product for all steps at once.* Its parts have to be cut from one large tensor, and the backward pass of a cut
//!   fills a tensor of the whole size with zeros: T cuts of `[T, 4H, B]` cost T², halving it repeatedly, as is done with the
//!   narrower inputs, T log T. Built and measured (64 → 128, 64 steps, 32 samples, flex, one thread), a training step took 76
//!   instead of 54 ms (LSTM) and 69 instead of 51 ms (GRU), and a forward pass without gradients 20 instead of 17.5 ms and
//!   as long (14 ms): small products run as fast as their sum, so there is nothing to pay the cuts with.
//! - *The activations of the tensor library in training.* Their backward pass computes the exponential a second time, and
//!   exponentials cost as much as products here (σ of 512 × 32 numbers: over 100 µs). Here a [gate](self) is replaced by its tangent
//!   at the point where it stands, `y ≈ y₀ + y₀'·(z − z₀)`, which has the same value and the same gradient, and keeps `y₀'`
//!   instead. On flex one loop makes all three ([`host`](fornax_nn_core::host)), elsewhere the tensor library does.

mod gate;

use burn::module::{Initializer, Param};
use burn::nn::Dropout;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one};

use crate::error::{SequenceError, check_inputs};

pub(crate) use gate::{Affine, Curve, bias_column, tangent};
pub use gate::{sigmoid, tanh};

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
    /// The weights as a step uses them, made once a sequence.
    type Ready;

    /// Features of an input.
    fn input_size(&self) -> usize;

    /// Zeros for the parts of the state, as everybody else sees it: `[batch, features]`.
    fn start(&self, batch: usize) -> State;

    /// Lays the weights out for `batch` samples.
    fn ready(&self, batch: usize) -> Self::Ready;

    /// The state after reading `x`, `[input, batch]`.
    fn step(ready: &Self::Ready, x: Tensor<2>, state: &State) -> State;
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
    let mut steps = unstack(inputs.permute([1, 2, 0])); // T × [D, B]
    for (layer, pair) in cells.chunks(directions).enumerate() {
        if layer > 0 && dropout.prob > 0.0 {
            steps = steps.into_iter().map(|x| dropout.forward(x)).collect();
        }
        let mut sides: Vec<Vec<Tensor<2>>> = Vec::with_capacity(directions);
        for ((direction, cell), state) in pair.iter().enumerate().zip(states.by_ref()) {
            let (outputs, state) = scan(cell, &steps, state, &valid, direction == 1);
            sides.push(outputs);
            last.push(state);
        }
        steps = match (sides.pop(), sides.pop()) {
            (Some(backward), Some(forward)) => {
                forward.into_iter().zip(backward).map(|(a, b)| Tensor::cat(vec![a, b], 0)).collect()
            }
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => steps,
        };
    }
    (Tensor::stack::<3>(steps, 0).permute([2, 0, 1]), last) // [T, H, B] as [B, T, H]
}

/// One layer in one direction: its outputs in the order of time, and its last state.
fn scan<C: Cell>(
    cell: &C,
    steps: &[Tensor<2>],
    state: State,
    valid: &[Option<Tensor<2>>],
    backwards: bool,
) -> (Vec<Tensor<2>>, State) {
    let ready = cell.ready(steps[0].dims()[1]);
    let mut state = state.map(Tensor::transpose);
    let mut order: Vec<usize> = (0..steps.len()).collect();
    if backwards {
        order.reverse();
    }
    let mut outputs = Vec::with_capacity(steps.len());
    for t in order {
        let new = C::step(&ready, steps[t].clone(), &state);
        let Some(valid) = &valid[t] else {
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
    (outputs, state.map(Tensor::transpose))
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

/// `[T, …]` as T tensors, cut in halves: a cut's backward pass costs the size of what is cut, so halving costs
/// T log T where cutting off one step after the other costs T².
pub(crate) fn unstack(steps: Tensor<3>) -> Vec<Tensor<2>> {
    let [count, rows, columns] = steps.dims();
    if count == 1 {
        return vec![steps.reshape([rows, columns])];
    }
    let half = count / 2;
    let mut first = unstack(steps.clone().narrow(0, 0, half));
    first.extend(unstack(steps.narrow(0, half, count - half)));
    first
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
