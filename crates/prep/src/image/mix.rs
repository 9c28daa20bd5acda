//! Mixtures of two samples, with targets mixed alike.
//!
//! ```text
//! mixup    x̃ = λ x + (1 − λ) x'                    every pixel is of both
//! CutMix   x̃ = x, but a rectangle of share 1 − λ from x'      every pixel is of one
//! both     ỹ = λ y + (1 − λ) y'                    λ ~ Beta(α, α)
//! ```
//!
//! Says: between two examples the answer changes evenly. That keeps a network from being sure where it has seen
//! nothing, and from learning wrong labels by heart. CutMix also makes it look at more than the most telling part, as
//! [`RandomErasing`](super::transform::RandomErasing) does, without wasting the erased pixels.
//!
//! Each sample is mixed with the one before it in the batch, as in torchvision (batches are shuffled); one λ a batch.
//!
//! H. Zhang et al., *mixup: Beyond empirical risk minimization*, 2017. <https://arxiv.org/abs/1710.09412>.
//! S. Yun et al., *CutMix*, 2019. <https://arxiv.org/abs/1905.04899>

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::ImageBatch;
use super::transform::two_normals;
use crate::random::Stream;
use crate::{Error, Key};

/// How samples of a batch are mixed.
///
/// ```
/// use fornax_prep::image::Mix;
/// use fornax_prep::{Digits, Key};
///
/// let batch = Digits::load().to_set().gather(&[0, 1, 2]); // of classes 0, 1, 2
/// let mixed = Mix::mixup().apply(batch, 10, Key::new(1)).unwrap();
/// let row: f32 = mixed.targets[..10].iter().sum();
/// assert!((row - 1.0).abs() < 1e-6);
/// assert!(mixed.targets[0] > 0.0 && mixed.targets[2] > 0.0); // the first is mixed with the last
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Mix {
    /// Weighted means.
    MixUp {
        /// α of the Beta distribution. [`Mix::mixup`] takes torchvision's default, 1.
        alpha: f64,
    },
    /// A rectangle of the other image.
    CutMix {
        /// α of the Beta distribution. [`Mix::cutmix`] takes the paper's and torchvision's, 1.
        alpha: f64,
    },
}

/// Mixed images with a probability for each class.
#[derive(Debug, Clone, PartialEq)]
pub struct MixedBatch {
    /// The images; their labels are those before mixing.
    pub images: ImageBatch,
    /// `[batch, num_classes]`, each row of sum 1.
    pub targets: Vec<f32>,
    /// The number of classes.
    pub num_classes: usize,
    /// The share of each sample's own label.
    pub lambda: f32,
}

impl Mix {
    /// mixup with α = 1: any mixture alike.
    pub fn mixup() -> Self {
        Self::MixUp { alpha: 1.0 }
    }

    /// CutMix with α = 1: rectangles of any share alike.
    pub fn cutmix() -> Self {
        Self::CutMix { alpha: 1.0 }
    }

    /// Mixes a batch whose labels lie below `num_classes`.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for an α that is not positive and finite, labels that are missing or too large.
    pub fn apply(&self, mut batch: ImageBatch, num_classes: usize, key: Key) -> Result<MixedBatch, Error> {
        let (Self::MixUp { alpha } | Self::CutMix { alpha }) = *self;
        if !(alpha > 0.0 && alpha <= 1e6) {
            return Err(Error::argument("alpha", "a number above 0, at most 1,000,000", alpha));
        }
        let [count, channels, height, width] = batch.shape;
        if batch.labels.len() != count {
            return Err(Error::argument(
                "labels",
                format_args!("one for each of {count} images"),
                batch.labels.len(),
            ));
        }
        if let Some(label) = batch.labels.iter().find(|&&label| label >= num_classes) {
            return Err(Error::argument("labels", format_args!("classes below {num_classes}"), label));
        }
        if count == 0 {
            return Ok(MixedBatch { images: batch, targets: Vec::new(), num_classes, lambda: 1.0 });
        }
        let mut stream = key.stream();
        let mut lambda = beta(alpha, &mut stream) as f32;
        let image_len = channels * height * width;
        // The image before the first is the last.
        let before = |place: usize| (place + count - 1) % count;
        let old = batch.pixels.clone();
        match self {
            Self::MixUp { .. } => {
                for (place, image) in batch.pixels.chunks_exact_mut(image_len.max(1)).enumerate() {
                    let other = &old[before(place) * image_len..][..image_len];
                    image.iter_mut().zip(other).for_each(|(x, y)| *x = lambda * *x + (1.0 - lambda) * y);
                }
            }
            Self::CutMix { .. } => {
                let half = 0.5 * (1.0 - lambda).sqrt();
                let mut span = |side: usize| {
                    let (middle, reach) = (stream.below(side as u64) as usize, (half * side as f32) as usize);
                    (middle.saturating_sub(reach), (middle + reach).min(side))
                };
                let ((left, right), (top, bottom)) = (span(width), span(height));
                for place in 0..count {
                    for row in (0..channels).flat_map(|c| (top..bottom).map(move |row| c * height + row)) {
                        let to = place * image_len + row * width;
                        let from = before(place) * image_len + row * width;
                        batch.pixels[to + left..to + right].copy_from_slice(&old[from + left..from + right]);
                    }
                }
                // What was cut, not what was asked for: the image's edge may have been in the way.
                lambda = 1.0 - ((right - left) * (bottom - top)) as f32 / (height * width).max(1) as f32;
            }
        }
        let mut targets = vec![0.0; count * num_classes];
        for place in 0..count {
            targets[place * num_classes + batch.labels[place]] += lambda;
            targets[place * num_classes + batch.labels[before(place)]] += 1.0 - lambda;
        }
        Ok(MixedBatch { images: batch, targets, num_classes, lambda })
    }
}

