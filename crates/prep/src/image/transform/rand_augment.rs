//! RandAugment: a few of fourteen changes, all of one strength.

use serde::{Deserialize, Serialize};

use super::affine::Amounts;
use super::{Fill, Rotation, Warp, blur, color};
use crate::image::{Sample, Transform};
use crate::{Error, Key};

/// Draws `num_ops` of the fourteen [`AugmentOp`]s, with repetition, and applies each at the same strength.
///
/// Says many things at once, softly. What made it popular is that two numbers remain to be tuned where
/// AutoAugment learned a policy: how many, and how strong.
///
/// Unlike torchvision's, boxes, masks and keypoints follow. Pixels are read from the nearest one, as there.
///
/// E. Cubuk, B. Zoph, J. Shlens, Q. Le, *RandAugment: Practical automated data augmentation with a reduced search
/// space*, 2019. <https://arxiv.org/abs/1909.13719>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandAugment {
    /// How many changes. Default: 2, the paper's for ImageNet and torchvision's.
    pub num_ops: usize,
    /// How strong, below `num_magnitude_bins`. Default: 9, the paper's for ResNet-50 and torchvision's.
    pub magnitude: usize,
    /// The steps of strength there are. Default: 31, torchvision's.
    pub num_magnitude_bins: usize,
    /// What shows beyond the image. Default: black, as in torchvision.
    pub fill: Fill,
}

impl Default for RandAugment {
    fn default() -> Self {
        Self { num_ops: 2, magnitude: 9, num_magnitude_bins: 31, fill: Fill::default() }
    }
}

impl RandAugment {
    /// So many changes of this strength, of 31 steps.
    pub fn new(num_ops: usize, magnitude: usize) -> Self {
        Self { num_ops, magnitude, ..Self::default() }
    }
}

impl Transform for RandAugment {
    fn apply(&self, mut sample: Sample, key: Key) -> Result<Sample, Error> {
        if self.magnitude >= self.num_magnitude_bins || self.num_magnitude_bins < 2 {
            let expected = format!("a number below the {} steps (at least 2)", self.num_magnitude_bins);
            return Err(Error::argument("magnitude", expected, self.magnitude));
        }
        let strength = self.magnitude as f32 / (self.num_magnitude_bins - 1) as f32;
        let mut stream = key.stream();
        for _ in 0..self.num_ops {
            let op = AugmentOp::ALL[stream.below(AugmentOp::ALL.len() as u64) as usize];
            let sign = if stream.below(2) == 0 { 1.0 } else { -1.0 };
            sample = op.apply(sample, sign * strength, self.fill)?;
        }
        Ok(sample)
    }
}

/// A change that RandAugment may draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AugmentOp {
    /// None.
    Identity,
    /// Rows shifted by up to 0.3 of their height.
    ShearX,
    /// Columns shifted by up to 0.3 of their distance from the left.
    ShearY,
    /// Sideways by up to 150/331 of the width.
    TranslateX,
    /// Up or down by up to 150/331 of the height.
    TranslateY,
    /// Up to 30°, positive to the left.
    Rotate,
    /// By a factor of 1 ± 0.9.
    Brightness,
    /// Saturation by a factor of 1 ± 0.9.
    Color,
    /// By a factor of 1 ± 0.9.
    Contrast,
    /// By a factor of 1 ± 0.9.
    Sharpness,
    /// Down to 4 bits.
    Posterize,
    /// Values above a threshold, from 255 down to 0, inverted.
    Solarize,
    /// Each channel stretched to the whole range.
    AutoContrast,
    /// Each channel's values made equally frequent.
    Equalize,
}

impl AugmentOp {
    /// All of them, in torchvision's order.
    pub const ALL: [Self; 14] = [
        Self::Identity,
        Self::ShearX,
        Self::ShearY,
        Self::TranslateX,
        Self::TranslateY,
        Self::Rotate,
        Self::Brightness,
        Self::Color,
        Self::Contrast,
        Self::Sharpness,
        Self::Posterize,
        Self::Solarize,
        Self::AutoContrast,
        Self::Equalize,
    ];

    /// Applies this change. `strength` is from −1 to 1; where a change has no direction its sign is ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a strength outside that range.
    pub fn apply(self, mut sample: Sample, strength: f32, fill: Fill) -> Result<Sample, Error> {
        super::draw::number("strength", strength, -1.0..=1.0)?;
        let [height, width] = sample.image.size();
        let (signed, part) = (f64::from(strength), strength.abs());
        let factor = 1.0 + 0.9 * strength;
        let none = Amounts::NONE;
        let corner = [0.0, 0.0];
        match self {
            Self::Identity => {}
            Self::ShearX => {
                let shear = [(0.3 * signed).atan().to_degrees(), 0.0];
                return Amounts { shear, ..none }.apply(sample, corner, fill);
            }
            Self::ShearY => {
                let shear = [0.0, (0.3 * signed).atan().to_degrees()];
                return Amounts { shear, ..none }.apply(sample, corner, fill);
            }
            Self::TranslateX => {
                let translate = [(150.0 / 331.0 * width as f64 * signed).trunc(), 0.0];
                return Amounts { translate, ..none }.apply(sample, corner, fill);
            }
            Self::TranslateY => {
                let translate = [0.0, (150.0 / 331.0 * height as f64 * signed).trunc()];
                return Amounts { translate, ..none }.apply(sample, corner, fill);
            }
            Self::Rotate => {
                let warp = Warp { fill, ..Warp::default() };
                return Rotation::by(30.0 * strength).with_warp(warp).apply(sample, Key::new(0));
            }
            Self::Brightness => color::brightness(&mut sample.image, factor),
            Self::Color => color::saturation(&mut sample.image, factor),
            Self::Contrast => color::contrast(&mut sample.image, factor),
            Self::Sharpness => blur::sharpness(&mut sample.image, factor),
            Self::Posterize => {
                color::posterize(&mut sample.image, 8 - (4.0 * part).round_ties_even() as u32);
            }
            Self::Solarize => color::solarize(&mut sample.image, 255.0 * (1.0 - part)),
            Self::AutoContrast => color::auto_contrast(&mut sample.image),
            Self::Equalize => color::equalize(&mut sample.image),
        }
        Ok(sample)
    }
}
