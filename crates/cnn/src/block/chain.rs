//! A plain chain of layers: what networks were before shortcuts.
//!
//! ```text
//! x ──▶ convolution ──▶ (normalisation) ──▶ ReLU ──▶ convolution ──▶ … ──▶ pooling ──▶ convolution ──▶ …
//! ```

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, PaddingConfig2d, Relu};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::kernels::{Convolve, Normalise};

use super::{Convolution, Init, Norm};
use crate::geometry::{Stage, Window};

/// A layer of a plain chain, as torchvision numbers them.
#[derive(Module, Debug)]
pub enum Step {
    /// Convolution with bias.
    Conv(Conv2d),
    /// Normalisation.
    Norm(BatchNorm),
    /// max(0, x)
    Relu(Relu),
    /// The maximum of each window.
    Pool(MaxPool2d),
}

impl Step {
    /// The layer's output.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, in_channels, height, width]`
    /// - output: `[batch, out_channels, height′, width′]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Conv(layer) => layer.convolve(x),
            Self::Norm(layer) => layer.normalise(x),
            Self::Relu(layer) => layer.forward(x),
            Self::Pool(layer) => layer.forward(x),
        }
    }
}

/// What a chain is built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Convolution to so many channels, and ReLU.
    Conv(usize, Window),
    /// Maxima.
    Pool(Window),
}

/// The maps a chain makes: the last before each pooling, and the last of all.
pub(crate) fn stages(plan: &[Plan]) -> Vec<Stage> {
    let mut stages = Vec::new();
    let mut current = Stage::new(0, Vec::new());
    for step in plan {
        match *step {
            Plan::Conv(outputs, window) => {
                current.channels = outputs;
                current.windows.push(window);
            }
            Plan::Pool(window) => {
                let next = Stage::new(current.channels, vec![window]);
                stages.push(std::mem::replace(&mut current, next));
            }
        }
    }
    stages.push(current);
    stages
}

/// The layers of a chain that begins with `inputs` channels, with a normalisation behind each convolution or without.
pub(crate) fn build(
    plan: &[Plan],
    inputs: usize,
    init: Init,
    norm: Option<Norm>,
    device: &Device,
) -> Vec<Step> {
    let mut inputs = inputs;
    let mut steps = Vec::new();
    for step in plan {
        match *step {
            Plan::Conv(outputs, window) => {
                let conv = Convolution::by([inputs, outputs], window, init).bias();
                steps.push(Step::Conv(conv.init(device)));
                steps.extend(norm.map(|norm| Step::Norm(norm.init(outputs, device))));
                steps.push(Step::Relu(Relu::new()));
                inputs = outputs;
            }
            Plan::Pool(window) => steps.push(Step::Pool(max_pool_layer(window))),
        }
    }
    steps
}

/// The pooling layer of a window.
pub(crate) fn max_pool_layer(window: Window) -> MaxPool2d {
    let Window { kernel, stride, padding, dilation, ceil_mode } = window;
    MaxPool2dConfig::new([kernel; 2])
        .with_strides([stride; 2])
        .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
        .with_dilation([dilation; 2])
        .with_ceil_mode(ceil_mode)
        .init()
}

/// The maps of [`stages`].
pub(crate) fn maps(steps: &[Step], images: Tensor<4>) -> Vec<Tensor<4>> {
    let mut maps = Vec::new();
    let mut x = images;
    for step in steps {
        if matches!(step, Step::Pool(_)) {
            maps.push(x.clone());
        }
        x = step.forward(x);
    }
    maps.push(x);
    maps
}
