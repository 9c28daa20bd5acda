//! Distributions over the plane whose density is known everywhere.
//!
//! What a generative model has learnt can be seen in two dimensions, and measured where the density is known:
//! the mean of `log p(x) − log q(x)` over samples of p is the divergence KL(p ‖ q), exactly and not up to a
//! constant.
//!
//! A point is drawn on a curve and blurred by a Gaussian, so the density is an integral along the curve:
//!
//! ```text
//! x = c(t) + σ z,   t uniform on its interval, z ~ N(0, I)        p(x) = ∫ N(x; c(t), σ²I) dt / |interval|
//! ```
//!
//! For eight points the integral is a sum of eight terms. Along moons, rings and spirals it is taken by Gauss
//! and Legendre's rule with eight nodes on every piece of a curve about σ long, where the integrand is so
//! smooth that the rule is exact to twelve digits; a test compares the ring with its closed form in Bessel's
//! function I₀. The checkerboard is uniform on its dark squares, and has density 0 beside them.

use serde::{Deserialize, Serialize};
use std::f64::consts::{PI, TAU};

use super::{fine_uniform, normal};
use crate::random::Stream;
use crate::{Error, Key};

/// Nodes and weights of Gauss and Legendre's rule of order 8 on [−1, 1], the upper half.
const NODES: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_47),
    (0.960_289_856_497_536_2, 0.101_228_536_290_376_26),
];

/// Which distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DensityKind {
    /// Eight equal Gaussians on a circle of radius 2.
    EightGaussians,
    /// Two half circles of radius 1, interlocked: the upper about (−½, −¼), the lower about (½, ¼).
    TwoMoons,
    /// Three circles about the origin of radii 0.5, 1.25 and 2, equally likely.
    Rings,
    /// Uniform on the dark ones of 4 × 4 squares of side 1; σ does not apply.
    Checkerboard,
    /// Two arms, each the other turned by half a turn: radius 2t at angle 3πt, for t from 0.1 to 1.
    Spirals,
}

impl DensityKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::EightGaussians, Self::TwoMoons, Self::Rings, Self::Checkerboard, Self::Spirals];

    /// The σ that [`Density::new`] takes.
    pub fn usual_noise(self) -> f64 {
        match self {
            Self::EightGaussians => 0.2,
            Self::TwoMoons | Self::Rings => 0.1,
            Self::Checkerboard => 0.0,
            Self::Spirals => 0.08,
        }
    }

    /// The curves, equally likely: each a function of t on [0, 1]. Without curves: the checkerboard.
    fn curves(self) -> Vec<Box<dyn Fn(f64) -> [f64; 2]>> {
        let circle = |radius: f64, from: f64, turn: f64, [x, y]: [f64; 2]| -> Box<dyn Fn(f64) -> [f64; 2]> {
            Box::new(move |t| {
                let (sin, cos) = (from + turn * t).sin_cos();
                [x + radius * cos, y + radius * sin]
            })
        };
        match self {
            Self::EightGaussians => {
                (0..8).map(|i| circle(2.0, f64::from(i) * TAU / 8.0, 0.0, [0.0, 0.0])).collect()
            }
            Self::TwoMoons => {
                vec![circle(1.0, 0.0, PI, [-0.5, -0.25]), circle(1.0, PI, PI, [0.5, 0.25])]
            }
            Self::Rings => {
                [0.5, 1.25, 2.0].map(|radius| circle(radius, 0.0, TAU, [0.0, 0.0])).into_iter().collect()
            }
            Self::Spirals => [0.0, PI]
                .map(|turned| -> Box<dyn Fn(f64) -> [f64; 2]> {
                    Box::new(move |t| {
                        let t = 0.1 + 0.9 * t;
                        let (sin, cos) = (3.0 * PI * t + turned).sin_cos();
                        [2.0 * t * cos, 2.0 * t * sin]
                    })
                })
                .into_iter()
                .collect(),
            Self::Checkerboard => Vec::new(),
        }
    }
}

/// A distribution over the plane; pure data, built by [`init`](Self::init).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DensityConfig {
    /// Which.
    pub kind: DensityKind,
    /// σ, the deviation of the blur in both directions, from 0.01 to 1; of no effect on the checkerboard.
    pub noise: f64,
}

impl DensityConfig {
    /// With its usual σ: 0.2 for the Gaussians, 0.1 for moons and rings, 0.08 for spirals.
    pub fn new(kind: DensityKind) -> Self {
        Self { kind, noise: kind.usual_noise() }
    }

    /// The distribution, ready to be drawn from and asked.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when the noise is outside its range.
    pub fn init(&self) -> Result<Density, Error> {
        if self.kind != DensityKind::Checkerboard && !(0.01..=1.0).contains(&self.noise) {
            return Err(Error::argument("noise", "a deviation from 0.01 to 1", self.noise));
        }
        Ok(Density::build(*self))
    }
}

