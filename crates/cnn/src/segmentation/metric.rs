//! What a segmentation got right.
//!
//! All measures follow from one table, `n[t][p]` = how many pixels of class t were called p:
//!
//! ```text
//! pixel accuracy   Σ_k n[k][k] / Σ n
//! IoU of class k   n[k][k] / (Σ_p n[k][p] + Σ_t n[t][k] − n[k][k])        Jaccard index
//! dice of class k  2·n[k][k] / (Σ_p n[k][p] + Σ_t n[t][k])                F₁ score; = 2·IoU / (1 + IoU)
//! mIoU, mean dice  means over the classes that occur, in truth or in prediction
//! ```
//!
//! Where most pixels are background, calling everything background has a high accuracy and a low mIoU: look at the
//! second. Sums run over the whole set before dividing, as Pascal VOC and Cityscapes do.

use burn::tensor::{Int, Tensor};

use super::{MaskError, classes, same_size};

/// The table n\[t\]\[p\], filled batch by batch; see the [page](self).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use fornax_cnn::segmentation::PixelConfusion;
///
/// let device = Device::flex();
/// let mut confusion = PixelConfusion::new(2, Some(255));
/// let truth = Tensor::from_data([[[0, 0, 1, 255]]], &device);
/// confusion.add(&Tensor::from_data([[[0, 1, 1, 1]]], &device), &truth)?;
/// assert_eq!(confusion.iou(), [Some(0.5), Some(0.5)]);
/// assert_eq!(confusion.pixel_accuracy(), 2.0 / 3.0);
/// # Ok::<(), fornax_cnn::segmentation::MaskError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PixelConfusion {
    counts: Vec<Vec<u64>>,
    ignore_index: Option<usize>,
}

impl PixelConfusion {
    /// An empty table; pixels whose true class is `ignore_index` will not be counted.
    pub fn new(num_classes: usize, ignore_index: Option<usize>) -> Self {
        Self { counts: vec![vec![0; num_classes]; num_classes], ignore_index }
    }

    /// Counts the pixels of a batch.
    ///
    /// # Shapes
    ///
    /// - predicted, masks: `[batch, height, width]`
    ///
    /// # Errors
    ///
    /// [`MaskError`] when sizes differ or a class is unknown; nothing was counted then.
    pub fn add(&mut self, predicted: &Tensor<3, Int>, masks: &Tensor<3, Int>) -> Result<(), MaskError> {
        same_size(predicted.dims(), masks.dims())?;
        let truth = classes(masks, self.counts.len(), self.ignore_index)?;
        let predicted = classes(predicted, self.counts.len(), None)?;
        for (truth, predicted) in truth.into_iter().zip(predicted) {
            if let (Some(truth), Some(predicted)) = (truth, predicted) {
                self.counts[truth][predicted] += 1;
            }
        }
        Ok(())
    }

    /// `[true class][predicted class]`.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// Pixels of class k called k, pixels of class k, pixels called k.
    fn areas(&self, k: usize) -> [u64; 3] {
        let called = self.counts.iter().map(|row| row[k]).sum();
        [self.counts[k][k], self.counts[k].iter().sum(), called]
    }

    /// Share of pixels called what they are; 0 for an empty table.
    pub fn pixel_accuracy(&self) -> f64 {
        let right: u64 = (0..self.counts.len()).map(|k| self.counts[k][k]).sum();
        let all: u64 = self.counts.iter().flatten().sum();
        right as f64 / all.max(1) as f64
    }

    /// Intersection over union of each class; `None` for one that occurs nowhere.
    pub fn iou(&self) -> Vec<Option<f64>> {
        self.ratios(|hits, truth, called| hits / (truth + called - hits))
    }

    /// Dice coefficient of each class; `None` for one that occurs nowhere.
    pub fn dice(&self) -> Vec<Option<f64>> {
        self.ratios(|hits, truth, called| 2.0 * hits / (truth + called))
    }

    fn ratios(&self, ratio: impl Fn(f64, f64, f64) -> f64) -> Vec<Option<f64>> {
        let of = |k: usize| match self.areas(k) {
            [_, 0, 0] => None,
            areas => {
                let [hits, truth, called] = areas.map(|area| area as f64);
                Some(ratio(hits, truth, called))
            }
        };
        (0..self.counts.len()).map(of).collect()
    }

    /// mIoU: the mean over the classes that occur; 0 for an empty table.
    pub fn mean_iou(&self) -> f64 {
        mean(self.iou())
    }

