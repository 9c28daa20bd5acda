//! How much boxes have in common.
//!
//! A box is (x₁, y₁, x₂, y₂) with x₁ ≤ x₂ and y₁ ≤ y₂, in pixels. The measures are those of
//! [`BoxLoss`], where the formulas stand, as similarities: 1 − loss, for every pair.

use burn::tensor::Tensor;
use fornax_nn_core::loss::BoxLoss;

/// Intersection over union of every pair.
///
/// # Shapes
///
/// - a: `[n, 4]`, b: `[m, 4]`
/// - output: `[n, m]`, in [0, 1]
pub fn box_iou(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    similarity(BoxLoss::Iou, a, b)
}

/// IoU less the share of the smallest box around both that neither fills.
///
/// # Shapes
///
/// - a: `[n, 4]`, b: `[m, 4]`
/// - output: `[n, m]`, in (−1, 1]
pub fn generalized_box_iou(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    similarity(BoxLoss::Giou, a, b)
}

/// IoU less the squared distance of the centres, as a share of the diagonal of the box around both.
///
/// # Shapes
///
/// - a: `[n, 4]`, b: `[m, 4]`
/// - output: `[n, m]`, in (−1, 1]
pub fn distance_box_iou(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    similarity(BoxLoss::Diou, a, b)
}

/// As [`distance_box_iou`], less a term for different aspect ratios.
///
/// # Shapes
///
/// - a: `[n, 4]`, b: `[m, 4]`
/// - output: `[n, m]`
pub fn complete_box_iou(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    similarity(BoxLoss::Ciou, a, b)
}

fn similarity(measure: BoxLoss, a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let ([n, _], [m, _]) = (a.dims(), b.dims());
    let rows = a.unsqueeze_dim::<3>(1).repeat_dim(1, m).reshape([n * m, 4]);
    let columns = b.unsqueeze_dim::<3>(0).repeat_dim(0, n).reshape([n * m, 4]);
    (-measure.forward(rows, columns) + 1.0).reshape([n, m])
}

/// Area of a box, 0 where its edges are inverted.
pub(super) fn area([x1, y1, x2, y2]: [f32; 4]) -> f32 {
    (x2 - x1).max(0.0) * (y2 - y1).max(0.0)
}

/// Intersection over union of one pair; 0 for two boxes without area.
pub(super) fn iou(a: [f32; 4], b: [f32; 4]) -> f32 {
    let common = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let union = area(a) + area(b) - common;
    if union > 0.0 { common / union } else { 0.0 }
}
