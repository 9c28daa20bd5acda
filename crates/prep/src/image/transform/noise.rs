//! The grain of film and of sensors in the dark.

use std::f32::consts::TAU;

use serde::{Deserialize, Serialize};

use super::draw;
use crate::image::{Sample, Transform};
use crate::random::Stream;
use crate::{Error, Key};

/// Adds an independent Gaussian number to every value.
///
/// Says: single pixels mean nothing. Results are rounded and cut to 0 … 255.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GaussianNoise {
    /// Mean, in units of white. Default: 0, as in torchvision.
    pub mean: f32,
    /// Standard deviation, in units of white. Default: 0.1, as in torchvision.
    pub sigma: f32,
}

impl Default for GaussianNoise {
    fn default() -> Self {
        Self { mean: 0.0, sigma: 0.1 }
    }
}

impl GaussianNoise {
    /// Of this standard deviation, 1 being white.
    pub fn new(sigma: f32) -> Self {
        Self { sigma, ..Self::default() }
    }
}

impl Transform for GaussianNoise {
    fn apply(&self, mut sample: Sample, key: Key) -> Result<Sample, Error> {
        let mean = 255.0 * draw::number("mean", self.mean, -1.0..=1.0)?;
        let sigma = 255.0 * draw::number("sigma", self.sigma, 0.0..=10.0)?;
        let mut stream = key.stream();
        for pair in sample.image.pixels_mut().chunks_mut(2) {
            for (value, normal) in pair.iter_mut().zip(two_normals(&mut stream)) {
                *value = (f32::from(*value) + mean + sigma * normal + 0.5).floor() as u8;
            }
        }
        Ok(sample)
    }
}

/// Two independent standard normal numbers: √(−2 ln u) · (cos 2πv, sin 2πv) (Box and Muller, 1958).
pub(crate) fn two_normals(stream: &mut Stream) -> [f32; 2] {
    // 1 − u is never 0.
    let radius = (-2.0 * (1.0 - stream.uniform()).ln()).sqrt();
    let (sin, cos) = (TAU * stream.uniform()).sin_cos();
    [radius * cos, radius * sin]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Channels, Image};

    #[test]
    fn noise_has_its_mean_and_deviation_and_no_pattern() {
        let sample = Sample::new(Image::filled(128, [100, 100], Channels::Grey).unwrap());
        let noisy = GaussianNoise { mean: 0.02, sigma: 0.1 }.apply(sample, Key::new(4)).unwrap();
        let off: Vec<f64> = noisy.image.pixels().iter().map(|&value| f64::from(value) - 128.0).collect();
        let mean = off.iter().sum::<f64>() / 1e4;
        let deviation = (off.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1e4).sqrt();
        // Deviations of the estimates: 0.255 and 0.18; five of them.
        assert!((mean - 5.1).abs() < 1.3 && (deviation - 25.5).abs() < 0.9, "{mean} {deviation}");
        let product: f64 = off.windows(2).map(|two| (two[0] - mean) * (two[1] - mean)).sum::<f64>() / 1e4;
        assert!(product.abs() < 5.0 * 6.5, "{product}");
    }
}