/// A distribution over the plane whose density is known; see the source's first lines for how.
///
/// ```
/// use fornax_prep::{Key, worlds::{Density, DensityKind}};
///
/// let moons = Density::new(DensityKind::TwoMoons);
/// let points = moons.samples(Key::new(1), 1000);
/// // The mean of −log p over samples is the entropy, here about 1.1 nats: e^1.1 ≈ 3 square units are likely.
/// let entropy = -points.iter().map(|&point| moons.log_density(point)).sum::<f64>() / 1000.0;
/// assert!((0.9..1.3).contains(&entropy), "{entropy}");
/// assert!(moons.log_density([5.0, 5.0]) < -100.0);
/// ```
#[derive(Debug, Clone)]
pub struct Density {
    config: DensityConfig,
    /// Where the integral is evaluated, with the logarithm of each node's weight.
    nodes: Vec<([f64; 2], f64)>,
}

impl Density {
    /// A distribution with its usual σ.
    pub fn new(kind: DensityKind) -> Self {
        Self::build(DensityConfig::new(kind))
    }

    fn build(config: DensityConfig) -> Self {
        let curves = config.kind.curves();
        let mut nodes = Vec::new();
        for curve in &curves {
            let fine = 512;
            let at = |i: usize| curve(i as f64 / f64::from(fine));
            let distance = |a: [f64; 2], b: [f64; 2]| (b[0] - a[0]).hypot(b[1] - a[1]);
            let length: f64 = (0..fine as usize).map(|i| distance(at(i), at(i + 1))).sum();
            if length < 1e-9 {
                nodes.push((curve(0.0), -(curves.len() as f64).ln()));
                continue;
            }
            let pieces = (length / config.noise).ceil().max(1.0);
            for piece in 0..pieces as usize {
                for (node, weight) in
                    NODES.iter().flat_map(|&(node, weight)| [(node, weight), (-node, weight)])
                {
                    let t = (piece as f64 + 0.5 + 0.5 * node) / pieces;
                    nodes.push((curve(t), (0.5 * weight / pieces / curves.len() as f64).ln()));
                }
            }
        }
        Self { config, nodes }
    }

    /// What it was made from.
    pub fn config(&self) -> DensityConfig {
        self.config
    }

    /// The natural logarithm of the density at a point: −∞ where it is 0.
    pub fn log_density(&self, [x, y]: [f64; 2]) -> f64 {
        if self.config.kind == DensityKind::Checkerboard {
            let inside = (-2.0..2.0).contains(&x) && (-2.0..2.0).contains(&y);
            let dark = (x.floor() + y.floor()).rem_euclid(2.0) == 0.0;
            return if inside && dark { -(8f64.ln()) } else { f64::NEG_INFINITY };
        }
        let sigma2 = self.config.noise * self.config.noise;
        let exponent = |([cx, cy], weight): &([f64; 2], f64)| {
            weight - ((x - cx).powi(2) + (y - cy).powi(2)) / (2.0 * sigma2)
        };
        // Largest first, or all terms vanish far from the curve.
        let largest = self.nodes.iter().map(exponent).fold(f64::NEG_INFINITY, f64::max);
        if !largest.is_finite() {
            return largest;
        }
        let sum: f64 = self.nodes.iter().map(|node| (exponent(node) - largest).exp()).sum();
        largest + sum.ln() - (TAU * sigma2).ln()
    }

    /// Point `index` of the endless set that `key` names.
    pub fn sample(&self, key: Key, index: u64) -> [f64; 2] {
        self.draw(&self.config.kind.curves(), &mut key.fold(index).stream())
    }

    /// The first `count` points.
    pub fn samples(&self, key: Key, count: usize) -> Vec<[f64; 2]> {
        let curves = self.config.kind.curves();
        (0..count as u64).map(|index| self.draw(&curves, &mut key.fold(index).stream())).collect()
    }

