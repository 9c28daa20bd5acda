//! # Linear probe
//!
//! How much of the answer is in the features already, in the sense that a plane can separate it: logistic regression on frozen
//! features. It is the honest baseline of every fine-tuning, learns in a moment, and has one solution.
//!
//! ```text
//! minimise   C · Σ_i −log softmax(W·x_i + b)[y_i]  +  ½·‖W‖²         b is not penalised
//! ```
//!
//! The sum is convex, strictly so in W, so whoever minimises it finds the same W; here by L-BFGS with a backtracking line search, in
//! f64, to a gradient of 1e-6 per sample. C and the formula are scikit-learn's `LogisticRegression`. Features are standardised
//! with the mean and deviation of the known samples, so that one C suits all networks.
//!
//! **When it fails**: with more dimensions than samples a plane separates anything, and C alone decides how good it is elsewhere.
//!
//! L-BFGS: J. Nocedal, S. Wright, *Numerical optimization*, 2006, section 7.2. Probes: G. Alain, Y. Bengio, *Understanding
//! intermediate layers using linear classifier probes*, 2016 (<https://arxiv.org/abs/1610.01644>).

use std::collections::VecDeque;

use burn::config::Config;
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, positive};

use crate::features::Features;

/// Pairs of steps L-BFGS remembers: the book's choice lies between 3 and 20.
const MEMORY: usize = 10;

/// How the plane is found.
#[derive(Config, Debug, PartialEq)]
pub struct ProbeConfig {
    /// Weight of the likelihood against the penalty. Default: scikit-learn's.
    #[config(default = 1.0)]
    pub c: f64,
    /// Whether each feature is brought to mean 0 and deviation 1 first. Default: yes.
    #[config(default = true)]
    pub standardise: bool,
    /// Steps at most. Default: enough to converge on hundreds of features.
    #[config(default = 1000)]
    pub iterations: usize,
}

/// A fitted plane for each class.
#[derive(Debug, Clone)]
pub struct Probe {
    classes: usize,
    mean: Vec<f64>,
    scale: Vec<f64>,
    /// For each class its weights, then its bias.
    weights: Vec<f64>,
}

impl ProbeConfig {
    /// Fits the plane to features with labels.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field that cannot be used, or `known` when there are fewer than two classes or a feature is
    /// not finite.
    pub fn fit(&self, known: &Features) -> Result<Probe, ConfigError> {
        positive("c", self.c)?;
        at_least_one(&[("iterations", self.iterations)])?;
        if known.num_classes() < 2 {
            return Err(ConfigError::new("known", format!("{} samples of one class at most", known.len())));
        }
        if known.values().iter().any(|value| !value.is_finite()) {
            return Err(ConfigError::new("known", "has a feature that is not finite"));
        }
        let (mean, scale) = if self.standardise { moments(known) } else { identity(known.width()) };
        let rows: Vec<Vec<f64>> = (0..known.len()).map(|i| scaled(known.row(i), &mean, &scale)).collect();
        let mut problem =
            Problem { c: self.c, classes: known.num_classes(), rows: &rows, labels: known.labels() };
        let weights = minimise(&mut problem, self.iterations);
        Ok(Probe { classes: known.num_classes(), mean, scale, weights })
    }
}

impl Probe {
    /// The logits of each sample, one row after the other.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `width` when the samples have another one than those fitted to.
    pub fn logits(&self, samples: &Features) -> Result<Vec<f64>, ConfigError> {
        if samples.width() != self.mean.len() && !samples.is_empty() {
            let reason = format!("{}, those fitted to have {}", samples.width(), self.mean.len());
            return Err(ConfigError::new("width", reason));
        }
        let rows = (0..samples.len()).map(|i| scaled(samples.row(i), &self.mean, &self.scale));
        Ok(rows.flat_map(|row| logits(&self.weights, self.classes, &row)).collect())
    }

    /// The class of each sample.
    ///
    /// # Errors
    ///
    /// As from [`logits`](Self::logits).
    pub fn classify(&self, samples: &Features) -> Result<Vec<usize>, ConfigError> {
        let logits = self.logits(samples)?;
        let largest =
            |row: &[f64]| row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
        Ok(logits.chunks(self.classes).map(largest).collect())
    }

    /// Share of samples that get their own class; NaN of none.
    ///
    /// # Errors
    ///
    /// As from [`logits`](Self::logits).
    pub fn accuracy(&self, samples: &Features) -> Result<f64, ConfigError> {
        let right = self.classify(samples)?.iter().zip(samples.labels()).filter(|(a, b)| a == b).count();
        Ok(right as f64 / samples.len() as f64)
    }

    /// W, a row for each class, in the units of the standardised features.
    pub fn weights(&self) -> Vec<&[f64]> {
        let width = self.mean.len();
        self.weights.chunks(width + 1).map(|row| &row[..width]).collect()
    }
}

fn identity(width: usize) -> (Vec<f64>, Vec<f64>) {
    (vec![0.0; width], vec![1.0; width])
}

