//! Who is winning, and is the generator still making different things? What to watch while a GAN trains.
//!
//! ```text
//! accuracy   share of logits on the right side of their overall mean: 1 when the critic tells all apart, about ½ when none
//! spread     Σ_i Var(sample_i) / Σ_i Var(data_i): 1 when samples vary as data does, near 0 when all are alike
//! ```
//!
//! Both are averaged over the last 1/(1 − memory) steps. The threshold is the mean and not 0, so that the figure also means something
//! for a Wasserstein critic, whose scores have no zero.
//!
//! **What they miss**: a generator that makes three of ten classes has a spread near 1; counting modes finds that, where modes are known
//! ([`mode_coverage`](crate::evaluation::mode_coverage)).

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Fading means of both figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Monitor {
    memory: f64,
    weight: f64,
    accuracy: f64,
    spread: f64,
}

/// What the figures say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Balance {
    /// Neither wins, and samples vary.
    Healthy,
    /// Accuracy above 0.95: a saturating loss teaches the generator nothing now.
    CriticWins,
    /// Spread below 0.1: samples are nearly alike.
    Collapsed,
}

impl Default for Monitor {
    /// A memory of a hundred steps.
    fn default() -> Self {
        Self { memory: 0.99, weight: 0.0, accuracy: 0.0, spread: 0.0 }
    }
}

impl Monitor {
    /// Takes a step's logits and examples into the means.
    ///
    /// # Shapes
    ///
    /// - real_logits, fake_logits: `[batch, 1]`
    /// - real, fake: `[batch, features]`
    pub fn observe(
        &mut self,
        real_logits: Tensor<2>,
        fake_logits: Tensor<2>,
        real: Tensor<2>,
        fake: Tensor<2>,
    ) {
        let values = |logits: Tensor<2>| logits.into_data().iter::<f64>().collect::<Vec<_>>();
        let (real_logits, fake_logits) = (values(real_logits), values(fake_logits));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let threshold = 0.5 * (mean(&real_logits) + mean(&fake_logits));
        let share = |right: usize, of: &[f64]| right as f64 / of.len() as f64;
        let above = real_logits.iter().filter(|logit| **logit > threshold).count();
        let below = fake_logits.iter().filter(|logit| **logit <= threshold).count();
        let accuracy = 0.5 * (share(above, &real_logits) + share(below, &fake_logits));
        let variance = |x: Tensor<2>| x.var_bias(0).sum().into_scalar::<f64>();
        let spread = variance(fake) / variance(real).max(1e-12);
        let fade = |old: f64, new: f64| self.memory * old + (1.0 - self.memory) * new;
        (self.accuracy, self.spread) = (fade(self.accuracy, accuracy), fade(self.spread, spread));
        self.weight = fade(self.weight, 1.0);
    }

    /// The critic's accuracy; NaN before the first step.
    pub fn accuracy(&self) -> f64 {
        self.accuracy / self.weight
    }

    /// The samples' spread beside the data's; NaN before the first step.
    pub fn spread(&self) -> f64 {
        self.spread / self.weight
    }

    /// What the two say together: collapse first, for then the critic's accuracy is beside the point.
    pub fn balance(&self) -> Balance {
        if self.spread() < 0.1 {
            Balance::Collapsed
        } else if self.accuracy() > 0.95 {
            Balance::CriticWins
        } else {
            Balance::Healthy
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use fornax_nn_core::check::fill;

    fn observed(shift: f64, spread: f64) -> Monitor {
        let device = Device::flex();
        let logits = fill::input::<2>("logits", [64, 1], &device);
        let real = fill::input::<2>("real", [64, 3], &device);
        let mut monitor = Monitor::default();
        for _ in 0..3 {
            // Scores far from 0, as a Wasserstein critic may give.
            let (high, low) = (logits.clone() + 100.0, logits.clone() + (100.0 - shift));
            monitor.observe(high, low, real.clone(), real.clone() * spread);
        }
        monitor
    }

    #[test]
    fn each_verdict_is_reached() {
        let even = observed(0.0, 1.0);
        assert!((even.accuracy() - 0.5).abs() < 1e-9 && (even.spread() - 1.0).abs() < 1e-6);
        assert_eq!(even.balance(), Balance::Healthy);
        let won = observed(5.0, 1.0);
        assert_eq!((won.accuracy(), won.balance()), (1.0, Balance::CriticWins));
        assert_eq!(observed(5.0, 0.2).balance(), Balance::Collapsed); // spread 0.04
        assert!(Monitor::default().accuracy().is_nan());
    }

    #[test]
    fn old_steps_fade() {
        let mut monitor = observed(5.0, 1.0);
        let device = Device::flex();
        let (zero, real) =
            (fill::input::<2>("logits", [64, 1], &device), fill::input::<2>("real", [64, 3], &device));
        for _ in 0..2000 {
            monitor.observe(zero.clone(), zero.clone(), real.clone(), real.clone());
        }
        assert!((monitor.accuracy() - 0.5).abs() < 1e-6, "{}", monitor.accuracy());
    }
}
