//! What GoogLeNet is made of.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Dropout, DropoutConfig, Linear};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::kernels::{Convolve, Normalise};

use super::{GoogLeNetConfig, LINEAR};
use crate::block::{Convolution, Init, Norm, adaptive_avg_pool, linear, max_pool, scaled};
use crate::geometry::Window;

/// ε of torchvision's, momentum PyTorch's.
const NORM: Norm = Norm { epsilon: 1e-3, momentum: 0.1 };
/// Side of the grid an auxiliary classifier reads.
const GRID: usize = 4;

/// Convolution, normalisation, ReLU, named as torchvision names them here.
#[derive(Module, Debug)]
pub struct BasicConv {
    /// The convolution.
    pub conv: Conv2d,
    /// Its normalisation.
    pub bn: BatchNorm,
}

impl BasicConv {
    pub(super) fn new(channels: [usize; 2], window: Window, device: &Device) -> Self {
        let conv = Convolution::by(channels, window, Init::Normal(0.01));
        Self { conv: conv.init(device), bn: NORM.init(channels[1], device) }
    }

    /// Convolution, normalisation, ReLU.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, in_channels, height, width]`
    /// - output: `[batch, out_channels, height′, width′]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        relu(self.bn.normalise(self.conv.convolve(x)))
    }
}

/// Filters of several sizes side by side.
#[derive(Module, Debug)]
pub struct Inception {
    /// 1 × 1.
    pub branch1: BasicConv,
    /// 1 × 1 to few channels, then 3 × 3.
    pub branch2: (BasicConv, BasicConv),
    /// 1 × 1 to few channels, then the larger filter.
    pub branch3: (BasicConv, BasicConv),
    /// The maximum of 3 × 3, then 1 × 1.
    pub branch4: (Maximum, BasicConv),
}

impl Inception {
    pub(super) fn new(
        inputs: usize,
        [c1, narrow3, c3, narrow5, c5, pooled]: [usize; 6],
        device: &Device,
    ) -> Self {
        let one = |channels| BasicConv::new(channels, Window::new(1, 1, 0), device);
        let three = |channels| BasicConv::new(channels, Window::new(3, 1, 1), device);
        Self {
            branch1: one([inputs, c1]),
            branch2: (one([inputs, narrow3]), three([narrow3, c3])),
            branch3: (one([inputs, narrow5]), three([narrow5, c5])),
            branch4: (Maximum, one([inputs, pooled])),
        }
    }

    /// The maps of all branches, one after the other.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, outputs, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let one = self.branch1.forward(x.clone());
        let three = self.branch2.1.forward(self.branch2.0.forward(x.clone()));
        let larger = self.branch3.1.forward(self.branch3.0.forward(x.clone()));
        let pooled = self.branch4.1.forward(self.branch4.0.forward(x));
        Tensor::cat(vec![one, three, larger, pooled], 1)
    }
}

/// The maximum of 3 × 3 that keeps the size.
#[derive(Module, Debug)]
pub struct Maximum;

impl Maximum {
    /// # Shapes
    ///
    /// - x, output: `[batch, channels, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        max_pool(x, Window::new(3, 1, 1))
    }
}

/// A classifier on the way, for training only.
#[derive(Module, Debug)]
pub struct Auxiliary {
    /// 1 × 1, to 128 channels.
    pub conv: BasicConv,
    /// The hidden layer.
    pub fc1: Linear,
    /// The output layer.
    pub fc2: Linear,
    /// Between them.
    pub dropout: Dropout,
}

impl Auxiliary {
    pub(super) fn new(config: &GoogLeNetConfig, inputs: usize, device: &Device) -> Self {
        let [narrow, hidden] = [128, 1024].map(|channels| scaled(channels, config.width));
        Self {
            conv: BasicConv::new([inputs, narrow], Window::new(1, 1, 0), device),
            fc1: linear([narrow * GRID * GRID, hidden], LINEAR, device),
            fc2: linear([hidden, config.num_classes], LINEAR, device),
            dropout: DropoutConfig::new(config.auxiliary_dropout).init(),
        }
    }

    pub(super) fn reset(&mut self, num_classes: usize) {
        let [hidden, _] = self.fc2.weight.dims();
        self.fc2 = linear([hidden, num_classes], LINEAR, &self.fc2.weight.device());
    }

    /// The auxiliary logits.
    ///
    /// # Shapes
    ///
    /// - map: `[batch, inputs, height, width]`
    /// - output: `[batch, num_classes]`
    pub fn forward(&self, map: Tensor<4>) -> Tensor<2> {
        let x = self.conv.forward(adaptive_avg_pool(map, GRID)).flatten(1, 3); // [B, 128·16]
        let x = self.dropout.forward(relu(self.fc1.forward(x))); // [B, 1024]
        self.fc2.forward(x) // [B, num_classes]
    }
}
