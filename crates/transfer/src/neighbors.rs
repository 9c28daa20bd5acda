//! # Nearest neighbours
//!
//! The plainest test of features: an image is what the most alike of the known ones are. Nothing is learnt, so nothing of the answer
//! is the classifier's merit.
//!
//! ```text
//! cosine       sim(a, b) = a·b / (‖a‖·‖b‖)        votes weigh exp(sim / τ), τ = 0.07
//! Euclidean    d(a, b)  = ‖a − b‖                  votes weigh 1
//! ```
//!
//! Among equals the lower class is given, and of equally near neighbours those that come first are taken.
//!
//! The weighted vote: Z. Wu et al., *Unsupervised feature learning via non-parametric instance discrimination*, CVPR 2018
//! (<https://arxiv.org/abs/1805.01978>), section 3.4, where k = 200 and τ = 0.07.
//!
//! **When it fails**: in many dimensions that do not matter, all distances are alike; and every known sample is looked at for every
//! question.

use burn::config::Config;
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, positive};
use serde::{Deserialize, Serialize};

use crate::features::Features;

/// What near means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// The angle between two vectors; the nearer, the greater the weight.
    Cosine,
    /// The distance; every neighbour has one vote.
    Euclidean,
}

/// How the neighbours vote.
#[derive(Config, Debug, PartialEq)]
pub struct NeighborsConfig {
    /// How many vote. Default: 5, a common choice for few samples; the paper has 200 of a million.
    #[config(default = 5)]
    pub k: usize,
    /// What near means. Default: the paper's.
    #[config(default = "Metric::Cosine")]
    pub metric: Metric,
    /// τ of the cosine's weights. Default: the paper's.
    #[config(default = 0.07)]
    pub temperature: f64,
}

/// Known samples that are asked about others.
#[derive(Debug, Clone)]
pub struct Neighbors {
    config: NeighborsConfig,
    known: Features,
    /// 1/‖a‖ of each.
    scales: Vec<f64>,
}

impl NeighborsConfig {
    /// Keeps the known samples.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field that cannot be used, or `known` when there are fewer samples than `k`.
    pub fn init(&self, known: Features) -> Result<Neighbors, ConfigError> {
        at_least_one(&[("k", self.k)])?;
        positive("temperature", self.temperature)?;
        if known.len() < self.k {
            return Err(ConfigError::new(
                "known",
                format!("{} samples for {} neighbours", known.len(), self.k),
            ));
        }
        let scales = (0..known.len()).map(|i| scale(known.row(i))).collect();
        Ok(Neighbors { config: self.clone(), known, scales })
    }
}

impl Neighbors {
    /// The class of each sample.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `width` when the samples have another one than the known.
    pub fn classify(&self, samples: &Features) -> Result<Vec<usize>, ConfigError> {
        if samples.width() != self.known.width() && !samples.is_empty() {
            let reason = format!("{}, the known samples have {}", samples.width(), self.known.width());
            return Err(ConfigError::new("width", reason));
        }
        Ok((0..samples.len()).map(|i| self.vote(samples.row(i))).collect())
    }

    /// Share of samples that get their own class; NaN of none.
    ///
    /// # Errors
    ///
    /// As from [`classify`](Self::classify).
    pub fn accuracy(&self, samples: &Features) -> Result<f64, ConfigError> {
        let right = self.classify(samples)?.iter().zip(samples.labels()).filter(|(a, b)| a == b).count();
        Ok(right as f64 / samples.len() as f64)
    }

    fn vote(&self, sample: &[f32]) -> usize {
        let own = scale(sample);
        // The smaller, the nearer.
        let far = |i: usize| {
            let pairs = sample.iter().zip(self.known.row(i)).map(|(&a, &b)| (f64::from(a), f64::from(b)));
            match self.config.metric {
                Metric::Cosine => -pairs.map(|(a, b)| a * b).sum::<f64>() * own * self.scales[i],
                Metric::Euclidean => pairs.map(|(a, b)| (a - b) * (a - b)).sum(),
            }
        };
        let mut ranked: Vec<(f64, usize)> = (0..self.known.len()).map(|i| (far(i), i)).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut votes = vec![0.0; self.known.num_classes()];
        for &(far, i) in &ranked[..self.config.k] {
            votes[self.known.labels()[i]] += match self.config.metric {
                Metric::Cosine => ((-far - 1.0) / self.config.temperature).exp(),
                Metric::Euclidean => 1.0,
            };
        }
        let best = votes.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        best.map_or(0, |(class, _)| class)
    }
}

fn scale(row: &[f32]) -> f64 {
    let norm = row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    if norm > 0.0 { 1.0 / norm } else { 0.0 }
}