/// Mean, and one over the deviation; one for a feature that never changes.
fn moments(features: &Features) -> (Vec<f64>, Vec<f64>) {
    let (n, width) = (features.len() as f64, features.width());
    let (mut mean, mut square) = (vec![0.0; width], vec![0.0; width]);
    for i in 0..features.len() {
        for (sum, &value) in mean.iter_mut().zip(features.row(i)) {
            *sum += f64::from(value) / n;
        }
    }
    for i in 0..features.len() {
        for ((sum, &value), mean) in square.iter_mut().zip(features.row(i)).zip(&mean) {
            *sum += (f64::from(value) - mean).powi(2) / n;
        }
    }
    let scale = square.into_iter().map(|variance| if variance > 0.0 { variance.sqrt().recip() } else { 1.0 });
    (mean, scale.collect())
}

fn scaled(row: &[f32], mean: &[f64], scale: &[f64]) -> Vec<f64> {
    row.iter().zip(mean).zip(scale).map(|((&value, mean), scale)| (f64::from(value) - mean) * scale).collect()
}

fn logits(weights: &[f64], classes: usize, row: &[f64]) -> Vec<f64> {
    let width = row.len();
    let class = |k: usize| {
        let weights = &weights[k * (width + 1)..(k + 1) * (width + 1)];
        dot(&weights[..width], row) + weights[width]
    };
    (0..classes).map(class).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// What is minimised.
struct Problem<'a> {
    c: f64,
    classes: usize,
    rows: &'a [Vec<f64>],
    labels: &'a [usize],
}

impl Problem<'_> {
    fn len(&self) -> usize {
        self.classes * (self.rows.first().map_or(0, Vec::len) + 1)
    }

    /// Value and gradient.
    fn at(&self, weights: &[f64]) -> (f64, Vec<f64>) {
        let width = self.len() / self.classes - 1;
        let (mut value, mut gradient) = (0.0, vec![0.0; weights.len()]);
        for (row, &label) in self.rows.iter().zip(self.labels) {
            let logits = logits(weights, self.classes, row);
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
            value += self.c * (largest + sum.ln() - logits[label]);
            for (k, logit) in logits.iter().enumerate() {
                let error = self.c * ((logit - largest).exp() / sum - f64::from(u8::from(k == label)));
                let part = &mut gradient[k * (width + 1)..(k + 1) * (width + 1)];
                for (gradient, x) in part.iter_mut().zip(row) {
                    *gradient += error * x;
                }
                part[width] += error;
            }
        }
        for (i, (gradient, weight)) in gradient.iter_mut().zip(weights).enumerate() {
            if i % (width + 1) != width {
                value += 0.5 * weight * weight;
                *gradient += weight;
            }
        }
        (value, gradient)
    }
}

/// L-BFGS from zero.
fn minimise(problem: &mut Problem<'_>, iterations: usize) -> Vec<f64> {
    let mut weights = vec![0.0; problem.len()];
    let (mut value, mut gradient) = problem.at(&weights);
    let mut memory: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    let enough = 1e-6 * problem.rows.len() as f64 * problem.c.min(1.0);
    for _ in 0..iterations {
        if gradient.iter().all(|part| part.abs() <= enough) {
            break;
        }
        let mut direction = descent(&gradient, &memory);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            direction = gradient.iter().map(|part| -part).collect();
            slope = -dot(&gradient, &gradient);
        }
        // Half the step until the value falls by what the slope promises.
        let mut step = if memory.is_empty() { 1.0 / slope.abs().sqrt().max(1.0) } else { 1.0 };
        let (next, next_value, next_gradient) = loop {
            let next: Vec<f64> = weights.iter().zip(&direction).map(|(w, d)| w + step * d).collect();
            let (next_value, next_gradient) = problem.at(&next);
            if next_value <= value + 1e-4 * step * slope || step < 1e-12 {
                break (next, next_value, next_gradient);
            }
            step /= 2.0;
        };
        if next_value >= value {
            break;
        }
        let moved: Vec<f64> = next.iter().zip(&weights).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        if dot(&moved, &turned) > 0.0 {
            memory.push_back((moved, turned));
            if memory.len() > MEMORY {
                memory.pop_front();
            }
        }
        (weights, value, gradient) = (next, next_value, next_gradient);
    }
    weights
}

/// −H·g with H from the remembered steps, by the two loops of L-BFGS.
fn descent(gradient: &[f64], memory: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut q = gradient.to_vec();
    let mut alphas = Vec::with_capacity(memory.len());
    for (moved, turned) in memory.iter().rev() {
        let alpha = dot(moved, &q) / dot(moved, turned);
        q.iter_mut().zip(turned).for_each(|(q, y)| *q -= alpha * y);
        alphas.push(alpha);
    }
    if let Some((moved, turned)) = memory.back() {
        let gamma = dot(moved, turned) / dot(turned, turned);
        q.iter_mut().for_each(|q| *q *= gamma);
    }
    for ((moved, turned), alpha) in memory.iter().zip(alphas.into_iter().rev()) {
        let beta = dot(turned, &q) / dot(moved, turned);
        q.iter_mut().zip(moved).for_each(|(q, s)| *q += (alpha - beta) * s);
    }
    q.iter_mut().for_each(|q| *q = -*q);
    q
}
