//! The inverted residual: widen, filter each channel on its own, narrow.
//!
//! ```text
//!        1×1, widen ×t      k×k, one filter a channel    (squeeze and      1×1, narrow, no activation
//!  x ──▶  C → t·C, f   ──▶   t·C, stride s, f       ──▶   excitation) ──▶   t·C → C′       ──▶ (+) ──▶ y
//!  └─────────────────────────── when s = 1 and C = C′ ─────────────────────────────────────────▲
//! ```
//!
//! A k × k convolution from C to C′ channels costs k²·C·C′ multiplications a pixel. Filtering each channel on its own
//! (*depthwise*) and mixing them by a 1 × 1 convolution costs k²·C + C·C′, eight to nine times less for k = 3. The
//! shortcut joins the *narrow* ends, the reverse of ResNet's bottleneck: what is stored between blocks is small, and
//! the filter works on many channels. The narrow end has no activation, because a ReLU in few dimensions loses what it
//! sets to zero.
//!
//! Papers: M. Sandler et al., *MobileNetV2: inverted residuals and linear bottlenecks*, CVPR 2018
//! (<https://arxiv.org/abs/1801.04381>); the excitation in it: M. Tan et al., *MnasNet*, CVPR 2019
//! (<https://arxiv.org/abs/1807.11626>).

use burn::module::Module;
use burn::nn::BatchNorm;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::kernels::{Convolve, Normalise};
use fornax_nn_core::regularization::{DropPath, DropPathConfig};

use super::{
    Activation, ConvNorm, Convolution, Init, Norm, SqueezeExcitation, SqueezeExcitationConfig, drop_path,
};
use crate::geometry::{Stage, Window};

/// What an [`InvertedResidual`] is built from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InvertedResidualConfig {
    /// Channels in.
    pub inputs: usize,
    /// Channels in the wide middle.
    pub expanded: usize,
    /// Channels out.
    pub outputs: usize,
    /// Side of the depthwise filter.
    pub kernel: usize,
    /// Stride of the depthwise filter.
    pub stride: usize,
    /// f
    pub activation: Activation,
    /// ε and momentum of the normalisations.
    pub norm: Norm,
    /// Squeeze-and-excitation between filter and narrowing: its inner channels, activation, and kind of gate.
    pub squeeze: Option<(usize, Activation, bool)>,
    /// Probability of dropping the branch while training.
    pub drop_path: f64,
    /// Whether narrowing convolution and normalisation are two steps of the sequence (torchvision's MobileNetV2) or
    /// one; of consequence only for names.
    pub flat: bool,
}

impl InvertedResidualConfig {
    /// The window of the depthwise filter, the only one that sees beyond a pixel.
    pub fn window(&self) -> Window {
        Window::new(self.kernel, self.stride, self.kernel / 2)
    }

    /// The block, its convolutions normal with σ = √(2 / fan_out).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the probability of dropping the branch does not lie in [0, 1).
    pub fn init(&self, device: &Device) -> Result<InvertedResidual, ConfigError> {
        let wrapped = |conv, activation| Layer::ConvNorm(ConvNorm::new(conv, self.norm, activation, device));
        let mut layers = Vec::new();
        if self.expanded != self.inputs {
            let widen = Convolution::new([self.inputs, self.expanded], 1, Init::HeFanOut);
            layers.push(wrapped(widen, self.activation));
        }
        let filter = Convolution::new([self.expanded; 2], self.kernel, Init::HeFanOut)
            .stride(self.stride)
            .groups(self.expanded);
        layers.push(wrapped(filter, self.activation));
        if let Some((squeezed, activation, hard_gate)) = self.squeeze {
            let config = SqueezeExcitationConfig { channels: self.expanded, squeezed, activation, hard_gate };
            layers.push(Layer::SqueezeExcitation(config.init(device)));
        }
        let narrow = Convolution::new([self.expanded, self.outputs], 1, Init::HeFanOut);
        if self.flat {
            layers.push(Layer::Conv(narrow.init(device)));
            layers.push(Layer::Norm(self.norm.init(self.outputs, device)));
        } else {
            layers.push(wrapped(narrow, Activation::Identity));
        }
        Ok(InvertedResidual {
            sequential: layers,
            drop_path: DropPathConfig::new(self.drop_path)
                .init()
                .map_err(|error| error.within("drop_path"))?,
            shortcut: self.stride == 1 && self.inputs == self.outputs,
            stride: self.stride,
        })
    }
}

/// The maps of a chain of such blocks behind a stem of `channels`: the last one at each stride, the very last widened to
/// `head` channels.
pub(crate) fn stages(
    (channels, stem): (usize, Window),
    blocks: &[InvertedResidualConfig],
    head: usize,
) -> Vec<Stage> {
    let mut stages = Vec::new();
    let mut current = Stage::new(channels, vec![stem]);
    for block in blocks {
        if block.stride > 1 {
            stages.push(std::mem::replace(&mut current, Stage::new(0, Vec::new())));
        }
        current.channels = block.outputs;
        current.windows.push(block.window());
    }
    current.channels = head;
    stages.push(current);
    stages
}

/// A step of the sequence in an [`InvertedResidual`].
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a network has a few dozen of them")]
pub enum Layer {
    /// Convolution, normalisation, activation.
    ConvNorm(ConvNorm),
    /// Convolution alone.
    Conv(Conv2d),
    /// Normalisation alone.
    Norm(BatchNorm),
    /// Weights for the channels.
    SqueezeExcitation(SqueezeExcitation),
}

impl Layer {
    /// The step.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, in_channels, height, width]`
    /// - output: `[batch, out_channels, height′, width′]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::ConvNorm(layer) => layer.forward(x),
            Self::Conv(layer) => layer.convolve(x),
            Self::Norm(layer) => layer.normalise(x),
            Self::SqueezeExcitation(layer) => layer.forward(x),
        }
    }
}

/// Widen, filter, narrow; see the [page](self).
#[derive(Module, Debug)]
pub struct InvertedResidual {
    /// The steps of the branch.
    pub sequential: Vec<Layer>,
    /// Drops the branch while training.
    pub drop_path: DropPath,
    /// Whether the input is added to the branch.
    pub shortcut: bool,
    /// Stride of the filter.
    pub stride: usize,
}

impl InvertedResidual {
    /// The block's output.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, outputs, ⌈height / stride⌉, ⌈width / stride⌉]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let branch = self.sequential.iter().fold(x.clone(), |x, layer| layer.forward(x));
        if self.shortcut { x + drop_path(&self.drop_path, branch) } else { branch }
    }
}
