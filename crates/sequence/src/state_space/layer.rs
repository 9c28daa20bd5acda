//! One layer of a state space model.

use burn::module::{Initializer, Module, Param};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{gelu, sigmoid};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::StateSpaceConfig;
use crate::recurrent::{State, unstack, zeros_like};

/// One system a channel, with what is around it.
#[derive(Module, Debug)]
pub struct Layer {
    /// Before the systems.
    pub norm: LayerNorm,
    /// log Δ, `[channels]`
    pub log_step: Param<Tensor<1>>,
    /// log(−Re A), `[channels, N/2]`
    pub log_decay: Param<Tensor<2>>,
    /// Im A, `[channels, N/2]`
    pub frequency: Param<Tensor<2>>,
    /// Re C, `[channels, N/2]`
    pub output_re: Param<Tensor<2>>,
    /// Im C, `[channels, N/2]`
    pub output_im: Param<Tensor<2>>,
    /// D, `[channels]`: past the system.
    pub skip: Param<Tensor<1>>,
    /// To twice the channels: one half is the value, σ of the other its gate.
    pub mix: Linear,
    /// Only while training.
    pub dropout: Dropout,
    chunk: usize,
}

/// Ā^k for k = 0 … count, and C̄; real and imaginary parts.
struct Discrete {
    /// `[channels, N/2, count + 1]`
    powers: [Tensor<3>; 2],
    /// `[channels, N/2]`
    output: [Tensor<2>; 2],
}

impl Layer {
    pub(super) fn new(config: &StateSpaceConfig, device: &Device) -> Self {
        let (channels, pairs) = (config.hidden_size, config.state_size / 2);
        let [least, most] = config.step_range.map(f64::ln);
        let normal = Initializer::Normal { mean: 0.0, std: 0.5f64.sqrt() };
        let waves: Vec<f64> =
            (0..channels * pairs).map(|i| std::f64::consts::PI * (i % pairs) as f64).collect();
        let decay = vec![0.5f64.ln(); channels * pairs];
        let constant = |values: Vec<f64>| {
            Param::from_tensor(Tensor::from_data(
                TensorData::new(values, [channels, pairs]).convert::<f32>(),
                device,
            ))
        };
        Self {
            norm: LayerNormConfig::new(channels).init(device),
            log_step: Initializer::Uniform { min: least, max: most }.init([channels], device),
            log_decay: constant(decay),
            frequency: constant(waves),
            output_re: normal.init([channels, pairs], device),
            output_im: normal.init([channels, pairs], device),
            skip: Initializer::Normal { mean: 0.0, std: 1.0 }.init([channels], device),
            mix: LinearConfig::new(channels, 2 * channels).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
            chunk: config.chunk,
        }
    }

    pub(super) fn state_dims(&self, batch: usize) -> [usize; 2] {
        let [channels, pairs] = self.frequency.dims();
        [batch, channels * pairs]
    }

    /// Zeros for `batch` samples: real and imaginary part, each `[batch, channels · N/2]`.
    pub fn start(&self, batch: usize) -> State {
        let zeros = zeros_like(&self.frequency, self.state_dims(batch));
        State { hidden: zeros.clone(), cell: Some(zeros) }
    }

