//! # A layer with a memory, its backward pass written out
//!
//! Where one observation does not say enough, a policy has to remember. A plain recurrent layer multiplies what it remembers by the same
//! matrix in every step, and the gradient through k steps is a product of k matrices: it vanishes or explodes. The long short-term memory
//! keeps a cell c that is *added to*, behind gates with values in (0, 1):
//!
//! ```text
//! i, f, g, o = parts of  x·W + h·U + b            h, c = 0 where an episode begins
//! c ← σ(f)·c + σ(i)·tanh(g)                       forget, and write
//! h ← σ(o)·tanh(c)                                show
//!
//!            ┌───────── c ────────× ───────── + ───────────────┬──▶ c′
//!            │                    ▲ f         ▲ i·g            ▼ tanh
//!  x, h ─────┴──▶ four gates ─────┴───────────┴──────── o ───▶ × ──▶ h′
//! ```
//!
//! Along the cell the gradient is multiplied by σ(f) alone: a gate that stays open carries it over any number of steps. Truncated
//! **backpropagation through time** walks a stretch of steps backwards; what came before the stretch is a constant.
//!
//! As the [multilayer perceptron](super::Mlp) of this crate, the layer records nothing and is walked back by its own lines, here on
//! slices: for a few environments side by side, a step is smaller than the tensor operations that would carry it. Products over all steps at
//! once (x·W, and the gradients of W and U) are tensors. A test proves output and gradients equal to autodiff's through the formulas.
//!
//! Paper: S. Hochreiter and J. Schmidhuber, *Long short-term memory*, 1997. <https://doi.org/10.1162/neco.1997.9.8.1735>; the forget
//! gate is F. Gers et al., 2000. Differs from PyTorch's layer: one bias instead of two that are added.

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::host::tanh_in_place;
use serde::{Deserialize, Serialize};

use super::mlp::learnable;
use crate::random::Pcg64;

/// The layer; see the [module page](self). Gates stand in PyTorch's order: input, forget, candidate, output.
#[derive(Module, Debug)]
pub struct Lstm {
    /// W, `[inputs, 4·units]`.
    pub input: Param<Tensor<2>>,
    /// U, `[units, 4·units]`.
    pub hidden: Param<Tensor<2>>,
    /// b, `[4·units]`.
    pub bias: Param<Tensor<1>>,
}

/// h and c of several sequences side by side, `[n, units]` each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LstmState {
    /// What the layer showed last.
    pub hidden: Vec<f32>,
    /// What it keeps to itself.
    pub cell: Vec<f32>,
}

impl LstmState {
    /// Of `n` sequences that are yet to begin.
    pub fn zeros(n: usize, units: usize) -> Self {
        Self { hidden: vec![0.0; n * units], cell: vec![0.0; n * units] }
    }

    /// Forgets the sequences that begin anew.
    pub fn forget(&mut self, begins: &[bool]) {
        let units = self.hidden.len() / begins.len().max(1);
        for values in [&mut self.hidden, &mut self.cell] {
            for (row, _) in values.chunks_exact_mut(units).zip(begins).filter(|(_, begins)| **begins) {
                row.fill(0.0);
            }
        }
    }

    /// The given sequences alone.
    pub fn rows(&self, units: usize, indices: &[usize]) -> Self {
        let pick = |values: &[f32]| {
            indices.iter().flat_map(|&i| &values[i * units..(i + 1) * units]).copied().collect()
        };
        Self { hidden: pick(&self.hidden), cell: pick(&self.cell) }
    }
}

/// What a forward pass leaves for the backward pass.
#[derive(Debug)]
pub struct LstmTrace {
    /// h of every step, `[steps·n, units]`.
    pub output: Tensor<2>,
    input: Tensor<2>,
    begins: Vec<bool>,
    n: usize,
    /// Of every step: h and c before it, the gates, tanh of c after it.
    hidden: Vec<f32>,
    cell: Vec<f32>,
    gates: Vec<f32>,
    shown: Vec<f32>,
}

