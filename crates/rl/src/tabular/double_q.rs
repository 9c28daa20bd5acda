//! # Double Q-learning
//!
//! The maximum of noisy estimates is too high: E max ≥ max E. [Q-learning](super::q_learning) chooses the best action and judges it by the
//! same numbers, and so believes its luckiest errors. Two tables cure it: a coin decides which is updated, that one chooses, the
//! other one judges.
//!
//! ```text
//! Q_A(s, a) ← Q_A(s, a) + α (r + γ Q_B(s′, argmax_a′ Q_A(s′, a′)) − Q_A(s, a))        or A and B exchanged
//! acts on Q_A + Q_B
//! ```
//!
//! The same idea in a network is double DQN.
//!
//! H. van Hasselt, *Double Q-learning*, NeurIPS 2010.
//! <https://proceedings.neurips.cc/paper/2010/hash/091d584fced301b442654dd8c23b3fc9-Abstract.html>
//!
//! ```
//! use fornax_rl::env::{CliffWalkingConfig, Env};
//! use fornax_rl::tabular::{Learner, Learning, double_q::DoubleQ, evaluate, train};
//!
//! let mut cliff = CliffWalkingConfig::new().init()?;
//! let settings = Learning::new().with_alpha(0.5);
//! let mut agent = DoubleQ::new(48, 4, &settings);
//! train(&mut cliff, &mut agent, &settings, 3_000, 0, |_, _| {})?;
//! assert_eq!(evaluate(&mut cliff, &agent.q().policy(), 1, 100, 0)?[0].total_reward, -13.0);
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use super::learner::Transit;
use super::q_table::epsilon_greedy;
use super::{Learner, Learning, QTable};
use crate::random::Pcg64;

/// The agent; see the [module page](self).
#[derive(Debug, Clone, PartialEq)]
pub struct DoubleQ {
    tables: [QTable; 2],
    gamma: f64,
    step: (f64, f64),
}

impl DoubleQ {
    /// An agent that knows nothing.
    pub fn new(num_states: usize, num_actions: usize, settings: &Learning) -> Self {
        let table = QTable::new(num_states, num_actions);
        Self { tables: [table.clone(), table], gamma: settings.gamma, step: settings.step() }
    }

    fn mean(&self, state: usize) -> impl Iterator<Item = f64> + '_ {
        let [a, b] = &self.tables;
        a.of(state).iter().zip(b.of(state)).map(|(a, b)| (a + b) / 2.0)
    }
}

impl Learner for DoubleQ {
    fn act(&mut self, state: usize, epsilon: f64, rng: &mut Pcg64) -> usize {
        let values: Vec<f64> = self.mean(state).collect();
        epsilon_greedy(&values, epsilon, rng)
    }

    fn learn(&mut self, step: Transit, rng: &mut Pcg64) {
        let which = rng.below(2) as usize;
        let (chooses, judges) = (&self.tables[which], &self.tables[1 - which]);
        let future = match step.terminated {
            true => 0.0,
            false => self.gamma * judges.of(step.next)[chooses.greedy(step.next)],
        };
        self.tables[which].update(step.state, step.action, step.reward + future, self.step);
    }

    /// The mean of both tables.
    fn q(&self) -> QTable {
        let mut mean = QTable::new(self.tables[0].num_states(), self.tables[0].num_actions());
        for state in 0..mean.num_states() {
            let values: Vec<f64> = self.mean(state).collect();
            for (action, value) in values.into_iter().enumerate() {
                mean.update(state, action, value, (1.0, 0.0));
            }
        }
        mean
    }

    fn tables(&mut self) -> &mut [QTable] {
        &mut self.tables
    }
}
