//! # Monte Carlo
//!
//! Play to the end, then believe what happened: the value of a pair is the mean return that followed its first visit in each episode.
//!
//! ```text
//! Gₜ = rₜ₊₁ + γ Gₜ₊₁                      backwards through the episode
//! Q(s, a) ← mean of Gₜ over episodes, t the first visit of (s, a)
//! ```
//!
//! No estimate is built on another (no *bootstrapping*), so nothing is biased and the Markov property is not needed; the price is variance,
//! and that nothing is learnt before the end. Acting ε-greedily on the mean while ε falls makes it a control method. An episode that the
//! clock stopped has no complete return: it is thrown away.
//!
//! ```
//! use fornax_rl::env::{Blackjack, Env};
//! use fornax_rl::tabular::{Learner, Learning, monte_carlo::MonteCarlo, train};
//!
//! let mut table = Blackjack::sutton_barto();
//! let settings = Learning::new().with_gamma(1.0).with_alpha(1.0).with_power(1.0);
//! let mut agent = MonteCarlo::new(32 * 11 * 2, 2, &settings);
//! train(&mut table, &mut agent, &settings, 20_000, 0, |_, _| {})?;
//! let q = agent.q();
//! let state = |sum: usize, dealer: usize| (sum * 11 + dealer) * 2; // no usable ace
//! assert_eq!((q.greedy(state(20, 10)), q.greedy(state(11, 6))), (0, 1)); // stick on 20, hit on 11
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use std::collections::HashMap;

use super::learner::Transit;
use super::q_table::epsilon_greedy;
use super::{Learner, Learning, QTable};
use crate::random::Pcg64;

/// The agent; see the [module page](self). With α = 1 and power 1 its steps are 1/n, which is the mean.
#[derive(Debug, Clone, PartialEq)]
pub struct MonteCarlo {
    q: QTable,
    gamma: f64,
    step: (f64, f64),
    episode: Vec<Transit>,
}

impl MonteCarlo {
    /// An agent that knows nothing.
    pub fn new(num_states: usize, num_actions: usize, settings: &Learning) -> Self {
        let q = QTable::new(num_states, num_actions);
        Self { q, gamma: settings.gamma, step: settings.step(), episode: Vec::new() }
    }
}

impl Learner for MonteCarlo {
    fn act(&mut self, state: usize, epsilon: f64, rng: &mut Pcg64) -> usize {
        epsilon_greedy(self.q.of(state), epsilon, rng)
    }

    fn learn(&mut self, step: Transit, _: &mut Pcg64) {
        self.episode.push(step);
    }

    fn end_episode(&mut self) {
        let episode = std::mem::take(&mut self.episode);
        if !episode.last().is_some_and(|step| step.terminated) {
            return;
        }
        let mut first = HashMap::new();
        for (t, step) in episode.iter().enumerate() {
            first.entry((step.state, step.action)).or_insert(t);
        }
        let mut total = 0.0;
        for (t, step) in episode.iter().enumerate().rev() {
            total = step.reward + self.gamma * total;
            if first.get(&(step.state, step.action)) == Some(&t) {
                self.q.update(step.state, step.action, total, self.step);
            }
        }
    }

    fn q(&self) -> QTable {
        self.q.clone()
    }

    fn tables(&mut self) -> &mut [QTable] {
        std::slice::from_mut(&mut self.q)
    }
}
