//! A part of the image, fixed, central or random.

use serde::{Deserialize, Serialize};

use super::pad::padded;
use super::{Fill, OutOfFrame, PadMode, Projection, draw};
use crate::image::{Image, Mask, Sample, Transform};
use crate::{Error, Key};

/// Cuts out the rectangle of this corner and size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// `[height, width]`.
    pub size: [usize; 2],
    /// What becomes of objects that are cut.
    #[serde(default)]
    pub out_of_frame: OutOfFrame,
}

impl Crop {
    /// The rectangle of `size` whose upper left pixel is in this row and column.
    pub fn new(top: usize, left: usize, size: [usize; 2]) -> Self {
        Self { top, left, size, out_of_frame: OutOfFrame::default() }
    }
}

impl Transform for Crop {
    fn apply(&self, sample: Sample, _: Key) -> Result<Sample, Error> {
        cropped(sample, [self.top, self.left], self.size, &self.out_of_frame)
    }
}

/// Cuts out the middle; an image that is smaller is padded first.
///
/// An odd rest is split as torchvision splits it: half a pixel is rounded to the even number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CenterCrop {
    /// `[height, width]`.
    pub size: [usize; 2],
    /// What shows where a smaller image does not reach.
    #[serde(default)]
    pub fill: Fill,
    /// What becomes of objects that are cut.
    #[serde(default)]
    pub out_of_frame: OutOfFrame,
}

impl CenterCrop {
    /// The middle of this size.
    pub fn new(height: usize, width: usize) -> Self {
        Self { size: [height, width], fill: Fill::default(), out_of_frame: OutOfFrame::default() }
    }
}

impl Transform for CenterCrop {
    fn apply(&self, sample: Sample, _: Key) -> Result<Sample, Error> {
        crate::image::resize::check_size(self.size)?;
        let [height, width] = sample.image.size();
        let [dy, dx] = [self.size[0].saturating_sub(height), self.size[1].saturating_sub(width)];
        // Left, top, right, bottom: the odd pixel goes right and below.
        let sides = [dx / 2, dy / 2, dx.div_ceil(2), dy.div_ceil(2)];
        let sample = padded(sample, sides, PadMode::Constant, &self.fill)?;
        let [height, width] = sample.image.size();
        let half = |rest: usize| (rest as f64 / 2.0).round_ties_even() as usize;
        let corner = [half(height - self.size[0]), half(width - self.size[1])];
        cropped(sample, corner, self.size, &self.out_of_frame)
    }
}

/// Cuts out a rectangle of fixed size at a random place.
///
/// Says: what matters is anywhere. With [`Pad`](super::Pad) by 4 before it, this is the augmentation that
/// CIFAR is trained with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomCrop {
    /// `[height, width]`.
    pub size: [usize; 2],
    /// Whether a smaller image is padded on all sides until it suffices, as torchvision's option of this name;
    /// otherwise it is an error. Default: no.
    #[serde(default)]
    pub pad_if_needed: bool,
    /// What shows where a padded image does not reach.
    #[serde(default)]
    pub fill: Fill,
    /// What becomes of objects that are cut.
    #[serde(default)]
    pub out_of_frame: OutOfFrame,
}

impl RandomCrop {
    /// A part of this size.
    pub fn new(height: usize, width: usize) -> Self {
        let (fill, out_of_frame) = (Fill::default(), OutOfFrame::default());
        Self { size: [height, width], pad_if_needed: false, fill, out_of_frame }
    }
}

impl Transform for RandomCrop {
    fn apply(&self, mut sample: Sample, key: Key) -> Result<Sample, Error> {
        crate::image::resize::check_size(self.size)?;
        if self.pad_if_needed {
            let [height, width] = sample.image.size();
            let [dy, dx] = [self.size[0].saturating_sub(height), self.size[1].saturating_sub(width)];
            sample = padded(sample, [dx, dy, dx, dy], PadMode::Constant, &self.fill)?;
        }
        let [height, width] = sample.image.size();
        let mut stream = key.stream();
        let top = draw::up_to(height.saturating_sub(self.size[0]), &mut stream);
        let left = draw::up_to(width.saturating_sub(self.size[1]), &mut stream);
        cropped(sample, [top, left], self.size, &self.out_of_frame)
    }
}

