//! The table of action values.

use serde::{Deserialize, Serialize};

use crate::random::Pcg64;

/// The index of the largest value, the first of equal ones.
pub fn greedy(values: impl IntoIterator<Item = f64>) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (index, value) in values.into_iter().enumerate() {
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}

/// Q(s, a) for every pair, zero to begin with, and how often each was updated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QTable {
    num_actions: usize,
    values: Vec<f64>,
    visits: Vec<u32>,
}

impl QTable {
    /// A table of zeros.
    pub fn new(num_states: usize, num_actions: usize) -> Self {
        let pairs = num_states * num_actions;
        Self { num_actions, values: vec![0.0; pairs], visits: vec![0; pairs] }
    }

    /// How many states there are.
    pub fn num_states(&self) -> usize {
        self.values.len() / self.num_actions.max(1)
    }

    /// How many actions each state has.
    pub fn num_actions(&self) -> usize {
        self.num_actions
    }

    /// Q(s, ·).
    ///
    /// # Panics
    ///
    /// When there is no such state.
    pub fn of(&self, state: usize) -> &[f64] {
        &self.values[state * self.num_actions..(state + 1) * self.num_actions]
    }

    /// max_a Q(s, a).
    ///
    /// # Panics
    ///
    /// When there is no such state.
    pub fn best(&self, state: usize) -> f64 {
        self.of(state).iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// argmax_a Q(s, a), the first of equal ones.
    ///
    /// # Panics
    ///
    /// When there is no such state.
    pub fn greedy(&self, state: usize) -> usize {
        greedy(self.of(state).iter().copied())
    }

    /// The greedy policy.
    pub fn policy(&self) -> Vec<usize> {
        (0..self.num_states()).map(|state| self.greedy(state)).collect()
    }

    /// Q(s, a) ← Q(s, a) + α (target − Q(s, a)), where α falls with the pair's visits n as (1 / n)^`power`, times `alpha`; power 0 is a
    /// constant step.
    ///
    /// # Panics
    ///
    /// When there is no such pair.
    pub fn update(&mut self, state: usize, action: usize, target: f64, (alpha, power): (f64, f64)) {
        assert!(action < self.num_actions, "action {action} of {}", self.num_actions);
        let pair = state * self.num_actions + action;
        self.visits[pair] = self.visits[pair].saturating_add(1);
        let step = if power == 0.0 { alpha } else { alpha * f64::from(self.visits[pair]).powf(-power) };
        self.values[pair] += step * (target - self.values[pair]);
    }
}

/// A random one of the best actions of `values` with probability 1 − ε, and any action otherwise. Equal values must not favour a direction
/// before anything is known.
pub(crate) fn epsilon_greedy(values: &[f64], epsilon: f64, rng: &mut Pcg64) -> usize {
    if rng.unit() < epsilon {
        return rng.below(values.len() as u64) as usize;
    }
    let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let ties = values.iter().filter(|value| **value == best).count();
    let chosen = rng.below(ties as u64) as usize;
    let mut best_ones = values.iter().enumerate().filter(|(_, value)| **value == best);
    best_ones.nth(chosen).map_or(0, |(index, _)| index)
}

/// How likely [`epsilon_greedy`] takes each action.
pub(crate) fn epsilon_greedy_chances(values: &[f64], epsilon: f64) -> impl Iterator<Item = f64> + '_ {
    let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let ties = values.iter().filter(|value| **value == best).count() as f64;
    let n = values.len() as f64;
    values.iter().map(move |value| epsilon / n + if *value == best { (1.0 - epsilon) / ties } else { 0.0 })
}
