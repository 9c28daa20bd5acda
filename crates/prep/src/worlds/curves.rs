//! Noisy measurements of a curve whose mean and deviation are known at every point.

use serde::{Deserialize, Serialize};

use super::{fine_uniform, normal};
use crate::{Error, Key};

/// Which curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CurveKind {
    /// `μ(x) = sin x` on [−π, π), σ = 0.1: smooth, the noise the same everywhere.
    Sine,
    /// `μ(x) = x³` on [−4, 4), σ = 3: the toy of J. M. Hernández-Lobato and R. P. Adams, *Probabilistic
    /// backpropagation*, 2015. <https://arxiv.org/abs/1502.05336>
    Cubic,
    /// `μ(x) = x sin x` on [0, 10), `σ(x) = 0.1 + 0.09 x`: the further, the noisier.
    Growing,
    /// μ(x) = −1 left of 0, +1 from there on, on [−2, 2), σ = 0.2: a jump that no smooth network can follow.
    Step,
    /// `μ(x) = sin 4x` on [−2, −0.7) ∪ [0.7, 2), σ = 0.1: nothing is measured in the middle, where a model
    /// should say that it does not know.
    Gap,
}

impl CurveKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Sine, Self::Cubic, Self::Growing, Self::Step, Self::Gap];
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// Where.
    pub x: f64,
    /// What was measured: mean plus noise.
    pub y: f64,
}

/// A curve, `y = μ(x) + σ(x) · z` with z from the standard normal distribution and x uniform on the curve's
/// domain.
///
/// The best a model can do is known. The mean square error of any prediction is at least the mean of σ²(x);
/// the negative log-likelihood in nats at least the mean of `½ ln(2πe σ²(x))`. A model below them has seen
/// the answers.
///
/// ```
/// use fornax_prep::{Key, worlds::{Curve, CurveKind}};
///
/// let curve = Curve::new(CurveKind::Sine);
/// let measured = curve.sample(Key::new(1), 0);
/// assert!((measured.y - curve.mean(measured.x)).abs() < 6.0 * curve.deviation(measured.x));
/// assert!((curve.least_square_error() - 0.01).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    kind: CurveKind,
    noise: f64,
}

impl Curve {
    /// A curve with its usual noise.
    pub fn new(kind: CurveKind) -> Self {
        Self { kind, noise: 1.0 }
    }

    /// With σ(x) multiplied by `noise`.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when `noise` is negative or not finite.
    pub fn with_noise(self, noise: f64) -> Result<Self, Error> {
        if noise.is_finite() && noise >= 0.0 {
            return Ok(Self { noise, ..self });
        }
        Err(Error::argument("noise", "a factor of at least 0", noise))
    }

    /// Which curve.
    pub fn kind(&self) -> CurveKind {
        self.kind
    }