impl Lstm {
    /// PyTorch's initial weights, uniform in ±1/√units, a function of `seed`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `inputs` or `units` when 0.
    pub fn new(inputs: usize, units: usize, seed: u64, device: &Device) -> Result<Self, ConfigError> {
        if let Some((field, _)) =
            [("inputs", inputs), ("units", units)].into_iter().find(|(_, size)| *size == 0)
        {
            return Err(ConfigError::new(field, "must be at least 1, got 0"));
        }
        let bound = (units as f64).sqrt().recip();
        let mut rng = Pcg64::new(seed);
        let mut draw = |rows: usize| {
            let values: Vec<f32> = (0..rows * 4 * units).map(|_| rng.uniform(-bound, bound) as f32).collect();
            Tensor::<2>::from_data(TensorData::new(values, [rows, 4 * units]), device)
        };
        let [input, hidden, bias] = [draw(inputs), draw(units), draw(1)];
        Ok(Self {
            input: Param::from_tensor(learnable(input)),
            hidden: Param::from_tensor(learnable(hidden)),
            bias: Param::from_tensor(learnable(bias.squeeze_dim(0))),
        })
    }

    /// How many numbers it remembers, twice over.
    pub fn units(&self) -> usize {
        self.hidden.dims()[0]
    }

    /// `steps` steps of `n` sequences, time-major, from `state` on; `begins` says where a sequence starts anew.
    ///
    /// # Shapes
    ///
    /// - x: `[steps·n, inputs]`, outside autodiff; begins: `[steps·n]`; state: `[n, units]`
    /// - output: `[steps·n, units]`
    ///
    /// # Panics
    ///
    /// When the lengths do not fit together.
    pub fn trace(&self, x: Tensor<2>, begins: &[bool], state: &LstmState) -> LstmTrace {
        let (units, rows) = (self.units(), x.dims()[0]);
        let n = state.hidden.len() / units;
        assert!(
            n > 0 && rows % n == 0 && begins.len() == rows,
            "{rows} rows and {} marks for {n} sequences",
            begins.len()
        );
        let mut gates = numbers(x.clone().matmul(self.input.val().inner())); // [T·N, 4·units]
        let mut host = self.on_host();
        let mut state = state.clone();
        let (mut hidden, mut cell, mut shown, mut output) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (gates, begins) in gates.chunks_exact_mut(n * 4 * units).zip(begins.chunks_exact(n)) {
            state.forget(begins);
            hidden.extend_from_slice(&state.hidden);
            cell.extend_from_slice(&state.cell);
            host.remember(gates, &mut state);
            shown.extend_from_slice(&host.shown);
            output.extend_from_slice(&state.hidden);
        }
        let output = Tensor::from_data(TensorData::new(output, [rows, units]), &x.device());
        LstmTrace { output, input: x, begins: begins.to_vec(), n, hidden, cell, gates, shown }
    }

    /// From ∂L/∂output to the gradients of the three weights, registered under their ids.
    ///
    /// # Shapes
    ///
    /// - delta: `[steps·n, units]`
    pub fn backward(&self, trace: LstmTrace, delta: Tensor<2>, gradients: &mut GradientsParams) {
        let device = delta.device();
        let (units, n) = (self.units(), trace.n);
        let rows = trace.begins.len();
        let across = numbers(self.hidden.val().inner().transpose()); // [4·units, units]
        let delta = numbers(delta);
        let mut d_gates = trace.gates;
        let (mut d_hidden, mut d_cell) = (vec![0.0; n * units], vec![0.0; n * units]);
        for row in (0..rows).rev() {
            let i = row % n; // the sequence
            let at = row * units..(row + 1) * units;
            let (d_h, d_c) =
                (&mut d_hidden[i * units..(i + 1) * units], &mut d_cell[i * units..(i + 1) * units]);
            let gates = &mut d_gates[row * 4 * units..(row + 1) * 4 * units];
            let (inputs, rest) = gates.split_at_mut(units);
            let (forgets, rest) = rest.split_at_mut(units);
            let (candidates, outputs) = rest.split_at_mut(units);
            let (delta, shown, cell) = (&delta[at.clone()], &trace.shown[at.clone()], &trace.cell[at]);
            for k in 0..units {
                let (i, f, g, o) = (inputs[k], forgets[k], candidates[k], outputs[k]);
                let d_shown = d_h[k] + delta[k];
                let d = d_c[k] + d_shown * o * (1.0 - shown[k] * shown[k]);
                outputs[k] = d_shown * shown[k] * o * (1.0 - o);
                inputs[k] = d * g * i * (1.0 - i);
                forgets[k] = d * cell[k] * f * (1.0 - f);
                candidates[k] = d * i * (1.0 - g * g);
                d_c[k] = d * f;
            }
            d_h.fill(0.0);
            if trace.begins[row] {
                d_c.fill(0.0);
            } else {
                for (d, weights) in gates.iter().zip(across.chunks_exact(units)) {
                    d_h.iter_mut().zip(weights).for_each(|(sum, w)| *sum += d * w);
                }
            }
        }
        let tensor = |values, width| Tensor::<2>::from_data(TensorData::new(values, [rows, width]), &device);
        let d_gates = tensor(d_gates, 4 * units);
        gradients.register(self.input.id, trace.input.transpose().matmul(d_gates.clone()));
        gradients.register(self.hidden.id, tensor(trace.hidden, units).transpose().matmul(d_gates.clone()));
        gradients.register::<1>(self.bias.id, d_gates.sum_dim(0).squeeze_dim(0));
    }