    /// Zero-order hold.
    fn discrete(&self, count: usize) -> Discrete {
        let step = self.log_step.val().exp().unsqueeze_dim::<2>(1); // [H, 1]
        let (re, im) = (self.log_decay.val().exp().neg(), self.frequency.val()); // A
        let (step_re, step_im) = (re.clone() * step.clone(), im.clone() * step); // Δ A
        let counts: Vec<f64> = (0..=count).map(|k| k as f64).collect();
        let counts = TensorData::new(counts, [1, 1, count + 1]);
        let counts = Tensor::<3>::from_data(counts, (&re.device(), re.dtype()));
        let size = (step_re.unsqueeze_dim::<3>(2) * counts.clone()).exp(); // |Ā|^k
        let angle = step_im.unsqueeze_dim::<3>(2) * counts;
        let powers = [size.clone() * angle.clone().cos(), size * angle.sin()];
        // C̄ = C (Ā − 1) / A = C (Ā − 1) conj(A) / |A|²
        let first = |part: &Tensor<3>| part.clone().narrow(2, 1, 1).squeeze_dim::<2>(2);
        let (grown_re, grown_im) = (first(&powers[0]).sub_scalar(1.0), first(&powers[1]));
        let square = re.clone().square() + im.clone().square();
        let held_re = (grown_re.clone() * re.clone() + grown_im.clone() * im.clone()) / square.clone();
        let held_im = (grown_im * re - grown_re * im) / square;
        let (c_re, c_im) = (self.output_re.val(), self.output_im.val());
        let output = [
            c_re.clone() * held_re.clone() - c_im.clone() * held_im.clone(),
            c_re * held_im + c_im * held_re,
        ];
        Discrete { powers, output }
    }

