//! Out of focus, or sharper than life.

use serde::{Deserialize, Serialize};

use super::draw;
use crate::image::{Image, Sample, Transform};
use crate::{Error, Key};

/// Convolves with a Gaussian of random width; beyond the edge the image is mirrored.
///
/// Says: focus does not matter.
///
/// ```text
/// w[i] = exp(−(i − r)² / 2σ²) / Σ        i = 0 … 2r, the same across and down
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianBlur {
    /// Pixels across, odd. torchvision has no default; 3σ on either side lose nothing visible.
    pub kernel_size: usize,
    /// The range of σ in pixels. Default: 0.1 to 2, as in torchvision.
    #[serde(default = "sigma")]
    pub sigma: [f32; 2],
}

fn sigma() -> [f32; 2] {
    [0.1, 2.0]
}

impl GaussianBlur {
    /// So many pixels across, σ between 0.1 and 2.
    pub fn new(kernel_size: usize) -> Self {
        Self { kernel_size, sigma: sigma() }
    }

    /// With another range of σ.
    #[must_use]
    pub fn with_sigma(self, least: f32, most: f32) -> Self {
        Self { sigma: [least, most], ..self }
    }
}

impl Transform for GaussianBlur {
    fn apply(&self, mut sample: Sample, key: Key) -> Result<Sample, Error> {
        if self.kernel_size.is_multiple_of(2) || self.kernel_size > 255 {
            return Err(Error::argument("kernel_size", "an odd number up to 255", self.kernel_size));
        }
        let range = draw::range("sigma", self.sigma, 1e-3..=1e3)?;
        let sigma = draw::within(range, &mut key.stream());
        let radius = (self.kernel_size / 2) as f32;
        let weights = (0..self.kernel_size).map(|i| (-0.5 * ((i as f32 - radius) / sigma).powi(2)).exp());
        let weights: Vec<f32> = weights.collect();
        let total: f32 = weights.iter().sum();
        blur(&mut sample.image, &weights.iter().map(|weight| weight / total).collect::<Vec<_>>());
        Ok(sample)
    }
}

/// Convolves rows, then columns, with weights that sum to one.
fn blur(image: &mut Image, weights: &[f32]) {
    let ([height, width], channels) = (image.size(), image.channels().count());
    let (row_len, radius) = (width * channels, weights.len() / 2);
    let columns: Vec<usize> = mirrored(width, radius).map(|column| column * channels).collect();
    let rows: Vec<usize> = mirrored(height, radius).collect();
    let mut across = vec![0.0; height * row_len];
    let mut wide = vec![0.0; (width + 2 * radius) * channels];
    for (new, old) in across.chunks_exact_mut(row_len).zip(image.pixels().chunks_exact(row_len)) {
        for (pixel, &column) in wide.chunks_exact_mut(channels).zip(&columns) {
            pixel.iter_mut().zip(&old[column..]).for_each(|(value, &byte)| *value = f32::from(byte));
        }
        for (tap, weight) in weights.iter().enumerate() {
            new.iter_mut().zip(&wide[tap * channels..]).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    let mut sums = vec![0.0; row_len];
    for (row, new) in image.pixels_mut().chunks_exact_mut(row_len).enumerate() {
        sums.fill(0.5);
        for (weight, &source) in weights.iter().zip(&rows[row..]) {
            let line = &across[source * row_len..][..row_len];
            sums.iter_mut().zip(line).for_each(|(sum, value)| *sum += weight * value);
        }
        new.iter_mut().zip(&sums).for_each(|(byte, sum)| *byte = *sum as u8);
    }
}

/// The indices of a line continued by `radius` on both sides, mirrored at its last values again and again.
fn mirrored(side: usize, radius: usize) -> impl Iterator<Item = usize> {
    let (last, period) = (side as i64 - 1, (2 * side as i64 - 2).max(1));
    (-(radius as i64)..(side + radius) as i64).map(move |index| {
        let index = index.rem_euclid(period);
        if index <= last { index as usize } else { (period - index) as usize }
    })
}

/// x + (1 − factor) · (smooth − x): 0 smooths, 2 sharpens. Smoothing is by a 3 × 3 kernel of ones with 5 in the
/// middle; the outermost pixels stay, as in Pillow and torchvision.
pub(super) fn sharpness(image: &mut Image, factor: f32) {
    let ([height, width], channels) = (image.size(), image.channels().count());
    if height <= 2 || width <= 2 {
        return;
    }
    let (old, row_len) = (image.pixels().to_vec(), width * channels);
    for row in 1..height - 1 {
        for at in row * row_len + channels..(row + 1) * row_len - channels {
            let line = |start: usize| [start - channels, start, start + channels].map(|i| u32::from(old[i]));
            let around: u32 = [at - row_len, at, at + row_len].into_iter().flat_map(line).sum();
            let smooth = ((around + 4 * u32::from(old[at])) as f32 / 13.0).round();
            let value = f32::from(old[at]);
            image.pixels_mut()[at] = (value + (1.0 - factor) * (smooth - value) + 0.5) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Channels;

    #[test]
    fn a_mirror_goes_back_and_forth() {
        assert_eq!(mirrored(3, 5).collect::<Vec<_>>(), [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]);
        assert_eq!(mirrored(1, 2).collect::<Vec<_>>(), [0; 5]);
    }

    #[test]
    fn a_point_becomes_the_kernel_and_an_even_image_stays() {
        let mut pixels = vec![0; 49];
        pixels[24] = 255;
        let sample = Sample::new(Image::new(pixels, [7, 7], Channels::Grey).unwrap());
        let blurred = GaussianBlur::new(5).with_sigma(1.0, 1.0).apply(sample, Key::new(0)).unwrap();
        let weight = |d: f64| (-0.5 * d * d).exp();
        let total: f64 = [-2.0, -1.0, 0.0, 1.0, 2.0].map(weight).iter().sum();
        for (index, &byte) in blurred.image.pixels().iter().enumerate() {
            let [y, x] = [index / 7, index % 7].map(|place| place as f64 - 3.0);
            let inside = x.abs() <= 2.0 && y.abs() <= 2.0;
            let expected = if inside { 255.0 * weight(x) * weight(y) / total / total } else { 0.0 };
            assert!((f64::from(byte) - expected).abs() <= 0.51, "{x} {y}: {byte} for {expected}");
        }
        let even = Sample::new(Image::filled(77, [1, 9], Channels::Rgb).unwrap());
        assert_eq!(GaussianBlur::new(23).apply(even.clone(), Key::new(1)).unwrap(), even);
    }

    #[test]
    fn even_kernels_are_refused() {
        let sample = Sample::new(Image::filled(1, [9, 9], Channels::Grey).unwrap());
        for size in [0, 4, 301] {
            let error = GaussianBlur::new(size).apply(sample.clone(), Key::new(0)).unwrap_err();
            assert!(error.to_string().starts_with("kernel_size: expected an odd number"), "{error}");
        }
    }
}
