//! # The network of most agents: a small multilayer perceptron with its backward pass written out
//!
//! Control problems are learnt by networks of a few thousand weights, stepped tens of thousands of times. At that size the
//! arithmetic of a layer takes a few microseconds, and what surrounds it (recording a graph, walking it back, a scalar `tanh`)
//! takes longer. So the network records nothing: [`Mlp::trace`] keeps each layer's activations, and [`Mlp::backward`] walks
//! them back by the four lines of backpropagation,
//!
//! ```text
//! forward    a₀ = x        zᵢ = aᵢ₋₁·Wᵢ + bᵢ        aᵢ = f(zᵢ), the last layer linear
//! backward   δ = ∂L/∂z     ∂L/∂Wᵢ = aᵢ₋₁ᵀ·δ         ∂L/∂bᵢ = Σ rows of δ       ∂L/∂aᵢ₋₁ = δ·Wᵢᵀ
//! ```
//!
//! with f′ from the activation itself: 1 − a² for tanh, `[a > 0]` for ReLU. The *loss* stays what it is everywhere else,
//! ordinary differentiable tensor code: it is written on the network's outputs, taken as leaves ([`leaf`]), and hands
//! ∂L/∂outputs to `backward`. A test proves the gradients equal to those of Burn's autodiff through [`Mlp::forward`].
//!
//! Initialisation is the reference implementations': orthogonal, gain √2 in hidden layers, biases zero
//! ([Huang et al. 2022](https://iclr-blog-track.github.io/2022/03/25/ppo-implementation-details/), detail 2), or PyTorch's
//! default, uniform ±1/√fan_in, for the off-policy agents.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData, activation};
use fornax_nn_core::ConfigError;
use fornax_nn_core::host::{is_host, tanh_in_place};
use fornax_nn_core::init::{Fans, Init};
use serde::{Deserialize, Serialize};

use super::StandIn;
use crate::random::Pcg64;

/// The non-linearity of the hidden layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// tanh(z): the on-policy agents' choice, bounded.
    Tanh,
    /// max(0, z): the off-policy agents' choice, cheap.
    Relu,
}

/// How weights start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "scheme")]
pub enum Weights {
    /// Orthogonal with gain √2, the output layer with this gain; biases zero.
    Orthogonal {
        /// Gain of the output layer: 0.01 for policies, 1 for values.
        output_gain: f64,
    },
    /// Weights and biases uniform in ±1/√fan_in: what PyTorch's `Linear` starts with.
    Uniform,
}

/// Sizes of an [`Mlp`]; pure data.
#[derive(Config, Debug, PartialEq)]
pub struct MlpConfig {
    /// Numbers that go in.
    pub inputs: usize,
    /// Numbers that come out.
    pub outputs: usize,
    /// Units of each hidden layer. Default: Stable-Baselines3's for on-policy agents.
    #[config(default = "vec![64, 64]")]
    pub hidden: Vec<usize>,
    /// Non-linearity of the hidden layers. Default: tanh, as above.
    #[config(default = "Activation::Tanh")]
    pub activation: Activation,
    /// Initial weights. Default: orthogonal with an output gain of 1.
    #[config(default = "Weights::Orthogonal { output_gain: 1.0 }")]
    pub weights: Weights,
}

impl MlpConfig {
    /// Builds the network on `device` (with autodiff where it is to be trained), its weights a function of `seed`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the size that is zero.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Mlp, ConfigError> {
        let sizes = [("inputs", self.inputs), ("outputs", self.outputs)];
        let hidden = self.hidden.iter().map(|&units| ("hidden", units));
        if let Some((field, _)) = sizes.into_iter().chain(hidden).find(|&(_, size)| size == 0) {
            return Err(ConfigError::new(field, "must be at least 1, got 0"));
        }
        let mut widths = vec![self.inputs];
        widths.extend(&self.hidden);
        widths.push(self.outputs);
        let mut rng = Pcg64::new(seed);
        let last = widths.len() - 2;
        let layers = widths.windows(2).enumerate().map(|(i, pair)| {
            let [fan_in, fan_out] = [pair[0], pair[1]];
            let (weight, bias) = match self.weights {
                Weights::Orthogonal { output_gain } => {
                    let gain = if i == last { output_gain } else { std::f64::consts::SQRT_2 };
                    let (init, fans) = (Init::Orthogonal { gain }, Fans::linear([fan_in, fan_out]));
                    (init.tensor([fan_in, fan_out], fans, rng.next_u64(), device), vec![0.0; fan_out])
                }
                Weights::Uniform => {
                    let bound = (fan_in as f64).sqrt().recip();
                    let mut draw = |n| (0..n).map(|_| rng.uniform(-bound, bound) as f32).collect::<Vec<_>>();
                    let weight = TensorData::new(draw(fan_in * fan_out), [fan_in, fan_out]);
                    (Tensor::from_data(weight, device), draw(fan_out))
                }
            };
            let bias = Tensor::<1>::from_data(bias.as_slice(), device);
            let mut layer = LinearConfig::new(fan_in, fan_out).init(device);
            layer.weight = Param::initialized(layer.weight.id, learnable(weight));
            layer.bias = layer.bias.map(|old| Param::initialized(old.id, learnable(bias.clone())));
            layer
        });
        Ok(Mlp { layers: layers.collect(), tanh: self.activation == Activation::Tanh })
    }
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct Mlp {
    /// Fully connected layers, the first one at the observation.
    pub layers: Vec<Linear>,
    tanh: bool,
}

