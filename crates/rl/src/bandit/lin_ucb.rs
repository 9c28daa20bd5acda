//! # LinUCB: upper bounds with a context
//!
//! Each lever shows features x_k (a reader and an article), its pay is θ · x_k and noise. Ridge regression estimates θ, and the same
//! matrix says how uncertain the estimate is in the direction of x_k.
//!
//! ```text
//! A = λ I + Σ x xᵀ,  b = Σ r x,  θ̂ = A⁻¹ b
//! a = argmax_k  θ̂ · x_k + α √(x_kᵀ A⁻¹ x_k)
//! A⁻¹ ← A⁻¹ − A⁻¹ x xᵀ A⁻¹ / (1 + xᵀ A⁻¹ x)              Sherman and Morrison
//! ```
//!
//! The regret grows as d √T up to logarithms, whatever the number of levers.
//!
//! L. Li, W. Chu, J. Langford, R. E. Schapire, *A Contextual-Bandit Approach to Personalized News Article Recommendation*, WWW 2010.
//! <https://arxiv.org/abs/1003.0146>. Differs from the paper: one θ for all levers (its hybrid model without the lever's own part).
//!
//! ```
//! use fornax_rl::bandit::{Contextual, lin_ucb::LinUcb, run};
//!
//! let mut levers = Contextual::new(vec![0.6, -0.8], 5, 0.1)?;
//! let regret = run(&mut levers, &mut LinUcb::new(2, 0.5)?, 1_000, 0);
//! assert!(regret[999] < 10.0); // a random lever would lose some 700
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use fornax_nn_core::ConfigError;

use super::Player;
use crate::error::EnvError;
use crate::random::Pcg64;

/// λ: the ridge that makes A invertible before anything is known. Default of the paper.
const RIDGE: f64 = 1.0;

/// The player; see the [module page](self).
#[derive(Debug, Clone, PartialEq)]
pub struct LinUcb {
    alpha: f64,
    inverse: Vec<Vec<f64>>,
    b: Vec<f64>,
    /// Features of the levers at the last choice.
    seen: Vec<f64>,
}

impl LinUcb {
    /// A player of levers with `features` numbers each; `alpha` is how optimistic to be.
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when there are no features, or `alpha` is negative.
    pub fn new(features: usize, alpha: f64) -> Result<Self, EnvError> {
        if features == 0 {
            return Err(ConfigError::new("features", "must be at least 1, got 0").into());
        }
        if !(alpha >= 0.0 && alpha.is_finite()) {
            return Err(ConfigError::new("alpha", format!("must be at least 0, got {alpha}")).into());
        }
        let unit = |i: usize| (0..features).map(|j| if i == j { 1.0 / RIDGE } else { 0.0 }).collect();
        let (inverse, b) = ((0..features).map(unit).collect(), vec![0.0; features]);
        Ok(Self { alpha, inverse, b, seen: Vec::new() })
    }

    /// θ̂.
    pub fn theta(&self) -> Vec<f64> {
        times(&self.inverse, &self.b)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn times(matrix: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    matrix.iter().map(|row| dot(row, vector)).collect()
}

impl Player for LinUcb {
    /// # Panics
    ///
    /// When `context` is not a whole number of feature vectors.
    fn choose(&mut self, context: &[f64], _: &mut Pcg64) -> usize {
        let d = self.b.len();
        assert!(
            context.len().is_multiple_of(d) && !context.is_empty(),
            "{} features for {d} each",
            context.len()
        );
        self.seen.clear();
        self.seen.extend_from_slice(context);
        let theta = self.theta();
        let worth =
            |x: &[f64]| dot(&theta, x) + self.alpha * dot(x, &times(&self.inverse, x)).max(0.0).sqrt();
        crate::tabular::greedy(context.chunks(d).map(worth))
    }

    fn learn(&mut self, arm: usize, reward: f64) {
        let d = self.b.len();
        let x = &self.seen[arm * d..(arm + 1) * d];
        let ax = times(&self.inverse, x);
        let scale = 1.0 + dot(x, &ax);
        for (row, left) in self.inverse.iter_mut().zip(&ax) {
            row.iter_mut().zip(&ax).for_each(|(value, right)| *value -= left * right / scale);
        }
        self.b.iter_mut().zip(x).for_each(|(b, x)| *b += reward * x);
    }
}
