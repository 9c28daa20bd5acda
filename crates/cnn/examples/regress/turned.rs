//! Real digits, turned, moved and covered with noise; how far is what has to be found.

use burn::tensor::{Device, Tensor, TensorData};
use fornax_cnn::regression::Batch;
use fornax_prep::digits::{MAX_VALUE, SIDE};
use fornax_prep::{Digits, Key};

/// Side of the images.
pub(crate) const CANVAS: usize = 32;
/// Pixels of the canvas a pixel of the digit is enlarged to.
const SCALE: f32 = 2.25;
/// Largest angle in degrees, and shift in pixels.
const LARGEST: [f32; 3] = [45.0, 5.0, 5.0];
/// What is predicted, and its unit.
pub(crate) const NAMES: [(&str, &str); 3] = [("angle", "°"), ("across", " px"), ("down", " px")];

/// Deviation of a target: that of a uniform distribution, so that the network sees unit deviation.
pub(crate) fn unit(column: usize) -> f64 {
    f64::from(LARGEST[column]) / 3f64.sqrt()
}

/// Some digits as they were turned, with angle (anticlockwise) and shift (right, down), all of about unit deviation.
pub(crate) struct Turned {
    pub(crate) pixels: Vec<f32>,
    pub(crate) targets: Vec<f32>,
}

impl Turned {
    /// Digit i of the list as `key` and i have it. Noise of a deviation up to 0.4 of white differs from image to image.
    pub(crate) fn draw(digits: &[usize], key: Key) -> Self {
        let mut turned =
            Self { pixels: Vec::with_capacity(digits.len() * CANVAS * CANVAS), targets: Vec::new() };
        for (i, &digit) in digits.iter().enumerate() {
            let mut stream = key.fold(i as u64).stream();
            let [angle, across, down] = LARGEST.map(|largest| stream.between(-largest, largest));
            let noise = stream.between(0.0, 0.4) * 3f32.sqrt();
            let (sin, cos) = angle.to_radians().sin_cos();
            let middle = 0.5 * (CANVAS - 1) as f32;
            for pixel in 0..CANVAS * CANVAS {
                let x = ((pixel % CANVAS) as f32 - middle - across) / SCALE;
                let y = ((pixel / CANVAS) as f32 - middle - down) / SCALE;
                // Back by the angle: rows run down, so anticlockwise to the eye is clockwise to (x, y).
                let ink = ink(digit, cos * x - sin * y, sin * x + cos * y);
                turned.pixels.push(ink + stream.between(-noise, noise));
            }
            for (column, value) in [angle, across, down].into_iter().enumerate() {
                turned.targets.push(value / unit(column) as f32);
            }
        }
        turned
    }

    /// Tensors, pixels around zero.
    pub(crate) fn batch(&self, device: &Device) -> Batch {
        let n = self.targets.len() / NAMES.len();
        let pixels = self.pixels.iter().map(|pixel| (pixel - 0.1) / 0.3).collect::<Vec<f32>>();
        Batch {
            images: Tensor::from_data(TensorData::new(pixels, [n, 1, CANVAS, CANVAS]), device),
            targets: Tensor::from_data(TensorData::new(self.targets.clone(), [n, NAMES.len()]), device),
        }
    }
}

/// Ink of a digit at a place around its middle, bilinear, none outside.
fn ink(digit: usize, x: f32, y: f32) -> f32 {
    let image = Digits::load().image(digit);
    let (x, y) = (x + 0.5 * (SIDE - 1) as f32, y + 0.5 * (SIDE - 1) as f32);
    let at = |column: f32, row: f32| {
        let inside = (0.0..SIDE as f32).contains(&column) && (0.0..SIDE as f32).contains(&row);
        if inside {
            f32::from(image[row as usize * SIDE + column as usize]) / f32::from(MAX_VALUE)
        } else {
            0.0
        }
    };
    let (left, top) = (x.floor(), y.floor());
    let (u, v) = (x - left, y - top);
    let row = |row: f32| (1.0 - u) * at(left, row) + u * at(left + 1.0, row);
    (1.0 - v) * row(top) + v * row(top + 1.0)
}
