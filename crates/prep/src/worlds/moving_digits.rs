//! Films of real handwritten digits that move and bounce.
//!
//! Each digit glides at a constant velocity inside the canvas and is thrown back at its borders, as in *Moving MNIST* (Srivastava,
//! Mansimov and Salakhutdinov, 2015, <https://arxiv.org/abs/1502.04681>). On each axis the box of its ink, of length l, has
//! room for r = side − l; a reflected path is a straight one folded into [0, r]:
//!
//! ```text
//! position(t) = fold(p + v t, r)          fold(x, r) = r − |x mod 2r − r|
//! velocity(t) = ± v                       − while x mod 2r lies above r
//! ```
//!
//! so every frame, also the millionth, is computed by itself and no error adds up. A film never ends.
//!
//! Differs from Moving MNIST: positions are not rounded to pixels, so that motion is smooth and velocities exact: a digit is an image of
//! constant pixels laid on the canvas where it is, and a pixel gets the mean of what covers it. Digits are the embedded ones, enlarged.
//! Where digits overlap, the brighter is seen.

use serde::{Deserialize, Serialize};

use crate::image::{BoundingBox, Channels, Image, ImageSet, Object, Sample};
use crate::{Digits, Error, Key, digits};
#[cfg(feature = "video")]
use crate::{Limits, video::Film};

/// Moving digits; pure data, built by [`init`](Self::init).
///
/// ```
/// use fornax_prep::Key;
/// use fornax_prep::worlds::moving_digits::MovingDigitsConfig;
///
/// let world = MovingDigitsConfig::default().init()?;
/// let film = world.film(Key::new(42), 7);
/// let (now, next) = (film.frame(10)?, film.frame(11)?);
/// assert_eq!(now.sample.image.size(), [64, 64]);
///
/// // A digit that does not bounce moves by its velocity, in pixels a frame.
/// let [x, y] = now.velocities[0];
/// let [before, after] = [&now, &next].map(|frame| frame.sample.objects[0].bounds);
/// if now.velocities == next.velocities {
///     assert!((after.x_min - before.x_min - x).abs() < 1e-4 && (after.y_min - before.y_min - y).abs() < 1e-4);
/// }
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MovingDigitsConfig {
    /// `[height, width]` of the canvas in pixels. Default: 64 × 64, as Moving MNIST.
    pub size: [usize; 2],
    /// Digits of a film. Default: 2, as Moving MNIST.
    pub count: usize,
    /// Side in pixels to which the 8 × 8 digits are enlarged. Default: 24; their ink then fills about MNIST's 20.
    pub side: usize,
    /// Smallest and largest speed, pixels a frame. Default: 1 to 4.
    pub speed: [f32; 2],
}

impl Default for MovingDigitsConfig {
    fn default() -> Self {
        Self { size: [64, 64], count: 2, side: 24, speed: [1.0, 4.0] }
    }
}

impl MovingDigitsConfig {
    /// The world of all embedded digits.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] naming the field that cannot be used.
    pub fn init(&self) -> Result<MovingDigits, Error> {
        self.init_with(&(0..digits::COUNT).collect::<Vec<_>>())
    }

    /// The world of some of the embedded digits: those of a training or of a test part.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] naming the field that cannot be used, or `digits` when there is none or an index is not below 1,797.
    pub fn init_with(&self, digits: &[usize]) -> Result<MovingDigits, Error> {
        if let Some(&index) = digits.iter().find(|&&index| index >= digits::COUNT) {
            return Err(Error::argument("digits", "indices below 1,797", index));
        }
        if digits.is_empty() {
            return Err(Error::argument("digits", "at least one digit", "none"));
        }
        if self.side < digits::SIDE {
            return Err(Error::argument("side", "at least the 8 pixels that digits have", self.side));
        }
        let [height, width] = self.size;
        if height.min(width) < self.side || height.max(width) > 65_535 {
            let expected = format!("sides from those of a digit, {}, to 65,535", self.side);
            return Err(Error::argument("size", expected, format_args!("{height}×{width}")));
        }
        let [slow, fast] = self.speed;
        if !(slow.is_finite() && fast.is_finite() && 0.0 <= slow && slow <= fast) {
            let found = format!("{slow} to {fast}");
            return Err(Error::argument("speed", "a smallest and a largest, finite and at least 0", found));
        }
        let sprites = Digits::load().to_set().resized(self.side, self.side)?;
        Ok(MovingDigits { config: *self, digits: digits.to_vec(), sprites })
    }
}

