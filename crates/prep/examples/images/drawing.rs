//! A sample as a picture: boxes, the outline of its mask, keypoints.

use fornax_nn_core::plot::Tile;
use fornax_prep::image::{MixedBatch, Sample};

use super::scene;

/// Pixels of the picture for one of the image: lines are thinner than pixels.
const SCALE: usize = 2;
const OUTLINE: [u8; 3] = [80, 255, 255];
const BOX: [u8; 3] = [255, 255, 0];
const POINT: [u8; 3] = [255, 0, 160];

/// The picture with its name below.
pub(crate) fn tile(name: &str, sample: &Sample) -> Tile {
    let [height, width] = sample.image.size();
    let mut canvas = Canvas { size: [SCALE * height, SCALE * width], pixels: Vec::new() };
    for row in 0..canvas.size[0] {
        for column in 0..canvas.size[1] {
            let at = 3 * (row / SCALE * width + column / SCALE);
            canvas.pixels.extend_from_slice(&sample.image.pixels()[at..at + 3]);
        }
    }
    if let Some(mask) = &sample.mask {
        let class = |row: usize, column: usize| mask.classes()[row / SCALE * width + column / SCALE];
        for row in 0..canvas.size[0] - 1 {
            for column in 0..canvas.size[1] - 1 {
                let here = class(row, column);
                if here != class(row + 1, column) || here != class(row, column + 1) {
                    canvas.set(row as isize, column as isize, OUTLINE);
                }
            }
        }
    }
    // A picture that is shrunk to fit its tile would lose some of its thinnest lines.
    let thickness = if height.max(width) > scene::SIZE[1] { 2 } else { 1 };
    for object in &sample.objects {
        let [left, top, right, bottom] = object.bounds.corners().map(|side| (side * SCALE as f32) as isize);
        for line in 0..thickness {
            for column in left..right {
                canvas.set(top + line, column, BOX);
                canvas.set(bottom - 1 - line, column, BOX);
            }
            for row in top..bottom {
                canvas.set(row, left + line, BOX);
                canvas.set(row, right - 1 - line, BOX);
            }
        }
        for point in object.keypoints.iter().filter(|point| point.visible) {
            let [x, y] = [point.x, point.y].map(|place| (place * SCALE as f32) as isize);
            for (dy, dx) in (-2..=2).flat_map(|dy| (-2..=2).map(move |dx| (dy, dx))) {
                canvas.set(y + dy, x + dx, POINT);
            }
        }
    }
    Tile::rgb_bytes(&canvas.pixels, canvas.size).caption(name)
}

/// The second image of a mixed batch with its name below.
pub(crate) fn planes(name: &str, mixed: &MixedBatch) -> Tile {
    let [_, _, height, width] = mixed.images.shape;
    let image_len = 3 * height * width;
    Tile::rgb_planes(&mixed.images.pixels[image_len..2 * image_len], [height, width]).caption(name)
}

struct Canvas {
    size: [usize; 2],
    pixels: Vec<u8>,
}

impl Canvas {
    /// Paints a pixel, if it is one.
    fn set(&mut self, row: isize, column: isize, color: [u8; 3]) {
        let [height, width] = self.size;
        if (0..height as isize).contains(&row) && (0..width as isize).contains(&column) {
            let at = 3 * (row as usize * width + column as usize);
            self.pixels[at..at + 3].copy_from_slice(&color);
        }
    }
}