    /// All steps in chunks.
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, steps, channels]`
    pub fn forward(&self, x: Tensor<3>, state: State) -> (Tensor<3>, State) {
        let [batch, count, channels] = x.dims();
        let pairs = self.frequency.dims()[1];
        let length = self.chunk.min(count);
        let system = self.discrete(length);
        let [c_re, c_im] = system.output.map(|part| part.unsqueeze_dim::<3>(2)); // [H, N/2, 1]
        let [p_re, p_im] = system.powers; // [H, N/2, L + 1]
        // 2 Re(C̄ Ā^k) and, for what a state of (re, im) gives, 2 (Re, −Im) of C̄ Ā^k.
        let show_re = (c_re.clone() * p_re.clone() - c_im.clone() * p_im.clone()).mul_scalar(2.0);
        let show_im = (c_re * p_im.clone() + c_im * p_re.clone()).mul_scalar(-2.0);
        let kernel = show_re.clone().narrow(2, 0, length).sum_dim(1).squeeze_dim::<2>(1); // [H, L]
        let inner = toeplitz(kernel); // [H, L, L]
        let backwards = |p: &Tensor<3>| p.clone().narrow(2, 0, length).flip([2]).swap_dims(1, 2); // Ā^(L−1−j)
        let write = [backwards(&p_re), backwards(&p_im)]; // [H, L, N/2]

        let u = self.norm.forward(x.clone());
        let channels_first = u.clone().permute([2, 0, 1]); // [H, B, T]
        let split = |part: Tensor<2>| part.reshape([batch, channels, pairs]).swap_dims(0, 1); // [H, B, N/2]
        let joined = |part: Tensor<3>| part.swap_dims(0, 1).reshape([batch, channels * pairs]);
        let (mut re, mut im) = (split(state.hidden.clone()), split(state.cell.unwrap_or(state.hidden)));
        let mut outputs = Vec::with_capacity(count.div_ceil(length));
        for start in (0..count).step_by(length) {
            let size = length.min(count - start);
            let chunk = channels_first.clone().narrow(2, start, size); // [H, B, size]
            let show = |part: &Tensor<3>| part.clone().narrow(2, 1, size);
            let y = chunk.clone().matmul(inner.clone().narrow(1, 0, size).narrow(2, 0, size))
                + re.clone().matmul(show(&show_re))
                + im.clone().matmul(show(&show_im));
            outputs.push(y);
            // The last `size` rows of what is written: Ā^(size−1) … Ā⁰.
            let [write_re, write_im] =
                write.clone().map(|part| chunk.clone().matmul(part.narrow(1, length - size, size)));
            let grown = |part: &Tensor<3>| part.clone().narrow(2, size, 1).swap_dims(1, 2); // Ā^size, [H, 1, N/2]
            let (a_re, a_im) = (grown(&p_re), grown(&p_im));
            (re, im) = (
                re.clone() * a_re.clone() - im.clone() * a_im.clone() + write_re,
                re * a_im + im * a_re + write_im,
            );
        }
        let y = Tensor::cat(outputs, 2).permute([1, 2, 0]); // [B, T, H]
        let state = State { hidden: joined(re), cell: Some(joined(im)) };
        (self.finish(x, u, y), state)
    }

    /// One step of the recurrence.
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, channels]`
    pub fn step(&self, x: Tensor<2>, state: State) -> (Tensor<2>, State) {
        let (outputs, state) = self.scan(x.unsqueeze_dim(1), state, &[None]);
        (outputs.squeeze_dim(1), state)
    }

    /// The recurrence, step by step.
    pub(super) fn scan(
        &self,
        x: Tensor<3>,
        mut state: State,
        valid: &[Option<Tensor<2>>],
    ) -> (Tensor<3>, State) {
        let [batch, _, channels] = x.dims();
        let pairs = self.frequency.dims()[1];
        let system = self.discrete(1);
        let flat = |part: Tensor<2>| part.reshape([1, channels * pairs]);
        let [a_re, a_im] = system.powers.map(|part| flat(part.narrow(2, 1, 1).squeeze_dim(2)));
        let [c_re, c_im] = system.output.map(flat);
        let u = self.norm.forward(x.clone());
        let mut outputs = Vec::with_capacity(valid.len());
        for (u, valid) in unstack(u.clone().swap_dims(0, 1)).into_iter().zip(valid) {
            let spread = u.unsqueeze_dim::<3>(2).repeat_dim(2, pairs).reshape([batch, channels * pairs]);
            let (re, im) = (state.hidden.clone(), state.cell.clone().unwrap_or_else(|| state.hidden.clone()));
            let new = State {
                hidden: re.clone() * a_re.clone() - im.clone() * a_im.clone() + spread,
                cell: Some(re * a_im.clone() + im * a_re.clone()),
            };
            let im = new.cell.clone().unwrap_or_else(|| new.hidden.clone());
            let shown = (new.hidden.clone() * c_re.clone() - im * c_im.clone()).mul_scalar(2.0);
            outputs.push(shown.reshape([batch, channels, pairs]).sum_dim(2).squeeze_dim::<2>(2));
            state = match valid {
                Some(valid) => new.or(&state, &valid.clone().transpose()),
                None => new,
            };
        }
        let y = self.finish(x, u, Tensor::stack(outputs, 1));
        if valid.iter().all(Option::is_none) {
            return (y, state);
        }
        let all = Tensor::<2>::ones([1, batch], (&y.device(), y.dtype()));
        let masks = valid.iter().map(|valid| valid.clone().unwrap_or_else(|| all.clone())).collect();
        let y = y * Tensor::cat(masks, 0).transpose().unsqueeze_dim::<3>(2); // [B, T, 1]
        (y, state)
    }

    /// Past the system, non-linearity, mixing of channels, dropout, and past all of it.
    fn finish(&self, x: Tensor<3>, u: Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        let y = gelu(y + u * self.skip.val().unsqueeze::<3>());
        let [value, gate] = halves(self.mix.forward(y));
        x + self.dropout.forward(value * sigmoid(gate))
    }
}

fn halves(x: Tensor<3>) -> [Tensor<3>; 2] {
    let half = x.dims()[2] / 2;
    [x.clone().narrow(2, 0, half), x.narrow(2, half, half)]
}

/// `[H, L]` as `[H, L, L]` with `K_(i−j)` in row j and column i, zero above the diagonal of time (j > i).
fn toeplitz(kernel: Tensor<2>) -> Tensor<3> {
    let [channels, length] = kernel.dims();
    let zero = kernel.clone().narrow(1, 0, 1).zeros_like();
    let index = |at: usize| {
        let (row, column) = (at / length, at % length);
        (if column >= row { column - row } else { length }) as i64
    };
    let indices: Vec<i64> = (0..length * length).map(index).collect();
    let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [length * length]), &kernel.device());
    Tensor::cat(vec![kernel, zero], 1).select(1, indices).reshape([channels, length, length])
}