    /// The mean over the classes that occur; 0 for an empty table.
    pub fn mean_dice(&self) -> f64 {
        mean(self.dice())
    }
}

fn mean(values: Vec<Option<f64>>) -> f64 {
    let known: Vec<f64> = values.into_iter().flatten().collect();
    known.iter().sum::<f64>() / known.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use fornax_nn_core::check::fill;
    use std::collections::HashSet;

    fn pair(case: usize) -> (Tensor<3, Int>, Tensor<3, Int>) {
        let mask = |name: &str| fill::targets(&format!("{name} {case}"), [2, 3, 7], 4, &Device::flex());
        (mask("predicted"), mask("truth"))
    }

    #[test]
    fn measures_are_those_of_sets_of_pixels() {
        for case in 0..20 {
            let (predicted, truth) = pair(case);
            let mut confusion = PixelConfusion::new(4, None);
            confusion.add(&predicted, &truth).unwrap();
            let set = |mask: &Tensor<3, Int>, k: i64| -> HashSet<usize> {
                mask.to_data().iter::<i64>().enumerate().filter(|(_, c)| *c == k).map(|(i, _)| i).collect()
            };
            let (mut hits, mut ious) = (0, Vec::new());
            for k in 0..4 {
                let (p, t) = (set(&predicted, k), set(&truth, k));
                let common = p.intersection(&t).count();
                hits += common;
                let iou = common as f64 / p.union(&t).count() as f64;
                let dice = 2.0 * common as f64 / (p.len() + t.len()) as f64;
                assert_eq!(confusion.iou()[k as usize], Some(iou));
                assert_eq!(confusion.dice()[k as usize], Some(dice));
                assert!((dice - 2.0 * iou / (1.0 + iou)).abs() < 1e-12);
                ious.push(iou);
            }
            assert_eq!(confusion.pixel_accuracy(), hits as f64 / 42.0);
            assert!((confusion.mean_iou() - ious.iter().sum::<f64>() / 4.0).abs() < 1e-12);
        }
    }

    #[test]
    fn two_batches_are_one_large_batch() {
        let ((p, t), (q, u)) = (pair(0), pair(1));
        let mut halves = PixelConfusion::new(4, None);
        halves.add(&p, &t).unwrap();
        halves.add(&q, &u).unwrap();
        let mut whole = PixelConfusion::new(4, None);
        whole.add(&Tensor::cat(vec![p, q], 0), &Tensor::cat(vec![t, u], 0)).unwrap();
        assert_eq!(halves, whole);
    }

    #[test]
    fn a_class_that_occurs_nowhere_does_not_count() {
        let device = Device::flex();
        let mut confusion = PixelConfusion::new(3, None);
        let truth = Tensor::from_data([[[0, 0, 1, 1]]], &device);
        confusion.add(&truth, &truth).unwrap();
        assert_eq!(confusion.iou(), [Some(1.0), Some(1.0), None]);
        assert_eq!((confusion.mean_iou(), confusion.mean_dice()), (1.0, 1.0));
        assert_eq!(PixelConfusion::new(3, None).mean_iou(), 0.0);
    }

    #[test]
    fn wrong_masks_are_refused_and_nothing_is_counted() {
        let device = Device::flex();
        let mut confusion = PixelConfusion::new(2, Some(255));
        let small = Tensor::<3, Int>::from_data([[[0, 0]]], &device);
        let large = Tensor::<3, Int>::from_data([[[0, 0, 1]]], &device);
        let error = confusion.add(&small, &large).unwrap_err();
        assert_eq!(error, MaskError::Size { actual: [1, 1, 2], expected: [1, 1, 3] });
        let unknown = Tensor::<3, Int>::from_data([[[0, 0], [0, 7]]], &device);
        let error = confusion.add(&Tensor::zeros([1, 2, 2], &device), &unknown).unwrap_err();
        let expected = MaskError::UnknownClass { class: 7, mask: 0, row: 1, column: 1, num_classes: 2 };
        assert_eq!(error, expected);
        assert_eq!(error.to_string(), "class 7 at row 1, column 1 of mask 0, expected one below 2");
        // What is ignored in the truth is no prediction.
        let ignored = Tensor::<3, Int>::from_data([[[0, 255]]], &device);
        assert!(confusion.add(&ignored, &small).is_err());
        assert_eq!(confusion, PixelConfusion::new(2, Some(255)));
    }
}
