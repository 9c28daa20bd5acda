//! Zero mean and unit deviation, channel by channel.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::set::images_per_task;
use super::{ImageBatch, ImageSet, Samples, Transform};
use crate::{Error, Key};

/// Samples measured before the first error among them ends the measuring.
const CHUNK: usize = 256;

/// Of one image: sum and sum of squares of each channel, and the number of pixels.
type Sums = (Vec<[u64; 2]>, usize);

/// Mean and standard deviation of each channel, and the subtraction and division by them.
///
/// ```text
/// y[c] = (x[c] − mean[c]) / std[c]
/// ```
///
/// # Why
///
/// Initial weights are drawn for inputs around zero with unit deviation. With inputs all positive, the
/// gradients of a unit's weights all have the same sign in a step, and the path to the optimum zigzags;
/// with a large mean, the curvature of the loss along "all weights together" is far greater than along
/// their differences, and the learning rate that the one bears is too small for the other (LeCun, Bottou,
/// Orr, Müller, *Efficient BackProp*, 1998, section 4.3, <https://doi.org/10.1007/3-540-49430-8_2>).
///
/// The two numbers are learned from data, so they belong to the model: [`fit`](Self::fit) them on the
/// training part only, or the test part leaks into training; store them (they are serde data) beside the
/// weights; apply the same ones in prediction.
///
/// ```
/// use fornax_prep::Digits;
/// use fornax_prep::image::Normalisation;
///
/// let set = Digits::load().to_set();
/// let split = Digits::load().folds().split(0);
/// let normalisation = Normalisation::fit(&set, &split.train);
/// let batch = normalisation.apply(set.gather(&split.train));
/// let mean = batch.pixels.iter().map(|&x| f64::from(x)).sum::<f64>() / batch.pixels.len() as f64;
/// assert!(mean.abs() < 1e-6);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel; 1 for a channel that never changes.
    pub std: Vec<f32>,
}

impl Normalisation {
    /// Changes nothing, for `channels` channels.
    pub fn identity(channels: usize) -> Self {
        Self { mean: vec![0.0; channels], std: vec![1.0; channels] }
    }

    /// Measures the images of `set` at `indices`: the training part.
    ///
    /// Sums are taken in f64 and added up in the order of `indices`, so threads do not change the result.
    ///
    /// # Panics
    ///
    /// When an index is not below the set's length.
    pub fn fit(set: &ImageSet, indices: &[usize]) -> Self {
        let [channels, height, width] = set.shape();
        let area = height * width;
        let chunk = images_per_task(channels * area);
        let partial: Vec<Vec<[f64; 2]>> = indices
            .par_chunks(chunk)
            .map(|indices| {
                let mut sums = vec![[0.0; 2]; channels];
                for (plane, values) in set.gather(indices).pixels.chunks_exact(area).enumerate() {
                    let [sum, squares] = &mut sums[plane % channels];
                    for &value in values {
                        *sum += f64::from(value);
                        *squares += f64::from(value) * f64::from(value);
                    }
                }
                sums
            })
            .collect();
        let count = (indices.len() * area).max(1) as f64;
        let (mean, std) = (0..channels)
            .map(|c| {
                let [sum, squares] =
                    partial.iter().fold([0.0; 2], |[a, b], sums| [a + sums[c][0], b + sums[c][1]]);
                let mean = sum / count;
                let variance = (squares / count - mean * mean).max(0.0);
                // Below 1e-6 it is rounding, and dividing by it would only amplify that.
                let std = if variance.sqrt() > 1e-6 { variance.sqrt() } else { 1.0 };
                (mean as f32, std as f32)
            })
            .unzip();
        Self { mean, std }
    }

