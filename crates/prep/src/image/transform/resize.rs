//! Another size: what every network with a fixed input begins with.

use std::cell::RefCell;

use fast_image_resize::{FilterType, ResizeAlg, Resizer};
use serde::{Deserialize, Serialize};

use super::{OutOfFrame, Projection};
use crate::image::{Image, Mask, Sample, Transform};
use crate::{Error, Key};

/// How the pixels between and under the new ones are weighted.
///
/// All but `Nearest` are antialiased: where an image shrinks by s, the filter is stretched by s, so that every
/// old pixel counts. The reason is given with [`ImageSet::resized`](crate::image::ImageSet::resized).
///
/// ```text
/// bilinear   1 − |d|                                  |d| < 1    smooth
/// bicubic    1.5|d|³ − 2.5|d|² + 1                    |d| < 1    (a = −0.5, as in Pillow and torchvision with
///            −0.5|d|³ + 2.5|d|² − 4|d| + 2            |d| < 2     antialiasing) sharper, overshoots a little
/// Lanczos    sinc(d) · sinc(d/3)                      |d| < 3    sharpest, rings at edges
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// The pixel under the new pixel's centre (torchvision's `NEAREST_EXACT`): aliases, keeps exact values.
    Nearest,
    /// Default, as in torchvision.
    #[default]
    Bilinear,
    /// Catmull and Rom's cubic.
    Bicubic,
    /// Over three lobes.
    Lanczos,
}

/// The size asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Size {
    /// `[height, width]`, whatever becomes of the proportions.
    Exact([usize; 2]),
    /// The shorter side becomes `side`, the longer one follows, rounded down; where it would be longer than
    /// `longest`, both shrink until it is not.
    Shorter {
        /// In pixels.
        side: usize,
        /// No limit when absent.
        #[serde(default)]
        longest: Option<usize>,
    },
}

/// Resizes the image; boxes and keypoints are scaled, a mask takes the nearest class.
///
/// ```
/// use fornax_prep::Key;
/// use fornax_prep::image::transform::Resize;
/// use fornax_prep::image::{Channels, Image, Sample, Transform};
///
/// let sample = Sample::new(Image::filled(7, [480, 640], Channels::Rgb).unwrap());
/// let small = Resize::shorter(224).apply(sample, Key::new(0)).unwrap();
/// assert_eq!(small.image.size(), [224, 298]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// The size asked for.
    pub size: Size,
    /// How pixels are weighted. Default: bilinear, as in torchvision.
    #[serde(default)]
    pub filter: Filter,
}

impl Resize {
    /// To this height and width.
    pub fn to(height: usize, width: usize) -> Self {
        Self { size: Size::Exact([height, width]), filter: Filter::Bilinear }
    }

    /// Until the shorter side has so many pixels; proportions stay.
    pub fn shorter(side: usize) -> Self {
        Self { size: Size::Shorter { side, longest: None }, filter: Filter::Bilinear }
    }

    /// The shorter side of 800 pixels, the longer of at most 1,333: what detection on COCO is measured at
    /// (Lin et al., *Feature pyramid networks*, 2017, <https://arxiv.org/abs/1612.03144>).
    pub fn detection() -> Self {
        Self { size: Size::Shorter { side: 800, longest: Some(1333) }, filter: Filter::Bilinear }
    }

    /// With another filter.
    #[must_use]
    pub fn with_filter(self, filter: Filter) -> Self {
        Self { filter, ..self }
    }

    fn target(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        let Size::Shorter { side, longest } = self.size else {
            let Size::Exact(size) = self.size else { return [height, width] };
            return size;
        };
        let (short, long) = (height.min(width), height.max(width));
        // As Python computes int(size * long / short), with u128 in place of its unbounded integers.
        let scaled = |a: usize, b: usize, c: usize| (a as u128 * b as u128 / c.max(1) as u128) as usize;
        let mut new = [side, scaled(side, long, short)];
        if let Some(longest) = longest
            && new[1] > longest
        {
            new = [scaled(longest, new[0], new[1]), longest];
        }
        let new = new.map(|side| side.max(1));
        if height <= width { new } else { [new[1], new[0]] }
    }
}

impl Transform for Resize {
    fn apply(&self, sample: Sample, _: Key) -> Result<Sample, Error> {
        let to = self.target(sample.image.size());
        resized(sample, to, self.filter)
    }
}

