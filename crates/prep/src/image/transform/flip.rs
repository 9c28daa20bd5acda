//! Mirror images.

use serde::{Deserialize, Serialize};

use super::{OutOfFrame, Projection, draw};
use crate::image::{Sample, Transform};
use crate::{Error, Key};

/// Half of the times, torchvision's default.
pub(super) fn half() -> f32 {
    0.5
}

/// Exchanges left and right.
///
/// Says: the mirror image of a thing is as good a thing. True of most photographs; false of text, of digits,
/// of "turn left". Keypoints are mirrored but keep their order: where they have sides (left eye, right eye),
/// exchange their names afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HorizontalFlip {
    /// How probable it is. Default: 0.5, as in torchvision.
    #[serde(default = "half")]
    pub p: f32,
}

/// Exchanges above and below.
///
/// Says: there is no up. True of cells and aerial photographs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerticalFlip {
    /// How probable it is. Default: 0.5, as in torchvision.
    #[serde(default = "half")]
    pub p: f32,
}

impl Default for HorizontalFlip {
    fn default() -> Self {
        Self { p: half() }
    }
}

impl Default for VerticalFlip {
    fn default() -> Self {
        Self { p: half() }
    }
}

impl HorizontalFlip {
    /// Every time.
    pub fn always() -> Self {
        Self { p: 1.0 }
    }
}

impl VerticalFlip {
    /// Every time.
    pub fn always() -> Self {
        Self { p: 1.0 }
    }
}

impl Transform for HorizontalFlip {
    fn apply(&self, mut sample: Sample, key: Key) -> Result<Sample, Error> {
        if draw::happens(self.p, &mut key.stream())? {
            let [_, width] = sample.image.size();
            match sample.image.channels().count() {
                1 => sample.image.pixels_mut().chunks_exact_mut(width).for_each(<[u8]>::reverse),
                _ => {
                    let pixels = sample.image.pixels_mut().as_chunks_mut::<3>().0;
                    pixels.chunks_exact_mut(width).for_each(<[[u8; 3]]>::reverse);
                }
            }
            if let Some(mask) = &mut sample.mask {
                mask.classes_mut().chunks_exact_mut(width).for_each(<[u8]>::reverse);
            }
            mirror(&mut sample, [-1.0, 1.0]);
        }
        Ok(sample)
    }
}

impl Transform for VerticalFlip {
    fn apply(&self, mut sample: Sample, key: Key) -> Result<Sample, Error> {
        if draw::happens(self.p, &mut key.stream())? {
            let [height, width] = sample.image.size();
            let row = width * sample.image.channels().count();
            turn_over(sample.image.pixels_mut(), row, height);
            if let Some(mask) = &mut sample.mask {
                turn_over(mask.classes_mut(), width, height);
            }
            mirror(&mut sample, [1.0, -1.0]);
        }
        Ok(sample)
    }
}

/// Exchanges the first row with the last, and so on.
fn turn_over(values: &mut [u8], row: usize, height: usize) {
    let (above, below) = values.split_at_mut(height / 2 * row);
    for (upper, lower) in above.chunks_exact_mut(row).zip(below.rchunks_exact_mut(row)) {
        upper.swap_with_slice(lower);
    }
}

fn mirror(sample: &mut Sample, signs: [f64; 2]) {
    let size @ [height, width] = sample.image.size();
    let map = Projection::scaling(signs).around([width as f64 / 2.0, height as f64 / 2.0]);
    OutOfFrame { min_visible: 0.0, min_side: 0.0 }.carry(sample, &map, size, size);
}
