//! # Value iteration
//!
//! Bellman's optimality equation as an assignment, repeated until nothing changes:
//!
//! ```text
//! v(s) ← max_a Σ_{s′,r} p(s′, r | s, a) (r + γ v(s′))
//! ```
//!
//! The right-hand side is a contraction: it brings any two value functions closer by the factor γ, so for γ < 1 there is one fixed
//! point, v*, and a sweep that changed nothing by more than δ is at most δ γ / (1 − γ) away from it. Values are updated in place,
//! which is Gauss and Seidel's variant and converges at least as fast.
//!
//! R. Bellman, *Dynamic Programming*, Princeton University Press, 1957.
//!
//! ```
//! use fornax_rl::env::grid_world::GridWorldConfig;
//! use fornax_rl::tabular::value_iteration::value_iteration;
//!
//! // Russell and Norvig print 0.705 for the start of their world (third edition, figure 17.3).
//! let world = GridWorldConfig::russell_norvig().init()?;
//! let solution = value_iteration(world.mdp(), 1.0, 1e-12, 1_000)?;
//! assert!((solution.values[8] - 0.705).abs() < 5e-4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use fornax_nn_core::ConfigError;

use super::{Solution, check_gamma, greedy, look_ahead};
use crate::env::mdp::Mdp;

/// Sweeps until no value changes by more than `tolerance`, or `max_sweeps` times. γ = 1 is allowed where every policy ends.
///
/// # Errors
///
/// [`ConfigError`] when `gamma` is no discount, or the values have not settled after `max_sweeps`.
pub fn value_iteration(
    mdp: &Mdp,
    gamma: f64,
    tolerance: f64,
    max_sweeps: usize,
) -> Result<Solution, ConfigError> {
    check_gamma(gamma)?;
    let mut values = vec![0.0; mdp.num_states()];
    for rounds in 1..=max_sweeps {
        let mut change = 0.0_f64;
        for state in 0..mdp.num_states() {
            let best = (0..mdp.num_actions())
                .map(|action| look_ahead(mdp, gamma, &values, state, action))
                .fold(f64::NEG_INFINITY, f64::max);
            change = change.max((best - values[state]).abs());
            values[state] = best;
        }
        if change <= tolerance {
            let policy = (0..mdp.num_states())
                .map(|state| {
                    greedy((0..mdp.num_actions()).map(|a| look_ahead(mdp, gamma, &values, state, a)))
                })
                .collect();
            return Ok(Solution { values, policy, rounds });
        }
    }
    Err(ConfigError::new(
        "max_sweeps",
        format!("values still change by more than {tolerance} after {max_sweeps}"),
    ))
}
