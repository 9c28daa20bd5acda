//! # Worlds of which the truth is known
//!
//! Whether a model has learnt the right thing can be measured where the right thing is known. On files a
//! detector is compared with what somebody drew around a thing, a density with samples, a forecast with one
//! outcome. Here boxes, masks, means, variances and log-densities are exact by construction, data never runs
//! out, and a model that merely remembers is found out, because the next sample has never been seen.
//!
//! | world | a sample | the truth that comes with it |
//! |---|---|---|
//! | [`DigitScenes`] | real handwritten digits on a noisy canvas | boxes, mask, classes |
//! | [`moving_digits`] | a film of digits that bounce | boxes, classes and velocities of every frame |
//! | [`Shapes`] | circles, squares, triangles, … | boxes, mask, classes |
//! | [`Curve`] | a noisy measurement y at x | mean and deviation of y at every x |
//! | [`Density`] | a point of the plane | the logarithm of its probability density |
//! | [`driving`] | what a camera on a car sees of a road that winds and forks | the expert's command, the way to take, the distance from the lane |
//! | [`tasks`] | a text or sequence and its answer | the one right answer |
//!
//! Every sample is a function of (seed, index), as everything random in this crate:
//! `world.sample(Key::new(seed), index)` is the same on every machine and thread, in every order. Sample 7 of
//! a world costs no more than sample 0.
//!
//! ## What goes wrong
//!
//! A generator with a *tell*: objects that never touch the border, noise that stops where an object begins,
//! classes of different brightness. A network finds it sooner than the shape it was meant to learn. So here
//! the noise is added last and everywhere, every place of the canvas is as likely as every other in which an
//! object has room, and brightness, size and class are drawn independently of each other.

mod curves;
mod densities;
mod digit_scenes;
pub mod driving;
pub mod moving_digits;
mod scene;
mod shapes;
pub mod tasks;

pub use curves::{Curve, CurveKind, Measurement};
pub use densities::{Density, DensityConfig, DensityKind};
pub use digit_scenes::{DigitSceneConfig, DigitScenes};
pub use shapes::{ShapeConfig, ShapeKind, Shapes};

use crate::random::Stream;

/// A draw from the standard normal distribution, by Box and Muller's transform:
///
/// ```text
/// z = √(−2 ln u) · cos(2πv),    u uniform on (0, 1], v uniform on [0, 1)
/// ```
pub(crate) fn normal(stream: &mut Stream) -> f64 {
    // 48 random bits for u: with 24 no draw could lie beyond 5.8 deviations.
    let u = 1.0 - fine_uniform(stream);
    let v = f64::from(stream.uniform());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Uniform on [0, 1): 48 random bits.
pub(crate) fn fine_uniform(stream: &mut Stream) -> f64 {
    stream.below(1 << 48) as f64 / (1u64 << 48) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    #[test]
    fn normal_draws_have_the_moments_and_tails_of_the_normal_distribution() {
        let mut stream = Key::new(5).stream();
        let drawn: Vec<f64> = (0..40_000).map(|_| normal(&mut stream)).collect();
        let moment = |power: i32| drawn.iter().map(|z| z.powi(power)).sum::<f64>() / drawn.len() as f64;
        // Deviations of the sample moments: √1, √2, √15 and √96 over √n; five of them.
        for (power, expected, deviation) in [(1, 0.0, 1.0f64), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)]
        {
            let bound = 5.0 * deviation.sqrt() / 200.0;
            assert!((moment(power) - expected).abs() < bound, "moment {power}: {}", moment(power));
        }
        // P(|z| > 2) = 0.0455; deviation of the fraction 0.00104.
        let beyond = drawn.iter().filter(|z| z.abs() > 2.0).count() as f64 / drawn.len() as f64;
        assert!((beyond - 0.0455).abs() < 0.0052, "{beyond}");
    }
}
