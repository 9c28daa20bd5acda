//! Non-maximum suppression: of many boxes around one thing, one is kept.
//!
//! ```text
//! hard    take the box with the highest score, drop every other with IoU > t, repeat
//! soft    take the box with the highest score, lower the scores of the others, repeat
//!           linear    s ← s · (1 − IoU)          where IoU > t
//!           Gaussian  s ← s · exp(−IoU² / σ)
//! ```
//!
//! Hard suppression must choose: with a low t the second of two things that stand close together is lost, with a high t
//! one thing is found twice. Soft suppression only doubts, so the second may still be found when the first is certain.
//!
//! Among equal scores the box that comes first wins, as in torchvision.
//!
//! Paper: N. Bodla et al., *Soft-NMS: improving object detection with one line of code*, ICCV 2017.
//! <https://arxiv.org/abs/1704.04503>

use super::boxes::iou;

/// Boxes kept by hard suppression, the highest score first.
///
/// ```
/// use fornax_cnn::detection::nms;
///
/// let boxes = [[0.0, 0.0, 10.0, 10.0], [1.0, 0.0, 11.0, 10.0], [20.0, 0.0, 30.0, 10.0]];
/// assert_eq!(nms(&boxes, &[0.8, 0.9, 0.3], 0.5), [1, 2]); // the first two overlap by 9/11
/// ```
///
/// # Panics
///
/// When there are not as many scores as boxes.
pub fn nms(boxes: &[[f32; 4]], scores: &[f32], iou_threshold: f32) -> Vec<usize> {
    batched_nms(boxes, scores, &vec![0; boxes.len()], iou_threshold)
}

/// As [`nms`], where only boxes of one class suppress each other.
///
/// # Panics
///
/// When there are not as many scores and classes as boxes.
pub fn batched_nms(boxes: &[[f32; 4]], scores: &[f32], classes: &[usize], iou_threshold: f32) -> Vec<usize> {
    let (n, s, c) = (boxes.len(), scores.len(), classes.len());
    assert!(n == s && n == c, "{n} boxes, {s} scores and {c} classes, expected as many of each");
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a])); // stable: among equals the first
    let mut kept: Vec<usize> = Vec::new();
    for candidate in order {
        let suppresses = |&winner: &usize| {
            classes[winner] == classes[candidate] && iou(boxes[winner], boxes[candidate]) > iou_threshold
        };
        if !kept.iter().any(suppresses) {
            kept.push(candidate);
        }
    }
    kept
}

/// By how much [`soft_nms`] lowers a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decay {
    /// By the factor 1 − IoU above the threshold.
    Linear {
        /// Overlap from which on a score is lowered. The paper takes 0.3.
        iou_threshold: f32,
    },
    /// By the factor exp(−IoU² / σ).
    Gaussian {
        /// The paper takes 0.5.
        sigma: f32,
    },
}

impl Decay {
    fn factor(self, iou: f32) -> f32 {
        match self {
            Self::Linear { iou_threshold } if iou > iou_threshold => 1.0 - iou,
            Self::Linear { .. } => 1.0,
            Self::Gaussian { sigma } => (-iou * iou / sigma).exp(),
        }
    }
}

