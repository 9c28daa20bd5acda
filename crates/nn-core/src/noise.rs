//! Normal numbers that follow from a seed alone, on every platform and device.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of independent standard normal numbers (Box and Muller's method on ChaCha8).
pub(crate) struct Normal {
    rng: ChaCha8Rng,
    spare: Option<f64>,
}

impl Normal {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), spare: None }
    }

    pub(crate) fn vector(&mut self, len: usize) -> Vec<f64> {
        self.by_ref().take(len).collect()
    }
}

impl Iterator for Normal {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        if let Some(spare) = self.spare.take() {
            return Some(spare);
        }
        // 1 − u lies in (0, 1], where the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.rng.random::<f64>()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.rng.random::<f64>()).sin_cos();
        self.spare = Some(radius * sin);
        Some(radius * cos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_a_standard_normal() {
        let n = 100_000;
        let values = Normal::new(1).vector(n);
        let moment = |k: i32| values.iter().map(|x| x.powi(k)).sum::<f64>() / n as f64;
        // Standard errors: 1/√n, √2/√n, √15/√n, √96/√n; five of them.
        for (k, expected, deviation) in [(1, 0.0, 1.0), (2, 1.0, 2f64), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let error = (moment(k) - expected).abs();
            assert!(error < 5.0 * deviation.sqrt() / (n as f64).sqrt(), "moment {k} off by {error}");
        }
    }

    #[test]
    fn the_stream_follows_from_the_seed() {
        assert_eq!(Normal::new(7).vector(9), Normal::new(7).vector(9));
        assert_ne!(Normal::new(7).vector(9), Normal::new(8).vector(9));
    }
}
