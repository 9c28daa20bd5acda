//! Turns, shifts, scales and shears.

use serde::{Deserialize, Serialize};

use super::{Fill, OutOfFrame, Projection, Sampling, Warp, draw};
use crate::image::{Sample, Transform};
use crate::{Error, Key};

/// Turns the image about its centre.
///
/// Says: things are photographed a little askew (small angles), or from any side (180°). Angles are positive
/// to the left, against the clock, as torchvision's `rotate` has it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The range of the angle in degrees, uniform; both ends the same fix it.
    pub degrees: [f32; 2],
    /// Whether the frame grows until the whole turned image just fits (torchvision's may be a pixel larger). Default:
    /// no, as in torchvision.
    #[serde(default)]
    pub expand: bool,
    /// How pixels are read, what shows beyond them, what becomes of objects that leave. Default: nearest, black.
    #[serde(default)]
    pub warp: Warp,
}

impl Rotation {
    /// By up to so many degrees either way.
    pub fn up_to(degrees: f32) -> Self {
        Self { degrees: [-degrees, degrees], expand: false, warp: Warp::default() }
    }

    /// By exactly so many degrees, positive to the left.
    pub fn by(degrees: f32) -> Self {
        Self { degrees: [degrees; 2], ..Self::up_to(0.0) }
    }

    /// With a frame that grows.
    #[must_use]
    pub fn with_expand(self) -> Self {
        Self { expand: true, ..self }
    }

    /// With other sampling, fill and policy.
    #[must_use]
    pub fn with_warp(self, warp: Warp) -> Self {
        Self { warp, ..self }
    }
}

impl Transform for Rotation {
    fn apply(&self, sample: Sample, key: Key) -> Result<Sample, Error> {
        let degrees = draw::range("degrees", self.degrees, -360.0..=360.0)?;
        let angle = draw::within(degrees, &mut key.stream());
        let from @ [height, width] = sample.image.size();
        let turn = Amounts { degrees: -f64::from(angle), ..Amounts::NONE }.linear();
        let to = if self.expand { surrounding(&turn, from) } else { from };
        let map = Projection::translation([-(width as f64) / 2.0, -(height as f64) / 2.0])
            .then(turn)
            .then(Projection::translation([to[1] as f64 / 2.0, to[0] as f64 / 2.0]));
        self.warp.apply(sample, &map, to)
    }
}

/// `[height, width]` of the smallest frame of whole pixels around the turned image.
fn surrounding(turn: &Projection, [height, width]: [usize; 2]) -> [usize; 2] {
    let [x, y] = [width as f64 / 2.0, height as f64 / 2.0];
    let reach = |axis: usize| {
        let corners = [[x, y], [x, -y]].map(|corner| turn.map(corner).map_or(0.0, |to| to[axis].abs()));
        // Rounding must not add a pixel.
        let whole = (2.0 * corners[0].max(corners[1]) * 1e4).trunc() / 1e4;
        whole.ceil().max(1.0) as usize
    };
    [reach(1), reach(0)]
}

/// Turns, shifts, scales and shears by random amounts, each uniform on its range.
///
/// ```text
/// A = scale · rotation(θ) · shear(φx, φy)        p' = A (p − centre) + centre + shift
/// ```
///
/// Angles θ are positive to the right, with the clock, as torchvision's `affine` has it (and its `rotate` not).
/// For batches of small images see [`RandomAffine`](crate::image::RandomAffine).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Affine {
    /// The range of θ in degrees. Default: no turn.
    pub degrees: [f32; 2],
    /// The largest shift to either side as fractions of width and height; shifts are by whole pixels.
    /// Default: none.
    pub translate: [f32; 2],
    /// The range of the scale. Default: 1.
    pub scale: [f32; 2],
    /// The range of φx in degrees. Default: 0.
    pub shear_x: [f32; 2],
    /// The range of φy in degrees. Default: 0.
    pub shear_y: [f32; 2],
    /// How pixels are read, what shows beyond them, what becomes of objects that leave. Default: nearest, black.
    pub warp: Warp,
}

impl Default for Affine {
    fn default() -> Self {
        let none = [0.0; 2];
        let warp = Warp::default();
        Self { degrees: none, translate: none, scale: [1.0; 2], shear_x: none, shear_y: none, warp }
    }
}

impl Affine {
    /// Turns by up to so many degrees either way.
    #[must_use]
    pub fn with_rotation(self, degrees: f32) -> Self {
        Self { degrees: [-degrees, degrees], ..self }
    }

    /// Shifts by up to these fractions of width and height.
    #[must_use]
    pub fn with_translation(self, x: f32, y: f32) -> Self {
        Self { translate: [x, y], ..self }
    }

    /// Scales by a factor between the two.
    #[must_use]
    pub fn with_scale(self, smallest: f32, largest: f32) -> Self {
        Self { scale: [smallest, largest], ..self }
    }

    /// Shears sideways by up to so many degrees either way.
    #[must_use]
    pub fn with_shear(self, degrees: f32) -> Self {
        Self { shear_x: [-degrees, degrees], ..self }
    }

    /// With other sampling, fill and policy.
    #[must_use]
    pub fn with_warp(self, warp: Warp) -> Self {
        Self { warp, ..self }
    }
}

