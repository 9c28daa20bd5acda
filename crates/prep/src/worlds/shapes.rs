//! Geometric shapes on a canvas with noise.

use std::f32::consts::{PI, TAU};

use serde::{Deserialize, Serialize};

use super::scene::{Stage, Stamp};
use crate::image::{Channels, Sample};
use crate::{Error, Key};

/// Share of a pixel from which it belongs to its shape.
const INK: f32 = 0.5;
/// Points a side at which a pixel is looked at: coverage comes in steps of 1/16.
const POINTS: usize = 4;

/// A kind of shape, in the unit circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShapeKind {
    /// A disc.
    Circle,
    /// Four equal sides.
    Square,
    /// Three equal sides.
    Triangle,
    /// A disc with a hole of half its radius.
    Ring,
    /// Two bars at right angles, a third as wide as long.
    Cross,
    /// Five points, its inner corners at 0.4 of the radius.
    Star,
}

impl ShapeKind {
    /// All kinds; the class of an object is its place here.
    pub const ALL: [Self; 6] =
        [Self::Circle, Self::Square, Self::Triangle, Self::Ring, Self::Cross, Self::Star];

    /// The name of its class.
    pub fn name(self) -> &'static str {
        match self {
            Self::Circle => "circle",
            Self::Square => "square",
            Self::Triangle => "triangle",
            Self::Ring => "ring",
            Self::Cross => "cross",
            Self::Star => "star",
        }
    }

    /// Area in the unit circle.
    pub fn area(self) -> f64 {
        use std::f64::consts::PI;
        match self {
            Self::Circle => PI,
            Self::Square => 2.0,
            Self::Triangle => 27f64.sqrt() / 4.0,
            Self::Ring => PI * 0.75,
            // Two bars of 6w by 2w without their common 2w by 2w; the corners at (3w, w) are on the circle.
            Self::Cross => 20.0 / 10.0,
            // Ten triangles between the centre, an outer and an inner corner.
            Self::Star => 5.0 * 0.4 * (PI / 5.0).sin(),
        }
    }

    /// Whether a point of the plane lies in it, unturned.
    fn holds(self, x: f32, y: f32) -> bool {
        let radius = x.hypot(y);
        match self {
            Self::Circle => radius <= 1.0,
            Self::Ring => (0.5..=1.0).contains(&radius),
            Self::Square => x.abs().max(y.abs()) <= 0.5f32.sqrt(),
            Self::Triangle => regular(3, x, y),
            Self::Cross => {
                let (long, short) = (x.abs().max(y.abs()), x.abs().min(y.abs()));
                let w = 0.1f32.sqrt();
                long <= 3.0 * w && short <= w
            }
            Self::Star => {
                // Folded into the wedge from an outer corner, at angle 0, to the next inner one.
                let angle = fold(y.atan2(x), TAU / 5.0).abs();
                let (px, py) = (radius * angle.cos(), radius * angle.sin());
                let (ix, iy) = (0.4 * (PI / 5.0).cos(), 0.4 * (PI / 5.0).sin());
                // On the centre's side of the line from (1, 0) to (ix, iy).
                (ix - 1.0) * py - iy * (px - 1.0) >= 0.0
            }
        }
    }
}

/// An angle moved by whole `period`s to within half of one around 0.
fn fold(angle: f32, period: f32) -> f32 {
    angle - period * (angle / period).round()
}

/// Whether a point lies in the regular polygon of the unit circle with a corner at angle 0.
fn regular(corners: u32, x: f32, y: f32) -> bool {
    let wedge = TAU / corners as f32;
    // The middle of a side is half a wedge from a corner.
    let from_middle = fold(y.atan2(x) - wedge / 2.0, wedge);
    x.hypot(y) * from_middle.cos() <= (wedge / 2.0).cos()
}

/// Scenes of shapes; pure data, built by [`init`](Self::init).
///
/// ```
/// use fornax_prep::{Key, worlds::ShapeConfig};
///
/// let scene = ShapeConfig::default().init()?.sample(Key::new(1), 0)?;
/// let mask = scene.mask.as_ref().unwrap();
/// assert_eq!(scene.image.size(), mask.size());
/// assert!((1..=3).contains(&scene.objects.len()));
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShapeConfig {
    /// `[height, width]` of the canvas in pixels. Default: 64 × 64.
    pub size: [usize; 2],
    /// Grey, or each shape and the paper in a colour of its own. Default: colour.
    pub channels: Channels,
    /// Kinds that occur, all equally often. Default: all.
    pub kinds: Vec<ShapeKind>,
    /// Fewest and most shapes of a scene; fewer where no room is found. Default: 1 to 3.
    pub count: [usize; 2],
    /// Smallest and largest diameter of a shape's circle in pixels. Default: 12 to 32.
    pub side: [usize; 2],
    /// Whether shapes are turned by a random angle. Default: yes.
    pub turned: bool,
    /// How much of the smaller of two boxes may lie in the other. Default: 0.
    pub max_overlap: f32,
    /// Standard deviation of the Gaussian noise on every pixel, in grey levels of 255. Default: 12.
    pub noise: f32,
}

impl Default for ShapeConfig {
    fn default() -> Self {
        Self {
            size: [64, 64],
            channels: Channels::Rgb,
            kinds: ShapeKind::ALL.to_vec(),
            count: [1, 3],
            side: [12, 32],
            turned: true,
            max_overlap: 0.0,
            noise: 12.0,
        }
    }
}

