//! Other light, other camera, no colour.

use serde::{Deserialize, Serialize};

use super::{color, draw};
use crate::image::{Sample, Transform};
use crate::{Error, Key};

/// Changes brightness, contrast, saturation and hue by random amounts, in random order.
///
/// Says: light and cameras differ, the thing is the same. Not where colour is the answer (ripe or unripe).
///
/// ```text
/// brightness   f · x                        contrast    mean + f · (x − mean), mean of the luma
/// saturation   luma + f · (x − luma)        hue         turned by h of a circle
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ColorJitter {
    /// The range of f. Default: 1, no change.
    pub brightness: [f32; 2],
    /// The range of f. Default: 1, no change.
    pub contrast: [f32; 2],
    /// The range of f. Default: 1, no change.
    pub saturation: [f32; 2],
    /// The range of h, within −0.5 to 0.5. Default: 0, no change.
    pub hue: [f32; 2],
}

impl Default for ColorJitter {
    fn default() -> Self {
        Self { brightness: [1.0; 2], contrast: [1.0; 2], saturation: [1.0; 2], hue: [0.0; 2] }
    }
}

impl ColorJitter {
    /// torchvision's four arguments: factors between max(0, 1 − b) and 1 + b, hue between −h and h.
    pub fn new(brightness: f32, contrast: f32, saturation: f32, hue: f32) -> Self {
        let around = |amount: f32| [(1.0 - amount).max(0.0), 1.0 + amount];
        Self {
            brightness: around(brightness),
            contrast: around(contrast),
            saturation: around(saturation),
            hue: [-hue, hue],
        }
    }
}

impl Transform for ColorJitter {
    fn apply(&self, mut sample: Sample, key: Key) -> Result<Sample, Error> {
        let most = 0.0..=1e3;
        let mut stream = key.stream();
        let ranges = [
            draw::range("brightness", self.brightness, most.clone())?,
            draw::range("contrast", self.contrast, most.clone())?,
            draw::range("saturation", self.saturation, most)?,
            draw::range("hue", self.hue, -0.5..=0.5)?,
        ];
        let amounts = ranges.map(|range| draw::within(range, &mut stream));
        let mut order = [0, 1, 2, 3];
        key.fold(0).shuffle(&mut order);
        for step in order {
            let (amount, image) = (amounts[step], &mut sample.image);
            match step {
                0 if amount != 1.0 => color::brightness(image, amount),
                1 if amount != 1.0 => color::contrast(image, amount),
                2 if amount != 1.0 => color::saturation(image, amount),
                3 if amount != 0.0 => color::hue(image, amount),
                _ => {}
            }
        }
        Ok(sample)
    }
}

/// Takes the colour away: the luma in all three channels.
///
/// Says: shape decides, not colour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grayscale {
    /// How probable it is. Default: 0.1, as in torchvision's `RandomGrayscale`.
    pub p: f32,
}

impl Default for Grayscale {
    fn default() -> Self {
        Self { p: 0.1 }
    }
}

impl Grayscale {
    /// Every time.
    pub fn always() -> Self {
        Self { p: 1.0 }
    }
}

impl Transform for Grayscale {
    fn apply(&self, mut sample: Sample, key: Key) -> Result<Sample, Error> {
        if draw::happens(self.p, &mut key.stream())? {
            color::grey(&mut sample.image);
        }
        Ok(sample)
    }
}
