//! ε-greedy whose random actions are kept for a while.

use serde::{Deserialize, Serialize};

use crate::random::Pcg64;

/// The random action of each environment, and for how many more steps it is taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Whims(Vec<(f32, u64)>);

impl Whims {
    /// None yet, for `n` environments.
    pub(super) fn new(n: usize) -> Self {
        Self(vec![(0.0, 0); n])
    }

    /// Replaces greedy `actions` by random ones, begun with probability `epsilon` and kept for a step, or for a number of them
    /// drawn with exponent `mu`.
    pub(super) fn replace(
        &mut self,
        epsilon: f64,
        mu: Option<f64>,
        choices: usize,
        rng: &mut Pcg64,
        actions: &mut [f32],
    ) {
        for ((kept, left), action) in self.0.iter_mut().zip(actions) {
            if *left == 0 && rng.unit() < epsilon {
                *kept = rng.below(choices as u64) as f32;
                *left = mu.map_or(1, |mu| zeta(mu, rng));
            }
            if *left > 0 {
                *action = *kept;
                *left -= 1;
            }
        }
    }

    /// An episode's end is a whim's.
    pub(super) fn end(&mut self, terminated: &[bool], truncated: &[bool]) {
        for ((_, left), ended) in self.0.iter_mut().zip(terminated.iter().zip(truncated)) {
            if *ended.0 || *ended.1 {
                *left = 0;
            }
        }
    }
}

/// n with probability proportional to n^−μ, μ > 1, by rejection (L. Devroye, *Non-uniform random variate generation*, 1986, X.6.1).
fn zeta(mu: f64, rng: &mut Pcg64) -> u64 {
    let b = 2.0_f64.powf(mu - 1.0);
    loop {
        let (u, v) = (1.0 - rng.unit(), rng.unit());
        let x = u.powf(-1.0 / (mu - 1.0)).floor().min(1e9);
        let t = (1.0 + 1.0 / x).powf(mu - 1.0);
        if v * x * (t - 1.0) / (b - 1.0) <= t / b {
            return x as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_follow_the_zeta_distribution() {
        let mut rng = Pcg64::new(0);
        let lengths: Vec<u64> = (0..20_000).map(|_| zeta(2.0, &mut rng)).collect();
        for n in 1..=4 {
            let share = lengths.iter().filter(|&&length| length == n).count() as f64 / 20_000.0;
            let expected = 6.0 / std::f64::consts::PI.powi(2) / (n * n) as f64;
            assert!((share - expected).abs() < 0.01, "{n}: {share} {expected}");
        }
    }

    #[test]
    fn a_whim_lasts_for_its_length_or_to_the_end_of_the_episode() {
        let (mut whims, mut rng) = (Whims(vec![(2.0, 3), (1.0, 3)]), Pcg64::new(0));
        let mut step = |whims: &mut Whims| {
            let mut actions = [0.0, 0.0];
            whims.replace(0.0, None, 3, &mut rng, &mut actions);
            actions
        };
        assert_eq!(step(&mut whims), [2.0, 1.0]);
        whims.end(&[false, false], &[false, true]);
        assert_eq!(
            [step(&mut whims), step(&mut whims), step(&mut whims)],
            [[2.0, 0.0], [2.0, 0.0], [0.0, 0.0]]
        );
    }
}
