//! Random numbers on the host: a portable stream from a seed.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A source of uniform, normal, gamma and beta numbers; the same seed and stream give the same
/// numbers everywhere.
pub(crate) struct Draw {
    rng: ChaCha8Rng,
    /// The second of the pair Box–Muller makes.
    spare: Option<f64>,
}

impl Draw {
    /// Streams of one seed are independent of each other.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self { rng, spare: None }
    }

    /// Uniform over the multiples of 2⁻⁵³ in [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Standard normal, by Box and Muller: √(−2 ln u)·(cos 2πv, sin 2πv).
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        self.spare = Some(radius * sin);
        radius * cos
    }

    /// Beta(a, a) on [0, 1], as x/(x + y) of two gamma numbers, in logarithms so that a small `a`
    /// (both underflow) still gives an end of the interval and not 0/0.
    pub(crate) fn symmetric_beta(&mut self, a: f64) -> f64 {
        let (x, y) = (self.log_gamma_number(a), self.log_gamma_number(a));
        1.0 / (1.0 + (y - x).exp())
    }

    /// The logarithm of a Gamma(a, 1) number, by Marsaglia and Tsang; for a < 1 from
    /// Gamma(a + 1)·u^(1/a). <https://doi.org/10.1145/358407.358414>
    fn log_gamma_number(&mut self, a: f64) -> f64 {
        if a < 1.0 {
            let boost = (1.0 - self.uniform()).ln() / a;
            return self.log_gamma_number(a + 1.0) + boost;
        }
        let d = a - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v <= 0.0 {
                continue;
            }
            let u = 1.0 - self.uniform();
            if u.ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
                return (d * v).ln();
            }
        }
    }

    /// A permutation of 0..count, by Fisher and Yates.
    pub(crate) fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for i in (1..count).rev() {
            let j = (self.uniform() * (i + 1) as f64) as usize;
            order.swap(i, j);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let take = |seed, stream| {
            let mut draw = Draw::new(seed, stream);
            [draw.uniform(), draw.normal(), draw.normal()]
        };
        assert_eq!(take(1, 2), take(1, 2));
        assert_ne!(take(1, 2), take(1, 3));
        assert_ne!(take(1, 2), take(2, 2));
    }

    #[test]
    fn normal_numbers_have_the_moments_of_the_normal_distribution() {
        let (mut draw, n) = (Draw::new(5, 0), 100_000);
        let numbers: Vec<f64> = (0..n).map(|_| draw.normal()).collect();
        let moment = |k: i32| numbers.iter().map(|x| x.powi(k)).sum::<f64>() / f64::from(n);
        // Five standard errors of each: √(1/n), √(2/n), √(15/n), √(96/n).
        let error = 5.0 / f64::from(n).sqrt();
        assert!(moment(1).abs() < error);
        assert!((moment(2) - 1.0).abs() < error * 2f64.sqrt());
        assert!(moment(3).abs() < error * 15f64.sqrt());
        assert!((moment(4) - 3.0).abs() < error * 96f64.sqrt());
    }

    #[test]
    fn beta_numbers_have_the_mean_and_variance_of_the_beta_distribution() {
        for a in [0.2, 1.0, 4.0] {
            let (mut draw, n) = (Draw::new(8, 0), 50_000);
            let numbers: Vec<f64> = (0..n).map(|_| draw.symmetric_beta(a)).collect();
            let mean = numbers.iter().sum::<f64>() / f64::from(n);
            let variance = numbers.iter().map(|x| (x - 0.5).powi(2)).sum::<f64>() / f64::from(n);
            assert!((mean - 0.5).abs() < 5.0 * 0.5 / f64::from(n).sqrt(), "{a}: {mean}");
            // Var of Beta(a, a) = 1/(4(2a + 1)); a squared deviation lies in [0, ¼].
            let expected = 1.0 / (4.0 * (2.0 * a + 1.0));
            assert!((variance - expected).abs() < 5.0 * 0.125 / f64::from(n).sqrt(), "{a}: {variance}");
        }
        let mut tiny = Draw::new(8, 1);
        assert!((0..1000).all(|_| (0.0..=1.0).contains(&tiny.symmetric_beta(1e-3))));
    }

    #[test]
    fn a_permutation_holds_every_index_once() {
        let mut order = Draw::new(1, 1).permutation(100);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
