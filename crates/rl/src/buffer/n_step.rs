//! Gathers n rewards before a transition is stored.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Replay, Transition};

/// The unfinished transitions of one environment; see [`Replay`](super::replay) for the formula.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NStep {
    n: usize,
    gamma: f32,
    /// Observation and action, and the discounted rewards so far.
    open: VecDeque<(Vec<f32>, Vec<f32>, f32, i32)>,
}

impl NStep {
    /// For returns of `n` steps (at least 1).
    pub fn new(n: usize, gamma: f64) -> Self {
        Self { n: n.max(1), gamma: gamma as f32, open: VecDeque::new() }
    }

    /// Takes one step of the environment and stores what is complete: the transition that began n steps ago, or at the end of
    /// an episode all that are open.
    pub fn push(&mut self, step: Transition<'_>, terminated: bool, truncated: bool, replay: &mut Replay) {
        self.open.push_back((step.observation.to_vec(), step.action.to_vec(), 0.0, 0));
        for (_, _, sum, k) in &mut self.open {
            *sum += self.gamma.powi(*k) * step.reward;
            *k += 1;
        }
        while self.open.front().is_some_and(|open| terminated || truncated || open.3 as usize >= self.n) {
            if let Some((observation, action, reward, k)) = self.open.pop_front() {
                replay.push(Transition {
                    observation: &observation,
                    action: &action,
                    reward,
                    discount: if terminated { 0.0 } else { self.gamma.powi(k) },
                    next_observation: step.next_observation,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Pcg64;

    fn run(n: usize, terminated: bool, truncated: bool) -> Vec<(f32, f32, f32, f32)> {
        let mut replay = Replay::new(16, 1, 1, None).unwrap();
        let mut gather = NStep::new(n, 0.5);
        for t in 0..4 {
            let last = t == 3;
            let step = Transition {
                observation: &[t as f32],
                action: &[0.0],
                reward: 1.0 + t as f32,
                discount: 0.0,
                next_observation: &[t as f32 + 1.0],
            };
            gather.push(step, last && terminated, last && truncated, &mut replay);
        }
        let all = replay.sample(400, 0.0, &mut Pcg64::new(0));
        let mut rows: Vec<_> = (0..400)
            .map(|k| (all.observations[k], all.rewards[k], all.discounts[k], all.next_observations[k]))
            .collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        rows.dedup();
        rows
    }

    #[test]
    fn three_steps_are_summed_and_ends_cut_them_short() {
        // Rewards 1, 2, 3, 4 at γ = ½.
        let open = [(0.0, 1.0 + 1.0 + 0.75, 0.125, 3.0), (1.0, 2.0 + 1.5 + 1.0, 0.125, 4.0)];
        assert_eq!(run(3, false, false), open);
        let truncated = [open[0], open[1], (2.0, 5.0, 0.25, 4.0), (3.0, 4.0, 0.5, 4.0)];
        assert_eq!(run(3, false, true), truncated);
        let terminated = [open[0], (1.0, 4.5, 0.0, 4.0), (2.0, 5.0, 0.0, 4.0), (3.0, 4.0, 0.0, 4.0)];
        assert_eq!(run(3, true, false), terminated);
    }

    #[test]
    fn one_step_is_the_transition_itself() {
        let rows = [(0.0, 1.0, 0.5, 1.0), (1.0, 2.0, 0.5, 2.0), (2.0, 3.0, 0.5, 3.0), (3.0, 4.0, 0.0, 4.0)];
        assert_eq!(run(1, true, false), rows);
    }
}
