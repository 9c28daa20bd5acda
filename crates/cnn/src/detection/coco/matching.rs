//! Which detection of an image found which thing.

use super::{Found, THRESHOLDS, Truth};

/// Threshold number `index`, as NumPy's `linspace` has it to the last bit.
pub(super) fn threshold(index: usize) -> f64 {
    if index + 1 == THRESHOLDS { 0.95 } else { 0.5 + index as f64 * ((0.95 - 0.5) / 9.0) }
}

/// What became of the detections of one class in one image, for one range of areas: surest first.
pub(super) struct Matched {
    pub(super) scores: Vec<f64>,
    /// For each threshold and detection: right, wrong, or of no matter.
    pub(super) outcomes: Vec<Vec<Option<bool>>>,
    /// Things to be found.
    pub(super) things: usize,
}

pub(super) fn area([x1, y1, x2, y2]: [f64; 4]) -> f64 {
    (x2 - x1).max(0.0) * (y2 - y1).max(0.0)
}

/// IoU, or with a crowd the share of the detection that lies in it.
pub(super) fn overlap(found: &Found, truth: &Truth) -> f64 {
    let (a, b) = (found.bounds, truth.bounds);
    let common = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let whole = if truth.crowd { area(a) } else { area(a) + area(b) - common };
    if common > 0.0 { common / whole } else { 0.0 }
}

/// Matches the detections of a class in an image, surest first, with its things of a range of areas.
pub(super) fn matched(
    found: &[Found],
    truth: &[Truth],
    overlaps: &[Vec<f64>],
    [least, most]: [f64; 2],
) -> Matched {
    let outside = |area: f64| area < least || area > most;
    let ignored: Vec<bool> = truth.iter().map(|truth| truth.crowd || outside(truth.area)).collect();
    // Things that count are looked at first.
    let mut order: Vec<usize> = (0..truth.len()).collect();
    order.sort_by_key(|&thing| ignored[thing]);
    let outcomes = (0..THRESHOLDS).map(|t| {
        let mut taken = vec![false; truth.len()];
        let judge = |(found, overlaps): (&Found, &Vec<f64>)| {
            let mut best: Option<usize> = None;
            let mut least = threshold(t).min(1.0 - 1e-10);
            for &thing in &order {
                if taken[thing] && !truth[thing].crowd {
                    continue;
                }
                if best.is_some_and(|best| !ignored[best] && ignored[thing]) {
                    break; // what counts goes before what does not
                }
                if overlaps[thing] >= least {
                    (best, least) = (Some(thing), overlaps[thing]);
                }
            }
            match best {
                Some(thing) => {
                    taken[thing] = true;
                    (!ignored[thing]).then_some(true)
                }
                None => (!outside(area(found.bounds))).then_some(false),
            }
        };
        found.iter().zip(overlaps).map(judge).collect()
    });
    Matched {
        scores: found.iter().map(|found| found.score).collect(),
        outcomes: outcomes.collect(),
        things: ignored.iter().filter(|ignored| !**ignored).count(),
    }
}
