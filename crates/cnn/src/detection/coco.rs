//! Average precision as COCO measures it.
//!
//! A detection is right when it overlaps a thing of its class by an IoU of at least t and the thing is not taken yet.
//! Going down the list of all detections of a class, from the surest one:
//!
//! ```text
//! precision    right ones so far / all so far             recall    right ones so far / things there are
//! p(r)         the highest precision at a recall of r or more
//! AP(t)        mean of p(r) over r = 0, 0.01, …, 1, then over classes
//! AP           mean of AP(t) over t = 0.50, 0.55, …, 0.95              the figure of merit
//! AR           the recall in the end, mean over t and classes
//! ```
//!
//! ```text
//! detections, surest first ──▶ matched by image, class and t ──▶ right / wrong / no matter ──▶ curve ──▶ AP
//! ```
//!
//! The rules that make it COCO's:
//!
//! - In an image, at most the 100 surest detections of a class count (10 or 1 for the other recalls).
//! - A detection takes the free thing it overlaps most, the last one of equals.
//! - **Crowds** are no things: nothing is missed there, and detections matched to one count neither way, any number of
//!   them. Overlap with a crowd is measured by the detection's own area.
//! - **Small, medium, large**: things under 32² pixels, up to 96², above. Things of another size are treated as crowds
//!   are, each once; detections of another size that match nothing do not count either.
//! - Classes without a thing are left out of the mean. Where there is none at all, a figure is `None`.
//!
//! Reference: T.-Y. Lin et al., *Microsoft COCO: common objects in context*, ECCV 2014
//! (<https://arxiv.org/abs/1405.0312>), and its evaluation program, whose figures these are to the last digit
//! (<https://cocodataset.org/#detection-eval>).

use std::collections::BTreeMap;

mod matching;

use matching::{Matched, area, matched, overlap};

/// IoU thresholds 0.50, 0.55, …, 0.95.
pub const THRESHOLDS: usize = 10;
/// Recalls 0, 0.01, …, 1 at which the precision is read.
const RECALLS: usize = 101;
/// Most detections of a class in an image, for each kind of recall.
const MOST: [usize; 3] = [1, 10, 100];
/// Least and largest area of all, small, medium and large things, in square pixels.
const AREAS: [[f64; 2]; 4] = [[0.0, 1e10], [0.0, 1024.0], [1024.0, 9216.0], [9216.0, 1e10]];

/// Something in an image, as it was annotated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth {
    /// x₁, y₁, x₂, y₂ in pixels.
    pub bounds: [f64; 4],
    /// Its class.
    pub class: usize,
    /// What decides whether it is small: in COCO the area of its outline, without outlines that of the box.
    pub area: f64,
    /// Whether it is a crowd of such things under one box.
    pub crowd: bool,
}

impl Truth {
    /// A single thing with the area of its box.
    pub fn new(bounds: [f64; 4], class: usize) -> Self {
        Self { bounds, class, area: area(bounds), crowd: false }
    }

    /// With the area of its outline.
    #[must_use]
    pub fn with_area(self, area: f64) -> Self {
        Self { area, ..self }
    }

    /// As a crowd.
    #[must_use]
    pub fn as_crowd(self) -> Self {
        Self { crowd: true, ..self }
    }
}

/// Something found in an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// x₁, y₁, x₂, y₂ in pixels.
    pub bounds: [f64; 4],
    /// Its class.
    pub class: usize,
    /// How sure the detector is; only the order matters.
    pub score: f64,
}

/// COCO's twelve figures, in [0, 1]; `None` where no thing is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// AP: mean over thresholds 0.50 to 0.95. Often just "mAP".
    pub ap: Option<f64>,
    /// AP at a threshold of 0.50: found at all.
    pub ap50: Option<f64>,
    /// AP at a threshold of 0.75: found precisely.
    pub ap75: Option<f64>,
    /// AP of things under 32² pixels.
    pub ap_small: Option<f64>,
    /// AP of things from 32² to 96² pixels.
    pub ap_medium: Option<f64>,
    /// AP of things above 96² pixels.
    pub ap_large: Option<f64>,
    /// AR with one detection of a class in an image.
    pub ar1: Option<f64>,
    /// AR with ten.
    pub ar10: Option<f64>,
    /// AR with a hundred.
    pub ar100: Option<f64>,
    /// AR with a hundred, of things under 32² pixels.
    pub ar_small: Option<f64>,
    /// AR with a hundred, of things from 32² to 96² pixels.
    pub ar_medium: Option<f64>,
    /// AR with a hundred, of things above 96² pixels.
    pub ar_large: Option<f64>,
}

