//! The experience of one policy: filled, learnt from, thrown away.

use super::returns::{Steps, gae};

/// `t` steps of `n` environments, time-major, with what the policy thought at the time.
#[derive(Debug, Clone, Default)]
pub struct Rollout {
    /// `[t·n, observation]`
    pub observations: Vec<f32>,
    /// `[t·n, action]`, as the policy drew them, before any clipping.
    pub actions: Vec<f32>,
    /// log π(a) at the time.
    pub log_probs: Vec<f32>,
    /// V(s) at the time.
    pub values: Vec<f32>,
    /// r
    pub rewards: Vec<f32>,
    /// See [`Steps::terminated`].
    pub terminated: Vec<bool>,
    /// See [`Steps::truncated`].
    pub truncated: Vec<bool>,
    /// See [`Steps::final_values`].
    pub final_values: Vec<f32>,
    /// Filled by [`finish`](Self::finish).
    pub advantages: Vec<f32>,
    /// Filled by [`finish`](Self::finish).
    pub returns: Vec<f32>,
}

impl Rollout {
    /// Empties the buffer and keeps its memory.
    pub fn clear(&mut self) {
        let numbers = [
            &mut self.observations,
            &mut self.actions,
            &mut self.log_probs,
            &mut self.values,
            &mut self.rewards,
            &mut self.final_values,
            &mut self.advantages,
            &mut self.returns,
        ];
        numbers.into_iter().for_each(Vec::clear);
        self.terminated.clear();
        self.truncated.clear();
    }

    /// Steps in it, of all environments together.
    pub fn len(&self) -> usize {
        self.rewards.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rewards.is_empty()
    }

    /// Computes advantages and returns; `last_values` are V of the observations after the last step.
    pub fn finish(&mut self, last_values: &[f32], gamma: f64, lambda: f64) {
        let steps = Steps {
            rewards: &self.rewards,
            values: &self.values,
            terminated: &self.terminated,
            truncated: &self.truncated,
            final_values: &self.final_values,
            last_values,
        };
        (self.advantages, self.returns) = gae(steps, gamma as f32, lambda as f32);
    }

    /// 1 − Var(R − V)/Var(R): 1 for a perfect critic, 0 for one that knows the mean, negative for a harmful one.
    pub fn explained_variance(&self) -> f64 {
        let variance = |values: &mut dyn Iterator<Item = f64>| {
            let values: Vec<f64> = values.collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64
        };
        let left = variance(&mut self.advantages.iter().map(|&a| f64::from(a)));
        1.0 - left / variance(&mut self.returns.iter().map(|&r| f64::from(r)))
    }
}
