//! Noise with a memory, for goals that no sequence of independent draws reaches.

use serde::{Deserialize, Serialize};

use crate::random::Pcg64;

/// θ and the length of a step: Stable-Baselines3's.
const PULL: f64 = 0.15;
const DT: f64 = 0.01;

/// An Ornstein–Uhlenbeck process for every number of every environment's action: x ← x − θ·x·Δt + σ·√Δt·N(0, 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Wander {
    values: Vec<f64>,
}

impl Wander {
    /// At rest, for `len` numbers; for none without noise, which then costs no draws.
    pub(super) fn new(sigma: f64, len: usize) -> Self {
        Self { values: vec![0.0; if sigma > 0.0 { len } else { 0 }] }
    }

    /// Moves on, and pushes `actions` within ±1.
    pub(super) fn push(&mut self, sigma: f64, rng: &mut Pcg64, actions: &mut [f32]) {
        for (value, action) in self.values.iter_mut().zip(actions) {
            *value += sigma * DT.sqrt() * rng.normal() - PULL * DT * *value;
            *action = (*action + *value as f32).clamp(-1.0, 1.0);
        }
    }

    /// To rest again where an episode is over.
    pub(super) fn rest(&mut self, terminated: &[bool], truncated: &[bool]) {
        let len = (self.values.len() / terminated.len()).max(1);
        for (values, ended) in self.values.chunks_mut(len).zip(terminated.iter().zip(truncated)) {
            if *ended.0 || *ended.1 {
                values.fill(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_spreads_as_the_process_does_and_forgets_at_an_episodes_end() {
        let (mut noise, mut rng) = (Wander::new(0.1, 4_000), Pcg64::new(0));
        let mut actions = vec![0.0; 4_000];
        for _ in 0..200 {
            actions.fill(0.0);
            noise.push(0.1, &mut rng, &mut actions);
        }
        // Var x = σ²/(2θ) · (1 − e^{−2θt}), t = 2
        let expected = 0.1_f64.powi(2) / 0.3 * (1.0 - (-0.6_f64).exp());
        let variance = noise.values.iter().map(|x| x * x).sum::<f64>() / 4_000.0;
        assert!((variance / expected - 1.0).abs() < 0.1, "{variance} {expected}");
        let (first, second) = (noise.values[0], noise.values[2_000]);
        assert!(first != 0.0 && second != 0.0);
        noise.rest(&[true, false], &[false, false]);
        assert_eq!((noise.values[0], noise.values[2_000]), (0.0, second));
        noise.rest(&[false, false], &[false, true]);
        assert_eq!(noise.values[2_000], 0.0);
    }

    #[test]
    fn a_strong_one_meets_the_flag_of_mountain_car_continuous_often() {
        use crate::env::{Action, ContinuousMountainCar, Env};

        let met = |sigma: f64| {
            let (mut env, mut rng) = (ContinuousMountainCar::new(), Pcg64::new(1));
            let mut episode = |seed| {
                let mut noise = Wander::new(sigma, 1);
                env.reset(Some(seed)).unwrap();
                (0..999).any(|_| {
                    let mut action = [0.0];
                    noise.push(sigma, &mut rng, &mut action);
                    env.step(Action::Continuous(&action)).unwrap().terminated
                })
            };
            (0..500).filter(|&seed| episode(seed)).count() as f64 / 500.0
        };
        // What `SacConfig::mountain_car_continuous` says.
        let (weak, strong) = (met(0.5), met(1.0));
        assert!((weak - 0.09).abs() < 0.05 && (strong - 0.38).abs() < 0.08, "{weak} {strong}");
    }
}