impl MixedBatch {
    /// Images and targets as tensors on `device`.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, channels, height, width]`
    /// - targets: `[batch, num_classes]`
    pub fn to_tensors(self, device: &Device) -> (Tensor<4>, Tensor<2>) {
        let shape = [self.images.len(), self.num_classes];
        let targets = Tensor::from_data(TensorData::new(self.targets, shape), device);
        (self.images.to_tensor(device), targets)
    }
}

/// Beta(α, α): x / (x + y) of two Gamma(α) numbers.
fn beta(alpha: f64, stream: &mut Stream) -> f64 {
    let (x, y) = (log_gamma_draw(alpha, stream), log_gamma_draw(alpha, stream));
    // For small α both may be below what f64 holds: their logarithms are not.
    1.0 / (1.0 + (y - x).exp())
}

/// The logarithm of a Gamma(α) number: d v for d = α − 1/3, v = (1 + z/√(9d))³, accepted with the right
/// probability (G. Marsaglia, W. Tsang, 2000, <https://doi.org/10.1145/358407.358414>); below α = 1 from α + 1, times
/// u^(1/α).
fn log_gamma_draw(alpha: f64, stream: &mut Stream) -> f64 {
    let uniform = |stream: &mut Stream| 1.0 - stream.below(1 << 53) as f64 / (1u64 << 53) as f64;
    if alpha < 1.0 {
        let boost = uniform(stream).ln() / alpha;
        return log_gamma_draw(alpha + 1.0, stream) + boost;
    }
    let d = alpha - 1.0 / 3.0;
    loop {
        let z = f64::from(two_normals(stream)[0]);
        let v = (1.0 + z / (9.0 * d).sqrt()).powi(3);
        if v > 0.0 && uniform(stream).ln() < 0.5 * z * z + d - d * v + d * v.ln() {
            return d.ln() + v.ln();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> ImageBatch {
        let pixels = [0.0, 1.0, 2.0].iter().flat_map(|&value| vec![value; 2 * 6 * 8]).collect();
        ImageBatch { pixels, shape: [3, 2, 6, 8], labels: vec![0, 1, 2], indices: vec![5, 6, 7] }
    }

    #[test]
    fn beta_has_its_mean_and_variance() {
        for alpha in [0.05, 0.2, 1.0, 4.0] {
            let mut stream = Key::new(9).stream();
            let draws: Vec<f64> = (0..20_000).map(|_| beta(alpha, &mut stream)).collect();
            assert!(draws.iter().all(|lambda| (0.0..=1.0).contains(lambda)));
            let mean = draws.iter().sum::<f64>() / 2e4;
            let variance = draws.iter().map(|x| (x - 0.5) * (x - 0.5)).sum::<f64>() / 2e4;
            let expected = 0.25 / (2.0 * alpha + 1.0);
            // Five deviations of the mean; the variance's is below 0.0009 for all of these.
            assert!((mean - 0.5).abs() < 5.0 * (expected / 2e4).sqrt(), "{alpha}: {mean}");
            assert!((variance - expected).abs() < 0.0045, "{alpha}: {variance} for {expected}");
        }
    }

    #[test]
    fn mixup_is_the_weighted_mean_of_neighbours_and_their_labels() {
        let mixed = Mix::mixup().apply(batch(), 4, Key::new(3)).unwrap();
        let lambda = mixed.lambda;
        assert!((0.02..0.98).contains(&lambda), "{lambda}");
        for (place, [own, other]) in [[0.0, 2.0], [1.0, 0.0], [2.0, 1.0]].into_iter().enumerate() {
            let expected = lambda * own + (1.0 - lambda) * other;
            let image = &mixed.images.pixels[place * 96..][..96];
            assert!(image.iter().all(|value| (value - expected).abs() < 1e-6), "{place}");
            let row = &mixed.targets[place * 4..][..4];
            assert!(
                (row[own as usize] - lambda).abs() < 1e-6
                    && (row[other as usize] - 1.0 + lambda).abs() < 1e-6
            );
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn cutmix_takes_a_rectangle_whose_share_is_the_targets() {
        for seed in 0..50 {
            let mixed = Mix::cutmix().apply(batch(), 3, Key::new(seed)).unwrap();
            for (place, [own, other]) in [[0.0, 2.0], [1.0, 0.0], [2.0, 1.0]].into_iter().enumerate() {
                for plane in mixed.images.pixels[place * 96..][..96].chunks(48) {
                    let foreign: Vec<usize> = (0..48).filter(|&i| plane[i] == other).collect();
                    assert_eq!(plane.iter().filter(|&&value| value == own).count(), 48 - foreign.len());
                    assert!((1.0 - foreign.len() as f32 / 48.0 - mixed.lambda).abs() < 1e-6);
                    let (rows, columns): (Vec<_>, Vec<_>) = foreign.iter().map(|i| (i / 8, i % 8)).unzip();
                    let span =
                        |v: &[usize]| v.iter().max().map_or(0, |max| max + 1 - v.iter().min().unwrap());
                    assert_eq!(span(&rows) * span(&columns), foreign.len());
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_mixed_is_refused() {
        for (mix, classes, argument) in [
            (Mix::MixUp { alpha: 0.0 }, 3, "alpha"),
            (Mix::CutMix { alpha: f64::NAN }, 3, "alpha"),
            (Mix::mixup(), 2, "labels"),
        ] {
            let error = mix.apply(batch(), classes, Key::new(0)).unwrap_err().to_string();
            assert!(error.starts_with(argument), "{error}");
        }
        let unlabelled = ImageBatch { labels: Vec::new(), ..batch() };
        assert!(Mix::mixup().apply(unlabelled, 3, Key::new(0)).is_err());
    }
}
