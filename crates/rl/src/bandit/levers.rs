//! The levers themselves.

use fornax_nn_core::ConfigError;

use super::{Bandit, check_arms};
use crate::error::EnvError;
use crate::random::Pcg64;

/// Levers that pay from fixed distributions.
#[derive(Debug, Clone, PartialEq)]
pub struct Levers {
    means: Vec<f64>,
    /// Standard deviation of a normal pay; `None` pays 1 with probability `mean` and 0 otherwise.
    deviation: Option<f64>,
}

impl Levers {
    /// Levers that pay 1 with these probabilities and 0 otherwise.
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when there is none, or one is no probability.
    pub fn bernoulli(means: Vec<f64>) -> Result<Self, EnvError> {
        check_arms(means.len())?;
        match means.iter().find(|mean| !(0.0..=1.0).contains(*mean)) {
            Some(mean) => Err(ConfigError::new("means", format!("must lie in [0, 1], got {mean}")).into()),
            None => Ok(Self { means, deviation: None }),
        }
    }

    /// Levers that pay normally around these means.
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when there is none, a mean is not finite, or the deviation is negative.
    pub fn gaussian(means: Vec<f64>, deviation: f64) -> Result<Self, EnvError> {
        check_arms(means.len())?;
        if let Some(mean) = means.iter().find(|mean| !mean.is_finite()) {
            return Err(ConfigError::new("means", format!("must be finite, got {mean}")).into());
        }
        if !(deviation >= 0.0 && deviation.is_finite()) {
            return Err(ConfigError::new("deviation", format!("must be at least 0, got {deviation}")).into());
        }
        Ok(Self { means, deviation: Some(deviation) })
    }

    /// The constant of Lai and Robbins: no good policy's regret grows more slowly than this times ln T. Infinite terms (a best lever that
    /// always pays) do not count.
    pub fn lai_robbins(&self) -> f64 {
        let best = self.best();
        let divergence = |mean: f64| match self.deviation {
            Some(deviation) => (best - mean).powi(2) / (2.0 * deviation * deviation),
            None => {
                let part = |p: f64, q: f64| if p == 0.0 { 0.0 } else { p * (p / q).ln() };
                part(mean, best) + part(1.0 - mean, 1.0 - best)
            }
        };
        let gaps = self.means.iter().filter(|mean| **mean < best);
        gaps.map(|mean| (best - mean) / divergence(*mean)).filter(|term| term.is_finite()).sum()
    }
}

impl Bandit for Levers {
    fn arms(&self) -> usize {
        self.means.len()
    }

    fn context(&mut self, _: &mut Pcg64) -> &[f64] {
        &[]
    }

    fn pull(&mut self, arm: usize, rng: &mut Pcg64) -> f64 {
        match self.deviation {
            Some(deviation) => self.means[arm] + deviation * rng.normal(),
            None => f64::from(u8::from(rng.unit() < self.means[arm])),
        }
    }

    fn mean(&self, arm: usize) -> f64 {
        self.means[arm]
    }
}

/// Levers whose pay is linear in what is seen: every pull shows a random unit vector x_k for each lever, which pays θ · x_k and normal noise.
#[derive(Debug, Clone, PartialEq)]
pub struct Contextual {
    theta: Vec<f64>,
    arms: usize,
    deviation: f64,
    seen: Vec<f64>,
}

impl Contextual {
    /// `arms` levers with the hidden weights `theta`.
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when there are no levers or weights, or a number is not finite.
    pub fn new(theta: Vec<f64>, arms: usize, deviation: f64) -> Result<Self, EnvError> {
        check_arms(arms)?;
        if theta.is_empty() || theta.iter().any(|weight| !weight.is_finite()) {
            return Err(ConfigError::new("theta", "must be one finite number at least").into());
        }
        if !(deviation >= 0.0 && deviation.is_finite()) {
            return Err(ConfigError::new("deviation", format!("must be at least 0, got {deviation}")).into());
        }
        let seen = vec![0.0; arms * theta.len()];
        Ok(Self { theta, arms, deviation, seen })
    }
}

impl Bandit for Contextual {
    fn arms(&self) -> usize {
        self.arms
    }

    fn context(&mut self, rng: &mut Pcg64) -> &[f64] {
        for features in self.seen.chunks_mut(self.theta.len()) {
            features.fill_with(|| rng.normal());
            let length = features.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
            features.iter_mut().for_each(|x| *x /= length);
        }
        &self.seen
    }

    fn pull(&mut self, arm: usize, rng: &mut Pcg64) -> f64 {
        self.mean(arm) + self.deviation * rng.normal()
    }

    fn mean(&self, arm: usize) -> f64 {
        let d = self.theta.len();
        self.seen[arm * d..(arm + 1) * d].iter().zip(&self.theta).map(|(x, weight)| x * weight).sum()
    }
}
