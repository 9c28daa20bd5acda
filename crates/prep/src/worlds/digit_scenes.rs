//! Real handwritten digits on a canvas with noise.

use serde::{Deserialize, Serialize};

use super::scene::{Stage, Stamp};
use crate::image::{Channels, Sample};
use crate::{Digits, Error, Key, digits};

/// Share of ink from which a pixel belongs to its digit.
const INK: f32 = 0.25;

/// Scenes of several digits; pure data, built by [`init`](Self::init).
///
/// ```
/// use fornax_prep::{Digits, Key, worlds::DigitSceneConfig};
///
/// // Scenes to train on and scenes to test on, of digits that are not in the others.
/// let split = Digits::load().folds().split(0);
/// let config = DigitSceneConfig::default();
/// let (train, test) = (config.init_with(&split.train)?, config.init_with(&split.test)?);
///
/// let scene = train.sample(Key::new(42), 7)?;
/// assert_eq!(scene.image.size(), [64, 64]);
/// assert!((1..=4).contains(&scene.objects.len()));
/// assert_eq!(scene, train.sample(Key::new(42), 7)?);
/// assert_ne!(scene, test.sample(Key::new(42), 7)?);
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DigitSceneConfig {
    /// `[height, width]` of the canvas in pixels. Default: 64 × 64.
    pub size: [usize; 2],
    /// Grey, or each digit and the paper in a colour of its own. Default: grey.
    pub channels: Channels,
    /// Fewest and most digits of a scene. One for which no room is found within 64 tries is left out, so that
    /// a crowded canvas may hold fewer. Default: 1 to 4.
    pub count: [usize; 2],
    /// Smallest and largest side in pixels to which the 8 × 8 digits are enlarged. Default: 16 to 28,
    /// MNIST's.
    pub side: [usize; 2],
    /// How much of the smaller of two boxes may lie in the other. Default: 0, so that boxes and mask agree
    /// exactly.
    pub max_overlap: f32,
    /// Standard deviation of the Gaussian noise on every pixel, in grey levels of 255. Default: 12.
    pub noise: f32,
}

impl Default for DigitSceneConfig {
    fn default() -> Self {
        Self {
            size: [64, 64],
            channels: Channels::Grey,
            count: [1, 4],
            side: [16, 28],
            max_overlap: 0.0,
            noise: 12.0,
        }
    }
}

impl DigitSceneConfig {
    /// The world of all embedded digits.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] naming the field that cannot be used.
    pub fn init(&self) -> Result<DigitScenes, Error> {
        self.init_with(&(0..digits::COUNT).collect::<Vec<_>>())
    }

    /// The world of some of the embedded digits: those of a training or of a test part.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] naming the field that cannot be used, or `digits` when there is none or an index
    /// is not below 1,797.
    pub fn init_with(&self, digits: &[usize]) -> Result<DigitScenes, Error> {
        if let Some(&index) = digits.iter().find(|&&index| index >= digits::COUNT) {
            return Err(Error::argument("digits", "indices below 1,797", index));
        }
        if digits.is_empty() {
            return Err(Error::argument("digits", "at least one digit", "none"));
        }
        if self.side[0] < digits::SIDE {
            return Err(Error::argument("side", "at least the 8 pixels that digits have", self.side[0]));
        }
        let stage = Stage {
            size: self.size,
            channels: self.channels,
            count: self.count,
            max_overlap: self.max_overlap,
            noise: self.noise,
            ink: INK,
        };
        stage.check(self.side)?;
        Ok(DigitScenes { stage, side: self.side, digits: digits.to_vec() })
    }
}

/// An endless set of scenes with several digits each.
///
/// ```text
/// pixel = paper + Σ coverage · (ink − what is there) + noise · z        z ~ N(0, 1), rounded and kept within 0 … 255
/// ```
///
/// - `objects`: a box for each digit, its class the digit. The box is the smallest that holds every pixel of
///   which the digit covers a quarter or more, before others are laid over it.
/// - `mask`: 0 for paper, d + 1 for a pixel of digit d; where digits overlap, the last one laid down.
#[derive(Debug, Clone)]
pub struct DigitScenes {
    stage: Stage,
    side: [usize; 2],
    digits: Vec<usize>,
}

