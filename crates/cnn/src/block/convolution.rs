//! Convolutions and linear layers with the initialisations of the papers.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

use crate::geometry::Window;

/// How the weights of a layer are drawn; σ is the standard deviation. Biases are zero where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Init {
    /// PyTorch's: weights and biases uniform over ±1/√fan_in.
    Default,
    /// PyTorch's weights without its biases.
    DefaultWeight,
    /// Normal, σ = √(2 / fan_in): keeps the variance of what ReLU passes on (He et al. 2015).
    HeFanIn,
    /// Uniform over ±√(6 / fan_in), which has the same variance.
    HeUniform,
    /// Normal, σ = √(2 / fan_out): keeps the variance of the gradient through ReLU (He et al. 2015).
    HeFanOut,
    /// Uniform over ±√(3 / fan_in): keeps the variance where no ReLU follows (LeCun et al. 1998).
    LeCun,
    /// Normal with the given σ.
    Normal(f64),
    /// Normal with the given σ, and PyTorch's biases.
    NormalWeight(f64),
    /// Uniform over ±1/√outputs.
    OverOutputs,
}

impl Init {
    /// Burn's initialiser for a weight with these fans, each counted as PyTorch counts it: for a grouped convolution
    /// the outgoing fan is that of all groups together.
    fn initializer(self, fan_in: usize, fan_out: usize) -> Initializer {
        let uniform = |bound: f64| Initializer::Uniform { min: -bound, max: bound };
        let normal = |std: f64| Initializer::Normal { mean: 0.0, std };
        match self {
            Self::Default | Self::DefaultWeight => uniform((fan_in as f64).sqrt().recip()),
            Self::HeFanIn => normal((2.0 / fan_in as f64).sqrt()),
            Self::HeUniform => uniform((6.0 / fan_in as f64).sqrt()),
            Self::HeFanOut => normal((2.0 / fan_out as f64).sqrt()),
            Self::Normal(std) | Self::NormalWeight(std) => normal(std),
            Self::OverOutputs => uniform((fan_out as f64).sqrt().recip()),
            Self::LeCun => uniform((3.0 / fan_in as f64).sqrt()),
        }
    }

    /// The bias of a layer with `fan_in` inputs to each of its outputs.
    fn bias(self, fan_in: usize, outputs: usize, device: &Device) -> Param<Tensor<1>> {
        let initializer = match self {
            Self::Default | Self::NormalWeight(_) => Self::Default.initializer(fan_in, outputs),
            _ => Initializer::Zeros,
        };
        initializer.init([outputs], device)
    }
}

/// A square convolution to build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Convolution {
    channels: [usize; 2],
    window: Window,
    groups: usize,
    bias: bool,
    init: Init,
}

impl Convolution {
    /// From and to so many channels, stride 1, padded so that an odd kernel keeps the size, without bias.
    pub(crate) fn new(channels: [usize; 2], kernel: usize, init: Init) -> Self {
        Self::by(channels, Window::new(kernel, 1, kernel / 2), init)
    }

    /// By the given window, without bias.
    pub(crate) fn by(channels: [usize; 2], window: Window, init: Init) -> Self {
        Self { channels, window, groups: 1, bias: false, init }
    }

    pub(crate) fn stride(mut self, stride: usize) -> Self {
        self.window.stride = stride;
        self
    }

    /// Neighbouring elements `dilation` pixels apart, padded so that an odd kernel still keeps the size.
    pub(crate) fn dilation(mut self, dilation: usize) -> Self {
        self.window.padding *= dilation;
        self.window.dilation = dilation;
        self
    }

    pub(crate) fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    pub(crate) fn bias(mut self) -> Self {
        self.bias = true;
        self
    }

    pub(crate) fn outputs(&self) -> usize {
        self.channels[1]
    }