/// An endless set of endless films with moving digits.
#[derive(Debug, Clone)]
pub struct MovingDigits {
    config: MovingDigitsConfig,
    digits: Vec<usize>,
    sprites: ImageSet,
}

/// A film of moving digits: any frame of it, with what is in it.
#[derive(Debug, Clone)]
pub struct MovingFilm {
    size: [usize; 2],
    sprites: Vec<Sprite>,
}

/// A moment of a [`MovingFilm`].
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// The frame, grey, and an object for each digit, always in the same order: its class the digit, its box exactly that of its ink, between
    /// pixels.
    pub sample: Sample,
    /// `[x, y]` of each digit, in pixels a frame, as it leaves this moment.
    pub velocities: Vec<[f32; 2]>,
}

/// A digit and its path.
#[derive(Debug, Clone)]
struct Sprite {
    class: usize,
    /// Its ink alone, from 0 to 1, row after row.
    ink: Vec<f32>,
    /// `[height, width]` of the ink.
    size: [usize; 2],
    /// Where it begins, its velocity and its room, each `[x, y]`.
    start: [f64; 2],
    velocity: [f64; 2],
    room: [f64; 2],
}

impl MovingDigits {
    /// The `index`-th film: digits, places and directions follow from key and index alone.
    pub fn film(&self, key: Key, index: u64) -> MovingFilm {
        let key = key.fold(index);
        let sprites = (0..self.config.count).map(|place| self.sprite(key.fold(place as u64))).collect();
        MovingFilm { size: self.config.size, sprites }
    }

    fn sprite(&self, key: Key) -> Sprite {
        let mut stream = key.stream();
        let digit = self.digits[stream.below(self.digits.len() as u64) as usize];
        let side = self.config.side;
        let pixels = self.sprites.gather(&[digit]).pixels;
        // Ink below half a grey level is none.
        let inked: Vec<usize> = (0..pixels.len()).filter(|&pixel| pixels[pixel] >= 0.5 / 255.0).collect();
        let rows = || inked.iter().map(|pixel| pixel / side);
        let columns = || inked.iter().map(|pixel| pixel % side);
        let (top, bottom) = (rows().min().unwrap_or(0), rows().max().unwrap_or(0) + 1);
        let (left, right) = (columns().min().unwrap_or(0), columns().max().unwrap_or(0) + 1);
        let ink =
            (top..bottom).flat_map(|row| &pixels[row * side + left..row * side + right]).copied().collect();
        let size = [bottom - top, right - left];
        let [height, width] = self.config.size;
        let room = [width - size[1], height - size[0]].map(|room| room as f64);
        let start = room.map(|room| room * f64::from(stream.uniform()));
        let [slow, fast] = self.config.speed;
        let speed = f64::from(stream.between(slow, fast));
        let direction = std::f64::consts::TAU * f64::from(stream.uniform());
        let velocity = [speed * direction.cos(), speed * direction.sin()];
        Sprite { class: Digits::load().labels()[digit], ink, size, start, velocity, room }
    }
}

