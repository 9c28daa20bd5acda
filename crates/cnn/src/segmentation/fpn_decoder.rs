//! # Segmentation from a feature pyramid
//!
//! The levels of a [feature pyramid](crate::fpn) all have the same channels and all know what is where. To label pixels
//! it is enough to bring them to one size and add them up: each level is filtered and doubled as often as it is below
//! the finest one.
//!
//! ```text
//! Q_i = (×2 ∘ f ∘ BN ∘ 3×3)ⁱ (P_i)     i ≥ 1            Q_0 = f(BN(3×3(P_0)))         ×2 bilinear
//! logits = 1×1(Σ_i Q_i)
//! ```
//!
//! ```text
//!  P3 ──▶ conv ×2 ─▶ conv ×2 ─▶ conv ×2 ─┐
//!  P2 ──▶ conv ×2 ─▶ conv ×2 ────────────┤
//!  P1 ──▶ conv ×2 ──────────────────────(+)──▶ 1×1 ──▶ logits at the stride of P0
//!  P0 ──▶ conv ──────────────────────────┘
//! ```
//!
//! Paper: A. Kirillov, R. Girshick, K. He, P. Dollár, *Panoptic feature pyramid networks*, CVPR 2019, section 3.
//! <https://arxiv.org/abs/1901.02446>
//!
//! ## Differs from the paper
//!
//! 1. Batch normalisation instead of group normalisation.

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::kernels::Convolve;

use super::Decoder;
use crate::backbone::FeatureInfo;
use crate::block::{Activation, ConvNorm, Convolution, Init, Norm, resize_bilinear};
use crate::fpn::{Fpn, FpnConfig};

/// Sizes of an [`FpnDecoder`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct FpnDecoderConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Channels of the sum. Default: the paper's.
    #[config(default = 128)]
    pub channels: usize,
    /// Channels of the pyramid. Default: the paper's.
    #[config(default = 256)]
    pub pyramid_channels: usize,
    /// Maps of a backbone with a smaller stride are not used. Default: 4, the paper's.
    #[config(default = 4)]
    pub min_stride: usize,
}

impl FpnDecoderConfig {
    /// Builds pyramid and decoder for a backbone with these maps.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, maps: &[FeatureInfo], device: &Device) -> Result<FpnDecoder, ConfigError> {
        at_least_one(&[
            ("num_classes", self.num_classes),
            ("channels", self.channels),
            ("pyramid_channels", self.pyramid_channels),
        ])?;
        let fpn = FpnConfig::new().with_channels(self.pyramid_channels).with_min_stride(self.min_stride);
        let fpn = fpn.init(maps, device)?;
        let conv = |inputs| {
            let conv = Convolution::new([inputs, self.channels], 3, Init::HeFanOut);
            ConvNorm::new(conv, Norm::default(), Activation::Relu, device)
        };
        // As many as steps to the finest level; one for that level itself.
        let branch = |level: usize| {
            let rest = (1..level).map(|_| conv(self.channels));
            std::iter::once(conv(self.pyramid_channels)).chain(rest).collect()
        };
        Ok(FpnDecoder {
            branches: (0..fpn.feature_info().len()).map(branch).collect(),
            output: Convolution::new([self.channels, self.num_classes], 1, Init::Default).bias().init(device),
            fpn,
            num_classes: self.num_classes,
        })
    }
}

/// The decoder; see the [module page](self).
#[derive(Module, Debug)]
pub struct FpnDecoder {
    /// The pyramid.
    pub fpn: Fpn,
    /// For each level, the convolutions on its way to the finest one.
    pub branches: Vec<Vec<ConvNorm>>,
    /// 1 × 1 to the classes.
    pub output: Conv2d,
    num_classes: usize,
}

impl Decoder for FpnDecoder {
    fn num_classes(&self) -> usize {
        self.num_classes
    }

    fn forward(&self, maps: Vec<Tensor<4>>) -> Tensor<4> {
        let levels = self.fpn.forward(maps);
        let sizes: Vec<[usize; 2]> = levels.iter().map(|map| [map.dims()[2], map.dims()[3]]).collect();
        let up = |(i, (level, branch)): (usize, (Tensor<4>, &Vec<ConvNorm>))| {
            branch.iter().enumerate().fold(level, |x, (step, conv)| {
                let finer = i.saturating_sub(step + 1); // the level whose size comes next
                resize_bilinear(conv.forward(x), sizes[finer])
            })
        };
        let branches = levels.into_iter().zip(&self.branches).enumerate().map(up);
        match branches.reduce(|sum, branch| sum + branch) {
            Some(sum) => self.output.convolve(sum), // [B, num_classes, H_0, W_0]
            None => unreachable!("a pyramid has at least one level"),
        }
    }
}
