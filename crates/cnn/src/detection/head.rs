//! The two towers of convolutions on a level of the pyramid, and what they put out.

use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::nn::{GroupNorm, GroupNormConfig, Initializer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::kernels::Convolve;

use super::fcos::FcosConfig;
use crate::block::{Convolution, Init};

/// Deviation of the head's initial weights, RetinaNet's.
const SIGMA: f64 = 0.01;

/// Convolutions, each with group normalisation and ReLU: batch statistics would mix levels.
#[derive(Module, Debug)]
pub struct Tower {
    /// 3 × 3 convolutions with bias, and their normalisations.
    pub conv: Vec<(Conv2d, GroupNorm)>,
}

impl Tower {
    fn new(config: &FcosConfig, device: &Device) -> Self {
        let channels = config.fpn.channels;
        let norm = GroupNormConfig::new(config.groups, channels);
        let conv = || (conv([channels, channels], device), norm.init(device));
        Self { conv: (0..config.convs).map(|_| conv()).collect() }
    }

    /// f(GN(3×3(…)))
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, channels, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.conv.iter().fold(x, |x, (conv, norm)| relu(norm.forward(conv.convolve(x))))
    }
}

fn conv(channels: [usize; 2], device: &Device) -> Conv2d {
    Convolution::new(channels, 3, Init::Normal(SIGMA)).bias().init(device)
}

/// A tower for the class and one for the box, the same on every level.
#[derive(Module, Debug)]
pub struct FcosHead {
    /// Towards the class.
    pub cls_tower: Tower,
    /// Logits of the classes.
    pub cls_logits: Conv2d,
    /// Towards the box.
    pub bbox_tower: Tower,
    /// Logarithms of the four distances, before the level's factor.
    pub bbox_reg: Conv2d,
    /// Logit of the centre-ness.
    pub bbox_ctrness: Conv2d,
    /// s_i, a factor for each level.
    pub scales: Vec<Param<Tensor<1>>>,
}

impl FcosHead {
    pub(super) fn new(config: &FcosConfig, levels: usize, device: &Device) -> Self {
        let channels = config.fpn.channels;
        let mut cls_logits = conv([channels, config.num_classes], device);
        // So that every place begins with a belief of `prior` in every class: background is nearly everywhere.
        let bias = -((1.0 - config.prior) / config.prior).ln();
        cls_logits.bias = Some(Initializer::Constant { value: bias }.init([config.num_classes], device));
        Self {
            cls_tower: Tower::new(config, device),
            cls_logits,
            bbox_tower: Tower::new(config, device),
            bbox_reg: conv([channels, 4], device),
            bbox_ctrness: conv([channels, 1], device),
            scales: (0..levels).map(|_| Initializer::Ones.init([1], device)).collect(),
        }
    }

    /// Logits, distances in strides and centre-ness of a level.
    ///
    /// # Shapes
    ///
    /// - map: `[batch, channels, height, width]`
    /// - outputs: `[batch, height · width, num_classes]`, `[batch, height · width, 4]`, `[batch, height · width]`
    pub fn forward(&self, map: Tensor<4>, level: usize) -> (Tensor<3>, Tensor<3>, Tensor<2>) {
        let places = |map: Tensor<4>| {
            let [batch, channels, height, width] = map.dims();
            map.reshape([batch, channels, height * width]).swap_dims(1, 2) // [B, HW, C]
        };
        let logits = self.cls_logits.convolve(self.cls_tower.forward(map.clone()));
        let tower = self.bbox_tower.forward(map);
        let scale = self.scales[level].val().reshape([1, 1, 1, 1]);
        let distances = (self.bbox_reg.convolve(tower.clone()) * scale).exp();
        let centerness = places(self.bbox_ctrness.convolve(tower)).squeeze_dim(2);
        (places(logits), places(distances), centerness)
    }
}