/// The part of the sample at `[top, left]`.
pub(super) fn cropped(
    mut sample: Sample,
    [top, left]: [usize; 2],
    [height, width]: [usize; 2],
    out_of_frame: &OutOfFrame,
) -> Result<Sample, Error> {
    let from @ [h, w] = sample.image.size();
    let fits =
        |start: usize, length: usize, side: usize| start.checked_add(length).is_some_and(|end| end <= side);
    if height == 0 || width == 0 || !fits(top, height, h) || !fits(left, width, w) {
        let expected = format!("at least 1×1 and inside the image of {h}×{w}");
        return Err(Error::argument(
            "size",
            expected,
            format_args!("{height}×{width} at row {top}, column {left}"),
        ));
    }
    if from == [height, width] {
        return Ok(sample);
    }
    let part = |old: &[u8], bytes: usize| {
        let mut new = Vec::with_capacity(height * width * bytes);
        for row in top..top + height {
            new.extend_from_slice(&old[(row * w + left) * bytes..][..width * bytes]);
        }
        new
    };
    let channels = sample.image.channels();
    let to = [height, width];
    sample.image = Image::new(part(sample.image.pixels(), channels.count()), to, channels)?;
    if let Some(mask) = &sample.mask {
        sample.mask = Some(Mask::new(part(mask.classes(), 1), to)?);
    }
    let shift = Projection::translation([-(left as f64), -(top as f64)]);
    out_of_frame.carry(&mut sample, &shift, from, to);
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Channels;

    fn ramp(height: usize, width: usize) -> Sample {
        let pixels = (0..height * width).map(|value| value as u8).collect();
        Sample::new(Image::new(pixels, [height, width], Channels::Grey).unwrap())
    }

    #[test]
    fn parts_are_where_they_were_asked_for() {
        let part = Crop::new(1, 2, [2, 2]).apply(ramp(3, 5), Key::new(0)).unwrap();
        assert_eq!(part.image.pixels(), [7, 8, 12, 13]);
        let middle = CenterCrop::new(1, 2).apply(ramp(3, 5), Key::new(0)).unwrap();
        // The rest of 3 columns: 1.5 on the left becomes 2, as torchvision has it.
        assert_eq!(middle.image.pixels(), [7, 8]);
        let wide = CenterCrop::new(2, 4).apply(ramp(2, 1), Key::new(0)).unwrap();
        assert_eq!(wide.image.pixels(), [0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_part_that_leaves_the_image_is_refused() {
        for bad in [Crop::new(2, 0, [2, 1]), Crop::new(0, 0, [0, 1]), Crop::new(usize::MAX, 0, [2, 2])] {
            let error = bad.apply(ramp(3, 5), Key::new(0)).unwrap_err().to_string();
            assert!(error.starts_with("size: expected at least 1×1 and inside the image of 3×5"), "{error}");
        }
        assert!(RandomCrop::new(4, 4).apply(ramp(3, 5), Key::new(0)).is_err());
        let padded = RandomCrop { pad_if_needed: true, ..RandomCrop::new(4, 9) };
        assert_eq!(padded.apply(ramp(3, 5), Key::new(0)).unwrap().image.size(), [4, 9]);
    }

    #[test]
    fn every_place_is_as_likely_as_another() {
        let mut seen = [0; 6];
        for index in 0..6000 {
            let part = RandomCrop::new(2, 3).apply(ramp(3, 5), Key::new(1).fold(index)).unwrap();
            let first = usize::from(part.image.pixels()[0]);
            seen[first / 5 * 3 + first % 5] += 1;
        }
        // Binomial with mean 1,000 and deviation 29; five deviations.
        assert!(seen.iter().all(|&count: &i32| (count - 1000).abs() < 145), "{seen:?}");
    }
}