    /// What torchvision's networks trained on ImageNet expect.
    pub fn imagenet() -> Self {
        Self { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225] }
    }

    /// Measures samples one after another, on all cores, in the memory of a few: for sets that are read from files.
    ///
    /// `transform` is what makes images fit (resizing, cropping), with keys from 0 and the index; pixels count alike,
    /// so larger images count for more. Sums are whole numbers, so the result does not depend on the order.
    ///
    /// # Errors
    ///
    /// The first error by order of `indices`, and [`Error::Argument`] when there is no index or channels differ.
    pub fn measure(
        source: &dyn Samples,
        indices: &[usize],
        transform: &dyn Transform,
    ) -> Result<Self, Error> {
        let mut sums: Vec<[u128; 2]> = Vec::new();
        let mut count = 0u128;
        for chunk in indices.chunks(CHUNK) {
            let measured: Vec<Result<Sums, Error>> = chunk
                .par_iter()
                .map(|&index| {
                    let sample = transform.apply(source.get(index)?, Key::new(0).fold(index as u64))?;
                    let channels = sample.image.channels().count();
                    let mut sums = vec![[0; 2]; channels];
                    for pixel in sample.image.pixels().chunks_exact(channels) {
                        for ([sum, squares], &byte) in sums.iter_mut().zip(pixel) {
                            *sum += u64::from(byte);
                            *squares += u64::from(byte) * u64::from(byte);
                        }
                    }
                    Ok((sums, sample.image.pixels().len() / channels))
                })
                .collect();
            for one in measured {
                let (one, pixels) = one?;
                if sums.is_empty() {
                    sums = vec![[0; 2]; one.len()];
                }
                if one.len() != sums.len() {
                    return Err(Error::argument("channels", sums.len(), one.len()));
                }
                for ([sum, squares], [more, more_squares]) in sums.iter_mut().zip(one) {
                    *sum += u128::from(more);
                    *squares += u128::from(more_squares);
                }
                count += pixels as u128;
            }
        }
        if count == 0 {
            return Err(Error::argument("indices", "at least one", "none"));
        }
        let (mean, std) = sums
            .into_iter()
            .map(|[sum, squares]| {
                let mean = sum as f64 / count as f64;
                let variance = (squares as f64 / count as f64 - mean * mean).max(0.0);
                let std = variance.sqrt() / 255.0;
                ((mean / 255.0) as f32, if std > 1e-6 { std as f32 } else { 1.0 })
            })
            .unzip();
        Ok(Self { mean, std })
    }

    /// The batch, normalised.
    ///
    /// # Panics
    ///
    /// When the batch has another number of channels.
    #[must_use]
    pub fn apply(&self, mut batch: ImageBatch) -> ImageBatch {
        let [_, channels, height, width] = batch.shape;
        assert!(
            self.mean.len() == channels && self.std.len() == channels,
            "normalisation of {} channels on images of {channels}",
            self.mean.len().min(self.std.len()),
        );
        let area = height * width;
        batch.pixels.par_chunks_mut(area.max(1)).enumerate().with_min_len(images_per_task(area)).for_each(
            |(plane, values)| {
                let (mean, scale) = (self.mean[plane % channels], 1.0 / self.std[plane % channels]);
                for value in values {
                    *value = (*value - mean) * scale;
                }
            },
        );
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_given_part_is_measured() {
        let pixels = vec![0.0, 0.0, 1.0, 0.5, 0.9, 0.9]; // three images of two channels of one pixel
        let set = ImageSet::new(pixels, [2, 1, 1], vec![0, 0, 0], vec!["a".to_owned()]).unwrap();
        let normalisation = Normalisation::fit(&set, &[0, 1]);
        assert_eq!(normalisation, Normalisation { mean: vec![0.5, 0.25], std: vec![0.5, 0.25] });
        let batch = normalisation.apply(set.gather(&[1, 2]));
        for (got, expected) in batch.pixels.iter().zip([1.0, 1.0, 0.8, 2.6]) {
            assert!((got - expected).abs() < 1e-6, "{got} for {expected}");
        }
    }

    #[test]
    fn the_training_part_ends_with_zero_mean_and_unit_deviation() {
        let set = crate::Digits::load().to_set().resized(12, 12).unwrap();
        let train = crate::Digits::load().folds().split(3).train;
        let pixels = Normalisation::fit(&set, &train).apply(set.gather(&train)).pixels;
        let n = pixels.len() as f64;
        let mean = pixels.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let variance = pixels.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
    }

    #[test]
    fn a_constant_channel_is_only_shifted() {
        let set = ImageSet::new(vec![0.3; 4], [1, 2, 2], vec![0], vec!["a".to_owned()]).unwrap();
        let normalisation = Normalisation::fit(&set, &[0]);
        assert_eq!(normalisation.std, [1.0]);
        assert!(normalisation.apply(set.gather(&[0])).pixels.iter().all(|value| value.abs() < 1e-6));
    }

    #[test]
    fn it_survives_json_and_refuses_unknown_fields() {
        let normalisation = Normalisation { mean: vec![0.1307], std: vec![0.3081] };
        let json = serde_json::to_string(&normalisation).unwrap();
        assert_eq!(serde_json::from_str::<Normalisation>(&json).unwrap(), normalisation);
        assert!(serde_json::from_str::<Normalisation>(r#"{"mean":[0],"std":[1],"sdt":[2]}"#).is_err());
    }
}
