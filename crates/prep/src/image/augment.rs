//! Small random transformations of the training images.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::ImageBatch;
use super::set::images_per_task;
use crate::{Error, Key};

/// Turns, shifts, scales and shears every image of a batch by its own random amounts.
///
/// # Why
///
/// A seven turned by 10° is still a seven, but a network has to see some to know. Each pass shows it every
/// image a little changed, so it learns what stays the same instead of the 1,437 training images
/// themselves. Only what leaves the label true may be changed: a six turned by 180° is a nine.
///
/// # The map
///
/// Amounts are uniform on their ranges; p is a position in the new image, c its centre:
///
/// ```text
/// A = scale · rotation(θ) · [1 tan φ; 0 1]       source of p = A⁻¹ (p − c − t) + c
/// ```
///
/// The value at a source position is interpolated between its four neighbours, those outside the image
/// being `fill`.
///
/// # Random, and yet a function
///
/// What happens to an image follows from the key and its index in the set (`batch.indices`), not from its
/// place in the batch, the batch size or the number of threads: with `key = Key::new(seed).fold(epoch)`
/// an epoch can be repeated, or resumed in its middle, bit for bit.
///
/// ```
/// use fornax_prep::image::RandomAffine;
/// use fornax_prep::{Digits, Key};
///
/// let set = Digits::load().to_set();
/// let jitter = RandomAffine::none().with_rotation(10.0).with_translation(0.5);
/// let epoch = Key::new(42).fold(0);
/// let both = jitter.apply(set.gather(&[3, 8]), epoch);
/// let one = jitter.apply(set.gather(&[8]), epoch);
/// assert_eq!(both.pixels[64..], one.pixels);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomAffine {
    /// θ is drawn from [−rotation, rotation], in degrees, positive turning right.
    pub rotation: f32,
    /// Both components of t are drawn from [−translation, translation], in pixels.
    pub translation: f32,
    /// The range of the scale; above 1 enlarges.
    pub scale: [f32; 2],
    /// φ is drawn from [−shear, shear], in degrees.
    pub shear: f32,
    /// The value outside the image; black is 0.
    pub fill: f32,
}

impl RandomAffine {
    /// Changes nothing: the start for the `with_` functions.
    pub fn none() -> Self {
        Self { rotation: 0.0, translation: 0.0, scale: [1.0, 1.0], shear: 0.0, fill: 0.0 }
    }

    /// Turns by up to so many degrees either way.
    #[must_use]
    pub fn with_rotation(self, degrees: f32) -> Self {
        Self { rotation: degrees, ..self }
    }

    /// Shifts by up to so many pixels in each direction.
    #[must_use]
    pub fn with_translation(self, pixels: f32) -> Self {
        Self { translation: pixels, ..self }
    }

    /// Scales by a factor between the two.
    #[must_use]
    pub fn with_scale(self, smallest: f32, largest: f32) -> Self {
        Self { scale: [smallest, largest], ..self }
    }

    /// Shears by up to so many degrees either way.
    #[must_use]
    pub fn with_shear(self, degrees: f32) -> Self {
        Self { shear: degrees, ..self }
    }

    /// The value outside the image.
    #[must_use]
    pub fn with_fill(self, value: f32) -> Self {
        Self { fill: value, ..self }
    }

    /// Checks every range; [`apply`](Self::apply) does not.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), Error> {
        let ranges = [
            ("rotation", self.rotation, 180.0, "an angle from 0 to 180 degrees"),
            ("translation", self.translation, 65_535.0, "a distance from 0 to 65,535 pixels"),
            ("shear", self.shear, 80.0, "an angle from 0 to 80 degrees"),
        ];
        for (field, value, largest, expected) in ranges {
            if !(0.0..=largest).contains(&value) {
                return Err(Error::argument(field, expected, value));
            }
        }
        let [smallest, largest] = self.scale;
        if !(smallest >= 0.01 && smallest <= largest && largest <= 100.0) {
            let found = format_args!("{smallest} to {largest}").to_string();
            return Err(Error::argument("scale", "an ascending range within 0.01 to 100", found));
        }
        if !self.fill.is_finite() {
            return Err(Error::argument("fill", "a finite number", self.fill));
        }
        Ok(())
    }

    /// The batch, every image changed by its own draw from `key`; labels and indices stay.
    #[must_use]
    pub fn apply(&self, batch: ImageBatch, key: Key) -> ImageBatch {
        let [_, channels, height, width] = batch.shape;
        let (area, image_len) = (height * width, channels * height * width);
        if image_len == 0 {
            return batch;
        }
        let mut pixels = vec![0.0; batch.pixels.len()];
        pixels
            .par_chunks_mut(image_len)
            .zip(batch.pixels.par_chunks(image_len))
            .zip(&batch.indices)
            // A pixel costs some ten times what copying it does.
            .with_min_len(images_per_task(10 * image_len))
            .for_each(|((new, old), &index)| {
                let inverse = self.draw(key.fold(index as u64)).inverse(height, width);
                for (new, old) in new.chunks_exact_mut(area).zip(old.chunks_exact(area)) {
                    inverse.resample(old, new, [height, width], self.fill);
                }
            });
        ImageBatch { pixels, ..batch }
    }

    fn draw(&self, key: Key) -> Affine {
        let mut stream = key.stream();
        let mut symmetric = |range: f32| stream.between(-range, range);
        let (angle, shear) = (symmetric(self.rotation).to_radians(), symmetric(self.shear).to_radians());
        let translation = [symmetric(self.translation), symmetric(self.translation)];
        Affine { angle, shear, translation, scale: stream.between(self.scale[0], self.scale[1]) }
    }
}

