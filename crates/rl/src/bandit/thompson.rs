//! # Thompson sampling
//!
//! Believe something about every lever, draw from the beliefs, and pull the lever whose draw is best. A lever is pulled exactly as often as
//! it is believed to be the best one.
//!
//! ```text
//! Bernoulli pay   μ_k ~ Beta(1 + successes, 1 + failures)
//! normal pay      μ_k ~ N(σ₀² S / (σ² + σ₀² n), σ² σ₀² / (σ² + σ₀² n))        prior N(0, σ₀²), noise σ, sum S of n pays
//! ```
//!
//! Its regret reaches the bound of Lai and Robbins, and with no constant to set.
//!
//! W. R. Thompson, *On the likelihood that one unknown probability exceeds another*, Biometrika 25, 1933. E. Kaufmann, N. Korda,
//! R. Munos, *Thompson Sampling: An Asymptotically Optimal Finite-Time Analysis*, ALT 2012. <https://arxiv.org/abs/1205.4217>
//!
//! ```
//! use fornax_rl::bandit::thompson::beta;
//! use fornax_rl::random::Pcg64;
//!
//! let mut rng = Pcg64::new(0);
//! let mean = (0..4_000).map(|_| beta(3.0, 1.0, &mut rng)).sum::<f64>() / 4_000.0;
//! assert!((mean - 0.75).abs() < 0.015); // a / (a + b), deviation 0.003
//! ```

use fornax_nn_core::ConfigError;

use super::{Player, check_arms};
use crate::error::EnvError;
use crate::random::Pcg64;

/// What is believed, in numbers of pays.
#[derive(Debug, Clone, PartialEq)]
enum Belief {
    /// Beta of 1 + successes and 1 + failures.
    Bernoulli,
    /// Normal around the pays, with their noise and the deviation of the prior.
    Gaussian { noise: f64, prior: f64 },
}

/// The player; see the [module page](self).
#[derive(Debug, Clone, PartialEq)]
pub struct Thompson {
    belief: Belief,
    sums: Vec<f64>,
    pulls: Vec<f64>,
}

impl Thompson {
    /// A player of `arms` levers that pay 0 or 1 (or between: the sums count), from the uniform prior.
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when there are no levers.
    pub fn bernoulli(arms: usize) -> Result<Self, EnvError> {
        check_arms(arms)?;
        Ok(Self { belief: Belief::Bernoulli, sums: vec![0.0; arms], pulls: vec![0.0; arms] })
    }

    /// A player of `arms` levers that pay normally with deviation `noise` around means believed to be N(0, `prior`²).
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when there are no levers or a deviation is not positive.
    pub fn gaussian(arms: usize, noise: f64, prior: f64) -> Result<Self, EnvError> {
        check_arms(arms)?;
        for (field, value) in [("noise", noise), ("prior", prior)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(ConfigError::new(field, format!("must be positive, got {value}")).into());
            }
        }
        let belief = Belief::Gaussian { noise, prior };
        Ok(Self { belief, sums: vec![0.0; arms], pulls: vec![0.0; arms] })
    }
}

impl Player for Thompson {
    fn choose(&mut self, _: &[f64], rng: &mut Pcg64) -> usize {
        let draw = |(sum, n): (&f64, &f64)| match self.belief {
            Belief::Bernoulli => beta(1.0 + sum, 1.0 + n - sum, rng),
            Belief::Gaussian { noise, prior } => {
                let weight = noise * noise + prior * prior * n;
                prior * prior * sum / weight + noise * prior / weight.sqrt() * rng.normal()
            }
        };
        crate::tabular::greedy(self.sums.iter().zip(&self.pulls).map(draw))
    }

    fn learn(&mut self, arm: usize, reward: f64) {
        self.sums[arm] += reward;
        self.pulls[arm] += 1.0;
    }
}

/// A draw from Beta(a, b) with a, b ≥ 1, as the share of two gamma draws.
pub fn beta(a: f64, b: f64, rng: &mut Pcg64) -> f64 {
    let (x, y) = (gamma(a, rng), gamma(b, rng));
    x / (x + y)
}

/// A draw from Gamma(shape, 1), shape ≥ 1, by rejection from a cubed normal.
///
/// G. Marsaglia, W. W. Tsang, *A simple method for generating gamma variables*, ACM TOMS 26, 2000. <https://doi.org/10.1145/358407.358414>
fn gamma(shape: f64, rng: &mut Pcg64) -> f64 {
    let d = shape.max(1.0) - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = rng.normal();
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - rng.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}
