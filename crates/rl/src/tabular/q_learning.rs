//! # Q-learning
//!
//! Learns the values of the best policy while following another one (*off-policy*): the target takes the best next action, whatever is
//! done next.
//!
//! ```text
//! Q(s, a) ← Q(s, a) + α (r + γ max_a′ Q(s′, a′) − Q(s, a))
//! ```
//!
//! Converges to q* when every pair is tried without end and the steps fall as in [Robbins and Monro](super#exploration).
//! Along [the cliff](crate::env::cliff_walking) it learns the short way by the edge, and falls off it while it still explores.
//!
//! C. J. C. H. Watkins, P. Dayan, *Q-learning*, Machine Learning 8, 1992. <https://doi.org/10.1007/BF00992698>
//!
//! ```
//! use fornax_rl::env::{CliffWalkingConfig, Env};
//! use fornax_rl::tabular::{Learner, Learning, evaluate, q_learning::QLearning, train};
//!
//! let mut cliff = CliffWalkingConfig::new().init()?;
//! let settings = Learning::new().with_epsilon_start(0.1).with_alpha(0.5);
//! let mut agent = QLearning::new(48, 4, &settings);
//! train(&mut cliff, &mut agent, &settings, 500, 0, |_, _| {})?;
//! let played = evaluate(&mut cliff, &agent.q().policy(), 1, 100, 0)?;
//! assert_eq!(played[0].total_reward, -13.0); // the shortest way
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use super::learner::Transit;
use super::q_table::epsilon_greedy;
use super::{Learner, Learning, QTable};
use crate::random::Pcg64;

/// The agent; see the [module page](self).
#[derive(Debug, Clone, PartialEq)]
pub struct QLearning {
    q: QTable,
    gamma: f64,
    step: (f64, f64),
}

impl QLearning {
    /// An agent that knows nothing.
    pub fn new(num_states: usize, num_actions: usize, settings: &Learning) -> Self {
        Self { q: QTable::new(num_states, num_actions), gamma: settings.gamma, step: settings.step() }
    }
}

impl Learner for QLearning {
    fn act(&mut self, state: usize, epsilon: f64, rng: &mut Pcg64) -> usize {
        epsilon_greedy(self.q.of(state), epsilon, rng)
    }

    fn learn(&mut self, step: Transit, _: &mut Pcg64) {
        let future = if step.terminated { 0.0 } else { self.gamma * self.q.best(step.next) };
        self.q.update(step.state, step.action, step.reward + future, self.step);
    }

    fn q(&self) -> QTable {
        self.q.clone()
    }

    fn tables(&mut self) -> &mut [QTable] {
        std::slice::from_mut(&mut self.q)
    }
}
