//! Observations and rewards on a common scale, learnt on the way.
//!
//! ```text
//! ô = clip((o − mean) / √(var + 1e-8), ±10)         r̂ = clip(r / √(var(G) + 1e-8), ±10)
//! ```
//!
//! with running moments of all observations, and of the discounted sum G ← γ·G + r of each environment: rewards are only scaled,
//! never shifted, or an episode's length would change its worth. Moments of a batch are merged exactly (T. Chan, G. Golub,
//! R. LeVeque, *Updating formulae and a pairwise algorithm for computing sample variances*, 1979). As Stable-Baselines3's
//! `VecNormalize`, whose counts also begin at 1e-4 with mean 0 and variance 1.

use serde::{Deserialize, Serialize};

const EPSILON: f64 = 1e-8;
const CLIP: f64 = 10.0;

/// Running mean and variance of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunningMoments {
    /// Mean of each column.
    pub mean: Vec<f64>,
    /// Variance of each column.
    pub variance: Vec<f64>,
    /// Rows seen.
    pub count: f64,
}

impl RunningMoments {
    /// Of nothing, for rows of `width` numbers.
    pub fn new(width: usize) -> Self {
        Self { mean: vec![0.0; width], variance: vec![1.0; width], count: 1e-4 }
    }

    /// Takes in `[n, width]` numbers.
    ///
    /// ```
    /// use fornax_rl::agent::RunningMoments;
    ///
    /// let mut moments = RunningMoments::new(1);
    /// moments.update(&[1.0, 2.0]);
    /// moments.update(&[3.0, 6.0]);
    /// assert!((moments.mean[0] - 3.0).abs() < 1e-3);
    /// assert!((moments.variance[0] - 3.5).abs() < 1e-3); // of 1, 2, 3, 6
    /// ```
    pub fn update(&mut self, rows: &[f32]) {
        let width = self.mean.len();
        let n = (rows.len() / width) as f64;
        let total = self.count + n;
        for column in 0..width {
            let values = || rows.iter().skip(column).step_by(width).map(|&v| f64::from(v));
            let mean = values().sum::<f64>() / n;
            let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            let delta = mean - self.mean[column];
            let squares =
                self.variance[column] * self.count + variance * n + delta * delta * self.count * n / total;
            self.mean[column] += delta * n / total;
            self.variance[column] = squares / total;
        }
        self.count = total;
    }
}

/// Both scales; see the [module page](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalizer {
    observations: RunningMoments,
    returns: RunningMoments,
    gamma: f64,
    /// G of each environment.
    sums: Vec<f32>,
}

impl Normalizer {
    /// For `n` environments with observations of `width` numbers.
    pub fn new(width: usize, n: usize, gamma: f64) -> Self {
        Self {
            observations: RunningMoments::new(width),
            returns: RunningMoments::new(1),
            gamma,
            sums: vec![0.0; n],
        }
    }

    /// Learns from the observations that the environments show now.
    pub fn see(&mut self, observations: &[f32]) {
        self.observations.update(observations);
    }

    /// Scales rows of observations.
    pub fn observe(&self, rows: &mut [f32]) {
        let moments = &self.observations;
        for row in rows.chunks_mut(moments.mean.len()) {
            for ((value, mean), variance) in row.iter_mut().zip(&moments.mean).zip(&moments.variance) {
                let scaled = (f64::from(*value) - mean) / (variance + EPSILON).sqrt();
                *value = scaled.clamp(-CLIP, CLIP) as f32;
            }
        }
    }

    /// Learns from the rewards of one step and scales them.
    pub fn reward(&mut self, rewards: &mut [f32], ended: &[bool]) {
        for (sum, &reward) in self.sums.iter_mut().zip(&*rewards) {
            *sum = *sum * self.gamma as f32 + reward;
        }
        self.returns.update(&self.sums);
        let scale = 1.0 / (self.returns.variance[0] + EPSILON).sqrt();
        for ((reward, sum), &ended) in rewards.iter_mut().zip(&mut self.sums).zip(ended) {
            *reward = (f64::from(*reward) * scale).clamp(-CLIP, CLIP) as f32;
            if ended {
                *sum = 0.0;
            }
        }
    }
}
