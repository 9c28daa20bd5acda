//! # Expected SARSA
//!
//! [SARSA](super::sarsa) without the luck of the next draw: the target averages over what the policy might do next.
//!
//! ```text
//! Q(s, a) ← Q(s, a) + α (r + γ Σ_a′ π(a′ | s′) Q(s′, a′) − Q(s, a))
//! ```
//!
//! Same expectation as SARSA's target, less variance, so larger steps are possible. With a greedy π it is Q-learning.
//!
//! H. van Seijen, H. van Hasselt, S. Whiteson, M. Wiering, *A Theoretical and Empirical Analysis of Expected Sarsa*, ADPRL 2009.
//! <https://doi.org/10.1109/ADPRL.2009.4927542>
//!
//! ```
//! use fornax_rl::env::{CliffWalkingConfig, Env};
//! use fornax_rl::tabular::{Learner, Learning, evaluate, expected_sarsa::ExpectedSarsa, train};
//!
//! let mut cliff = CliffWalkingConfig::new().init()?;
//! let settings = Learning::new().with_epsilon_start(0.1).with_alpha(0.5);
//! let mut agent = ExpectedSarsa::new(48, 4, &settings);
//! train(&mut cliff, &mut agent, &settings, 500, 0, |_, _| {})?;
//! let played = evaluate(&mut cliff, &agent.q().policy(), 1, 100, 0)?[0].total_reward;
//! assert!((-17.0..=-15.0).contains(&played)); // a way that keeps off the edge
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use super::learner::Transit;
use super::q_table::{epsilon_greedy, epsilon_greedy_chances};
use super::{Learner, Learning, QTable};
use crate::random::Pcg64;

/// The agent; see the [module page](self).
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedSarsa {
    q: QTable,
    gamma: f64,
    step: (f64, f64),
}

impl ExpectedSarsa {
    /// An agent that knows nothing.
    pub fn new(num_states: usize, num_actions: usize, settings: &Learning) -> Self {
        Self { q: QTable::new(num_states, num_actions), gamma: settings.gamma, step: settings.step() }
    }
}

impl Learner for ExpectedSarsa {
    fn act(&mut self, state: usize, epsilon: f64, rng: &mut Pcg64) -> usize {
        epsilon_greedy(self.q.of(state), epsilon, rng)
    }

    fn learn(&mut self, step: Transit, _: &mut Pcg64) {
        let values = self.q.of(step.next);
        let mean: f64 = epsilon_greedy_chances(values, step.epsilon).zip(values).map(|(p, q)| p * q).sum();
        let future = if step.terminated { 0.0 } else { self.gamma * mean };
        self.q.update(step.state, step.action, step.reward + future, self.step);
    }

    fn q(&self) -> QTable {
        self.q.clone()
    }

    fn tables(&mut self) -> &mut [QTable] {
        std::slice::from_mut(&mut self.q)
    }
}
