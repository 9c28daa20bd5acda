//! # UCB1: optimism in the face of uncertainty
//!
//! Pull the lever that could be the best: its mean plus how wrong that may still be.
//!
//! ```text
//! a = argmax_k  mean_k + √(2 ln t / N_k)
//! ```
//!
//! By Hoeffding's inequality the true mean lies above the bound with probability at most t⁻⁴. So a worse lever is pulled only while its
//! bound is still wide, at most 8 ln T / Δ² + 1 + π²/3 times, for pay in [0, 1]:
//!
//! ```text
//! R(T) ≤ 8 Σ_{k: Δ_k > 0} ln T / Δ_k + (1 + π²/3) Σ_k Δ_k
//! ```
//!
//! P. Auer, N. Cesa-Bianchi, P. Fischer, *Finite-time Analysis of the Multiarmed Bandit Problem*, Machine Learning 47, 2002.
//! <https://doi.org/10.1023/A:1013689704352>
//!
//! ```
//! use fornax_rl::bandit::ucb::bound;
//!
//! let two = bound(&[0.9, 0.8], 10_000);
//! assert!((two - (8.0 * 10_000f64.ln() / 0.1 + (1.0 + 3.29) * 0.1)).abs() < 0.01);
//! ```

use std::f64::consts::PI;

use super::{Player, Record, check_arms};
use crate::error::EnvError;
use crate::random::Pcg64;

/// The player; see the [module page](self).
#[derive(Debug, Clone, PartialEq)]
pub struct Ucb1 {
    record: Record,
    time: u64,
}

impl Ucb1 {
    /// A player of `arms` levers that pay between 0 and 1.
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when there are no levers.
    pub fn new(arms: usize) -> Result<Self, EnvError> {
        check_arms(arms)?;
        Ok(Self { record: Record::new(arms), time: 0 })
    }
}

impl Player for Ucb1 {
    fn choose(&mut self, _: &[f64], _: &mut Pcg64) -> usize {
        self.record.untried().unwrap_or_else(|| {
            let log = (self.time as f64).ln();
            let Record { pulls, means } = &self.record;
            crate::tabular::greedy(
                means.iter().zip(pulls).map(|(mean, n)| mean + (2.0 * log / *n as f64).sqrt()),
            )
        })
    }

    fn learn(&mut self, arm: usize, reward: f64) {
        self.time += 1;
        self.record.add(arm, reward);
    }
}

/// The theorem's bound of the expected regret after `pulls`.
pub fn bound(means: &[f64], pulls: usize) -> f64 {
    let best = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let gaps = || means.iter().map(|mean| best - mean).filter(|gap| *gap > 0.0);
    let log = (pulls as f64).ln();
    8.0 * gaps().map(|gap| log / gap).sum::<f64>() + (1.0 + PI * PI / 3.0) * gaps().sum::<f64>()
}
