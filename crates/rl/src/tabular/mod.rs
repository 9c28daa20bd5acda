//! # Tabular methods
//!
//! When states can be counted, values fit in a table, and what reinforcement learning is about can be seen without a network in the way.
//!
//! ## The problem
//!
//! A Markov decision process is a table p(s′, r | s, a): see [`env::mdp`](crate::env::mdp). A policy π(a | s) chooses actions. Its value
//! is the expected discounted return, and satisfies **Bellman's equation**, one linear equation a state:
//!
//! ```text
//! v_π(s)    = E[rₜ₊₁ + γ rₜ₊₂ + … | sₜ = s]
//!           = Σ_a π(a|s) Σ_{s′,r} p(s′, r | s, a) (r + γ v_π(s′))          γ v_π(s′) = 0 where the episode ends
//! q_π(s, a) = Σ_{s′,r} p(s′, r | s, a) (r + γ v_π(s′))
//! v*(s)     = max_a q*(s, a)                                               the optimum: Bellman's optimality equation
//! ```
//!
//! ## Who knows what
//!
//! | page | knows the table | learns from | target of an update |
//! |---|---|---|---|
//! | [`policy_iteration`] | yes | – | solves v_π, then acts greedily |
//! | [`value_iteration`] | yes | – | max_a Σ p (r + γ v(s′)) |
//! | [`monte_carlo`] | no | whole episodes | the return Gₜ |
//! | [`sarsa`] | no | steps, or n of them | r + γ Q(s′, a′) |
//! | [`expected_sarsa`] | no | steps | r + γ Σ_a π(a|s′) Q(s′, a) |
//! | [`q_learning`] | no | steps | r + γ max_a Q(s′, a) |
//! | [`double_q`] | no | steps | r + γ Q_B(s′, argmax_a Q_A(s′, a)) |
//!
//! ## Exploration
//!
//! Who only does what looks best never learns what is. ε-greedy takes a random action with probability ε, and for Q-learning to converge
//! every pair (s, a) has to be tried without end while the steps αₜ of a pair satisfy Σ αₜ = ∞, Σ αₜ² < ∞ (Robbins and Monro).
//! [`Learning`] offers both: a constant step, or one that falls with the visits of the pair.
//!
//! R. S. Sutton, A. G. Barto, *Reinforcement Learning: An Introduction*, 2nd edition, chapters 3 to 7.
//! <http://incompleteideas.net/book/the-book-2nd.html>

pub mod double_q;
pub mod expected_sarsa;
mod learner;
pub mod monte_carlo;
pub mod policy_iteration;
pub mod q_learning;
mod q_table;
pub mod sarsa;
pub mod value_iteration;

pub use learner::{Course, Episode, Learner, Learning, Transit, evaluate, train};
pub use q_table::{QTable, greedy};

use fornax_nn_core::ConfigError;

use crate::env::mdp::Mdp;

/// Values of all states under the best policy, and that policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// v(s).
    pub values: Vec<f64>,
    /// The action of each state.
    pub policy: Vec<usize>,
    /// Sweeps over all states, or policies tried.
    pub rounds: usize,
}

impl Solution {
    /// The expected return from the start: Σ p₀(s) v(s).
    pub fn expected_return(&self, mdp: &Mdp) -> f64 {
        mdp.initial().iter().zip(&self.values).map(|(p, v)| p * v).sum()
    }
}

/// q(s, a) by one look ahead.
///
/// # Panics
///
/// When there is no such state or action, or `values` are not one a state.
pub fn look_ahead(mdp: &Mdp, gamma: f64, values: &[f64], state: usize, action: usize) -> f64 {
    let worth = |t: &crate::env::mdp::Transition| {
        t.probability * (t.reward + if t.terminated { 0.0 } else { gamma * values[t.next] })
    };
    mdp.transitions(state, action).iter().map(worth).sum()
}

fn check_gamma(gamma: f64) -> Result<(), ConfigError> {
    if (0.0..=1.0).contains(&gamma) {
        Ok(())
    } else {
        Err(ConfigError::new("gamma", format!("must lie in [0, 1], got {gamma}")))
    }
}
