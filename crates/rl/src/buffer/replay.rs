//! # Replay
//!
//! Off-policy agents learn from what they did long ago. A transition is (s, a, R, d, s′), where
//!
//! ```text
//! R = r₁ + γ·r₂ + … + γ^(k−1)·r_k        d = γ^k, or 0 when the episode terminated within the k steps
//! target = R + d · (value of s′)
//! ```
//!
//! With k = 1 that is the ordinary transition; with n-step returns k is n, or less where the episode ended earlier. s′ is
//! stored, not looked up: after a truncation it is the episode's final observation, which is what has to be bootstrapped from.
//!
//! **Prioritised** replay draws transition i with probability pᵢ/Σp and corrects the bias it causes by the weight
//!
//! ```text
//! pᵢ = (|δᵢ| + ε)^α        wᵢ = (N · P(i))^(−β) / max over the batch
//! ```
//!
//! with δ the last temporal-difference error, new transitions at the highest p so far. T. Schaul et al., *Prioritized
//! experience replay*, 2016. <https://arxiv.org/abs/1511.05952>. Differs: the weights' maximum is the batch's.
//!
//! **Memory**: 4·(2·observation + action + 2) bytes a transition, and up to 32 for priorities: [`Replay::bytes`]. The whole
//! capacity is asked for at once, so that a run that starts also ends.

use fornax_nn_core::ConfigError;
use serde::{Deserialize, Serialize};

use super::{Priority, SumTree};
use crate::random::Pcg64;

/// Transitions in a ring; see the [module page](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    capacity: usize,
    observation_len: usize,
    action_len: usize,
    observations: Vec<f32>,
    next_observations: Vec<f32>,
    actions: Vec<f32>,
    rewards: Vec<f32>,
    discounts: Vec<f32>,
    /// Where the next transition goes.
    position: usize,
    len: usize,
    priority: Option<(Priority, SumTree, f64)>,
}

/// One transition to store.
#[derive(Debug, Clone, Copy)]
pub struct Transition<'a> {
    /// s
    pub observation: &'a [f32],
    /// a
    pub action: &'a [f32],
    /// R
    pub reward: f32,
    /// d
    pub discount: f32,
    /// s′
    pub next_observation: &'a [f32],
}

/// Drawn transitions, row by row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReplayBatch {
    /// s, `[batch, observation]`
    pub observations: Vec<f32>,
    /// a, `[batch, action]`
    pub actions: Vec<f32>,
    /// R, `[batch]`
    pub rewards: Vec<f32>,
    /// d, `[batch]`
    pub discounts: Vec<f32>,
    /// s′, `[batch, observation]`
    pub next_observations: Vec<f32>,
    /// Where each one is in the buffer.
    pub indices: Vec<usize>,
    /// w, `[batch]`; ones when drawn uniformly.
    pub weights: Vec<f32>,
}

impl Replay {
    /// An empty buffer.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: no capacity, or α, β, ε out of range.
    pub fn new(
        capacity: usize,
        observation_len: usize,
        action_len: usize,
        priority: Option<Priority>,
    ) -> Result<Self, ConfigError> {
        if capacity == 0 || capacity > 1 << 32 {
            return Err(ConfigError::new("capacity", format!("must lie in 1 to 2^32, got {capacity}")));
        }
        if let Some(priority) = &priority {
            priority.validate()?;
        }
        Ok(Self {
            capacity,
            observation_len,
            action_len,
            observations: vec![0.0; capacity * observation_len],
            next_observations: vec![0.0; capacity * observation_len],
            actions: vec![0.0; capacity * action_len],
            rewards: vec![0.0; capacity],
            discounts: vec![0.0; capacity],
            position: 0,
            len: 0,
            priority: priority.map(|settings| (settings, SumTree::new(capacity), 1.0)),
        })
    }

    /// Transitions in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory at capacity.
    pub fn bytes(&self) -> usize {
        let floats = self.capacity * (2 * self.observation_len + self.action_len + 2);
        floats * size_of::<f32>() + self.priority.as_ref().map_or(0, |(_, tree, _)| tree.bytes())
    }

    /// Stores a transition, in the place of the oldest when full.
    ///
    /// # Panics
    ///
    /// When an observation or the action has another length than the buffer's.
    pub fn push(&mut self, transition: Transition<'_>) {
        let (i, o, a) = (self.position, self.observation_len, self.action_len);
        self.observations[i * o..(i + 1) * o].copy_from_slice(transition.observation);
        self.next_observations[i * o..(i + 1) * o].copy_from_slice(transition.next_observation);
        self.actions[i * a..(i + 1) * a].copy_from_slice(transition.action);
        self.rewards[i] = transition.reward;
        self.discounts[i] = transition.discount;
        if let Some((_, tree, highest)) = &mut self.priority {
            tree.set(i, *highest);
        }
        self.position = (i + 1) % self.capacity;
        self.len = (self.len + 1).min(self.capacity);
    }

