//! What a classifier got right, what it mistook for what, and how sure it was.

use burn::tensor::Tensor;

mod reliability;
mod temperature;

pub use reliability::{Bin, Reliability};
pub use temperature::{Temperature, TemperatureError};

/// The outcome of classifying a labelled set, sample by sample.
///
/// ```text
/// accuracy = (number of samples whose most probable class is the true one) / (number of samples)
/// loss     = −(1/n) Σ log p[sample, true class]            mean cross-entropy in nats
/// ```
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use fornax_nn_core::metric::Classification;
///
/// let probabilities = Tensor::<2>::from_data([[0.9, 0.1], [0.8, 0.2]], &Device::flex());
/// let outcome = Classification::new(probabilities, &[0, 1]);
/// assert_eq!(outcome.accuracy(), 0.5);
/// assert_eq!(outcome.mistakes()[0].predicted, 0);
/// assert!((outcome.loss() - (-(0.9f64.ln() + 0.2f64.ln()) / 2.0)).abs() < 1e-6);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    num_classes: usize,
    targets: Vec<usize>,
    probabilities: Vec<f32>,
}

/// A sample whose most probable class is not the true one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mistake {
    /// Position of the sample in the set.
    pub sample: usize,
    /// The true class.
    pub target: usize,
    /// The class the model chose.
    pub predicted: usize,
    /// The probability the model gave to the class it chose.
    pub belief: f32,
}

impl Classification {
    /// Pairs each row of probabilities with its true class.
    ///
    /// # Shapes
    ///
    /// - probabilities: `[samples, classes]`, rows summing to one
    /// - targets: one class index per row
    ///
    /// # Panics
    ///
    /// When there are not as many targets as rows, or a target is not a class.
    pub fn new(probabilities: Tensor<2>, targets: &[usize]) -> Self {
        let [rows, num_classes] = probabilities.dims();
        assert_eq!(rows, targets.len(), "expected one target per row of probabilities");
        assert!(targets.iter().all(|&target| target < num_classes), "expected targets below {num_classes}");
        let probabilities = probabilities.into_data().iter::<f32>().collect();
        Self { num_classes, targets: targets.to_vec(), probabilities }
    }

    /// Appends the outcome of further samples.
    ///
    /// # Panics
    ///
    /// When the numbers of classes differ.
    pub fn extend(&mut self, other: Self) {
        assert_eq!(self.num_classes, other.num_classes, "expected outcomes over the same classes");
        self.targets.extend(other.targets);
        self.probabilities.extend(other.probabilities);
    }

    fn rows(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.targets.iter().copied().zip(self.probabilities.chunks(self.num_classes.max(1)))
    }

    /// Share of samples classified correctly, in [0, 1]; zero for an empty set.
    pub fn accuracy(&self) -> f64 {
        let right = self.targets.len() - self.mistakes().len();
        right as f64 / self.targets.len().max(1) as f64
    }

    /// Share of samples whose true class is among the `k` most probable, in [0, 1]; zero for an empty set. Among equals the
    /// first classes count as the more probable, so that k = 1 is the accuracy.
    pub fn top_k_accuracy(&self, k: usize) -> f64 {
        let before = |target: usize, row: &[f32]| {
            let ahead = |(i, p): &(usize, &f32)| **p > row[target] || (**p == row[target] && *i < target);
            row.iter().enumerate().filter(ahead).count()
        };
        let right = self.rows().filter(|(target, row)| before(*target, row) < k).count();
        right as f64 / self.targets.len().max(1) as f64
    }

    /// How often the model is right, by how sure it is.
    ///
    /// # Panics
    ///
    /// When `bins` is zero.
    pub fn reliability(&self, bins: usize) -> Reliability {
        let beliefs = self.rows().map(|(target, row)| {
            let (predicted, belief) = most_probable(row);
            (f64::from(belief), predicted == target)
        });
        Reliability::new(beliefs, bins)
    }

    /// Mean cross-entropy in nats. Probabilities are floored at the smallest positive f32, so a
    /// certain mistake costs 87.3 nats rather than infinity.
    pub fn loss(&self) -> f64 {
        let sum: f64 =
            self.rows().map(|(target, row)| -f64::from(row[target].max(f32::MIN_POSITIVE)).ln()).sum();
        sum / self.targets.len().max(1) as f64
    }

    /// `[true class][predicted class]` counts.
    pub fn confusion(&self) -> Vec<Vec<u64>> {
        let mut counts = vec![vec![0; self.num_classes]; self.num_classes];
        for (target, row) in self.rows() {
            counts[target][most_probable(row).0] += 1;
        }
        counts
    }

    /// The misclassified samples, the most confident mistake first.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes: Vec<Mistake> = self
            .rows()
            .enumerate()
            .filter_map(|(sample, (target, row))| {
                let (predicted, belief) = most_probable(row);
                (predicted != target).then_some(Mistake { sample, target, predicted, belief })
            })
            .collect();
        mistakes.sort_by(|a, b| b.belief.total_cmp(&a.belief));
        mistakes
    }
}

/// Index and value of the largest element, the first one among equals. NaN never wins.
pub fn most_probable(row: &[f32]) -> (usize, f32) {
    row.iter()
        .copied()
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, (i, p)| if p > best.1 { (i, p) } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn outcome() -> Classification {
        let probabilities = Tensor::from_data(
            [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.5, 0.4, 0.1], [0.0, 1.0, 0.0]],
            &Device::flex(),
        );
        Classification::new(probabilities, &[0, 1, 1, 2])
    }

    #[test]
    fn counts_and_shares() {
        let outcome = outcome();
        assert_eq!(outcome.accuracy(), 0.25);
        assert_eq!(outcome.confusion(), [[1, 0, 0], [1, 0, 1], [0, 1, 0]]);
    }

    #[test]
    fn the_true_class_is_looked_for_among_the_first_k() {
        // Ranks of the true classes: first, second, second, and last among the equals.
        let outcome = outcome();
        let shares: Vec<f64> = (0..=4).map(|k| outcome.top_k_accuracy(k)).collect();
        assert_eq!(shares, [0.0, 0.25, 0.75, 1.0, 1.0]);
        let tied = Classification::new(Tensor::from_data([[0.5, 0.5], [0.5, 0.5]], &Device::flex()), &[0, 1]);
        assert_eq!((tied.top_k_accuracy(1), tied.accuracy()), (0.5, 0.5));
    }

    #[test]
    fn mistakes_come_most_confident_first() {
        let order: Vec<(usize, usize)> =
            outcome().mistakes().iter().map(|m| (m.sample, m.predicted)).collect();
        assert_eq!(order, [(3, 1), (1, 2), (2, 0)]);
    }

    #[test]
    fn a_certain_mistake_costs_a_finite_loss() {
        let certain = Classification::new(Tensor::from_data([[1.0, 0.0]], &Device::flex()), &[1]);
        assert!((certain.loss() - 87.336_544).abs() < 1e-4);
    }

    #[test]
    fn extending_is_the_same_as_classifying_at_once() {
        let mut halves = outcome();
        halves.extend(outcome());
        assert_eq!(halves.accuracy(), outcome().accuracy());
        assert!((halves.loss() - outcome().loss()).abs() < 1e-12);
    }
}