impl ShapeConfig {
    /// The world of these scenes.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] naming the field that cannot be used.
    pub fn init(&self) -> Result<Shapes, Error> {
        if self.kinds.is_empty() {
            return Err(Error::argument("kinds", "at least one kind of shape", "none"));
        }
        if self.side[0] < 4 {
            return Err(Error::argument("side", "at least 4 pixels", self.side[0]));
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
        Ok(Shapes { stage, config: self.clone() })
    }
}

/// An endless set of scenes with shapes: an object's class is the place of its kind in [`ShapeKind::ALL`],
/// the mask holds class + 1 where a shape covers half of a pixel or more, and a box is the smallest around
/// those.
#[derive(Debug, Clone)]
pub struct Shapes {
    stage: Stage,
    config: ShapeConfig,
}

impl Shapes {
    /// Scene `index` of the endless set that `key` names.
    ///
    /// # Errors
    ///
    /// None for a world that [`ShapeConfig::init`] has made.
    pub fn sample(&self, key: Key, index: u64) -> Result<Sample, Error> {
        let ShapeConfig { kinds, side: [least, most], turned, .. } = &self.config;
        self.stage.sample(key.fold(index), |stream| {
            let kind = kinds[stream.below(kinds.len() as u64) as usize];
            let side = least + stream.below((most - least) as u64 + 1) as usize;
            let angle = if *turned { stream.between(0.0, TAU) } else { -PI / 2.0 };
            let class = ShapeKind::ALL.iter().position(|&other| other == kind).unwrap_or_default();
            Stamp { coverage: drawn(kind, side, angle), side, class }
        })
    }
}

/// How much of each pixel the shape covers in the circle of diameter `side`, turned by `angle`.
fn drawn(kind: ShapeKind, side: usize, angle: f32) -> Vec<f32> {
    let fine = side * POINTS;
    let place = |i: usize| (i as f32 + 0.5) / fine as f32 * 2.0 - 1.0;
    let (sin, cos) = angle.sin_cos();
    let mut coverage = vec![0.0; side * side];
    for (j, y) in (0..fine).map(|j| (j, place(j))) {
        for (i, x) in (0..fine).map(|i| (i, place(i))) {
            if kind.holds(cos * x + sin * y, cos * y - sin * x) {
                coverage[j / POINTS * side + i / POINTS] += 1.0 / (POINTS * POINTS) as f32;
            }
        }
    }
    coverage
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::scene::assert_boxes_are_those_of_the_mask;

    #[test]
    fn drawn_shapes_have_the_area_of_geometry_at_every_angle() {
        for kind in ShapeKind::ALL {
            for angle in [0.0, 0.4, 1.9, -2.5] {
                let area: f32 = drawn(kind, 100, angle).iter().sum();
                let expected = kind.area() * 2500.0;
                let ratio = f64::from(area) / expected;
                assert!((ratio - 1.0).abs() < 0.006, "{} at {angle}: {ratio}", kind.name());
            }
        }
    }

    #[test]
    fn boxes_are_those_of_the_mask() {
        let world = ShapeConfig { count: [1, 5], ..Default::default() }.init().unwrap();
        let mut classes = [0; 6];
        for index in 0..150 {
            let scene = world.sample(Key::new(4), index).unwrap();
            assert_boxes_are_those_of_the_mask(&scene);
            scene.objects.iter().for_each(|object| classes[object.class] += 1);
        }
        assert!(classes.iter().all(|&count| count > 20), "{classes:?}");
    }

    #[test]
    fn upright_boxes_are_those_of_geometry() {
        for (kind, [width, height]) in [
            (ShapeKind::Circle, [40.0, 40.0]),
            (ShapeKind::Square, [28.3, 28.3]),
            (ShapeKind::Triangle, [34.6, 30.0]),
            (ShapeKind::Cross, [37.9, 37.9]),
            (ShapeKind::Star, [38.0, 36.2]),
        ] {
            let config = ShapeConfig {
                kinds: vec![kind],
                side: [40, 40],
                turned: false,
                count: [1, 1],
                ..Default::default()
            };
            let scene = config.init().unwrap().sample(Key::new(0), 5).unwrap();
            let bounds = scene.objects[0].bounds;
            // A sharp corner covers little of its last pixels.
            assert!((bounds.width() - width).abs() <= 3.0, "{}: {bounds:?}", kind.name());
            assert!((bounds.height() - height).abs() <= 3.0, "{}: {bounds:?}", kind.name());
        }
    }

    #[test]
    fn settings_that_make_no_scene_are_refused_by_name() {
        let refused = [
            (ShapeConfig { kinds: vec![], ..Default::default() }, "kinds"),
            (ShapeConfig { side: [2, 8], ..Default::default() }, "side"),
            (ShapeConfig { side: [12, 80], ..Default::default() }, "side"),
        ];
        for (config, field) in refused {
            let message = config.init().unwrap_err().to_string();
            assert!(message.starts_with(&format!("{field}: expected")), "{message}");
        }
        let read: ShapeConfig = serde_json::from_str(r#"{"kinds": ["ring", "star"]}"#).unwrap();
        assert_eq!(read.kinds, [ShapeKind::Ring, ShapeKind::Star]);
    }
}