/// Collects images one by one; see the [page](self).
///
/// ```
/// use fornax_cnn::detection::coco::{Evaluator, Found, Truth};
///
/// let mut evaluator = Evaluator::new();
/// let thing = [10.0, 10.0, 30.0, 30.0];
/// // Found with an IoU of 18/20 = 0.9: right at nine thresholds of ten.
/// let found = Found { bounds: [10.0, 10.0, 28.0, 30.0], class: 0, score: 0.8 };
/// evaluator.add(&[found], &[Truth::new(thing, 0)]);
/// let summary = evaluator.summary();
/// assert!((summary.ap50.unwrap() - 1.0).abs() < 1e-12 && (summary.ap.unwrap() - 0.9).abs() < 1e-12);
/// assert_eq!(summary.ap_large, None);
/// ```
#[derive(Default)]
pub struct Evaluator {
    /// Class by class, image by image, range by range; an image without anything of a class is left out.
    classes: BTreeMap<usize, Vec<[Matched; 4]>>,
    images: usize,
}

impl Evaluator {
    /// No image yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges the detections of one image.
    pub fn add(&mut self, found: &[Found], truth: &[Truth]) {
        self.images += 1;
        let mut by_class: BTreeMap<usize, (Vec<Found>, Vec<Truth>)> = BTreeMap::new();
        for one in found {
            by_class.entry(one.class).or_default().0.push(*one);
        }
        for one in truth {
            by_class.entry(one.class).or_default().1.push(*one);
        }
        for (class, (mut found, truth)) in by_class {
            found.sort_by(|a, b| b.score.total_cmp(&a.score)); // stable: among equals the first
            found.truncate(MOST[2]);
            let overlaps: Vec<Vec<f64>> =
                found.iter().map(|found| truth.iter().map(|truth| overlap(found, truth)).collect()).collect();
            let matched = AREAS.map(|range| matched(&found, &truth, &overlaps, range));
            self.classes.entry(class).or_default().push(matched);
        }
    }

    /// Images judged so far.
    pub fn images(&self) -> usize {
        self.images
    }

    /// The twelve figures over all images so far.
    pub fn summary(&self) -> Summary {
        let ap = |range, thresholds: &[usize]| {
            let of_class = |images: &Vec<[Matched; 4]>| {
                curve(images, range, MOST[2]).map(|curve| curve.map(|(precision, _)| precision))
            };
            mean(self.classes.values().filter_map(of_class), thresholds)
        };
        let ar = |range, most| {
            let of_class = |images: &Vec<[Matched; 4]>| {
                curve(images, range, most).map(|curve| curve.map(|(_, recall)| recall))
            };
            mean(self.classes.values().filter_map(of_class), &ALL)
        };
        Summary {
            ap: ap(0, &ALL),
            ap50: ap(0, &[0]),
            ap75: ap(0, &[5]),
            ap_small: ap(1, &ALL),
            ap_medium: ap(2, &ALL),
            ap_large: ap(3, &ALL),
            ar1: ar(0, MOST[0]),
            ar10: ar(0, MOST[1]),
            ar100: ar(0, MOST[2]),
            ar_small: ar(1, MOST[2]),
            ar_medium: ar(2, MOST[2]),
            ar_large: ar(3, MOST[2]),
        }
    }

    /// AP of each class that has a thing, in the order of the classes.
    pub fn ap_by_class(&self) -> Vec<(usize, f64)> {
        let of_class = |(&class, images): (&usize, &Vec<[Matched; 4]>)| {
            let precisions = curve(images, 0, MOST[2])?.map(|(precision, _)| precision);
            Some((class, precisions.iter().sum::<f64>() / THRESHOLDS as f64))
        };
        self.classes.iter().filter_map(of_class).collect()
    }
}

