//! More room around the image.

use serde::{Deserialize, Serialize};

use super::{Fill, OutOfFrame, Projection};
use crate::image::{Image, Mask, Sample, Transform};
use crate::{Error, Key};

/// What the room is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PadMode {
    /// One colour. Default, as in torchvision.
    #[default]
    Constant,
    /// The image's outermost pixels, over and over: `aaa|abc|ccc`.
    Edge,
    /// The image mirrored at its outermost pixels, which are not repeated: `cb|abc|ba`.
    Reflect,
    /// The image mirrored at its edge: `ba|abc|cb`.
    Symmetric,
}

/// Widens the image on its sides. A mask is continued as the image is; what a mirror shows of an object gets
/// no box of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// Pixels on the left, above, on the right and below, in torchvision's order.
    pub sides: [usize; 4],
    /// What they are filled with.
    #[serde(default)]
    pub mode: PadMode,
    /// The colour and class of [`PadMode::Constant`].
    #[serde(default)]
    pub fill: Fill,
}

impl Pad {
    /// The same on all four sides.
    pub fn all(pixels: usize) -> Self {
        Self { sides: [pixels; 4], mode: PadMode::Constant, fill: Fill::default() }
    }

    /// With another filling.
    #[must_use]
    pub fn with_mode(self, mode: PadMode) -> Self {
        Self { mode, ..self }
    }

    /// With another colour.
    #[must_use]
    pub fn with_fill(self, fill: Fill) -> Self {
        Self { fill, ..self }
    }
}

impl Transform for Pad {
    fn apply(&self, sample: Sample, _: Key) -> Result<Sample, Error> {
        padded(sample, self.sides, self.mode, &self.fill)
    }
}

pub(super) fn padded(
    mut sample: Sample,
    sides: [usize; 4],
    mode: PadMode,
    fill: &Fill,
) -> Result<Sample, Error> {
    if sides == [0; 4] {
        return Ok(sample);
    }
    let from @ [height, width] = sample.image.size();
    let [left, top, right, bottom] = sides;
    // Mirrors reach as far as the image.
    let reach = |side: usize| match mode {
        PadMode::Constant | PadMode::Edge => 65_535,
        PadMode::Reflect => side - 1,
        PadMode::Symmetric => side,
    };
    for (pad, allowed) in
        [(left, reach(width)), (right, reach(width)), (top, reach(height)), (bottom, reach(height))]
    {
        if pad > allowed {
            return Err(Error::argument("sides", format_args!("at most {allowed} pixels here"), pad));
        }
    }
    let to = [top + height + bottom, left + width + right];
    crate::image::resize::check_size(to)?;
    let rows = sources(height, top, to[0], mode);
    let columns = sources(width, left, to[1], mode);
    let channels = sample.image.channels();
    let (pixel, bytes) = fill.pixel(channels);
    let image = spread(sample.image.pixels(), bytes, width, &rows, &columns, &pixel[..bytes]);
    sample.image = Image::new(image, to, channels)?;
    if let Some(mask) = &sample.mask {
        sample.mask = Some(Mask::new(spread(mask.classes(), 1, width, &rows, &columns, &[fill.class]), to)?);
    }
    let shift = Projection::translation([left as f64, top as f64]);
    OutOfFrame { min_visible: 0.0, min_side: 0.0 }.carry(&mut sample, &shift, from, to);
    Ok(sample)
}

/// For each new row (or column) the old one it shows; `None` for the constant.
fn sources(old: usize, before: usize, new: usize, mode: PadMode) -> Vec<Option<usize>> {
    let last = old - 1;
    let outside = |index: usize| match (mode, index < before) {
        (PadMode::Constant, _) => None,
        (PadMode::Edge, true) => Some(0),
        (PadMode::Edge, false) => Some(last),
        (PadMode::Reflect, true) => Some(before - index),
        (PadMode::Reflect, false) => Some(2 * last - (index - before)),
        (PadMode::Symmetric, true) => Some(before - index - 1),
        (PadMode::Symmetric, false) => Some(2 * last + 1 - (index - before)),
    };
    (0..new)
        .map(
            |index| {
                if (before..before + old).contains(&index) { Some(index - before) } else { outside(index) }
            },
        )
        .collect()
}

fn spread(
    old: &[u8],
    bytes: usize,
    width: usize,
    rows: &[Option<usize>],
    columns: &[Option<usize>],
    fill: &[u8],
) -> Vec<u8> {
    let mut new = Vec::with_capacity(rows.len() * columns.len() * bytes);
    for row in rows {
        for column in columns {
            match (row, column) {
                (Some(row), Some(column)) => {
                    new.extend_from_slice(&old[(row * width + column) * bytes..][..bytes])
                }
                _ => new.extend_from_slice(fill),
            }
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Channels;

    fn row(mode: PadMode, left: usize, right: usize) -> Result<Vec<u8>, Error> {
        let sample = Sample::new(Image::new(vec![1, 2, 3], [1, 3], Channels::Grey)?);
        let pad = Pad { sides: [left, 0, right, 0], mode, fill: Fill::value(9) };
        Ok(pad.apply(sample, Key::new(0))?.image.into_pixels())
    }

    #[test]
    fn each_mode_continues_a_row_its_way() {
        assert_eq!(row(PadMode::Constant, 2, 1).unwrap(), [9, 9, 1, 2, 3, 9]);
        assert_eq!(row(PadMode::Edge, 2, 1).unwrap(), [1, 1, 1, 2, 3, 3]);
        assert_eq!(row(PadMode::Reflect, 2, 2).unwrap(), [3, 2, 1, 2, 3, 2, 1]);
        assert_eq!(row(PadMode::Symmetric, 3, 3).unwrap(), [3, 2, 1, 1, 2, 3, 3, 2, 1]);
    }

    #[test]
    fn a_mirror_that_is_too_small_and_a_size_too_large_are_refused() {
        for (mode, left) in [(PadMode::Reflect, 3), (PadMode::Symmetric, 4), (PadMode::Edge, usize::MAX)] {
            let error = row(mode, left, 0).unwrap_err().to_string();
            assert!(error.starts_with("sides: expected at most"), "{error}");
        }
        assert!(row(PadMode::Constant, 65_535, 1).unwrap_err().to_string().starts_with("size:"));
    }
}
