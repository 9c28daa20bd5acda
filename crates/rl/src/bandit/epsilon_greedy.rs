//! # ε-greedy
//!
//! The best lever so far, and with probability ε any lever.
//!
//! ```text
//! a = argmax_k mean_k          with probability 1 − ε
//! a uniform                    with probability ε
//! ```
//!
//! Exploration never ends, so the regret is linear: at least ε · mean gap · T. Its merit is that it needs no model of anything, which
//! is why it survives in deep Q-learning.
//!
//! ```
//! use fornax_rl::bandit::{Player, epsilon_greedy::EpsilonGreedy};
//!
//! assert!(EpsilonGreedy::new(3, 1.5).is_err());
//! let mut player = EpsilonGreedy::new(2, 0.0)?;
//! player.learn(0, 0.0);
//! player.learn(1, 1.0);
//! assert_eq!(player.choose(&[], &mut fornax_rl::random::Pcg64::new(0)), 1);
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use fornax_nn_core::ConfigError;

use super::{Player, Record, check_arms};
use crate::error::EnvError;
use crate::random::Pcg64;

/// The player; see the [module page](self).
#[derive(Debug, Clone, PartialEq)]
pub struct EpsilonGreedy {
    record: Record,
    epsilon: f64,
}

impl EpsilonGreedy {
    /// A player of `arms` levers.
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when there are no levers or ε is no probability.
    pub fn new(arms: usize, epsilon: f64) -> Result<Self, EnvError> {
        check_arms(arms)?;
        if !(0.0..=1.0).contains(&epsilon) {
            return Err(ConfigError::new("epsilon", format!("must lie in [0, 1], got {epsilon}")).into());
        }
        Ok(Self { record: Record::new(arms), epsilon })
    }
}

impl Player for EpsilonGreedy {
    fn choose(&mut self, _: &[f64], rng: &mut Pcg64) -> usize {
        if rng.unit() < self.epsilon {
            return rng.below(self.record.pulls.len() as u64) as usize;
        }
        let greedy = || crate::tabular::greedy(self.record.means.iter().copied());
        self.record.untried().unwrap_or_else(greedy)
    }

    fn learn(&mut self, arm: usize, reward: f64) {
        self.record.add(arm, reward);
    }
}