    /// Where measurements lie: intervals closed on the left and open on the right.
    pub fn domain(&self) -> &'static [(f64, f64)] {
        use std::f64::consts::PI;
        match self.kind {
            CurveKind::Sine => &[(-PI, PI)],
            CurveKind::Cubic => &[(-4.0, 4.0)],
            CurveKind::Growing => &[(0.0, 10.0)],
            CurveKind::Step => &[(-2.0, 2.0)],
            CurveKind::Gap => &[(-2.0, -0.7), (0.7, 2.0)],
        }
    }

    /// μ(x), within the domain and beyond it.
    pub fn mean(&self, x: f64) -> f64 {
        match self.kind {
            CurveKind::Sine => x.sin(),
            CurveKind::Cubic => x.powi(3),
            CurveKind::Growing => x * x.sin(),
            CurveKind::Step => {
                if x < 0.0 {
                    -1.0
                } else {
                    1.0
                }
            }
            CurveKind::Gap => (4.0 * x).sin(),
        }
    }

    /// σ(x).
    pub fn deviation(&self, x: f64) -> f64 {
        let usual = match self.kind {
            CurveKind::Sine | CurveKind::Gap => 0.1,
            CurveKind::Cubic => 3.0,
            CurveKind::Growing => 0.1 + 0.09 * x.max(0.0),
            CurveKind::Step => 0.2,
        };
        self.noise * usual
    }

    /// Measurement `index` of the endless series that `key` names.
    pub fn sample(&self, key: Key, index: u64) -> Measurement {
        let mut stream = key.fold(index).stream();
        let length: f64 = self.domain().iter().map(|(from, to)| to - from).sum();
        let mut along = fine_uniform(&mut stream) * length;
        let mut x = self.domain()[0].0;
        for &(from, to) in self.domain() {
            x = from + along;
            if x < to {
                break;
            }
            along -= to - from;
        }
        Measurement { x, y: self.mean(x) + self.deviation(x) * normal(&mut stream) }
    }

    /// The first `count` measurements.
    pub fn samples(&self, key: Key, count: usize) -> Vec<Measurement> {
        (0..count as u64).map(|index| self.sample(key, index)).collect()
    }

    /// The mean square error of the best prediction there is: the mean of σ²(x).
    pub fn least_square_error(&self) -> f64 {
        self.average(|sigma| sigma * sigma)
    }

    /// The negative log-likelihood in nats of the best prediction there is: the mean of `½ ln(2πe σ²(x))`; −∞
    /// without noise.
    pub fn entropy(&self) -> f64 {
        self.average(|sigma| 0.5 * (std::f64::consts::TAU * std::f64::consts::E).ln() + sigma.ln())
    }

    /// The mean over x of a function of σ(x), by Simpson's rule; σ is smooth on every curve.
    fn average(&self, of: impl Fn(f64) -> f64) -> f64 {
        const STEPS: usize = 2000;
        let (mut sum, mut length) = (0.0, 0.0);
        for &(from, to) in self.domain() {
            let step = (to - from) / STEPS as f64;
            let weight = |i: usize| match i {
                0 | STEPS => 1.0,
                i if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            let value = |i: usize| weight(i) * of(self.deviation(from + i as f64 * step));
            sum += (0..=STEPS).map(value).sum::<f64>() * step / 3.0;
            length += to - from;
        }
        sum / length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_have_the_mean_and_deviation_that_are_stated() {
        for kind in CurveKind::ALL {
            let curve = Curve::new(kind);
            let measured = curve.samples(Key::new(6), 20_000);
            let n = measured.len() as f64;
            let standard = |m: &Measurement| (m.y - curve.mean(m.x)) / curve.deviation(m.x);
            let mean = measured.iter().map(standard).sum::<f64>() / n;
            let square = measured.iter().map(|m| standard(m).powi(2)).sum::<f64>() / n;
            // Deviations 1/√n and √(2/n); five of them.
            assert!(mean.abs() < 0.036 && (square - 1.0).abs() < 0.05, "{kind:?}: {mean}, {square}");
            let inside = |x: f64| curve.domain().iter().any(|&(from, to)| (from..to).contains(&x));
            assert!(measured.iter().all(|m| inside(m.x)), "{kind:?}");
        }
    }

    #[test]
    fn the_least_error_and_the_entropy_are_those_of_the_measurements() {
        for kind in CurveKind::ALL {
            let curve = Curve::new(kind);
            let measured = curve.samples(Key::new(7), 40_000);
            let n = measured.len() as f64;
            let error = measured.iter().map(|m| (m.y - curve.mean(m.x)).powi(2)).sum::<f64>() / n;
            let surprise = |m: &Measurement| {
                let sigma = curve.deviation(m.x);
                0.5 * ((m.y - curve.mean(m.x)) / sigma).powi(2)
                    + sigma.ln()
                    + 0.5 * std::f64::consts::TAU.ln()
            };
            let surprise = measured.iter().map(surprise).sum::<f64>() / n;
            assert!((error / curve.least_square_error() - 1.0).abs() < 0.05, "{kind:?}: {error}");
            // A surprise has deviation √½ and, where σ varies, that of ln σ, below 1: five of 1.22/200.
            assert!((surprise - curve.entropy()).abs() < 0.031, "{kind:?}: {surprise}");
        }
        let exact = Curve::new(CurveKind::Growing).least_square_error();
        // ∫(0.1 + 0.09x)² dx/10 over [0, 10] = ((1.0)³ − (0.1)³) / (3 · 0.09 · 10) = 0.37
        assert!((exact - 0.37).abs() < 1e-9, "{exact}");
    }

    #[test]
    fn x_is_uniform_and_nothing_is_measured_in_the_gap() {
        let measured = Curve::new(CurveKind::Gap).samples(Key::new(8), 10_000);
        assert!(measured.iter().all(|m| m.x.abs() >= 0.7));
        let left = measured.iter().filter(|m| m.x < 0.0).count();
        assert!(left.abs_diff(5000) < 250, "{left}");
    }

    #[test]
    fn noise_can_be_turned_off_and_not_below() {
        let quiet = Curve::new(CurveKind::Cubic).with_noise(0.0).unwrap();
        let m = quiet.sample(Key::new(1), 2);
        assert_eq!(m.y, m.x.powi(3));
        assert_eq!(quiet.entropy(), f64::NEG_INFINITY);
        for noise in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(quiet.with_noise(noise).is_err());
        }
    }
}
