//! # Feature pyramid
//!
//! A backbone's fine maps know where things are but little of what they are; its coarse maps the reverse. A feature
//! pyramid sends what the coarse maps know back down: every level becomes a map of the same number of channels that has
//! both, ready for a head that works on all levels alike.
//!
//! ```text
//! M_n = lateral(C_n)          M_i = lateral(C_i) + nearest(M_{i+1})          P_i = smooth(M_i)
//! P_{n+1} = 3×3/2 (P_n)       P_{n+2} = 3×3/2 (max(0, P_{n+1}))              extra levels, for large objects
//! ```
//!
//! ```text
//!  C5 ──1×1──▶ M5 ──3×3──▶ P5 ──3×3/2──▶ P6 ─ …
//!  ▲           │ ×2
//!  C4 ──1×1──▶(+) M4 ──3×3──▶ P4
//!  ▲           │ ×2
//!  C3 ──1×1──▶(+) M3 ──3×3──▶ P3
//! ```
//!
//! Paper: T.-Y. Lin et al., *Feature pyramid networks for object detection*, CVPR 2017
//! (<https://arxiv.org/abs/1612.03144>); the extra levels: T.-Y. Lin et al., *Focal loss for dense object detection*,
//! ICCV 2017 (<https://arxiv.org/abs/1708.02002>).
//!
//! ## Differs from the paper
//!
//! 1. A map that is not exactly twice as large as the next is met by interpolating to its size.
//! 2. Extra levels start from P_n, as in FCOS, not from C_n.

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::kernels::Convolve;

use crate::backbone::FeatureInfo;
use crate::block::{Convolution, Init, resize_nearest};

/// Sizes of an [`Fpn`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct FpnConfig {
    /// Channels of every level. Default: the paper's.
    #[config(default = 256)]
    pub channels: usize,
    /// Maps of a backbone with a smaller stride are not used. Default: 4, the paper's.
    #[config(default = 4)]
    pub min_stride: usize,
    /// Levels beyond the backbone's coarsest map. Default: none.
    #[config(default = 0)]
    pub extra_levels: usize,
}

impl FpnConfig {
    /// As detectors use it: strides 8 to 32 of the backbone and two levels more.
    pub fn detection() -> Self {
        Self::new().with_min_stride(8).with_extra_levels(2)
    }

    /// Builds the pyramid for a backbone with these maps, initialised as torchvision's: uniform over ±√(3 / fan_in).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `channels`, or `min_stride` when the backbone has no map of that stride or more.
    pub fn init(&self, maps: &[FeatureInfo], device: &Device) -> Result<Fpn, ConfigError> {
        at_least_one(&[("channels", self.channels)])?;
        let first = maps.iter().position(|map| map.stride >= self.min_stride).ok_or_else(|| {
            let coarsest = maps.last().map_or(0, |map| map.stride);
            let reason =
                format!("must be at most the backbone's coarsest, {coarsest}, got {}", self.min_stride);
            ConfigError::new("min_stride", reason)
        })?;
        let conv = |inputs, kernel| Convolution::new([inputs, self.channels], kernel, Init::LeCun).bias();
        let used = &maps[first..];
        Ok(Fpn {
            inner_blocks: used.iter().map(|map| conv(map.channels, 1).init(device)).collect(),
            layer_blocks: used.iter().map(|_| conv(self.channels, 3).init(device)).collect(),
            extra_blocks: (0..self.extra_levels)
                .map(|_| conv(self.channels, 3).stride(2).init(device))
                .collect(),
            first,
            strides: used.iter().map(|map| map.stride).collect(),
            config: self.clone(),
        })
    }
}

/// The pyramid; see the [module page](self).
#[derive(Module, Debug)]
pub struct Fpn {
    /// 1 × 1 to the common number of channels, from the finest map used.
    pub inner_blocks: Vec<Conv2d>,
    /// 3 × 3 over the sums.
    pub layer_blocks: Vec<Conv2d>,
    /// 3 × 3 of stride 2 for levels beyond the backbone's.
    pub extra_blocks: Vec<Conv2d>,
    /// The backbone's finest map that is used.
    first: usize,
    #[module(skip)]
    strides: Vec<usize>,
    /// What it was built from.
    #[module(skip)]
    pub config: FpnConfig,
}

impl Fpn {
    /// Channels and stride of each level.
    pub fn feature_info(&self) -> Vec<FeatureInfo> {
        let coarsest = self.strides.last().copied().unwrap_or(1);
        let extra = (1..=self.extra_blocks.len()).map(|level| coarsest << level);
        let channels = self.config.channels;
        self.strides.iter().copied().chain(extra).map(|stride| FeatureInfo { channels, stride }).collect()
    }

    /// The levels, from the finest to the coarsest.
    ///
    /// # Shapes
    ///
    /// - map i: `[batch, channels_i, height_i, width_i]`, all maps of the backbone
    /// - level i: `[batch, channels, height_i, width_i]`, sizes of the maps used, then half of them each
    ///
    /// # Panics
    ///
    /// When there are not as many maps as the pyramid was built for.
    pub fn forward(&self, maps: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        let (actual, expected) = (maps.len(), self.first + self.inner_blocks.len());
        assert!(actual == expected, "{actual} maps, expected {expected}");
        let mut levels: Vec<Tensor<4>> = Vec::with_capacity(actual);
        let mut above: Option<Tensor<4>> = None;
        for ((map, lateral), smooth) in
            maps.into_iter().skip(self.first).zip(&self.inner_blocks).zip(&self.layer_blocks).rev()
        {
            let [.., height, width] = map.dims();
            let lateral = lateral.convolve(map); // [B, C, H_i, W_i]
            let merged = match above {
                Some(above) => lateral + resize_nearest(above, [height, width]),
                None => lateral,
            };
            levels.push(smooth.convolve(merged.clone()));
            above = Some(merged);
        }
        levels.reverse();
        for (i, conv) in self.extra_blocks.iter().enumerate() {
            let Some(last) = levels.last().cloned() else { break };
            levels.push(conv.convolve(if i == 0 { last } else { relu(last) }));
        }
        levels
    }
}