impl Transform for Affine {
    fn apply(&self, sample: Sample, key: Key) -> Result<Sample, Error> {
        let degrees = draw::range("degrees", self.degrees, -360.0..=360.0)?;
        let scale = draw::range("scale", self.scale, 0.01..=100.0)?;
        let shear_x = draw::range("shear_x", self.shear_x, -80.0..=80.0)?;
        let shear_y = draw::range("shear_y", self.shear_y, -80.0..=80.0)?;
        for fraction in self.translate {
            draw::number("translate", fraction, 0.0..=1.0)?;
        }
        let mut stream = key.stream();
        let [height, width] = sample.image.size();
        let mut shift = |fraction: f32, side: usize| {
            let most = fraction * side as f32;
            f64::from(draw::within([-most, most], &mut stream).round_ties_even())
        };
        let translate = [shift(self.translate[0], width), shift(self.translate[1], height)];
        let amounts = Amounts {
            degrees: draw::within(degrees, &mut stream).into(),
            scale: draw::within(scale, &mut stream).into(),
            shear: [draw::within(shear_x, &mut stream), draw::within(shear_y, &mut stream)].map(f64::from),
            translate,
        };
        let map = amounts.around([width as f64 / 2.0, height as f64 / 2.0]);
        self.warp.apply(sample, &map, [height, width])
    }
}

/// The amounts of one affine map, in the parametrisation of torchvision's `affine`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amounts {
    /// With the clock.
    pub(super) degrees: f64,
    pub(super) scale: f64,
    /// Degrees along x and y.
    pub(super) shear: [f64; 2],
    pub(super) translate: [f64; 2],
}

impl Amounts {
    pub(super) const NONE: Self = Self { degrees: 0.0, scale: 1.0, shear: [0.0; 2], translate: [0.0; 2] };

    /// scale · R(θ − φy) / cos φy with the shear along x folded in:
    ///
    /// ```text
    /// a =  cos(θ − φy) / cos φy        b = −cos(θ − φy) tan φx / cos φy − sin θ
    /// c =  sin(θ − φy) / cos φy        d = −sin(θ − φy) tan φx / cos φy + cos θ
    /// ```
    pub(super) fn linear(&self) -> Projection {
        let (theta, [x, y]) = (self.degrees.to_radians(), self.shear.map(f64::to_radians));
        let [a, c] = [(theta - y).cos() / y.cos(), (theta - y).sin() / y.cos()];
        let [b, d] = [-a * x.tan() - theta.sin(), -c * x.tan() + theta.cos()];
        Projection::linear([[a, b], [c, d]].map(|row| row.map(|value| value * self.scale)))
    }

    pub(super) fn around(&self, centre: [f64; 2]) -> Projection {
        self.linear().around(centre).then(Projection::translation(self.translate))
    }

    /// Moves a sample; for maps that have been checked.
    pub(super) fn apply(self, sample: Sample, centre: [f64; 2], fill: Fill) -> Result<Sample, Error> {
        let size = sample.image.size();
        let warp = Warp { sampling: Sampling::Nearest, fill, out_of_frame: OutOfFrame::default() };
        warp.apply(sample, &self.around(centre), size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Channels, Image};

    fn grey(pixels: Vec<u8>, size: [usize; 2]) -> Sample {
        Sample::new(Image::new(pixels, size, Channels::Grey).unwrap())
    }

    #[test]
    fn a_quarter_turn_goes_left_and_exchanges_the_sides_of_a_frame_that_grows() {
        let sample = grey(vec![1, 2, 3, 4, 5, 6], [2, 3]);
        let turned = Rotation::by(90.0).with_expand().apply(sample, Key::new(0)).unwrap();
        assert_eq!((turned.image.size(), turned.image.pixels()), ([3, 2], &[3, 6, 2, 5, 1, 4][..]));
    }

    #[test]
    fn affine_turns_right_where_rotation_turns_left() {
        let pixels: Vec<u8> = (0..25).collect();
        let turned = Rotation::by(90.0).apply(grey(pixels.clone(), [5, 5]), Key::new(0)).unwrap();
        let affine = Affine { degrees: [-90.0; 2], ..Affine::default() };
        assert_eq!(affine.apply(grey(pixels, [5, 5]), Key::new(0)).unwrap(), turned);
    }

    #[test]
    fn the_matrix_is_scale_times_turn_times_shears() {
        let amounts = Amounts { degrees: 25.0, scale: 1.3, shear: [12.0, -7.0], translate: [0.0; 2] };
        let radians = |degrees: f64| degrees.to_radians();
        let (sin, cos) = radians(25.0).sin_cos();
        let turn = Projection::linear([[cos, -sin], [sin, cos]]);
        let along_x = Projection::linear([[1.0, -radians(12.0).tan()], [0.0, 1.0]]);
        let along_y = Projection::linear([[1.0, 0.0], [-radians(-7.0).tan(), 1.0]]);
        // Shear along x first, then along y, then the turn.
        let product = along_x.then(along_y).then(turn).then(Projection::scaling([1.3, 1.3]));
        for (row, expected) in amounts.linear().matrix().iter().zip(product.matrix()) {
            assert!(row.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{row:?} {expected:?}");
        }
    }

    #[test]
    fn senseless_ranges_are_named() {
        let none = Affine::default();
        for (bad, field) in [
            (none.with_rotation(f32::NAN), "degrees"),
            (none.with_scale(0.0, 1.0), "scale"),
            (none.with_scale(2.0, 1.0), "scale"),
            (none.with_shear(90.0), "shear_x"),
            (none.with_translation(0.0, -0.1), "translate"),
        ] {
            let error = bad.apply(grey(vec![0; 4], [2, 2]), Key::new(0)).unwrap_err().to_string();
            assert!(error.starts_with(field), "{error}");
        }
    }
}