/// What a forward pass leaves for the backward pass: the input of every layer, and the output.
#[derive(Debug, Clone)]
pub struct Trace {
    inputs: Vec<Tensor<2>>,
    /// The network's output, `[batch, outputs]`.
    pub output: Tensor<2>,
}

impl Mlp {
    /// The network's answer; differentiable by Burn's autodiff when the network lives on such a device.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs]`
    /// - output: `[batch, outputs]`
    ///
    /// # Panics
    ///
    /// When `x` has another width than the network.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let last = self.layers.len() - 1;
        self.layers.iter().enumerate().fold(x, |x, (i, layer)| {
            let z = layer.forward(x); // [B, units]
            if i == last { z } else { self.activate(z) }
        })
    }

    /// As [`forward`](Self::forward), keeping what [`backward`](Self::backward) needs.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs]`, outside autodiff
    /// - output: `[batch, outputs]`
    pub fn trace(&self, x: Tensor<2>) -> Trace {
        let mut inputs = Vec::with_capacity(self.layers.len());
        let mut a = x;
        for (i, layer) in self.layers.iter().enumerate() {
            inputs.push(a.clone());
            let mut z = a.matmul(layer.weight.val().inner()); // [B, units]
            if let Some(bias) = &layer.bias {
                z = z + bias.val().inner().unsqueeze::<2>();
            }
            a = if i + 1 == self.layers.len() { z } else { self.activate(z) };
        }
        Trace { inputs, output: a }
    }

    /// From ∂L/∂output to the gradient of every weight, and of the input if `input` asks for it.
    ///
    /// Gradients are registered in `gradients` under the parameters' ids.
    ///
    /// # Shapes
    ///
    /// - delta: `[batch, outputs]`
    /// - answer: `[batch, inputs]`
    pub fn backward(
        &self,
        trace: Trace,
        delta: Tensor<2>,
        gradients: &mut GradientsParams,
        input: bool,
    ) -> Option<Tensor<2>> {
        let mut delta = delta;
        let mut inputs = trace.inputs;
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let a = inputs.pop()?; // [B, fan_in]
            gradients.register(layer.weight.id, a.clone().transpose().matmul(delta.clone()));
            if let Some(bias) = &layer.bias {
                gradients.register::<1>(bias.id, delta.clone().sum_dim(0).squeeze_dim(0));
            }
            if i > 0 || input {
                delta = delta.matmul(layer.weight.val().inner().transpose()); // [B, fan_in]
            }
            if i > 0 {
                delta = if self.tanh {
                    delta * (a.square().neg() + 1.0)
                } else {
                    delta.mask_fill(a.lower_equal_elem(0.0), 0.0)
                };
            }
        }
        input.then_some(delta)
    }

    /// From ∂L/∂output to ∂L/∂input alone: what a policy needs of a critic.
    ///
    /// # Shapes
    ///
    /// - delta: `[batch, outputs]`
    /// - answer: `[batch, inputs]`
    pub fn backward_input(&self, trace: Trace, delta: Tensor<2>) -> Tensor<2> {
        let layers = self.layers.iter().zip(trace.inputs).enumerate().rev();
        layers.fold(delta, |delta, (i, (layer, a))| {
            let delta = delta.matmul(layer.weight.val().inner().transpose()); // [B, fan_in]
            match (i, self.tanh) {
                (0, _) => delta,
                (_, true) => delta * (a.square().neg() + 1.0),
                (_, false) => delta.mask_fill(a.lower_equal_elem(0.0), 0.0),
            }
        })
    }

    pub(crate) fn is_tanh(&self) -> bool {
        self.tanh
    }

    fn activate(&self, z: Tensor<2>) -> Tensor<2> {
        if !self.tanh {
            activation::relu(z)
        } else if is_host(&z.device()) {
            let device = z.device();
            let mut data = z.into_data();
            match data.as_mut_slice::<f32>() {
                Ok(values) => {
                    tanh_in_place(values);
                    Tensor::from_data(data, &device)
                }
                // Another float type: Burn's own.
                Err(_) => activation::tanh(Tensor::from_data(data, &device)),
            }
        } else {
            activation::tanh(z)
        }
    }
}

