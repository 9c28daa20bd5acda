//! # Policy iteration
//!
//! Two steps in turn: *evaluate* the policy exactly, then *improve* it by acting greedily on its values.
//!
//! ```text
//! evaluate   (I − γ P_π) v = r_π          n linear equations, P_π(s, s′) = Σ p(s′ | s, π(s)) where the episode goes on
//! improve    π(s) ← argmax_a Σ p(s′, r | s, a) (r + γ v(s′))
//! ```
//!
//! The improvement theorem says that the new policy is nowhere worse; there are finitely many policies, so the same one comes twice, and
//! then Bellman's optimality equation holds. A few rounds are enough in practice, each of n³/3 operations.
//!
//! R. A. Howard, *Dynamic Programming and Markov Processes*, MIT Press, 1960.
//!
//! ```
//! use fornax_rl::env::frozen_lake::FrozenLakeConfig;
//! use fornax_rl::tabular::policy_iteration::policy_iteration;
//!
//! // Across the slippery lake: 14 times in 17 (γ close to 1 stands for an unlimited number of steps).
//! let lake = FrozenLakeConfig::lake4x4().init()?;
//! let solution = policy_iteration(lake.mdp(), 1.0 - 1e-9)?;
//! assert!((solution.expected_return(lake.mdp()) - 14.0 / 17.0).abs() < 1e-6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use fornax_nn_core::ConfigError;

use super::{Solution, check_gamma, greedy, look_ahead};
use crate::env::mdp::Mdp;

/// A new action has to be better by more than this: rounding must not make policies take turns.
const BETTER: f64 = 1e-10;

/// The values of the policy that takes `policy[s]` in state s, by Gaussian elimination.
///
/// # Errors
///
/// [`ConfigError`] when `gamma` is no discount, `policy` does not fit, or the equations have no unique solution (γ = 1 and a policy that
/// never ends).
pub fn evaluate_policy(mdp: &Mdp, gamma: f64, policy: &[usize]) -> Result<Vec<f64>, ConfigError> {
    check_gamma(gamma)?;
    let n = mdp.num_states();
    if policy.len() != n || policy.iter().any(|&action| action >= mdp.num_actions()) {
        let reason = format!("must name one of {} actions for each of {n} states", mdp.num_actions());
        return Err(ConfigError::new("policy", reason));
    }
    let mut matrix = vec![vec![0.0; n + 1]; n];
    for (state, row) in matrix.iter_mut().enumerate() {
        row[state] = 1.0;
        for way in mdp.transitions(state, policy[state]) {
            row[n] += way.probability * way.reward;
            if !way.terminated {
                row[way.next] -= gamma * way.probability;
            }
        }
    }
    solve(matrix)
        .ok_or_else(|| ConfigError::new("gamma", "with γ = 1 this policy goes on for ever somewhere"))
}

/// Solves the rows [a₁ … aₙ | b]; `None` when they are dependent.
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let n = rows.len();
    for column in 0..n {
        let pivot = (column..n).max_by(|&i, &j| rows[i][column].abs().total_cmp(&rows[j][column].abs()))?;
        rows.swap(column, pivot);
        let (above, below) = rows.split_at_mut(column + 1);
        let pivot_row = &above[column];
        if pivot_row[column].abs() < 1e-13 {
            return None;
        }
        for row in below {
            let factor = row[column] / pivot_row[column];
            if factor != 0.0 {
                row[column..].iter_mut().zip(&pivot_row[column..]).for_each(|(x, p)| *x -= factor * p);
            }
        }
    }
    let mut solution = vec![0.0; n];
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| rows[i][j] * solution[j]).sum();
        solution[i] = (rows[i][n] - known) / rows[i][i];
    }
    Some(solution)
}

/// Evaluates and improves, from "always action 0", until the policy stays.
///
/// # Errors
///
/// As [`evaluate_policy`].
pub fn policy_iteration(mdp: &Mdp, gamma: f64) -> Result<Solution, ConfigError> {
    let mut policy = vec![0; mdp.num_states()];
    let mut rounds = 0;
    loop {
        rounds += 1;
        let values = evaluate_policy(mdp, gamma, &policy)?;
        let mut stable = true;
        for (state, action) in policy.iter_mut().enumerate() {
            let worth = |a: usize| look_ahead(mdp, gamma, &values, state, a);
            let best = greedy((0..mdp.num_actions()).map(worth));
            if worth(best) > worth(*action) + BETTER {
                (*action, stable) = (best, false);
            }
        }
        if stable {
            return Ok(Solution { values, policy, rounds });
        }
    }
}