    pub(crate) fn init(self, device: &Device) -> Conv2d {
        let Self { channels: [inputs, outputs], window, groups, bias, init } = self;
        let Window { kernel, stride, padding, dilation, .. } = window;
        let fan_in = inputs / groups * kernel * kernel;
        let mut conv = Conv2dConfig::new([inputs, outputs], [kernel, kernel])
            .with_stride([stride, stride])
            .with_dilation([dilation, dilation])
            .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
            .with_groups(groups)
            .with_bias(false)
            .with_initializer(init.initializer(fan_in, outputs * kernel * kernel))
            .init(device);
        conv.bias = bias.then(|| init.bias(fan_in, outputs, device));
        conv
    }
}

/// A linear layer with bias.
pub(crate) fn linear([inputs, outputs]: [usize; 2], init: Init, device: &Device) -> Linear {
    let config = LinearConfig::new(inputs, outputs).with_bias(false);
    let mut linear = config.with_initializer(init.initializer(inputs, outputs)).init(device);
    linear.bias = Some(init.bias(inputs, outputs, device));
    linear
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<const D: usize>(parameter: &Param<Tensor<D>>) -> Vec<f64> {
        parameter.to_data().iter::<f64>().collect()
    }

    fn deviation(values: &[f64]) -> f64 {
        (values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn weights_and_biases_are_drawn_as_said() {
        let device = Device::flex();
        device.seed(1);
        let [fan_in, fan_out] = [400, 100_usize];
        let root = |x: f64| x.sqrt();
        // The deviation, whether the draw is uniform (bounded by √3 of it), and whether there are biases.
        for (init, expected, uniform, biases) in [
            (Init::Default, root(1.0 / 3.0 / 400.0), true, true),
            (Init::DefaultWeight, root(1.0 / 3.0 / 400.0), true, false),
            (Init::HeFanIn, root(2.0 / 400.0), false, false),
            (Init::HeUniform, root(2.0 / 400.0), true, false),
            (Init::HeFanOut, root(2.0 / 100.0), false, false),
            (Init::Normal(0.02), 0.02, false, false),
            (Init::NormalWeight(0.02), 0.02, false, true),
            (Init::OverOutputs, root(1.0 / 3.0 / 100.0), true, false),
        ] {
            let layer = linear([fan_in, fan_out], init, &device);
            let weights = values(&layer.weight);
            // 40,000 draws estimate a normal deviation to a standard error of 0.35 %.
            assert!((deviation(&weights) / expected - 1.0).abs() < 0.02, "{init:?}: {}", deviation(&weights));
            let largest = weights.iter().fold(0.0_f64, |largest, weight| largest.max(weight.abs()));
            let bounded = largest <= 3f64.sqrt() * expected * (1.0 + 1e-6);
            assert_eq!(bounded, uniform, "{init:?}: {largest}");

            let drawn = values(layer.bias.as_ref().unwrap());
            if biases {
                // A hundred draws from ±1/√fan_in: standard error of the deviation 4.5 %.
                let expected = root(1.0 / 3.0 / 400.0);
                assert!((deviation(&drawn) / expected - 1.0).abs() < 0.2, "{init:?}: {}", deviation(&drawn));
            } else {
                assert!(drawn.iter().all(|&bias| bias == 0.0), "{init:?}");
            }
        }
    }

    #[test]
    fn the_fans_of_a_convolution_count_its_window_and_groups() {
        let device = Device::flex();
        device.seed(2);
        // 16 inputs in 4 groups, 3 × 3: 36 go into a unit.
        let conv = Convolution::new([16, 64], 3, Init::HeFanIn).groups(4).bias().init(&device);
        let weights = values(&conv.weight);
        assert_eq!((weights.len(), conv.weight.dims()), (64 * 36, [64, 4, 3, 3]));
        // 2,304 draws: standard error 1.5 %.
        assert!((deviation(&weights) / (2.0 / 36.0_f64).sqrt() - 1.0).abs() < 0.06);
        assert!(values(conv.bias.as_ref().unwrap()).iter().all(|&bias| bias == 0.0));
        let conv = Convolution::by([3, 8], Window::new(4, 4, 0), Init::Default).bias().init(&device);
        assert!(values(conv.bias.as_ref().unwrap()).iter().all(|&bias| bias.abs() <= 1.0 / 48f64.sqrt()));
    }
}
