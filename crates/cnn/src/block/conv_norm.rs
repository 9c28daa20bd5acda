//! Convolution, batch normalisation, activation.
//!
//! ```text
//! y = f( γ · (w ∗ x − μ) / √(σ² + ε) + β )        μ, σ² of each channel, over the batch while training
//! ```
//!
//! Normalising every channel keeps activations and gradients at one scale at any depth, so that deep networks train
//! with large steps (S. Ioffe, C. Szegedy, *Batch normalization*, ICML 2015, <https://arxiv.org/abs/1502.03167>). The
//! convolution needs no bias: μ would take it away again, and β does its work.
//!
//! For inference μ and σ² are running means of those seen in training, new = (1 − m)·old + m·seen with momentum m, as
//! in PyTorch. **One difference**: the σ² seen is the biased one (divided by n = batch · height · width), where PyTorch
//! takes n − 1 into the running mean. Loaded weights agree; running variances trained here are smaller by the factor
//! (n − 1)/n, which matters only where a map is a few pixels wide and the batch small.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::activation::Activation as Formula;
use fornax_nn_core::kernels::{Convolve, Normalise};

use super::Convolution;

/// What follows the normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// Nothing: a *linear* layer, at the narrow end of a block.
    Identity,
    /// max(0, x)
    #[default]
    Relu,
    /// min(max(0, x), 6)
    Relu6,
    /// x · σ(x)
    Silu,
    /// x · min(max(0, x + 3), 6) / 6
    HardSwish,
}

impl Activation {
    /// f(x), element by element.
    ///
    /// # Shapes
    ///
    /// - x, output: any
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity => x,
            Self::Relu => relu(x),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::Silu => Formula::Silu.apply(x),
            Self::HardSwish => Formula::HardSwish.apply(x),
        }
    }
}

/// Settings of a batch normalisation that differ between families.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// ε, added to the variance.
    pub epsilon: f64,
    /// m, the weight of the newest batch in the running statistics.
    pub momentum: f64,
}

impl Default for Norm {
    /// ε = 1e-5, m = 0.1: PyTorch's.
    fn default() -> Self {
        Self { epsilon: 1e-5, momentum: 0.1 }
    }
}

impl Norm {
    /// The layer, with γ = 1 and β = 0.
    ///
    /// # Panics
    ///
    /// When there are no channels.
    pub fn init(self, channels: usize, device: &Device) -> BatchNorm {
        let config = BatchNormConfig::new(channels).with_epsilon(self.epsilon).with_momentum(self.momentum);
        config.init(device)
    }
}

/// Convolution, batch normalisation and activation; see the [page](self).
#[derive(Module, Debug)]
pub struct ConvNorm {
    /// Convolution without bias, and normalisation.
    pub sequential: (Conv2d, BatchNorm),
    /// What follows.
    #[module(skip)]
    pub activation: Activation,
}

impl ConvNorm {
    pub(crate) fn new(conv: Convolution, norm: Norm, activation: Activation, device: &Device) -> Self {
        Self { sequential: (conv.init(device), norm.init(conv.outputs(), device)), activation }
    }

    /// Convolution, normalisation, activation.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, in_channels, height, width]`
    /// - output: `[batch, out_channels, height′, width′]`, sizes as in [`geometry`](crate::geometry)
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let (conv, norm) = &self.sequential;
        self.activation.apply(norm.normalise(conv.convolve(x)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fornax_nn_core::check::{assert_close, fill};

    #[test]
    fn running_statistics_follow_the_momentum_with_the_biased_variance() {
        let device = Device::flex().autodiff();
        let norm = Norm { epsilon: 1e-5, momentum: 0.25 }.init(1, &device);
        norm.forward(Tensor::<4>::from_data([[[[1.0, 3.0]]]], &device)); // mean 2, biased variance 1
        assert_close(&norm.running_mean.value_sync(), &[0.5], 1e-6, 0.0);
        assert_close(&norm.running_var.value_sync(), &[1.0], 1e-6, 0.0);
        norm.forward(Tensor::<4>::from_data([[[[2.0, 6.0]]]], &device)); // mean 4, biased variance 4
        assert_close(&norm.running_mean.value_sync(), &[0.75 * 0.5 + 0.25 * 4.0], 1e-6, 0.0);
        assert_close(&norm.running_var.value_sync(), &[0.75 + 0.25 * 4.0], 1e-6, 0.0);
    }

    #[test]
    fn a_bias_before_a_normalisation_changes_nothing() {
        let device = Device::flex().autodiff();
        let conv = Convolution::new([2, 3], 3, super::super::Init::HeFanOut).bias();
        let block = fill::fill(ConvNorm::new(conv, Norm::default(), Activation::Relu, &device));
        let x = fill::input("x", [2, 2, 5, 5], &device);
        let with = block.forward(x.clone());
        let mut without = block;
        without.sequential.0.bias = None;
        assert_close(&without.forward(x), &with, 1e-4, 1e-5);
    }

    #[test]
    fn activations_at_known_points() {
        let x = || Tensor::<1>::from_data([-4.0, -1.0, 0.0, 1.0, 8.0], &Device::flex());
        assert_close(&Activation::Identity.apply(x()), &x(), 0.0, 0.0);
        assert_close(&Activation::Relu.apply(x()), &[0.0, 0.0, 0.0, 1.0, 8.0], 0.0, 0.0);
        assert_close(&Activation::Relu6.apply(x()), &[0.0, 0.0, 0.0, 1.0, 6.0], 0.0, 0.0);
        let swish = [0.0, -1.0 / 3.0, 0.0, 2.0 / 3.0, 8.0];
        assert_close(&Activation::HardSwish.apply(x()), &swish, 1e-6, 1e-7);
        let silu = [-4.0, -1.0, 0.0, 1.0, 8.0].map(|x: f64| x / (1.0 + (-x).exp()));
        assert_close(&Activation::Silu.apply(x()), &silu, 1e-6, 1e-7);
    }
}
