//! Pictures of samples, enlarged so that lines are thinner than pixels.

use fornax_nn_core::plot::{Color, SERIES, Tile};
use fornax_prep::image::{Channels, Image};

/// The colour of a class; they repeat darker after eight.
pub(crate) fn color(class: usize) -> Color {
    let darker = (class / SERIES.len()) as f64 * 0.35;
    SERIES[class % SERIES.len()].towards(Color::INK, darker)
}

/// An image in colour, `scale` times as large.
pub(crate) struct Canvas {
    /// Of the picture.
    pub(crate) size: [usize; 2],
    /// Pixels of the picture for one of the image, in each direction.
    pub(crate) scale: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    pub(crate) fn new(image: &Image) -> Self {
        let [height, width] = image.size();
        let scale = (192 / height.max(width)).clamp(1, 3);
        let depth = image.channels().count();
        let mut pixels = Vec::with_capacity(3 * height * width * scale * scale);
        for (row, column) in (0..height * scale).flat_map(|r| (0..width * scale).map(move |c| (r, c))) {
            let at = depth * (row / scale * width + column / scale);
            let pixel = &image.pixels()[at..at + depth];
            pixels.extend_from_slice(&match image.channels() {
                Channels::Grey => [pixel[0]; 3],
                Channels::Rgb => [pixel[0], pixel[1], pixel[2]],
            });
        }
        Self { size: [height * scale, width * scale], scale, pixels }
    }

    /// Mixes a colour into the pixel of the picture.
    pub(crate) fn mix(&mut self, row: usize, column: usize, color: Color, part: f64) {
        let [height, width] = self.size;
        if row < height && column < width {
            let at = 3 * (row * width + column);
            let old = Color(self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]);
            let Color(r, g, b) = old.towards(color, part);
            self.pixels[at..at + 3].copy_from_slice(&[r, g, b]);
        }
    }

    pub(crate) fn tile(&self, caption: impl AsRef<str>) -> Tile {
        Tile::rgb_bytes(&self.pixels, self.size).caption(caption)
    }
}