impl MovingFilm {
    /// The moment `time`, counted in frames from 0.
    ///
    /// # Errors
    ///
    /// None that settings which passed [`MovingDigitsConfig::init`] could cause.
    pub fn frame(&self, time: u64) -> Result<Moment, Error> {
        let [height, width] = self.size;
        let mut canvas = vec![0f32; height * width];
        let (mut objects, mut velocities) = (Vec::new(), Vec::new());
        for sprite in &self.sprites {
            let at @ [x, y] = sprite.position(time);
            sprite.lay(&mut canvas, width, at);
            let [rows, columns] = sprite.size.map(|side| side as f32);
            let bounds = BoundingBox::from_corner_size([x as f32, y as f32, columns, rows]);
            objects.push(Object::new(bounds, sprite.class));
            velocities.push(sprite.velocity_at(time));
        }
        let pixels = canvas.iter().map(|value| (255.0 * value).round() as u8).collect();
        let image = Image::new(pixels, self.size, Channels::Grey)?;
        Ok(Moment { sample: Sample::new(image).with_objects(objects), velocities })
    }

    /// Its first frames, from which clips can be taken, at `rate` frames a second.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for no frames.
    #[cfg(feature = "video")]
    pub fn film(&self, frames: usize, rate: [u32; 2]) -> Result<Film, Error> {
        let images = (0..frames).map(|time| Ok(self.frame(time as u64)?.sample.image));
        Film::from_images(images.collect::<Result<_, Error>>()?, rate, &Limits::default())
    }
}

/// x reflected into [0, room], and whether it runs backwards there.
fn fold(x: f64, room: f64) -> (f64, bool) {
    if room <= 0.0 {
        return (0.0, false);
    }
    let phase = x.rem_euclid(2.0 * room);
    (room - (phase - room).abs(), phase >= room)
}

impl Sprite {
    fn position(&self, time: u64) -> [f64; 2] {
        [0, 1].map(|axis| fold(self.start[axis] + self.velocity[axis] * time as f64, self.room[axis]).0)
    }

    fn velocity_at(&self, time: u64) -> [f32; 2] {
        [0, 1].map(|axis| {
            let x = self.start[axis] + self.velocity[axis] * time as f64;
            let backwards = fold(x, self.room[axis]).1;
            let velocity = if self.room[axis] > 0.0 { self.velocity[axis] } else { 0.0 };
            (if backwards { -velocity } else { velocity }) as f32
        })
    }

