//! The image seen from another angle.

use serde::{Deserialize, Serialize};

use super::flip::half;
use super::{Projection, Sampling, Warp, draw};
use crate::image::{Sample, Transform};
use crate::random::Stream;
use crate::{Error, Key};

/// Moves each corner of the image inwards by a random amount and everything else with them.
///
/// Says: flat things (signs, pages, number plates) are photographed from the side.
///
/// Every corner moves by up to `distortion` · half the side, in x and in y, by whole pixels. torchvision
/// places corners on the centres of the outermost pixels, here they are the frame's: half a pixel apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Perspective {
    /// How far corners move, 0 to 1. Default: 0.5, as in torchvision.
    pub distortion: f32,
    /// How probable it is. Default: 0.5, as in torchvision.
    pub p: f32,
    /// How pixels are read, what shows beyond them, what becomes of objects that leave. Default: bilinear, as in
    /// torchvision, and black.
    pub warp: Warp,
}

impl Default for Perspective {
    fn default() -> Self {
        let warp = Warp { sampling: Sampling::Bilinear, ..Warp::default() };
        Self { distortion: 0.5, p: half(), warp }
    }
}

impl Perspective {
    /// Every time, by up to so much.
    pub fn always(distortion: f32) -> Self {
        Self { distortion, p: 1.0, ..Self::default() }
    }

    fn map(&self, [height, width]: [usize; 2], stream: &mut Stream) -> Result<Projection, Error> {
        let distortion = draw::number("distortion", self.distortion, 0.0..=1.0)?;
        let most = [width, height].map(|side| (distortion * (side / 2) as f32) as usize);
        let [w, h] = [width as f64, height as f64];
        let corners = [[0.0, 0.0], [w, 0.0], [w, h], [0.0, h]];
        let moved = corners.map(|corner| {
            let mut inwards = |axis: usize| {
                let by = draw::up_to(most[axis], stream) as f64;
                if corner[axis] == 0.0 { by } else { corner[axis] - by }
            };
            [inwards(0), inwards(1)]
        });
        // Corners that meet in the middle leave no image.
        Ok(Projection::from_quads(corners, moved).unwrap_or_else(Projection::identity))
    }
}

impl Transform for Perspective {
    fn apply(&self, sample: Sample, key: Key) -> Result<Sample, Error> {
        let mut stream = key.stream();
        if !draw::happens(self.p, &mut stream)? {
            return Ok(sample);
        }
        let size = sample.image.size();
        self.warp.apply(sample, &self.map(size, &mut stream)?, size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_move_inwards_only_and_as_far_as_allowed() {
        let mut reached = [0f64; 2];
        for index in 0..500 {
            let map = Perspective::always(0.4).map([60, 100], &mut Key::new(3).fold(index).stream()).unwrap();
            let [x, y] = map.map([0.0, 0.0]).unwrap();
            let [u, v] = map.map([100.0, 60.0]).unwrap();
            assert!(x > -1e-9 && y > -1e-9 && u < 100.0 + 1e-9 && v < 60.0 + 1e-9);
            assert!(x < 20.0 + 1e-9 && y < 12.0 + 1e-9 && u > 80.0 - 1e-9 && v > 48.0 - 1e-9);
            reached = [reached[0].max(x), reached[1].max(y)];
        }
        assert!((reached[0] - 20.0).abs() < 1e-6 && (reached[1] - 12.0).abs() < 1e-6, "{reached:?}");
    }
}