    /// Draws `batch` transitions with replacement; `progress` in [0, 1] is how far the run is, for β.
    ///
    /// # Panics
    ///
    /// When the buffer is empty.
    pub fn sample(&self, batch: usize, progress: f64, rng: &mut Pcg64) -> ReplayBatch {
        assert!(self.len > 0, "nothing to draw from an empty buffer");
        let (indices, weights): (Vec<usize>, Vec<f32>) = match &self.priority {
            None => ((0..batch).map(|_| rng.below(self.len as u64) as usize).collect(), vec![1.0; batch]),
            Some((settings, tree, _)) => {
                let beta = settings.beta + (1.0 - settings.beta) * progress.clamp(0.0, 1.0);
                // One draw from each of `batch` equal slices of the total: the paper's stratification.
                let slice = tree.total() / batch as f64;
                let indices: Vec<usize> = (0..batch)
                    .map(|k| tree.find((k as f64 + rng.unit()) * slice).min(self.len - 1))
                    .collect();
                let weight = |i: &usize| (self.len as f64 * tree.get(*i) / tree.total()).powf(-beta);
                let weights: Vec<f64> = indices.iter().map(weight).collect();
                let highest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
                (indices, weights.iter().map(|w| (w / highest) as f32).collect())
            }
        };
        let rows = |values: &[f32], width: usize| {
            let mut out = Vec::with_capacity(batch * width);
            indices.iter().for_each(|&i| out.extend_from_slice(&values[i * width..(i + 1) * width]));
            out
        };
        ReplayBatch {
            observations: rows(&self.observations, self.observation_len),
            actions: rows(&self.actions, self.action_len),
            rewards: rows(&self.rewards, 1),
            discounts: rows(&self.discounts, 1),
            next_observations: rows(&self.next_observations, self.observation_len),
            indices,
            weights,
        }
    }

    /// Tells a prioritised buffer the new errors of drawn transitions; nothing happens in a uniform one.
    pub fn update(&mut self, indices: &[usize], errors: &[f32]) {
        if let Some((settings, tree, highest)) = &mut self.priority {
            for (&i, &error) in indices.iter().zip(errors) {
                let p = (f64::from(error.abs()) + settings.epsilon).powf(settings.alpha);
                tree.set(i, p);
                *highest = highest.max(p);
            }
        }
    }

