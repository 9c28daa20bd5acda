//! The block of ConvNeXt.

use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::nn::{Gelu, Initializer, LayerNorm, Linear};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::kernels::Convolve;
use fornax_nn_core::regularization::{DropPath, DropPathConfig};

use super::{FILTER, WEIGHTS, norm};
use crate::block::{Convolution, drop_path, linear};

/// Channels to the end, where the linear layers want them.
const CHANNELS_LAST: [isize; 4] = [0, 2, 3, 1];
/// And back.
const CHANNELS_FIRST: [isize; 4] = [0, 3, 1, 2];

/// Filter each channel, then mix them pixel by pixel; the input goes round.
#[derive(Module, Debug)]
pub struct Block {
    /// Filter, channels last, normalisation, widening, activation, narrowing, channels first.
    pub block: (Conv2d, Permute, LayerNorm, Linear, Gelu, Linear, Permute),
    /// γ, `[channels, 1, 1]`
    pub layer_scale: Param<Tensor<3>>,
    /// Drops the branch while training.
    pub drop_path: DropPath,
}

impl Block {
    pub(super) fn new(
        channels: usize,
        drop_path: f64,
        layer_scale: f64,
        device: &Device,
    ) -> Result<Self, ConfigError> {
        let filter = Convolution::by([channels; 2], FILTER, WEIGHTS).groups(channels).bias();
        let drop_path = DropPathConfig::new(drop_path).init().map_err(|error| error.within("drop_path"))?;
        Ok(Self {
            block: (
                filter.init(device),
                Permute { axes: CHANNELS_LAST },
                norm(channels, device),
                linear([channels, 4 * channels], WEIGHTS, device),
                Gelu::new(),
                linear([4 * channels, channels], WEIGHTS, device),
                Permute { axes: CHANNELS_FIRST },
            ),
            layer_scale: Initializer::Constant { value: layer_scale }.init([channels, 1, 1], device),
            drop_path,
        })
    }

    /// x + γ · F(x)
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, channels, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let (filter, last, norm, widen, gelu, narrow, first) = &self.block;
        let branch = norm.forward(last.forward(filter.convolve(x.clone()))); // [B, H, W, C]
        let branch = narrow.forward(gelu.forward(widen.forward(branch))); // [B, H, W, C]
        let branch = first.forward(branch) * self.layer_scale.val().unsqueeze(); // [B, C, H, W]
        x + drop_path(&self.drop_path, branch)
    }
}

/// Axes in another order.
#[derive(Module, Debug)]
pub struct Permute {
    /// Where each axis comes from.
    #[module(skip)]
    pub axes: [isize; 4],
}

impl Permute {
    /// # Shapes
    ///
    /// - x: any
    /// - output: axis i is axis `axes[i]` of x
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        x.permute(self.axes)
    }
}

/// Layer normalisation over the channels of each pixel.
///
/// # Shapes
///
/// - x, output: `[batch, channels, height, width]`
pub fn channel_norm(norm: &LayerNorm, x: Tensor<4>) -> Tensor<4> {
    norm.forward(x.permute(CHANNELS_LAST)).permute(CHANNELS_FIRST)
}