/// Boxes kept by soft suppression with their lowered scores, the highest first; scores of `min_score` and less are
/// dropped.
///
/// # Panics
///
/// When there are not as many scores as boxes.
pub fn soft_nms(boxes: &[[f32; 4]], scores: &[f32], decay: Decay, min_score: f32) -> Vec<(usize, f32)> {
    let (n, s) = (boxes.len(), scores.len());
    assert!(n == s, "{n} boxes and {s} scores, expected as many of each");
    // Ascending places, so that among equal scores the first is found first.
    let mut rest: Vec<(usize, f32)> = scores.iter().copied().enumerate().collect();
    let mut kept = Vec::new();
    loop {
        rest.retain(|&(_, score)| score > min_score);
        let best = rest.iter().enumerate().fold(None, |best: Option<(usize, f32)>, (at, &(_, score))| {
            best.filter(|&(_, highest)| highest >= score).or(Some((at, score)))
        });
        let Some((at, score)) = best else { return kept };
        let (winner, _) = rest.remove(at);
        kept.push((winner, score));
        for (other, score) in &mut rest {
            *score *= decay.factor(iou(boxes[winner], boxes[*other]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scenes() -> impl Strategy<Value = Vec<([f32; 4], f32, usize)>> {
        // Coarse numbers, so that ties of scores and overlaps do occur.
        let one =
            (0u8..12, 0u8..12, 0u8..8, 0u8..8, 0u8..6, 0usize..3).prop_map(|(x, y, w, h, score, class)| {
                let [x, y, w, h] = [x, y, w, h].map(f32::from);
                ([x, y, x + w, y + h], f32::from(score) / 5.0, class)
            });
        prop::collection::vec(one, 0..24)
    }

    /// The definition: a box is kept unless a kept one that ranks before it, of its class, overlaps it by more than t.
    fn naive(scene: &[([f32; 4], f32, usize)], t: f32, i: usize) -> bool {
        let ranks_before = |j: usize| scene[j].1 > scene[i].1 || (scene[j].1 == scene[i].1 && j < i);
        let overlaps = |j: usize| scene[j].2 == scene[i].2 && pixels_iou(scene[i].0, scene[j].0) > t;
        !(0..scene.len()).any(|j| ranks_before(j) && overlaps(j) && naive(scene, t, j))
    }

    /// Corners are whole numbers, so areas can be counted.
    fn pixels_iou(a: [f32; 4], b: [f32; 4]) -> f32 {
        let inside = |[x1, y1, x2, y2]: [f32; 4], x: f32, y: f32| x1 <= x && x < x2 && y1 <= y && y < y2;
        let (mut common, mut any) = (0, 0);
        for (x, y) in (0..20).flat_map(|x| (0..20).map(move |y| (x as f32, y as f32))) {
            let (a, b) = (inside(a, x, y), inside(b, x, y));
            common += usize::from(a && b);
            any += usize::from(a || b);
        }
        if any == 0 { 0.0 } else { common as f32 / any as f32 }
    }

    /// The paper's loop, on lists that shrink.
    fn naive_soft(scene: &[([f32; 4], f32, usize)], decay: Decay, min_score: f32) -> Vec<(usize, f32)> {
        let mut scores: Vec<Option<f32>> = scene.iter().map(|one| Some(one.1)).collect();
        let mut kept = Vec::new();
        loop {
            let mut best: Option<usize> = None;
            for i in 0..scene.len() {
                let Some(score) = scores[i].filter(|&score| score > min_score) else { continue };
                if best.and_then(|b| scores[b]).is_none_or(|highest| score > highest) {
                    best = Some(i);
                }
            }
            let Some(best) = best else { return kept };
            kept.push((best, scores[best].take().unwrap()));
            for i in 0..scene.len() {
                let overlap = pixels_iou(scene[best].0, scene[i].0);
                scores[i] = scores[i].filter(|&score| score > min_score).map(|score| match decay {
                    Decay::Linear { iou_threshold } if overlap <= iou_threshold => score,
                    Decay::Linear { .. } => score * (1.0 - overlap),
                    Decay::Gaussian { sigma } => score * (-overlap * overlap / sigma).exp(),
                });
            }
        }
    }

    proptest! {
        #[test]
        fn suppression_is_its_definition(scene in scenes(), t in 0u8..10) {
            let t = f32::from(t) / 10.0;
            let boxes: Vec<[f32; 4]> = scene.iter().map(|one| one.0).collect();
            let scores: Vec<f32> = scene.iter().map(|one| one.1).collect();
            let classes: Vec<usize> = scene.iter().map(|one| one.2).collect();
            let mut expected: Vec<usize> = (0..scene.len()).filter(|&i| naive(&scene, t, i)).collect();
            expected.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            prop_assert_eq!(batched_nms(&boxes, &scores, &classes, t), expected);

            let alike: Vec<_> = scene.iter().map(|&(bounds, score, _)| (bounds, score, 0)).collect();
            let mut expected: Vec<usize> = (0..scene.len()).filter(|&i| naive(&alike, t, i)).collect();
            expected.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            prop_assert_eq!(nms(&boxes, &scores, t), expected);
        }

        #[test]
        fn soft_suppression_is_the_papers_loop(scene in scenes(), linear in any::<bool>(), x in 1u8..10) {
            let x = f32::from(x) / 10.0;
            let decay = if linear { Decay::Linear { iou_threshold: x } } else { Decay::Gaussian { sigma: x } };
            let boxes: Vec<[f32; 4]> = scene.iter().map(|one| one.0).collect();
            let scores: Vec<f32> = scene.iter().map(|one| one.1).collect();
            prop_assert_eq!(soft_nms(&boxes, &scores, decay, 0.05), naive_soft(&scene, decay, 0.05));
        }

        #[test]
        fn a_threshold_of_zero_to_linear_decay_of_copies_is_hard_suppression(scene in scenes()) {
            // Exact copies have IoU 1, so the linear decay drops them as hard suppression does.
            let boxes: Vec<[f32; 4]> = scene.iter().map(|_| [0.0, 0.0, 4.0, 4.0]).collect();
            let scores: Vec<f32> = scene.iter().map(|one| one.1 + 0.1).collect();
            let soft = soft_nms(&boxes, &scores, Decay::Linear { iou_threshold: 0.0 }, 0.0);
            let soft: Vec<usize> = soft.into_iter().map(|one| one.0).collect();
            prop_assert_eq!(soft, nms(&boxes, &scores, 0.0));
        }
    }

    #[test]
    fn nothing_of_nothing() {
        assert!(nms(&[], &[], 0.5).is_empty());
        assert!(soft_nms(&[], &[], Decay::Gaussian { sigma: 0.5 }, 0.0).is_empty());
    }
}