    /// Everything in the buffer as bytes, for a checkpoint: the filled part only.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header =
            [self.position as u64, self.len as u64, self.observation_len as u64, self.action_len as u64];
        let mut out: Vec<u8> = header.iter().flat_map(|v| v.to_le_bytes()).collect();
        for (values, width) in self.columns() {
            out.extend(values[..self.len * width].iter().flat_map(|v| v.to_le_bytes()));
        }
        if let Some((_, tree, highest)) = &self.priority {
            out.extend(highest.to_le_bytes());
            out.extend((0..self.len).flat_map(|i| tree.get(i).to_le_bytes()));
        }
        out
    }

    /// Fills a buffer of the same settings from [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the bytes are of a buffer of other sizes, or no buffer's at all; nothing is changed then.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), ConfigError> {
        let wrong = |reason: String| Err(ConfigError::new("replay", reason));
        let header = |i: usize| {
            let bytes = bytes.get(8 * i..8 * i + 8).and_then(|b| b.try_into().ok());
            bytes.map(|b| u64::from_le_bytes(b) as usize)
        };
        let [Some(position), Some(len), Some(observation), Some(action)] = [0, 1, 2, 3].map(header) else {
            return wrong(format!("{} bytes hold no replay buffer", bytes.len()));
        };
        if len > self.capacity || position >= self.capacity {
            return wrong(format!("{len} transitions do not fit a capacity of {}", self.capacity));
        }
        if (observation, action) != (self.observation_len, self.action_len) {
            return wrong(format!(
                "observation and action of {observation} and {action} numbers, expected {} and {}",
                self.observation_len, self.action_len
            ));
        }
        let priorities = if self.priority.is_some() { 8 * (len + 1) } else { 0 };
        let expected = 32 + 4 * len * (2 * observation + action + 2) + priorities;
        if bytes.len() != expected {
            return wrong(format!("{} bytes, expected {expected}", bytes.len()));
        }
        let mut rest = &bytes[32..];
        for (values, width) in self.columns_mut() {
            let (part, others) = rest.split_at(4 * len * width);
            for (value, bytes) in values.iter_mut().zip(part.chunks_exact(4)) {
                *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
            rest = others;
        }
        if let Some((_, tree, highest)) = &mut self.priority {
            let mut numbers = rest
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]));
            *highest = numbers.next().unwrap_or(1.0);
            *tree = SumTree::new(self.capacity);
            numbers.enumerate().for_each(|(i, p)| tree.set(i, p));
        }
        (self.position, self.len) = (position, len);
        Ok(())
    }

    fn columns(&self) -> [(&Vec<f32>, usize); 5] {
        [
            (&self.observations, self.observation_len),
            (&self.next_observations, self.observation_len),
            (&self.actions, self.action_len),
            (&self.rewards, 1),
            (&self.discounts, 1),
        ]
    }

    fn columns_mut(&mut self) -> [(&mut Vec<f32>, usize); 5] {
        [
            (&mut self.observations, self.observation_len),
            (&mut self.next_observations, self.observation_len),
            (&mut self.actions, self.action_len),
            (&mut self.rewards, 1),
            (&mut self.discounts, 1),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(priority: Option<Priority>, n: usize) -> Replay {
        let mut replay = Replay::new(8, 2, 1, priority).unwrap();
        for i in 0..n {
            let x = i as f32;
            replay.push(Transition {
                observation: &[x, -x],
                action: &[10.0 * x],
                reward: x,
                discount: 0.9,
                next_observation: &[x + 1.0, -x - 1.0],
            });
        }
        replay
    }

    #[test]
    fn rows_belong_together_and_the_oldest_is_replaced() {
        let batch = filled(None, 11).sample(200, 0.0, &mut Pcg64::new(0));
        for k in 0..200 {
            let x = batch.rewards[k];
            assert!((3.0..=10.0).contains(&x), "{x} was overwritten");
            assert_eq!(batch.observations[2 * k..2 * k + 2], [x, -x]);
            assert_eq!(batch.next_observations[2 * k..2 * k + 2], [x + 1.0, -x - 1.0]);
            assert_eq!((batch.actions[k], batch.weights[k]), (10.0 * x, 1.0));
        }
    }

    #[test]
    fn priorities_decide_frequency_and_weights_undo_it() {
        let mut replay = filled(Some(Priority { alpha: 1.0, beta: 1.0, epsilon: 1e-9 }), 4);
        replay.update(&[0, 1, 2, 3], &[1.0, -2.0, 3.0, 4.0]);
        let mut rng = Pcg64::new(5);
        let mut counts = [0.0_f64; 4];
        let mut weighted = [0.0_f64; 4];
        for _ in 0..2_000 {
            let batch = replay.sample(10, 0.0, &mut rng);
            for (&i, &w) in batch.indices.iter().zip(&batch.weights) {
                counts[i] += 1.0;
                weighted[i] += f64::from(w);
            }
        }
        for (i, expected) in [0.1, 0.2, 0.3, 0.4].into_iter().enumerate() {
            assert!((counts[i] / 20_000.0 - expected).abs() < 0.012, "{counts:?}");
        }
        // With β = 1 every transition counts the same in the end.
        let mean = weighted.iter().sum::<f64>() / 4.0;
        assert!(weighted.iter().all(|w| (w / mean - 1.0).abs() < 0.05), "{weighted:?}");
    }

    #[test]
    fn bytes_come_back_to_the_bit_and_strangers_are_refused() {
        for priority in [None, Some(Priority::default())] {
            let mut replay = filled(priority, 11);
            replay.update(&[2, 5], &[0.5, 7.0]);
            let bytes = replay.to_bytes();
            let mut other = Replay::new(8, 2, 1, priority).unwrap();
            other.restore(&bytes).unwrap();
            assert_eq!(other, replay);
            let mut narrow = Replay::new(8, 3, 1, priority).unwrap();
            assert!(narrow.restore(&bytes).unwrap_err().reason.contains("expected 3 and 1"));
            assert!(other.restore(&bytes[..bytes.len() - 1]).unwrap_err().reason.contains("bytes"));
            assert!(other.restore(&[1, 2]).is_err());
            let mut small = Replay::new(4, 2, 1, priority).unwrap();
            assert!(small.restore(&bytes).unwrap_err().reason.contains("capacity of 4"));
        }
    }

    #[test]
    fn memory_is_what_the_page_says() {
        let replay = Replay::new(1_024, 4, 1, None).unwrap();
        assert_eq!(replay.bytes(), 1_024 * 4 * (2 * 4 + 1 + 2));
        let replay = Replay::new(1_024, 4, 1, Some(Priority::default())).unwrap();
        assert_eq!(replay.bytes(), 1_024 * (4 * 11 + 16));
        assert_eq!(Replay::new(0, 4, 1, None).unwrap_err().field, "capacity");
    }
}
