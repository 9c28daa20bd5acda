//! A pinhole camera on flat ground.

use serde::{Deserialize, Serialize};

use super::{Car, Road};
use crate::image::Channels;
use crate::{Error, Key};

/// Setting of a [`Camera`]; pure data, built by [`init`](Self::init).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraConfig {
    /// `[height, width]` in pixels. Default: 32 × 64.
    pub size: [usize; 2],
    /// Grey or colour. Default: colour.
    pub channels: Channels,
    /// Angle between the left and right edge, in degrees. Default: 100, so that a fork is seen until it is entered.
    pub field_of_view: f64,
    /// How far the camera looks down, in degrees. Default: 15.
    pub pitch: f64,
    /// Metres above the ground. Default: 2.
    pub height: f64,
    /// Largest noise on the brightness of a pixel, in parts of white. Default: 0.03.
    pub noise: f32,
}

impl Default for CameraConfig {
    fn default() -> Self {
        Self {
            size: [32, 64],
            channels: Channels::Rgb,
            field_of_view: 100.0,
            pitch: 15.0,
            height: 2.0,
            noise: 0.03,
        }
    }
}

impl CameraConfig {
    /// The camera.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] naming the field that cannot be used.
    pub fn init(self) -> Result<Camera, Error> {
        let [rows, columns] = self.size;
        if rows == 0 || columns == 0 || rows.max(columns) > 4096 {
            return Err(Error::argument("size", "sides of 1 to 4096", format_args!("{rows} × {columns}")));
        }
        if !(self.field_of_view > 0.0 && self.field_of_view < 180.0) {
            return Err(Error::argument("field_of_view", "more than 0, less than 180", self.field_of_view));
        }
        if !(-90.0..=90.0).contains(&self.pitch) {
            return Err(Error::argument("pitch", "-90 to 90 degrees", self.pitch));
        }
        if !(self.height > 0.0 && self.height.is_finite()) {
            return Err(Error::argument("height", "above the ground", self.height));
        }
        if !(0.0..=1.0).contains(&self.noise) {
            return Err(Error::argument("noise", "0 to 1", self.noise));
        }
        let focal = 0.5 * columns as f64 / (0.5 * self.field_of_view).to_radians().tan();
        let mut camera = Camera { config: self, focal, rays: Vec::new() };
        for pixel in 0..rows * columns {
            let (row, column) = ((pixel / columns) as f64, (pixel % columns) as f64);
            for [right, down] in [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]] {
                camera.rays.push(camera.ground([column + right, row + down]));
            }
        }
        Ok(camera)
    }
}

/// A pinhole camera over the rear axle of a car, looking forwards and `pitch` θ down from `height` h.
///
/// ```text
/// pixel (u, v)         a = (u − u₀)/f   b = (v − v₀)/f      u₀, v₀ middle of the image, f in pixels
/// ground               t = h / (sin θ + b cos θ)            above the horizon where that is not positive
///                      forward = t (cos θ − b sin θ)        left = −t a
///
/// and back             depth = forward · cos θ + h sin θ
///                      u = u₀ − f · left / depth            v = v₀ + f (h cos θ − forward · sin θ) / depth
/// ```
#[derive(Debug, Clone)]
pub struct Camera {
    config: CameraConfig,
    focal: f64,
    /// Where four rays through each pixel meet the ground.
    rays: Vec<Option<[f64; 2]>>,
}

impl Camera {
    /// `[channels, height, width]` of the images.
    pub fn shape(&self) -> [usize; 3] {
        [self.config.channels.count(), self.config.size[0], self.config.size[1]]
    }

    /// f, in pixels.
    pub fn focal_length(&self) -> f64 {
        self.focal
    }

    fn middle(&self) -> [f64; 2] {
        [0.5 * self.config.size[1] as f64, 0.5 * self.config.size[0] as f64]
    }

    /// The place on the ground, `[forward, left]` of the camera, that is seen at `[u, v]` (columns from the left, rows
    /// from the top); none above the horizon.
    pub fn ground(&self, [u, v]: [f64; 2]) -> Option<[f64; 2]> {
        let [u0, v0] = self.middle();
        let (a, b) = ((u - u0) / self.focal, (v - v0) / self.focal);
        let (sin, cos) = self.config.pitch.to_radians().sin_cos();
        let descent = sin + b * cos;
        (descent > 1e-9).then(|| {
            let t = self.config.height / descent;
            [t * (cos - b * sin), -t * a]
        })
    }

    /// Where `[u, v]` a place on the ground, `[forward, left]`, is seen, inside the image or not; none behind the camera.
    pub fn project(&self, [forward, left]: [f64; 2]) -> Option<[f64; 2]> {
        let [u0, v0] = self.middle();
        let (sin, cos) = self.config.pitch.to_radians().sin_cos();
        let depth = forward * cos + self.config.height * sin;
        let down = self.config.height * cos - forward * sin;
        (depth > 1e-9).then(|| [u0 - self.focal * left / depth, v0 + self.focal * down / depth])
    }

    /// What the camera on a car sees: `[channels, height, width]` bytes, the noise from `key`.
    pub fn view(&self, road: &Road, car: &Car, key: Key) -> Vec<u8> {
        let (sin, cos) = car.heading.sin_cos();
        let color = |ray: &Option<[f64; 2]>| match ray {
            Some([forward, left]) => {
                road.color(car.x + forward * cos - left * sin, car.y + forward * sin + left * cos)
            }
            None => road.look.sky,
        };
        let [channels, rows, columns] = self.shape();
        let mut image = vec![0; channels * rows * columns];
        let mut stream = key.stream();
        for (pixel, rays) in self.rays.chunks_exact(4).enumerate() {
            let seen = rays.iter().map(color).fold([0.0; 3], |sum: [f32; 3], color| {
                std::array::from_fn(|channel| sum[channel] + 0.25 * color[channel])
            });
            let noise = stream.between(-self.config.noise, self.config.noise);
            let byte = |value: f32| ((value + noise).clamp(0.0, 1.0) * 255.0).round() as u8;
            match self.config.channels {
                // Luminance as in ITU-R BT.601.
                Channels::Grey => image[pixel] = byte(0.299 * seen[0] + 0.587 * seen[1] + 0.114 * seen[2]),
                Channels::Rgb => {
                    for (channel, value) in seen.into_iter().enumerate() {
                        image[channel * rows * columns + pixel] = byte(value);
                    }
                }
            }
        }
        image
    }
}