    fn draw(&self, curves: &[Box<dyn Fn(f64) -> [f64; 2]>], stream: &mut Stream) -> [f64; 2] {
        if curves.is_empty() {
            // A column, then one of its two dark squares.
            let column = stream.below(4) as f64 - 2.0;
            let row = 2.0 * stream.below(2) as f64 - 2.0 + column.rem_euclid(2.0);
            return [column + fine_uniform(stream), row + fine_uniform(stream)];
        }
        let curve = &curves[stream.below(curves.len() as u64) as usize];
        let [x, y] = curve(fine_uniform(stream));
        [x + self.config.noise * normal(stream), y + self.config.noise * normal(stream)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half the side of a square outside of which there is next to nothing.
    const REACH: f64 = 3.5;

    #[test]
    fn densities_integrate_to_one() {
        for kind in DensityKind::ALL {
            let density = Density::new(kind);
            // The midpoint rule is exact to many digits on smooth functions that vanish at the rim; squares of the
            // checkerboard are whole numbers of cells.
            let cells = 140;
            let step = 2.0 * REACH / f64::from(cells);
            let centre = |i: i32| -REACH + (f64::from(i) + 0.5) * step;
            let row =
                |j: i32| (0..cells).map(|i| density.log_density([centre(i), centre(j)]).exp()).sum::<f64>();
            let total = (0..cells).map(row).sum::<f64>() * step * step;
            assert!((total - 1.0).abs() < 1e-6, "{kind:?}: {total}");
        }
    }

    #[test]
    fn samples_fall_where_the_density_says() {
        let cells = 14;
        let step = 2.0 * REACH / cells as f64;
        for kind in DensityKind::ALL {
            let density = Density::new(kind);
            let count = 20_000;
            let mut seen = vec![0.0; cells * cells];
            for [x, y] in density.samples(Key::new(11), count) {
                let cell = |value: f64| ((value + REACH) / step).floor() as usize;
                assert!(cell(x) < cells && cell(y) < cells, "{kind:?}: ({x}, {y})");
                seen[cell(y) * cells + cell(x)] += 1.0;
            }
            // Pearson's statistic over cells of at least five expected points.
            let fine = 8;
            let (mut statistic, mut degrees) = (0.0, -1.0);
            for (cell, seen) in seen.iter().enumerate() {
                let corner = [-REACH + (cell % cells) as f64 * step, -REACH + (cell / cells) as f64 * step];
                let place = |from: f64, i: usize| from + (i as f64 + 0.5) * step / fine as f64;
                let p: f64 = (0..fine * fine)
                    .map(|i| {
                        density.log_density([place(corner[0], i % fine), place(corner[1], i / fine)]).exp()
                    })
                    .sum();
                let expected = p * (step / fine as f64).powi(2) * count as f64;
                if expected >= 5.0 {
                    statistic += (seen - expected).powi(2) / expected;
                    degrees += 1.0;
                }
            }
            // Mean `degrees`, deviation √(2 degrees); five of them.
            assert!(degrees >= 7.0, "{kind:?}");
            let bound = degrees + 5.0 * (2.0f64 * degrees).sqrt();
            assert!(statistic < bound, "{kind:?}: {statistic} of {degrees} degrees");
        }
    }

    #[test]
    fn a_ring_has_its_closed_form() {
        // A circle of radius R blurred by σ: p(x) = exp(−(|x|² + R²) / 2σ²) I₀(|x| R / σ²) / 2πσ².
        let bessel = |z: f64| {
            let (mut sum, mut term) = (1.0, 1.0);
            for k in 1..400 {
                term *= (z / 2.0 / f64::from(k)).powi(2);
                sum += term;
            }
            f64::ln(sum)
        };
        let density = DensityConfig { kind: DensityKind::Rings, noise: 0.2 }.init().unwrap();
        for point in [[0.0, 0.0], [0.5, 0.0], [0.9, -0.4], [1.3, 0.7], [-0.3, 2.1], [2.0, 1.5]] {
            let s2 = 0.2f64 * 0.2;
            let r2 = point[0] * point[0] + point[1] * point[1];
            let ring = |radius: f64| {
                (-(r2 + radius * radius) / (2.0 * s2) + bessel(r2.sqrt() * radius / s2)).exp() / (TAU * s2)
            };
            let exact = ((ring(0.5) + ring(1.25) + ring(2.0)) / 3.0).ln();
            assert!((density.log_density(point) - exact).abs() < 1e-11, "{point:?}");
        }
    }

    #[test]
    fn pieces_twice_as_fine_change_nothing() {
        for kind in [DensityKind::TwoMoons, DensityKind::Spirals] {
            let config = DensityConfig::new(kind);
            let density = config.init().unwrap();
            let mut finer = density.clone();
            finer.nodes = DensityConfig { noise: config.noise / 2.0, ..config }.init().unwrap().nodes;
            for point in density.samples(Key::new(2), 200) {
                let difference = density.log_density(point) - finer.log_density(point);
                assert!(difference.abs() < 1e-10, "{kind:?} at {point:?}: {difference}");
            }
        }
    }

    #[test]
    fn the_entropy_of_the_checkerboard_is_that_of_eight_squares() {
        let board = Density::new(DensityKind::Checkerboard);
        for point in board.samples(Key::new(3), 500) {
            assert_eq!(board.log_density(point), -(8f64.ln()), "{point:?}");
        }
        assert_eq!(board.log_density([0.5, 1.5]), f64::NEG_INFINITY);
    }

    #[test]
    fn far_away_the_density_is_small_and_finite() {
        for kind in [DensityKind::EightGaussians, DensityKind::TwoMoons, DensityKind::Spirals] {
            let value = Density::new(kind).log_density([50.0, -50.0]);
            assert!(value.is_finite() && value < -1000.0, "{value}");
        }
    }

    #[test]
    fn noise_out_of_range_is_refused() {
        for noise in [0.0, -0.1, 2.0, f64::NAN] {
            let config = DensityConfig { kind: DensityKind::Rings, noise };
            assert!(config.init().unwrap_err().to_string().starts_with("noise: expected"));
        }
    }
}