impl StandIn for Mlp {
    fn empty(&self) -> Self {
        Self { layers: Vec::new(), tanh: self.tanh }
    }
}

/// The output of a network as the starting point of a loss: `loss(leaf).backward()` gives ∂L/∂output.
pub fn leaf(output: Tensor<2>) -> Tensor<2> {
    Tensor::from_inner(output).require_grad()
}

/// Wants a gradient, where there are gradients.
pub(crate) fn learnable<const D: usize>(weight: Tensor<D>) -> Tensor<D> {
    if weight.device().is_autodiff() { weight.require_grad() } else { weight }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every gradient of the written-out backward pass is autodiff's, for both activations, input included.
    #[test]
    fn the_backward_pass_is_autodiffs() {
        let plain = Device::flex();
        let recorded = plain.clone().autodiff();
        for (activation, weights) in [
            (Activation::Tanh, Weights::Orthogonal { output_gain: 1.0 }),
            (Activation::Relu, Weights::Uniform),
        ] {
            let config = MlpConfig::new(5, 3)
                .with_hidden(vec![16, 8])
                .with_activation(activation)
                .with_weights(weights);
            let ours = config.init(7, &recorded).unwrap();
            let theirs = config.init(7, &recorded).unwrap();
            let mut rng = Pcg64::new(1);
            let x: Vec<f32> = (0..20).map(|_| rng.normal() as f32).collect();
            let x = TensorData::new(x, [4, 5]);

            let input = Tensor::<2>::from_data(x.clone(), &recorded).require_grad();
            // Layer by layer, so that the input's gradient is asked for explicitly.
            let mut output = input.clone();
            for (i, layer) in theirs.layers.iter().enumerate() {
                let bias = layer.bias.as_ref().unwrap().val().unsqueeze::<2>();
                output = output.matmul(layer.weight.val()) + bias;
                output = match (i < 2, activation) {
                    (false, _) => output,
                    (true, Activation::Tanh) => output.tanh(),
                    (true, Activation::Relu) => burn::tensor::activation::relu(output),
                };
            }
            let mut expected = (output.clone() * output.clone() * output).sum().backward();
            let expected_input = input.grad_remove(&mut expected);
            let expected = GradientsParams::from_grads(expected, &theirs);

            let trace = ours.trace(Tensor::from_data(x, &plain));
            let output = leaf(trace.output.clone());
            let cubed = (output.clone() * output.clone() * output.clone()).sum();
            let delta = output.grad(&cubed.backward()).unwrap();
            let mut found = GradientsParams::new();
            let alone = ours.backward_input(trace.clone(), delta.clone());
            let input = ours.backward(trace, delta, &mut found, true).unwrap();
            let close = |a: TensorData, b: TensorData| {
                let (a, b) = (a.try_to_vec::<f32>().unwrap(), b.try_to_vec::<f32>().unwrap());
                for (a, b) in a.iter().zip(&b) {
                    assert!((a - b).abs() <= 1e-5 + 1e-5 * b.abs(), "{a} {b}");
                }
                assert!(b.iter().any(|b| *b != 0.0));
            };
            close(alone.clone().into_data(), input.into_data());
            let expected_input = expected_input.unwrap();
            close(alone.into_data(), expected_input.into_data());
            for (a, b) in ours.layers.iter().zip(&theirs.layers) {
                let gradient = |g: &GradientsParams, l: &Linear| g.get::<2>(l.weight.id).unwrap().into_data();
                close(gradient(&found, a), gradient(&expected, b));
                let gradient = |g: &GradientsParams, l: &Linear| {
                    g.get::<1>(l.bias.as_ref().unwrap().id).unwrap().into_data()
                };
                close(gradient(&found, a), gradient(&expected, b));
            }
        }
    }

    #[test]
    fn a_size_of_zero_is_named() {
        let error = MlpConfig::new(4, 0).init(0, &Device::flex()).unwrap_err();
        assert_eq!(error.field, "outputs");
        let error = MlpConfig::new(4, 2).with_hidden(vec![8, 0]).init(0, &Device::flex()).unwrap_err();
        assert_eq!(error.field, "hidden");
    }
}