    /// The weights of this moment, for acting.
    pub fn on_host(&self) -> HostLstm {
        HostLstm {
            input: numbers(self.input.val()),
            hidden: numbers(self.hidden.val()),
            bias: self.bias.val().into_data().iter::<f32>().collect(),
            shown: Vec::new(),
            gates: Vec::new(),
        }
    }
}

fn numbers(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// A copy of an [`Lstm`] for acting.
#[derive(Debug, Clone)]
pub struct HostLstm {
    input: Vec<f32>,
    hidden: Vec<f32>,
    bias: Vec<f32>,
    gates: Vec<f32>,
    /// tanh of c.
    shown: Vec<f32>,
}

impl HostLstm {
    /// One step of every sequence: `state` goes on, and its `hidden` is the answer.
    ///
    /// # Shapes
    ///
    /// - x: `[n, inputs]`, flat; state: `[n, units]`
    pub fn step(&mut self, x: &[f32], state: &mut LstmState) {
        let width = self.bias.len();
        let n = state.hidden.len() / (width / 4);
        let mut gates = std::mem::take(&mut self.gates);
        gates.clear();
        gates.resize(n * width, 0.0);
        add_product(x, &self.input, &mut gates, n);
        self.remember(&mut gates, state);
        self.gates = gates;
    }

    /// From x·W to the gates, and from them to the next state.
    fn remember(&mut self, gates: &mut [f32], state: &mut LstmState) {
        let units = self.bias.len() / 4;
        let n = state.hidden.len() / units;
        add_product(&state.hidden, &self.hidden, gates, n);
        for gates in gates.chunks_exact_mut(4 * units) {
            gates.iter_mut().zip(&self.bias).for_each(|(gate, bias)| *gate += bias);
            // σ(z) = (1 + tanh(z/2))/2, for all but the candidates.
            let half = |gates: &mut [f32]| gates.iter_mut().for_each(|gate| *gate *= 0.5);
            half(&mut gates[..2 * units]);
            half(&mut gates[3 * units..]);
            tanh_in_place(gates);
            let sigmoid = |gates: &mut [f32]| gates.iter_mut().for_each(|gate| *gate = 0.5 + 0.5 * *gate);
            sigmoid(&mut gates[..2 * units]);
            sigmoid(&mut gates[3 * units..]);
        }
        let rows = gates.chunks_exact(4 * units).zip(state.cell.chunks_exact_mut(units));
        for (gates, cell) in rows {
            for (k, c) in cell.iter_mut().enumerate() {
                *c = gates[units + k] * *c + gates[k] * gates[2 * units + k];
            }
        }
        self.shown.clone_from(&state.cell);
        tanh_in_place(&mut self.shown);
        for (i, (h, shown)) in state.hidden.iter_mut().zip(&self.shown).enumerate() {
            *h = gates[i / units * 4 * units + 3 * units + i % units] * shown;
        }
    }
}

/// out += x·weights, row by row.
fn add_product(x: &[f32], weights: &[f32], out: &mut [f32], n: usize) {
    let (inputs, width) = (x.len() / n, out.len() / n);
    for (x, out) in x.chunks_exact(inputs).zip(out.chunks_exact_mut(width)) {
        for (&x, weights) in x.iter().zip(weights.chunks_exact(width)) {
            if x != 0.0 {
                out.iter_mut().zip(weights).for_each(|(o, w)| *o += x * w);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::activation::sigmoid;

    const STEPS: usize = 7;
    const N: usize = 3;
    const UNITS: usize = 5;

    fn draw(count: usize, rng: &mut Pcg64) -> Vec<f32> {
        (0..count).map(|_| rng.normal() as f32).collect()
    }

    /// Steps of tensor operations that autodiff records, from the formulas.
    fn recorded(lstm: &Lstm, x: &Tensor<2>, begins: &[bool], state: &LstmState) -> Tensor<2> {
        let device = x.device();
        let table =
            |values: &[f32]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), [N, UNITS]), &device);
        let (mut h, mut c) = (table(&state.hidden), table(&state.cell));
        let mut all = Vec::new();
        for t in 0..STEPS {
            let keep: Vec<f32> = (0..N).map(|i| if begins[t * N + i] { 0.0 } else { 1.0 }).collect();
            let keep = Tensor::<2>::from_data(TensorData::new(keep, [N, 1]), &device);
            (h, c) = (h * keep.clone(), c * keep);
            let x = x.clone().narrow(0, t * N, N);
            let bias = lstm.bias.val().unsqueeze::<2>();
            let gates = x.matmul(lstm.input.val()) + h.matmul(lstm.hidden.val()) + bias;
            let part = |k: usize| gates.clone().narrow(1, k * UNITS, UNITS);
            c = sigmoid(part(1)) * c + sigmoid(part(0)) * part(2).tanh();
            h = sigmoid(part(3)) * c.clone().tanh();
            all.push(h.clone());
        }
        Tensor::cat(all, 0)
    }

    #[test]
    fn output_and_gradients_are_autodiffs_and_acting_gives_the_same() {
        let device = Device::flex();
        let lstm = Lstm::new(4, UNITS, 3, &device.clone().autodiff()).unwrap();
        let mut rng = Pcg64::new(1);
        let x = TensorData::new(draw(STEPS * N * 4, &mut rng), [STEPS * N, 4]);
        let begins: Vec<bool> = (0..STEPS * N).map(|i| [4, 9, 10].contains(&i)).collect();
        let state = LstmState { hidden: draw(N * UNITS, &mut rng), cell: draw(N * UNITS, &mut rng) };
        let probe = TensorData::new(draw(STEPS * N * UNITS, &mut rng), [STEPS * N, UNITS]);

        let autodiff = device.clone().autodiff();
        let expected = recorded(&lstm, &Tensor::from_data(x.clone(), &autodiff), &begins, &state);
        let loss = (expected.clone() * Tensor::from_data(probe.clone(), &autodiff)).sum();
        let expected_gradients = GradientsParams::from_grads(loss.backward(), &lstm);
        let trace = lstm.trace(Tensor::from_data(x.clone(), &device), &begins, &state);
        let close = |a: TensorData, b: TensorData| {
            for (a, b) in a.iter::<f32>().zip(b.iter::<f32>()) {
                assert!((a - b).abs() <= 3e-6 + 1e-5 * b.abs(), "{a} {b}");
            }
        };
        close(trace.output.clone().into_data(), expected.clone().into_data());
        let mut gradients = GradientsParams::new();
        lstm.backward(trace, Tensor::from_data(probe, &device), &mut gradients);
        for id in [lstm.input.id, lstm.hidden.id] {
            close(
                gradients.get::<2>(id).unwrap().into_data(),
                expected_gradients.get::<2>(id).unwrap().into_data(),
            );
        }
        let id = lstm.bias.id;
        close(
            gradients.get::<1>(id).unwrap().into_data(),
            expected_gradients.get::<1>(id).unwrap().into_data(),
        );

        let (mut host, mut now) = (lstm.on_host(), state);
        let x: Vec<f32> = x.iter::<f32>().collect();
        let expected: Vec<f32> = expected.into_data().iter::<f32>().collect();
        for t in 0..STEPS {
            now.forget(&begins[t * N..(t + 1) * N]);
            host.step(&x[t * N * 4..(t + 1) * N * 4], &mut now);
            for (a, b) in now.hidden.iter().zip(&expected[t * N * UNITS..]) {
                assert!((a - b).abs() < 3e-6, "{a} {b}");
            }
        }
    }

    #[test]
    fn rows_and_sizes() {
        let state = LstmState { hidden: vec![1.0, 2.0, 3.0, 4.0], cell: vec![5.0, 6.0, 7.0, 8.0] };
        let expected = LstmState { hidden: vec![3.0, 4.0, 1.0, 2.0], cell: vec![7.0, 8.0, 5.0, 6.0] };
        assert_eq!(state.rows(2, &[1, 0]), expected);
        assert_eq!(Lstm::new(0, 3, 0, &Device::flex()).unwrap_err().field, "inputs");
        assert_eq!(Lstm::new(3, 0, 0, &Device::flex()).unwrap_err().field, "units");
    }
}
