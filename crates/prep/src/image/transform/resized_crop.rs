//! A random part at a fixed size: the augmentation that networks for ImageNet are trained with.

use serde::{Deserialize, Serialize};

use super::crop::cropped;
use super::resize::resized;
use super::{Filter, OutOfFrame, draw};
use crate::image::{Sample, Transform};
use crate::{Error, Key};

/// Draws for a fitting rectangle before the middle is taken.
const TRIES: usize = 10;

/// Cuts out a rectangle of random area and proportions and resizes it.
///
/// Says: things appear at any scale, a little wider or narrower, and not always whole. For small objects or
/// detection a `scale` that begins at 0.08 says too much: it often leaves nothing of them.
///
/// ```text
/// area = u · height · width, u uniform on `scale`        ratio = width / height, log-uniform on `ratio`
/// ```
///
/// Ten draws that do not fit the image are followed by its middle, of the nearest proportions allowed.
///
/// C. Szegedy et al., *Going deeper with convolutions*, 2014, section 6. <https://arxiv.org/abs/1409.4842>
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomResizedCrop {
    /// `[height, width]` of the result.
    pub size: [usize; 2],
    /// Fractions of the area. Default: 0.08 to 1, as in the paper and torchvision.
    #[serde(default = "scale")]
    pub scale: [f32; 2],
    /// Width over height. Default: 3/4 to 4/3, as in the paper and torchvision.
    #[serde(default = "ratio")]
    pub ratio: [f32; 2],
    /// How pixels are weighted. Default: bilinear, as in torchvision.
    #[serde(default)]
    pub filter: Filter,
    /// What becomes of objects that are cut.
    #[serde(default)]
    pub out_of_frame: OutOfFrame,
}

fn scale() -> [f32; 2] {
    [0.08, 1.0]
}

fn ratio() -> [f32; 2] {
    [3.0 / 4.0, 4.0 / 3.0]
}

impl RandomResizedCrop {
    /// To this height and width.
    pub fn new(height: usize, width: usize) -> Self {
        let out_of_frame = OutOfFrame::default();
        Self { size: [height, width], scale: scale(), ratio: ratio(), filter: Filter::Bilinear, out_of_frame }
    }

    /// With other fractions of the area.
    #[must_use]
    pub fn with_scale(self, smallest: f32, largest: f32) -> Self {
        Self { scale: [smallest, largest], ..self }
    }

    /// Corner and size of the part.
    fn part(&self, [height, width]: [usize; 2], key: Key) -> Result<([usize; 2], [usize; 2]), Error> {
        let scale = draw::range("scale", self.scale, 1e-6..=1.0)?;
        let ratio = draw::range("ratio", self.ratio, 0.01..=100.0)?;
        let mut stream = key.stream();
        for _ in 0..TRIES {
            let [w, h] = draw::rectangle((height * width) as f32, scale, ratio, &mut stream);
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                let top = draw::up_to(height - h, &mut stream);
                return Ok(([top, draw::up_to(width - w, &mut stream)], [h, w]));
            }
        }
        let (tall, wide) = (height as f32, width as f32);
        let size = if wide / tall < ratio[0] {
            [((wide / ratio[0]).round_ties_even() as usize).clamp(1, height), width]
        } else if wide / tall > ratio[1] {
            [height, ((tall * ratio[1]).round_ties_even() as usize).clamp(1, width)]
        } else {
            [height, width]
        };
        Ok(([(height - size[0]) / 2, (width - size[1]) / 2], size))
    }
}

impl Transform for RandomResizedCrop {
    fn apply(&self, sample: Sample, key: Key) -> Result<Sample, Error> {
        let (corner, size) = self.part(sample.image.size(), key)?;
        resized(cropped(sample, corner, size, &self.out_of_frame)?, self.size, self.filter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_and_proportions_fill_their_ranges() {
        let crop = RandomResizedCrop::new(8, 8);
        let parts = (0..4000).map(|index| crop.part([300, 300], Key::new(2).fold(index)).unwrap());
        let (mut shares, mut ratios) = (Vec::new(), Vec::new());
        for ([top, left], [height, width]) in parts {
            assert!(top + height <= 300 && left + width <= 300);
            shares.push((height * width) as f32 / 90_000.0);
            ratios.push((width as f32 / height as f32).ln());
        }
        let least = |values: &[f32]| values.iter().copied().fold(f32::MAX, f32::min);
        let most = |values: &[f32]| values.iter().copied().fold(f32::MIN, f32::max);
        assert!((0.078..0.09).contains(&least(&shares)) && (0.96..=1.0).contains(&most(&shares)));
        assert!((-0.30..-0.27).contains(&least(&ratios)) && (0.27..0.30).contains(&most(&ratios)));
        // Log-uniform: wide and tall alike.
        let mean = ratios.iter().sum::<f32>() / 4000.0;
        assert!(mean.abs() < 0.015, "{mean}");
    }

    #[test]
    fn an_image_that_no_draw_fits_gives_its_middle() {
        let crop = RandomResizedCrop::new(8, 8).with_scale(0.5, 1.0);
        assert_eq!(crop.part([10, 1000], Key::new(0)).unwrap(), ([0, 493], [10, 13]));
        assert_eq!(crop.part([1000, 10], Key::new(0)).unwrap(), ([493, 0], [13, 10]));
    }

    #[test]
    fn senseless_ranges_are_named() {
        let bad = RandomResizedCrop::new(8, 8).with_scale(0.5, 0.1);
        let error = bad.part([9, 9], Key::new(0)).unwrap_err().to_string();
        assert_eq!(error, "scale: expected an ascending range within 0.000001 to 1; found 0.5 to 0.1");
    }
}