/// One drawn transformation.
#[derive(Debug, Clone, Copy)]
struct Affine {
    angle: f32,
    shear: f32,
    translation: [f32; 2],
    scale: f32,
}

/// From a position (x, y) in the new image to the old one: `x' = m[0] x + m[1] y + m[2]`, y' likewise.
#[derive(Debug, Clone, Copy)]
struct Inverse {
    x: [f32; 3],
    y: [f32; 3],
}

impl Affine {
    fn inverse(self, height: usize, width: usize) -> Inverse {
        // A = s R(θ) K(φ), so A⁻¹ = K(−φ) R(−θ) / s.
        let (sin, cos) = self.angle.sin_cos();
        let (tan, s) = (self.shear.tan(), self.scale);
        let [a, b] = [(cos + tan * sin) / s, (sin - tan * cos) / s];
        let [c, d] = [-sin / s, cos / s];
        let centre = [(width as f32 - 1.0) / 2.0, (height as f32 - 1.0) / 2.0];
        let from = [centre[0] + self.translation[0], centre[1] + self.translation[1]];
        Inverse {
            x: [a, b, centre[0] - a * from[0] - b * from[1]],
            y: [c, d, centre[1] - c * from[0] - d * from[1]],
        }
    }
}

impl Inverse {
    fn resample(self, old: &[f32], new: &mut [f32], [height, width]: [usize; 2], fill: f32) {
        let at = |row: i32, column: i32| {
            let inside = row >= 0 && column >= 0 && (row as usize) < height && (column as usize) < width;
            if inside { old[row as usize * width + column as usize] } else { fill }
        };
        for (row, line) in new.chunks_exact_mut(width).enumerate() {
            let [x0, y0] = [self.x, self.y].map(|m| m[1] * row as f32 + m[2]);
            for (column, value) in line.iter_mut().enumerate() {
                let x = self.x[0] * column as f32 + x0;
                let y = self.y[0] * column as f32 + y0;
                let (left, top) = (floor(x), floor(y));
                let (u, v) = (x - left as f32, y - top as f32);
                let (right, bottom) = (left.saturating_add(1), top.saturating_add(1));
                let corners =
                    if left >= 0 && top >= 0 && (right as usize) < width && (bottom as usize) < height {
                        let above = top as usize * width + left as usize;
                        [old[above], old[above + 1], old[above + width], old[above + width + 1]]
                    } else {
                        [at(top, left), at(top, right), at(bottom, left), at(bottom, right)]
                    };
                let upper = corners[0] + u * (corners[1] - corners[0]);
                let lower = corners[2] + u * (corners[3] - corners[2]);
                *value = upper + v * (lower - upper);
            }
        }
    }
}