const ALL: [usize; THRESHOLDS] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/// The mean over classes and the chosen thresholds.
fn mean(classes: impl Iterator<Item = [f64; THRESHOLDS]>, thresholds: &[usize]) -> Option<f64> {
    let values: Vec<f64> = classes.flat_map(|class| thresholds.iter().map(move |&t| class[t])).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// For each threshold the mean of the precisions at all recalls, and the recall in the end. None without things.
fn curve(images: &[[Matched; 4]], range: usize, most: usize) -> Option<[(f64, f64); THRESHOLDS]> {
    let things: usize = images.iter().map(|image| image[range].things).sum();
    if things == 0 {
        return None;
    }
    // (score, image, place) of each detection that counts at most, surest first and otherwise in their order.
    let mut order: Vec<(f64, usize, usize)> = Vec::new();
    for (number, image) in images.iter().enumerate() {
        let scores = image[range].scores.iter().take(most).enumerate();
        order.extend(scores.map(|(place, &score)| (score, number, place)));
    }
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    Some(std::array::from_fn(|t| {
        let (mut right, mut wrong) = (0usize, 0usize);
        let (mut recalls, mut precisions) = (Vec::new(), Vec::new());
        for &(_, image, place) in &order {
            match images[image][range].outcomes[t][place] {
                Some(true) => right += 1,
                Some(false) => wrong += 1,
                None => {}
            }
            recalls.push(right as f64 / things as f64);
            precisions.push(right as f64 / ((right + wrong) as f64 + f64::EPSILON));
        }
        // From the right: the highest precision at this recall or more.
        for i in (1..precisions.len()).rev() {
            precisions[i - 1] = precisions[i - 1].max(precisions[i]);
        }
        let at = |r: usize| {
            let recall = if r + 1 == RECALLS { 1.0 } else { r as f64 * 0.01 };
            precisions.get(recalls.partition_point(|&reached| reached < recall)).copied().unwrap_or(0.0)
        };
        let mean = (0..RECALLS).map(at).sum::<f64>() / RECALLS as f64;
        (mean, recalls.last().copied().unwrap_or(0.0))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bounds: [f64; 4], score: f64) -> Found {
        Found { bounds, class: 3, score }
    }

    const THING: [f64; 4] = [0.0, 0.0, 40.0, 40.0];

    #[test]
    fn a_false_alarm_before_the_right_one_halves_the_precision() {
        let mut evaluator = Evaluator::new();
        let alarm = found([60.0, 60.0, 90.0, 90.0], 0.9);
        evaluator.add(&[found(THING, 0.5), alarm], &[Truth::new(THING, 3)]);
        let summary = evaluator.summary();
        assert!((summary.ap.unwrap() - 0.5).abs() < 1e-12);
        assert_eq!((summary.ar1, summary.ar10), (Some(0.0), Some(1.0)));
        assert_eq!((summary.ap_small, summary.ap_large), (None, None));
    }

    #[test]
    fn an_image_without_things_counts_by_its_false_alarms() {
        let mut evaluator = Evaluator::new();
        evaluator.add(&[found(THING, 0.9)], &[]);
        assert_eq!(evaluator.summary().ap, None);
        evaluator.add(&[found(THING, 0.5)], &[Truth::new(THING, 3)]);
        assert!((evaluator.summary().ap.unwrap() - 0.5).abs() < 1e-12);
        evaluator.add(&[], &[]);
        assert!((evaluator.summary().ap.unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(evaluator.images(), 3);
    }

    #[test]
    fn a_second_detection_of_a_thing_is_wrong_but_not_of_a_crowd() {
        let twice = [found(THING, 0.9), found(THING, 0.8)];
        let other = [100.0, 0.0, 140.0, 40.0];
        let mut evaluator = Evaluator::new();
        let third = found(other, 0.7);
        evaluator.add(&[twice[0], twice[1], third], &[Truth::new(THING, 3), Truth::new(other, 3)]);
        // Precision 1 up to a recall of 0.5, then 2/3: 51 and 50 of the 101 recalls.
        let expected = (51.0 + 50.0 * 2.0 / 3.0) / 101.0;
        assert!((evaluator.summary().ap.unwrap() - expected).abs() < 1e-12);

        let mut evaluator = Evaluator::new();
        let crowd = Truth::new(THING, 3).as_crowd();
        evaluator.add(&[twice[0], twice[1], third], &[crowd, Truth::new(other, 3)]);
        assert!((evaluator.summary().ap50.unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn classes_without_a_thing_are_left_out_of_the_mean() {
        let mut evaluator = Evaluator::new();
        let elsewhere = Found { bounds: THING, class: 7, score: 0.9 };
        evaluator.add(&[found(THING, 0.9), elsewhere], &[Truth::new(THING, 3)]);
        assert_eq!(evaluator.ap_by_class(), [(3, evaluator.summary().ap.unwrap())]);
        assert!((evaluator.summary().ap50.unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn thresholds_are_numpys() {
        let expected = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95];
        let actual: Vec<f64> = (0..THRESHOLDS).map(matching::threshold).collect();
        assert_eq!(actual, expected);
    }
}
