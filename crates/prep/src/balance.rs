//! Classes of unequal size: weights for the loss, and samplers that show rare classes more often.
//!
//! With 990 photographs of healthy plants and ten of ill ones, "healthy" is right in 99 % of all cases and the loss
//! has little to say against it. Two remedies, and one of them at a time: count each class the same in the **loss**
//! ([`class_weights`]), or **draw** each class equally often ([`WeightedSampler::balanced`]), which shows the rare
//! samples again and again, each time augmented differently. Either moves predicted probabilities towards the rare
//! class; where those matter, correct them afterwards or leave the data as they are.

use crate::{Error, Key};

/// The weight of each class that makes every class count the same: n / (K · n_c), K being the number of classes that
/// occur (scikit-learn's `balanced`). The mean over all samples is 1. A class that does not occur has weight 0.
///
/// ```
/// let weights = fornax_prep::balance::class_weights(&[0, 0, 0, 1], 2).unwrap();
/// assert_eq!(weights, [4.0 / 6.0, 2.0]);
/// ```
///
/// # Errors
///
/// [`Error::Argument`] when there is no label, or one that is not below `num_classes`.
pub fn class_weights(labels: &[usize], num_classes: usize) -> Result<Vec<f64>, Error> {
    if labels.is_empty() {
        return Err(Error::argument("labels", "at least one", "none"));
    }
    let mut counts = vec![0usize; num_classes];
    for &label in labels {
        let count = counts
            .get_mut(label)
            .ok_or_else(|| Error::argument("labels", format_args!("classes below {num_classes}"), label))?;
        *count += 1;
    }
    let occurring = counts.iter().filter(|&&count| count > 0).count() as f64;
    let weight =
        |count: usize| if count == 0 { 0.0 } else { labels.len() as f64 / (occurring * count as f64) };
    Ok(counts.into_iter().map(weight).collect())
}

/// Draws samples with replacement, each in proportion to its weight.
///
/// What an epoch draws is a function of the key and nothing else: `Key::new(seed).fold(epoch)`.
///
/// ```
/// use fornax_prep::Key;
/// use fornax_prep::balance::WeightedSampler;
///
/// let labels = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
/// let sampler = WeightedSampler::balanced(&labels).unwrap();
/// let drawn = sampler.draw(1000, Key::new(1).fold(0));
/// let rare = drawn.iter().filter(|&&sample| labels[sample] == 1).count();
/// assert!((420..580).contains(&rare)); // half of them, give or take five deviations of 16
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct WeightedSampler {
    /// Sums of the weights up to and including each sample.
    cumulative: Vec<f64>,
}

impl WeightedSampler {
    /// Weights of the samples, in any unit.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when one is negative or not finite, or all are 0.
    pub fn new(weights: &[f64]) -> Result<Self, Error> {
        let mut sum = 0.0;
        let mut cumulative = Vec::with_capacity(weights.len());
        for (index, weight) in weights.iter().enumerate() {
            if !(*weight >= 0.0 && weight.is_finite()) {
                let found = format_args!("{weight} at {index}").to_string();
                return Err(Error::argument("weights", "finite numbers of at least 0", found));
            }
            sum += weight;
            cumulative.push(sum);
        }
        if !(sum > 0.0 && sum.is_finite()) {
            return Err(Error::argument("weights", "a finite sum above 0", sum));
        }
        Ok(Self { cumulative })
    }

    /// Every class as often as every other, every sample of a class alike.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when there is no label.
    pub fn balanced(labels: &[usize]) -> Result<Self, Error> {
        let classes = labels.iter().max().map_or(0, |&largest| largest + 1);
        let weights = class_weights(labels, classes)?;
        Self::new(&labels.iter().map(|&label| weights[label]).collect::<Vec<_>>())
    }

    /// The number of samples drawn from.
    pub fn len(&self) -> usize {
        self.cumulative.len()
    }

    /// Never: there is no sampler of nothing.
    pub fn is_empty(&self) -> bool {
        self.cumulative.is_empty()
    }

    /// So many samples, which follow from `key`.
    pub fn draw(&self, count: usize, key: Key) -> Vec<usize> {
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let mut stream = key.stream();
        let mut one = || {
            // 53 random bits, all that an f64 in [0, 1) holds.
            let position = total * (stream.below(1 << 53) as f64 / (1u64 << 53) as f64);
            self.cumulative.partition_point(|&sum| sum <= position).min(self.len() - 1)
        };
        (0..count).map(|_| one()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weighted_counts_are_equal_and_their_mean_is_one() {
        let labels = [0, 0, 0, 3, 3, 1, 1, 1, 1, 1, 1];
        let weights = class_weights(&labels, 5).unwrap();
        let total =
            |class: usize| weights[class] * labels.iter().filter(|&&label| label == class).count() as f64;
        assert!([0, 1, 3].iter().all(|&class| (total(class) - 11.0 / 3.0).abs() < 1e-12));
        assert_eq!((weights[2], weights[4]), (0.0, 0.0));
        let mean = labels.iter().map(|&label| weights[label]).sum::<f64>() / 11.0;
        assert!((mean - 1.0).abs() < 1e-12);
    }

    #[test]
    fn samples_are_as_frequent_as_their_weights() {
        let sampler = WeightedSampler::new(&[1.0, 0.0, 2.0, 5.0]).unwrap();
        let mut seen = [0i32; 4];
        sampler.draw(8000, Key::new(2)).into_iter().for_each(|sample| seen[sample] += 1);
        // Binomial; five deviations are below 250.
        for (count, expected) in seen.iter().zip([1000, 0, 2000, 5000]) {
            assert!((count - expected).abs() < 225, "{seen:?}");
        }
        assert_eq!(seen[1], 0);
        assert_eq!(sampler.draw(50, Key::new(3)), sampler.draw(50, Key::new(3)));
        assert_ne!(sampler.draw(50, Key::new(3)), sampler.draw(50, Key::new(4)));
    }

    #[test]
    fn weights_that_are_none_are_refused() {
        for bad in [&[][..], &[0.0, 0.0], &[1.0, -1.0], &[f64::NAN], &[f64::INFINITY], &[f64::MAX, f64::MAX]]
        {
            assert!(
                WeightedSampler::new(bad).unwrap_err().to_string().starts_with("weights: expected"),
                "{bad:?}"
            );
        }
        assert!(class_weights(&[], 2).is_err() && class_weights(&[2], 2).is_err());
        assert!(WeightedSampler::balanced(&[]).is_err());
    }
}