    /// The mean ink over each pixel of the canvas, where it is more than what is there.
    fn lay(&self, canvas: &mut [f32], width: usize, [x, y]: [f64; 2]) {
        let [rows, columns] = self.size;
        let (left, top) = (x.floor(), y.floor());
        let (dx, dy) = ((x - left) as f32, (y - top) as f32);
        let ink = |row: usize, column: usize| {
            let inside = row.wrapping_sub(1) < rows && column.wrapping_sub(1) < columns;
            if inside { self.ink[(row - 1) * columns + column - 1] } else { 0.0 }
        };
        // A pixel is covered by four of the digit's: itself and those before it. Indices count from one before the ink.
        for row in 0..=rows {
            for column in 0..=columns {
                let across = |row| dx * ink(row, column) + (1.0 - dx) * ink(row, column + 1);
                let value = dy * across(row) + (1.0 - dy) * across(row + 1);
                let place = (top as usize + row) * width + left as usize + column;
                if value > 0.0
                    && let Some(pixel) = canvas.get_mut(place)
                {
                    *pixel = pixel.max(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(speed: [f32; 2], count: usize) -> MovingDigits {
        MovingDigitsConfig { size: [40, 48], count, side: 16, speed }.init().unwrap()
    }

    #[test]
    fn a_film_is_a_function_of_key_index_and_time() {
        let world = world([1.0, 4.0], 2);
        let film = world.film(Key::new(1), 5);
        assert_eq!(film.frame(1_000_000).unwrap(), world.film(Key::new(1), 5).frame(1_000_000).unwrap());
        assert_ne!(film.frame(0).unwrap(), world.film(Key::new(1), 6).frame(0).unwrap());
        assert_ne!(film.frame(0).unwrap(), world.film(Key::new(2), 5).frame(0).unwrap());
        assert_eq!(film.film(3, [10, 1]).unwrap().frame(2).unwrap(), film.frame(2).unwrap().sample.image);
    }

    #[test]
    fn the_box_is_that_of_the_ink() {
        // One digit: every pixel with ink meets the box; the box meets ink on each side, but for what rounds to black.
        let world = world([0.3, 3.0], 1);
        for index in 0..40 {
            let moment = world.film(Key::new(3), index).frame(index * 7).unwrap();
            let image = &moment.sample.image;
            let bounds = moment.sample.objects[0].bounds;
            let inked = |pixel: &usize| image.pixels()[*pixel] > 0;
            let columns: Vec<usize> = (0..40 * 48).filter(inked).map(|pixel| pixel % 48).collect();
            let rows: Vec<usize> = (0..40 * 48).filter(inked).map(|pixel| pixel / 48).collect();
            let reach = |values: &[usize]| [*values.iter().min().unwrap(), values.iter().max().unwrap() + 1];
            for ([low, high], [from, to]) in [
                (reach(&columns), [bounds.x_min, bounds.x_max]),
                (reach(&rows), [bounds.y_min, bounds.y_max]),
            ] {
                assert!(low as f32 >= from.floor() && high as f32 <= to.ceil(), "{index}");
                assert!(low as f32 - from <= 1.5 && to - high as f32 <= 1.5, "{index}");
            }
            assert!(
                bounds.x_min >= 0.0 && bounds.x_max <= 48.0 && bounds.y_min >= 0.0 && bounds.y_max <= 40.0
            );
        }
    }

    #[test]
    fn boxes_move_by_their_velocities_and_turn_at_borders() {
        let world = world([2.0, 5.0], 3);
        let (mut bounces, mut straight) = (0, 0);
        for index in 0..10 {
            let film = world.film(Key::new(9), index);
            let mut now = film.frame(0).unwrap();
            for time in 1..120 {
                let next = film.frame(time).unwrap();
                for digit in 0..3 {
                    let [before, after] =
                        [&now, &next].map(|moment| moment.sample.objects[digit].bounds.corners());
                    for axis in 0..2 {
                        let [v, w] = [now.velocities[digit][axis], next.velocities[digit][axis]];
                        let moved = after[axis] - before[axis];
                        assert!(v.abs() == w.abs());
                        if v == w && moved * v >= 0.0 && (moved - v).abs() < 1e-3 {
                            straight += 1;
                        } else {
                            // Thrown back: less far than straight, and the velocity's sign has changed (or changed twice in a
                            // room shorter than a step, which there is none of here).
                            assert!(v == -w && moved.abs() <= v.abs() + 1e-3, "{moved} {v} {w}");
                            bounces += 1;
                        }
                    }
                }
                now = next;
            }
        }
        assert!(straight > 6000 && bounces > 200, "{straight} {bounces}");
    }

    #[test]
    fn brightness_is_kept_between_pixels() {
        let world = world([0.2, 0.9], 1);
        let film = world.film(Key::new(4), 0);
        let sum = |time| {
            film.frame(time).unwrap().sample.image.pixels().iter().map(|&p| u64::from(p)).sum::<u64>() as f64
        };
        let first = sum(0);
        // Rounding: half a grey level for each of about 200 pixels, independently.
        assert!((1..50).all(|time| (sum(time) - first).abs() < 0.01 * first));
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        let bad = |change: fn(&mut MovingDigitsConfig)| {
            let mut config = MovingDigitsConfig::default();
            change(&mut config);
            config.init().unwrap_err().to_string()
        };
        assert!(bad(|config| config.side = 7).starts_with("side: expected at least the 8 pixels"));
        assert!(
            bad(|config| config.size = [20, 64])
                .starts_with("size: expected sides from those of a digit, 24")
        );
        assert!(bad(|config| config.speed = [3.0, 2.0]).starts_with("speed: "));
        assert!(bad(|config| config.speed = [0.0, f32::NAN]).starts_with("speed: "));
        let error = MovingDigitsConfig::default().init_with(&[1797]).unwrap_err();
        assert_eq!(error.to_string(), "digits: expected indices below 1,797; found 1797");
    }
}