impl DigitScenes {
    /// Names of the classes of the objects; those of the mask have "paper" before them.
    pub const CLASS_NAMES: [&'static str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

    /// Scene `index` of the endless set that `key` names.
    ///
    /// # Errors
    ///
    /// None for a world that [`DigitSceneConfig::init`] has made.
    pub fn sample(&self, key: Key, index: u64) -> Result<Sample, Error> {
        let [least, most] = self.side;
        self.stage.sample(key.fold(index), |stream| {
            let digit = self.digits[stream.below(self.digits.len() as u64) as usize];
            let side = least + stream.below((most - least) as u64 + 1) as usize;
            Stamp { coverage: enlarged(digit, side), side, class: Digits::load().labels()[digit] }
        })
    }
}

/// An embedded digit enlarged to `side` × `side` by bilinear interpolation between pixel centres, in [0, 1].
///
/// # Panics
///
/// When there is no such digit.
pub(crate) fn enlarged(digit: usize, side: usize) -> Vec<f32> {
    let pixels = Digits::load().image(digit);
    let last = digits::SIDE - 1;
    // Where the centre of a new pixel lies among the old centres: the two around it and the weight of the second.
    let place = |i: usize| {
        let centre = ((i as f32 + 0.5) * digits::SIDE as f32 / side as f32 - 0.5).clamp(0.0, last as f32);
        let low = (centre as usize).min(last - 1);
        (low, centre - low as f32)
    };
    let value = |x: usize, y: usize| f32::from(pixels[y * digits::SIDE + x]) / f32::from(digits::MAX_VALUE);
    let mut coverage = Vec::with_capacity(side * side);
    for (y, v) in (0..side).map(place) {
        for (x, u) in (0..side).map(place) {
            let upper = (1.0 - u) * value(x, y) + u * value(x + 1, y);
            let lower = (1.0 - u) * value(x, y + 1) + u * value(x + 1, y + 1);
            coverage.push((1.0 - v) * upper + v * lower);
        }
    }
    coverage
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::scene::{assert_boxes_are_those_of_the_mask, overlap};

    #[test]
    fn boxes_are_those_of_the_mask() {
        let world = DigitSceneConfig { count: [1, 6], ..Default::default() }.init().unwrap();
        for index in 0..200 {
            assert_boxes_are_those_of_the_mask(&world.sample(Key::new(1), index).unwrap());
        }
    }

    #[test]
    fn without_noise_a_pixel_off_every_digit_is_paper() {
        let world = DigitSceneConfig { noise: 0.0, side: [16, 16], ..Default::default() }.init().unwrap();
        for index in 0..20 {
            let scene = world.sample(Key::new(2), index).unwrap();
            let paper = scene.image.pixels().iter().min().copied();
            for (&pixel, &class) in scene.image.pixels().iter().zip(scene.mask.as_ref().unwrap().classes()) {
                // A quarter of the way from the brightest paper to the darkest ink is 16 levels.
                assert!(class == 0 || pixel >= paper.unwrap() + 15, "{pixel} of class {class} on {paper:?}");
            }
        }
    }

    #[test]
    fn counts_classes_and_overlaps_are_as_asked_and_every_border_is_reached() {
        let config =
            DigitSceneConfig { size: [40, 72], count: [2, 5], max_overlap: 0.3, ..Default::default() };
        let world = config.init().unwrap();
        let (mut classes, mut borders) = ([0; 10], [0; 4]);
        let mut counts = [0; 6];
        for index in 0..400 {
            let scene = world.sample(Key::new(3), index).unwrap();
            counts[scene.objects.len()] += 1;
            for (i, object) in scene.objects.iter().enumerate() {
                classes[object.class] += 1;
                let [x0, y0, x1, y1] = object.bounds.corners();
                for (border, touched) in
                    borders.iter_mut().zip([x0 == 0.0, y0 == 0.0, x1 == 72.0, y1 == 40.0])
                {
                    *border += usize::from(touched);
                }
                for other in &scene.objects[..i] {
                    assert!(overlap(&object.bounds, &other.bounds) <= 0.3);
                }
            }
        }
        assert!(counts[0] == 0 && counts[2..=4].iter().all(|&count| count > 40), "{counts:?}");
        assert!(classes.iter().all(|&count| count > 60), "{classes:?}");
        assert!(borders.iter().all(|&count| count > 10), "{borders:?}");
    }

    #[test]
    fn noise_has_its_deviation_and_lies_everywhere() {
        let make = |noise| {
            let config = DigitSceneConfig { noise, count: [2, 2], ..Default::default() };
            config.init().unwrap().sample(Key::new(9), 3).unwrap()
        };
        let (clean, noisy) = (make(0.0), make(8.0));
        assert_eq!((&clean.objects, &clean.mask), (&noisy.objects, &noisy.mask));
        let squares = clean
            .image
            .pixels()
            .iter()
            .zip(noisy.image.pixels())
            .filter(|(clean, _)| (40..215).contains(*clean));
        let squares: Vec<f64> = squares.map(|(&a, &b)| (f64::from(b) - f64::from(a)).powi(2)).collect();
        let deviation = (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
        // Of a thousand pixels and more; rounding adds 1/12 to the variance.
        assert!(
            squares.len() > 1000 && (deviation / 8.0 - 1.0).abs() < 0.1,
            "{deviation} of {}",
            squares.len()
        );
    }

    #[test]
    fn enlarging_to_the_same_size_changes_nothing_and_ink_grows_with_the_area() {
        let exact: Vec<f32> = Digits::load().image(17).iter().map(|&value| f32::from(value) / 16.0).collect();
        assert_eq!(enlarged(17, 8), exact);
        let (small, large) =
            (exact.iter().sum::<f32>() / 64.0, enlarged(17, 32).iter().sum::<f32>() / 1024.0);
        assert!((large / small - 1.0).abs() < 0.03, "{large} against {small}");
    }

    #[test]
    fn colour_scenes_have_three_channels() {
        let config = DigitSceneConfig { channels: Channels::Rgb, ..Default::default() };
        let scene = config.init().unwrap().sample(Key::new(0), 0).unwrap();
        assert_eq!(scene.image.pixels().len(), 64 * 64 * 3);
        assert_boxes_are_those_of_the_mask(&scene);
    }

    #[test]
    fn settings_that_make_no_scene_are_refused_by_name() {
        let base = DigitSceneConfig::default();
        let refused = [
            (DigitSceneConfig { size: [0, 64], ..base }, "size"),
            (DigitSceneConfig { size: [64, 5000], ..base }, "size"),
            (DigitSceneConfig { count: [3, 2], ..base }, "count"),
            (DigitSceneConfig { side: [28, 16], ..base }, "side"),
            (DigitSceneConfig { side: [16, 65], ..base }, "side"),
            (DigitSceneConfig { side: [4, 16], ..base }, "side"),
            (DigitSceneConfig { max_overlap: 1.5, ..base }, "max_overlap"),
            (DigitSceneConfig { noise: f32::NAN, ..base }, "noise"),
        ];
        for (config, field) in refused {
            let message = config.init().unwrap_err().to_string();
            assert!(message.starts_with(&format!("{field}: expected")), "{message}");
        }
        assert!(base.init_with(&[]).is_err() && base.init_with(&[1797]).is_err());
    }
}
