//! A network's weights as plain slices, for acting.
//!
//! An agent acts on a handful of observations at a time. A pass of that size is a few microseconds of arithmetic, less than
//! the tensor operations that would carry it, so acting uses a copy of the weights and two loops. Tests prove the answers equal
//! to [`Mlp::forward`]'s. The copy is taken whenever the weights changed ([`Mlp::on_host`]) and works for every device.

use fornax_nn_core::host::tanh_in_place;

use super::Mlp;

/// A copy of an [`Mlp`]; see the [module page](self).
#[derive(Debug, Clone)]
pub struct HostMlp {
    layers: Vec<HostLayer>,
    tanh: bool,
    inputs: usize,
    buffers: [Vec<f32>; 2],
}

#[derive(Debug, Clone)]
struct HostLayer {
    /// `[fan_in, fan_out]`, row-major.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Mlp {
    /// The weights of this moment, for acting.
    pub fn on_host(&self) -> HostMlp {
        let layers = self.layers.iter().map(|layer| HostLayer {
            weight: layer.weight.val().into_data().iter::<f32>().collect(),
            bias: layer
                .bias
                .as_ref()
                .map(|b| b.val().into_data().iter::<f32>().collect())
                .unwrap_or_default(),
        });
        let inputs = self.layers.first().map_or(0, |layer| layer.weight.dims()[0]);
        HostMlp { layers: layers.collect(), tanh: self.is_tanh(), inputs, buffers: Default::default() }
    }
}

impl HostMlp {
    /// The outputs for a batch of rows.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs]`, flat
    /// - output: `[batch, outputs]`, flat
    pub fn forward(&mut self, x: &[f32]) -> &[f32] {
        let batch = x.len() / self.inputs.max(1);
        let [mut a, mut b] = std::mem::take(&mut self.buffers);
        a.clear();
        a.extend_from_slice(x);
        let last = self.layers.len().saturating_sub(1);
        for (i, HostLayer { weight, bias }) in self.layers.iter().enumerate() {
            let (fan_in, fan_out) = (weight.len() / bias.len(), bias.len());
            b.clear();
            for row in 0..batch {
                b.extend_from_slice(bias);
                let out = &mut b[row * fan_out..];
                let input = &a[row * fan_in..(row + 1) * fan_in];
                for (&x, weights) in input.iter().zip(weight.chunks_exact(fan_out)) {
                    // Half of a ReLU layer's outputs are zero: their rows need not be read.
                    if x != 0.0 {
                        out.iter_mut().zip(weights).for_each(|(o, w)| *o += x * w);
                    }
                }
            }
            if i < last {
                if self.tanh {
                    tanh_in_place(&mut b);
                } else {
                    b.iter_mut().for_each(|z| *z = z.max(0.0));
                }
            }
            std::mem::swap(&mut a, &mut b);
        }
        self.buffers = [a, b];
        &self.buffers[0]
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Activation, MlpConfig, Weights};
    use crate::random::Pcg64;
    use burn::tensor::{Device, Tensor, TensorData};

    #[test]
    fn the_copy_answers_as_the_network_does() {
        let device = Device::flex();
        for activation in [Activation::Tanh, Activation::Relu] {
            let config = MlpConfig::new(3, 4).with_hidden(vec![33, 16]).with_activation(activation);
            let network = config.with_weights(Weights::Uniform).init(5, &device).unwrap();
            let mut rng = Pcg64::new(0);
            let x: Vec<f32> = (0..21).map(|_| 3.0 * rng.normal() as f32).collect();
            let expected = network.forward(Tensor::from_data(TensorData::new(x.clone(), [7, 3]), &device));
            let expected = expected.into_data().try_to_vec::<f32>().unwrap();
            let mut host = network.on_host();
            for _ in 0..2 {
                let found = host.forward(&x);
                assert_eq!(found.len(), 28);
                for (a, b) in found.iter().zip(&expected) {
                    assert!((a - b).abs() < 2e-6 + 1e-5 * b.abs(), "{a} {b}");
                }
            }
        }
    }
}
