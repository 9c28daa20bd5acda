//! # SARSA, of one step or n
//!
//! Learns the value of what it does, exploration included (*on-policy*), from (s, a, r, s′, a′), which spell its name:
//!
//! ```text
//! Q(s, a) ← Q(s, a) + α (G − Q(s, a))
//! G = rₜ₊₁ + γ rₜ₊₂ + … + γⁿ⁻¹ rₜ₊ₙ + γⁿ Q(sₜ₊ₙ, aₜ₊ₙ)
//! ```
//!
//! n = 1 is the classic one and leans on its own estimates (*bias*); n → ∞ is [Monte Carlo](super::monte_carlo) and leans on luck
//! (*variance*). Some n between learns fastest, since one reward reaches n states at once. Along
//! [the cliff](crate::env::cliff_walking) SARSA keeps off the edge, because it knows that it stumbles.
//!
//! G. A. Rummery, M. Niranjan, *On-line Q-learning using connectionist systems*, Cambridge University, CUED/F-INFENG/TR 166, 1994.
//!
//! ```
//! use fornax_rl::env::{CliffWalkingConfig, Env};
//! use fornax_rl::tabular::{Learner, Learning, evaluate, sarsa::Sarsa, train};
//!
//! let mut cliff = CliffWalkingConfig::new().init()?;
//! let settings = Learning::new().with_epsilon_start(0.1).with_power(0.5);
//! let mut agent = Sarsa::new(48, 4, &settings);
//! train(&mut cliff, &mut agent, &settings, 3_000, 0, |_, _| {})?;
//! let played = evaluate(&mut cliff, &agent.q().policy(), 1, 100, 0)?[0].total_reward;
//! assert!((-17.0..-13.0).contains(&played)); // not the shortest way
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use std::collections::VecDeque;

use super::learner::Transit;
use super::q_table::epsilon_greedy;
use super::{Learner, Learning, QTable};
use crate::random::Pcg64;

/// The agent; see the [module page](self).
#[derive(Debug, Clone, PartialEq)]
pub struct Sarsa {
    q: QTable,
    gamma: f64,
    step: (f64, f64),
    n: usize,
    /// Steps whose return is not complete.
    pending: VecDeque<Transit>,
    /// a′: chosen for the target, so it has to be done.
    promised: Option<usize>,
}

impl Sarsa {
    /// An agent that knows nothing and looks one step ahead.
    pub fn new(num_states: usize, num_actions: usize, settings: &Learning) -> Self {
        let q = QTable::new(num_states, num_actions);
        let (pending, promised) = (VecDeque::new(), None);
        Self { q, gamma: settings.gamma, step: settings.step(), n: 1, pending, promised }
    }

    /// Looks `n` steps ahead, at least 1.
    #[must_use]
    pub fn with_n_steps(mut self, n: usize) -> Self {
        self.n = n.max(1);
        self
    }

    /// Updates the oldest pending step from the rewards since, and from `tail`, the value of what follows them.
    fn settle(&mut self, tail: f64) {
        let target = self.pending.iter().rev().fold(tail, |sum, step| step.reward + self.gamma * sum);
        if let Some(first) = self.pending.pop_front() {
            self.q.update(first.state, first.action, target, self.step);
        }
    }
}

impl Learner for Sarsa {
    fn act(&mut self, state: usize, epsilon: f64, rng: &mut Pcg64) -> usize {
        self.promised.take().unwrap_or_else(|| epsilon_greedy(self.q.of(state), epsilon, rng))
    }

    fn learn(&mut self, step: Transit, rng: &mut Pcg64) {
        self.pending.push_back(step);
        let next = epsilon_greedy(self.q.of(step.next), step.epsilon, rng);
        self.promised = Some(next);
        // What no step of this episode will say: nothing after its end, an estimate where the clock stopped it.
        let tail = |q: &QTable| if step.terminated { 0.0 } else { q.of(step.next)[next] };
        if step.terminated || step.truncated {
            while !self.pending.is_empty() {
                self.settle(tail(&self.q));
            }
        } else if self.pending.len() == self.n {
            self.settle(tail(&self.q));
        }
    }

    fn end_episode(&mut self) {
        self.pending.clear();
        self.promised = None;
    }

    fn q(&self) -> QTable {
        self.q.clone()
    }

    fn tables(&mut self) -> &mut [QTable] {
        std::slice::from_mut(&mut self.q)
    }
}
