//! Resampling of a whole sample under a map of the plane.

use serde::{Deserialize, Serialize};

use super::{OutOfFrame, Projection};
use crate::Error;
use crate::image::{Channels, Image, Mask, Sample};

/// How a pixel's value is read between the old pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// The value of the pixel it falls into: no new values, jagged edges. torchvision's default.
    #[default]
    Nearest,
    /// Weighted between the four nearest.
    Bilinear,
}

/// What shows where the old image does not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fill {
    /// Red, green and blue; a grey image takes their luma. Default: black, as in torchvision.
    pub color: [u8; 3],
    /// The class of such pixels in a mask. Default: 0, as in torchvision;
    /// [`Mask::IGNORE`] keeps them out of the loss.
    pub class: u8,
}

impl Fill {
    /// The same value in every channel.
    pub fn value(value: u8) -> Self {
        Self { color: [value; 3], ..Self::default() }
    }

    /// The bytes of one pixel.
    pub(crate) fn pixel(&self, channels: Channels) -> ([u8; 3], usize) {
        match channels {
            Channels::Rgb => (self.color, 3),
            Channels::Grey => ([super::color::luma(self.color); 3], 1),
        }
    }
}

/// Moves image, mask, boxes and keypoints by one [`Projection`]: what every geometric transformation of this
/// module ends in, and one of your own may.
///
/// A new pixel's centre is mapped back and the old image read there; classes of a mask are read from the
/// nearest pixel, because there is nothing between two classes. Bilinear values at the old image's edge are blended with the
/// fill by their share (torchvision blends by its square, which darkens the edge). There is no antialiasing: to shrink by much,
/// [`Resize`](super::Resize).
///
/// ```
/// use fornax_prep::image::transform::{Projection, Warp};
/// use fornax_prep::image::{BoundingBox, Channels, Image, Object, Sample};
///
/// let image = Image::new(vec![0, 1, 2, 3], [1, 4], Channels::Grey).unwrap();
/// let object = Object::new(BoundingBox::from_corners([1.0, 0.0, 2.0, 1.0]), 7);
/// let sample = Sample::new(image).with_objects(vec![object]);
///
/// let shift = Projection::translation([2.0, 0.0]);
/// let moved = Warp::default().apply(sample, &shift, [1, 4]).unwrap();
/// assert_eq!(moved.image.pixels(), [0, 0, 0, 1]);
/// assert_eq!(moved.objects[0].bounds.corners(), [3.0, 0.0, 4.0, 1.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Warp {
    /// How pixels are read.
    pub sampling: Sampling,
    /// What shows beyond the old image.
    pub fill: Fill,
    /// What becomes of objects that leave.
    pub out_of_frame: OutOfFrame,
}

impl Warp {
    /// The sample seen through `map` in a frame of `[height, width]`.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when the map flattens the plane or a side of the frame is 0.
    pub fn apply(&self, mut sample: Sample, map: &Projection, size: [usize; 2]) -> Result<Sample, Error> {
        let from = sample.image.size();
        let back = map.inverse().ok_or_else(|| {
            Error::argument("map", "one that can be undone", format_args!("{:?}", map.matrix()))
        })?;
        let (pixel, channels) = self.fill.pixel(sample.image.channels());
        let grid = Grid { back: back.matrix(), from, to: size };
        let old = sample.image.pixels();
        let pixels = match (self.sampling, channels) {
            (Sampling::Nearest, 1) => grid.nearest::<1>(old, [pixel[0]]),
            (Sampling::Nearest, _) => grid.nearest::<3>(old, pixel),
            (Sampling::Bilinear, 1) => grid.bilinear::<1>(old, [pixel[0]]),
            (Sampling::Bilinear, _) => grid.bilinear::<3>(old, pixel),
        };
        sample.image = Image::new(pixels, size, sample.image.channels())?;
        if let Some(mask) = &sample.mask {
            sample.mask = Some(Mask::new(grid.nearest::<1>(mask.classes(), [self.fill.class]), size)?);
        }
        self.out_of_frame.carry(&mut sample, map, from, size);
        Ok(sample)
    }
}

/// Where each new pixel comes from.
struct Grid {
    back: [[f64; 3]; 3],
    from: [usize; 2],
    to: [usize; 2],
}

impl Grid {
    /// Calls `read` with the old position of every new pixel's centre; not a number behind the horizon.
    fn each<const C: usize>(&self, mut read: impl FnMut(f32, f32) -> [u8; C]) -> Vec<u8> {
        let [height, width] = self.to;
        let mut pixels = Vec::with_capacity(height * width * C);
        let is_affine = self.back[2][0] == 0.0 && self.back[2][1] == 0.0;
        for row in 0..height {
            let start = self.back.map(|[_, b, c]| b * (row as f64 + 0.5) + c);
            for column in 0..width {
                let x = column as f64 + 0.5;
                let [u, v] = [0, 1].map(|k| self.back[k][0] * x + start[k]);
                let (u, v) = if is_affine {
                    (u, v)
                } else {
                    let w = self.back[2][0] * x + start[2];
                    if w > 1e-9 { (u / w, v / w) } else { (f64::NAN, f64::NAN) }
                };
                pixels.extend_from_slice(&read(u as f32, v as f32));
            }
        }
        pixels
    }

    fn nearest<const C: usize>(&self, old: &[u8], fill: [u8; C]) -> Vec<u8> {
        let old = old.as_chunks::<C>().0;
        let [height, width] = self.from.map(|side| side as f32);
        self.each(|x, y| {
            let inside = x >= 0.0 && x < width && y >= 0.0 && y < height;
            if inside { old[y as usize * self.from[1] + x as usize] } else { fill }
        })
    }

    fn bilinear<const C: usize>(&self, old: &[u8], fill: [u8; C]) -> Vec<u8> {
        let old = old.as_chunks::<C>().0;
        let [height, width] = self.from;
        let at = |row: i32, column: i32| {
            let inside = row >= 0 && column >= 0 && (row as usize) < height && (column as usize) < width;
            if inside { old[row as usize * width + column as usize] } else { fill }
        };
        self.each::<C>(|x, y| {
            // Centres of old pixels lie at halves. Not a number becomes far outside.
            let [x, y] = [x, y].map(|value| if value.is_nan() { -1e9 } else { value - 0.5 });
            let [left, top] = [x.floor(), y.floor()];
            let (u, v) = (x - left, y - top);
            let (left, top) = (left as i32, top as i32);
            let (right, bottom) = (left.saturating_add(1), top.saturating_add(1));
            let corners = [at(top, left), at(top, right), at(bottom, left), at(bottom, right)];
            std::array::from_fn(|channel| {
                let [a, b, c, d] = corners.map(|pixel| f32::from(pixel[channel]));
                let (upper, lower) = (a + u * (b - a), c + u * (d - c));
                (upper + v * (lower - upper) + 0.5) as u8
            })
        })
    }
}