/// Largest integer below; `f32::floor` is a library call on the oldest x86-64.
fn floor(x: f32) -> i32 {
    let towards_zero = x as i32;
    towards_zero - i32::from((towards_zero as f32) > x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digits;

    fn strong() -> RandomAffine {
        RandomAffine::none()
            .with_rotation(15.0)
            .with_translation(1.5)
            .with_scale(0.8, 1.25)
            .with_shear(10.0)
            .with_fill(0.1)
    }

    fn resampled(affine: Affine, old: &[f32], [height, width]: [usize; 2]) -> Vec<f32> {
        let mut new = vec![0.0; old.len()];
        affine.inverse(height, width).resample(old, &mut new, [height, width], 0.0);
        new
    }

    const STILL: Affine = Affine { angle: 0.0, shear: 0.0, translation: [0.0; 2], scale: 1.0 };

    #[test]
    fn none_changes_not_a_bit() {
        let batch = Digits::load().to_set().gather(&[0, 1, 2]);
        assert_eq!(RandomAffine::none().apply(batch.clone(), Key::new(1)), batch);
    }

    #[test]
    fn a_quarter_turn_goes_right() {
        let old = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        let turned = resampled(Affine { angle: 90f32.to_radians(), ..STILL }, &old, [3, 3]);
        for (got, expected) in turned.iter().zip([7.0, 4.0, 1.0, 8.0, 5.0, 2.0, 9.0, 6.0, 3.0]) {
            assert!((got - expected).abs() < 1e-4, "{turned:?}");
        }
    }

    #[test]
    fn a_shift_moves_right_and_down_and_lets_the_fill_in() {
        let old = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(
            resampled(Affine { translation: [1.0, 0.0], ..STILL }, &old, [2, 2]),
            [0.0, 1.0, 0.0, 3.0]
        );
        assert_eq!(
            resampled(Affine { translation: [0.0, 0.5], ..STILL }, &old, [2, 2]),
            [0.5, 1.0, 2.0, 3.0]
        );
    }

    #[test]
    fn doubling_spreads_the_middle_over_the_image() {
        let old = [0.0, 1.0, 2.0, 3.0];
        assert_eq!(resampled(Affine { scale: 2.0, ..STILL }, &old, [1, 4]), [0.75, 1.25, 1.75, 2.25]);
    }

    #[test]
    fn the_inverse_undoes_the_map_of_the_page() {
        for index in 0..100 {
            let affine = strong().draw(Key::new(5).fold(index));
            let Affine { angle, shear, translation, scale } = affine;
            let (sin, cos) = angle.sin_cos();
            let inverse = affine.inverse(7, 10);
            for [x, y] in [[0.0, 0.0], [9.0, 6.0], [3.0, 5.5]] {
                let (dx, dy) = (x - 4.5, y - 3.0);
                let sheared = [dx + shear.tan() * dy, dy];
                let there = [
                    scale * (cos * sheared[0] - sin * sheared[1]) + 4.5 + translation[0],
                    scale * (sin * sheared[0] + cos * sheared[1]) + 3.0 + translation[1],
                ];
                for (m, expected) in [(inverse.x, x), (inverse.y, y)] {
                    let back = m[0] * there[0] + m[1] * there[1] + m[2];
                    assert!((back - expected).abs() < 1e-4, "{back} for {expected}");
                }
            }
        }
    }

    #[test]
    fn draws_stay_in_their_ranges_and_fill_them() {
        let draws: Vec<Affine> = (0..2000).map(|index| strong().draw(Key::new(9).fold(index))).collect();
        let check = |name: &str, value: fn(&Affine) -> f32, low: f32, high: f32| {
            let values = || draws.iter().map(value);
            let (least, most) = (values().fold(f32::MAX, f32::min), values().fold(f32::MIN, f32::max));
            let margin = 0.01 * (high - low);
            assert!(low <= least && least < low + margin, "{name}: {least}");
            assert!(most <= high && most > high - margin, "{name}: {most}");
        };
        check("rotation", |a| a.angle.to_degrees(), -15.001, 15.001);
        check("shear", |a| a.shear.to_degrees(), -10.001, 10.001);
        check("x", |a| a.translation[0], -1.5, 1.5);
        check("y", |a| a.translation[1], -1.5, 1.5);
        check("scale", |a| a.scale, 0.8, 1.25);
    }

    #[test]
    fn one_thread_or_four_and_any_batch_give_the_same_bits() {
        let set = Digits::load().to_set().resized(16, 16).unwrap();
        let indices: Vec<usize> = (0..300).rev().collect();
        let with_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| strong().apply(set.gather(&indices), Key::new(3).fold(1)))
        };
        let whole = with_threads(1);
        assert_eq!(whole, with_threads(4));
        for (place, &index) in indices.iter().enumerate().step_by(37) {
            let alone = strong().apply(set.gather(&[index]), Key::new(3).fold(1));
            assert_eq!(alone.pixels, whole.pixels[place * 256..][..256]);
        }
        assert_ne!(whole, strong().apply(set.gather(&indices), Key::new(3).fold(2)));
    }

    #[test]
    fn all_channels_of_an_image_move_together() {
        let plane: Vec<f32> = Digits::load().to_set().gather(&[5]).pixels;
        let pixels = [&plane[..], &plane, &plane].concat();
        let batch = ImageBatch { pixels, shape: [1, 3, 8, 8], labels: vec![5], indices: vec![5] };
        let moved = strong().apply(batch, Key::new(2)).pixels;
        assert_eq!(moved[..64], moved[64..128]);
        assert_eq!(moved[..64], moved[128..]);
        assert_ne!(moved[..64], plane);
    }

    #[test]
    fn senseless_ranges_are_named_and_do_no_harm() {
        let none = RandomAffine::none();
        for (bad, field) in [
            (none.with_rotation(-1.0), "rotation"),
            (none.with_rotation(f32::NAN), "rotation"),
            (none.with_translation(f32::INFINITY), "translation"),
            (none.with_shear(90.0), "shear"),
            (none.with_scale(0.0, 1.0), "scale"),
            (none.with_scale(1.2, 0.8), "scale"),
            (none.with_scale(f32::NAN, 1.0), "scale"),
            (none.with_fill(f32::NAN), "fill"),
        ] {
            let message = bad.validate().unwrap_err().to_string();
            assert!(message.starts_with(field), "{message}");
            let moved = bad.apply(Digits::load().to_set().gather(&[0]), Key::new(0));
            assert_eq!(moved.pixels.len(), 64);
        }
        strong().validate().unwrap();
    }
}
