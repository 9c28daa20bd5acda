//! A part of the image gone.

use serde::{Deserialize, Serialize};

use super::flip::half;
use super::{Fill, draw};
use crate::image::{Sample, Transform};
use crate::{Error, Key};

/// Draws for a fitting rectangle before the image is left alone.
const TRIES: usize = 10;

/// What stands in the erased part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Erased {
    /// One colour.
    Color([u8; 3]),
    /// Random bytes, uniform.
    Noise,
}

/// Paints over a random rectangle.
///
/// Says: a part suffices; what is behind something else is still there. So boxes, keypoints and masks stay as
/// they were, also under the rectangle.
///
/// ```text
/// area = u · height · width, u uniform on `scale`        ratio = height / width, log-uniform on `ratio`
/// ```
///
/// Zhong et al., *Random erasing data augmentation*, 2017. <https://arxiv.org/abs/1708.04896>. Differs from the
/// paper: black by default, as in torchvision; the paper prefers noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomErasing {
    /// How probable it is. Default: 0.5, as in the paper and torchvision.
    pub p: f32,
    /// Fractions of the area. Default: 0.02 to 0.33, as in torchvision (the paper: 0.02 to 0.4).
    pub scale: [f32; 2],
    /// Height over width. Default: 0.3 to 3.3, as in the paper and torchvision.
    pub ratio: [f32; 2],
    /// What stands there. Default: black, as in torchvision.
    pub value: Erased,
}

impl Default for RandomErasing {
    fn default() -> Self {
        Self { p: half(), scale: [0.02, 0.33], ratio: [0.3, 3.3], value: Erased::Color([0; 3]) }
    }
}

impl Transform for RandomErasing {
    fn apply(&self, mut sample: Sample, key: Key) -> Result<Sample, Error> {
        let scale = draw::range("scale", self.scale, 1e-6..=1.0)?;
        let ratio = draw::range("ratio", self.ratio, 0.01..=100.0)?;
        let mut stream = key.stream();
        if !draw::happens(self.p, &mut stream)? {
            return Ok(sample);
        }
        let [height, width] = sample.image.size();
        let part = (0..TRIES).find_map(|_| {
            let [h, w] = draw::rectangle((height * width) as f32, scale, ratio, &mut stream);
            (h < height && w < width).then_some([h, w])
        });
        let Some([h, w]) = part else { return Ok(sample) };
        let [top, left] = [draw::up_to(height - h, &mut stream), draw::up_to(width - w, &mut stream)];
        let channels = sample.image.channels();
        let color = match self.value {
            Erased::Color(color) => color,
            Erased::Noise => [0; 3],
        };
        let (pixel, bytes) = Fill { color, class: 0 }.pixel(channels);
        for row in top..top + h {
            let line = &mut sample.image.pixels_mut()[(row * width + left) * bytes..][..w * bytes];
            match self.value {
                Erased::Color(_) => {
                    line.chunks_exact_mut(bytes).for_each(|to| to.copy_from_slice(&pixel[..bytes]))
                }
                Erased::Noise => line.iter_mut().for_each(|value| *value = stream.below(256) as u8),
            }
        }
        Ok(sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Channels, Image};

    #[test]
    fn the_erased_part_is_a_rectangle_of_the_size_asked_for() {
        let erase = RandomErasing { p: 1.0, value: Erased::Color([255; 3]), ..RandomErasing::default() };
        let mut shares = Vec::new();
        for index in 0..500 {
            let sample = Sample::new(Image::filled(0, [60, 80], Channels::Rgb).unwrap());
            let erased = erase.apply(sample, Key::new(6).fold(index)).unwrap();
            let places: Vec<[usize; 2]> = (0..4800)
                .filter(|place| erased.image.pixels()[3 * place] == 255)
                .map(|place| [place / 80, place % 80])
                .collect();
            let span = |axis: usize| {
                let values = places.iter().map(|place| place[axis]);
                values.clone().max().unwrap() - values.min().unwrap() + 1
            };
            assert_eq!(span(0) * span(1), places.len(), "a full rectangle");
            shares.push(places.len() as f32 / 4800.0);
        }
        let (least, most) = shares.iter().fold((1f32, 0f32), |(a, b), &share| (a.min(share), b.max(share)));
        assert!((0.015..0.03).contains(&least) && (0.31..0.345).contains(&most), "{least} {most}");
    }

    #[test]
    fn it_happens_as_often_as_it_should() {
        let sample = Sample::new(Image::filled(9, [20, 20], Channels::Grey).unwrap());
        let erase = RandomErasing { value: Erased::Noise, ..RandomErasing::default() };
        let changed =
            (0..1000).filter(|&i| erase.apply(sample.clone(), Key::new(7).fold(i)).unwrap() != sample);
        // Binomial with deviation 16; five of them.
        assert!(changed.count().abs_diff(500) < 80);
    }
}
