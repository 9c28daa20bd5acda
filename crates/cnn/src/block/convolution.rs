//! Convolutions and linear layers with the initialisations of the papers.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

use crate::geometry::Window;

/// How the weights of a layer are drawn; σ is the standard deviation. Biases are zero but for [`Init::Default`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Init {
    /// PyTorch's: weights and biases uniform over ±1/√fan_in.
    Default,
    /// Normal, σ = √(2 / fan_out): keeps the variance of the gradient through ReLU (He et al. 2015).
    HeFanOut,
    /// Uniform over ±√(3 / fan_in): keeps the variance where no ReLU follows (LeCun et al. 1998).
    LeCun,
    /// Normal with the given σ.
    Normal(f64),
}

impl Init {
    /// Burn's initialiser for a weight with these fans, each counted as PyTorch counts it: for a grouped convolution
    /// the outgoing fan is that of all groups together.
    fn initializer(self, fan_in: usize, fan_out: usize) -> Initializer {
        let uniform = |bound: f64| Initializer::Uniform { min: -bound, max: bound };
        let normal = |std: f64| Initializer::Normal { mean: 0.0, std };
        match self {
            Self::Default => uniform(1.0 / (fan_in as f64).sqrt()),
            Self::HeFanOut => normal((2.0 / fan_out as f64).sqrt()),
            Self::LeCun => uniform((3.0 / fan_in as f64).sqrt()),
            Self::Normal(std) => normal(std),
        }
    }

    /// The bias that goes with the weight.
    fn bias(self, outputs: usize, weight: &Initializer, device: &Device) -> Param<Tensor<1>> {
        match self {
            Self::Default => weight.init([outputs], device),
            _ => Initializer::Zeros.init([outputs], device),
        }
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
        Self { channels, window: Window::new(kernel, 1, kernel / 2), groups: 1, bias: false, init }
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
        let initializer = init.initializer(inputs / groups * kernel * kernel, outputs * kernel * kernel);
        let mut conv = Conv2dConfig::new([inputs, outputs], [kernel, kernel])
            .with_stride([stride, stride])
            .with_dilation([dilation, dilation])
            .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
            .with_groups(groups)
            .with_bias(false)
            .with_initializer(initializer.clone())
            .init(device);
        conv.bias = bias.then(|| init.bias(outputs, &initializer, device));
        conv
    }
}

/// A linear layer with bias.
pub(crate) fn linear([inputs, outputs]: [usize; 2], init: Init, device: &Device) -> Linear {
    let initializer = init.initializer(inputs, outputs);
    let linear = LinearConfig::new(inputs, outputs).with_bias(false).with_initializer(initializer.clone());
    let mut linear = linear.init(device);
    linear.bias = Some(init.bias(outputs, &initializer, device));
    linear
}
