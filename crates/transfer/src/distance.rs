//! Distances between all rows of two matrices.

use burn::tensor::Tensor;

/// ‖a_i − b_j‖², never negative.
///
/// # Shapes
///
/// - a: `[n, features]`, b: `[m, features]`
/// - output: `[n, m]`
pub(crate) fn squared_distances(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let rows = (a.clone() * a.clone()).sum_dim(1); // [n, 1]
    let columns = (b.clone() * b.clone()).sum_dim(1).transpose(); // [1, m]
    (rows + columns - a.matmul(b.transpose()) * 2.0).clamp_min(0.0)
}