/// The sample at another size.
pub(super) fn resized(mut sample: Sample, to: [usize; 2], filter: Filter) -> Result<Sample, Error> {
    crate::image::resize::check_size(to)?;
    let from = sample.image.size();
    if from == to {
        return Ok(sample);
    }
    let channels = sample.image.channels();
    let pixels = planes(sample.image.pixels(), channels.count(), from, to, filter)?;
    sample.image = Image::new(pixels, to, channels)?;
    if let Some(mask) = &sample.mask {
        sample.mask = Some(Mask::new(nearest(mask.classes(), from, to), to)?);
    }
    let factors = [to[1] as f64 / from[1] as f64, to[0] as f64 / from[0] as f64];
    // Nothing leaves; rounding of f32 must not drop anything either.
    let keep = OutOfFrame { min_visible: 0.0, min_side: 0.0 };
    keep.carry(&mut sample, &Projection::scaling(factors), from, to);
    Ok(sample)
}

thread_local! {
    /// A resizer keeps its working memory.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

fn planes(
    pixels: &[u8],
    channels: usize,
    from: [usize; 2],
    to: [usize; 2],
    filter: Filter,
) -> Result<Vec<u8>, Error> {
    let algorithm = match filter {
        Filter::Nearest => ResizeAlg::Nearest,
        Filter::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
        Filter::Bicubic => ResizeAlg::Convolution(FilterType::CatmullRom),
        Filter::Lanczos => ResizeAlg::Convolution(FilterType::Lanczos3),
    };
    RESIZER
        .with_borrow_mut(|resizer| {
            crate::image::resize::bytes(resizer, pixels, channels, from, to, algorithm)
        })
        .map_err(|error| {
            let [height, width] = from;
            Error::argument("image", "one that can be resized", format_args!("{height}×{width}: {error}"))
        })
}

/// The value under each new centre.
fn nearest(old: &[u8], [h, w]: [usize; 2], [height, width]: [usize; 2]) -> Vec<u8> {
    // Centre of the new pixel i in old pixels: (i + ½) · old / new, in whole numbers.
    let source = |index: usize, old: usize, new: usize| (2 * index + 1) * old / (2 * new);
    let columns: Vec<usize> = (0..width).map(|column| source(column, w, width)).collect();
    let mut new = Vec::with_capacity(height * width);
    for row in 0..height {
        let line = &old[source(row, h, height) * w..][..w];
        new.extend(columns.iter().map(|&column| line[column]));
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Channels;

    #[test]
    fn the_longer_side_follows_the_shorter() {
        let size = |side, longest, from| {
            Resize { size: Size::Shorter { side, longest }, filter: Filter::Nearest }.target(from)
        };
        assert_eq!(size(100, None, [50, 75]), [100, 150]);
        assert_eq!(size(100, None, [75, 50]), [150, 100]);
        assert_eq!(size(800, Some(1333), [480, 640]), [800, 1066]);
        assert_eq!(size(800, Some(1333), [400, 1000]), [533, 1333]);
        assert_eq!(size(1, None, [1, 60_000]), [1, 60_000]);
        assert_eq!(size(10, Some(2), [1, 60_000]), [1, 2]);
    }

    #[test]
    fn the_nearest_class_is_the_one_under_the_centre() {
        let old = [0, 1, 2, 3];
        assert_eq!(nearest(&old, [1, 4], [1, 2]), [1, 3]);
        assert_eq!(nearest(&old, [1, 4], [1, 8]), [0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!(nearest(&old, [2, 2], [1, 1]), [3]);
        // The image's nearest filter looks at the same pixels, or mask and image would part.
        for (from, to) in [([3, 7], [5, 4]), ([8, 5], [3, 11])] {
            let old: Vec<u8> = (0..from[0] * from[1]).map(|value| value as u8).collect();
            assert_eq!(planes(&old, 1, from, to, Filter::Nearest).unwrap(), nearest(&old, from, to));
        }
    }

    #[test]
    fn sizes_that_are_none_are_refused() {
        let sample = || Sample::new(Image::filled(1, [4, 4], Channels::Grey).unwrap());
        for bad in [Resize::to(0, 4), Resize::to(4, 70_000), Resize::shorter(70_000)] {
            let error = bad.apply(sample(), Key::new(0)).unwrap_err().to_string();
            assert!(error.starts_with("size: expected sides from 1 to 65,535"), "{error}");
        }
    }
}
