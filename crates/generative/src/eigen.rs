//! Eigenvalues of a symmetric matrix, in double precision on the host.
//!
//! Jacobi's method: a rotation in the plane of two coordinates makes their off-diagonal element 0, and the sum of squares off the
//! diagonal falls with each. A few sweeps over all pairs suffice, and small eigenvalues come out as exact as large ones, which matters for
//! square roots.
//!
//! ```text
//! A = V · diag(λ) · Vᵀ          tan 2θ = 2 a_pq / (a_qq − a_pp)          √A = V · diag(√λ) · Vᵀ
//! ```
//!
//! Source: G. Golub, C. Van Loan, *Matrix Computations*, 4th edition, section 8.5.

/// Sweeps at most; ten are plenty for a few hundred rows.
const SWEEPS: usize = 60;

/// What [`symmetric`] finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigen {
    /// λ, the largest first.
    pub values: Vec<f64>,
    /// The eigenvector of each, of length one.
    pub vectors: Vec<Vec<f64>>,
}

/// Eigenvalues and eigenvectors of a symmetric matrix, given row by row; the upper triangle counts.
///
/// ```
/// use fornax_generative::eigen::symmetric;
///
/// let eigen = symmetric(&[vec![2.0, 1.0], vec![1.0, 2.0]]);
/// assert!((eigen.values[0] - 3.0).abs() < 1e-12 && (eigen.values[1] - 1.0).abs() < 1e-12);
/// ```
///
/// # Panics
///
/// When a row is shorter than there are rows.
pub fn symmetric(matrix: &[Vec<f64>]) -> Eigen {
    let n = matrix.len();
    let mut a: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| if i <= j { matrix[i][j] } else { matrix[j][i] }).collect()).collect();
    // Row k of v is what will be eigenvector k.
    let mut v: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect();
    let scale: f64 = a.iter().flatten().map(|x| x * x).sum();
    for _ in 0..SWEEPS {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j] * a[i][j]).sum();
        if off <= 1e-30 * scale {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut v, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j][j].total_cmp(&a[i][i]));
    Eigen {
        values: order.iter().map(|&i| a[i][i]).collect(),
        vectors: order.iter().map(|&i| v[i].clone()).collect(),
    }
}

/// Makes `a[p][q]` zero.
fn rotate(a: &mut [Vec<f64>], v: &mut [Vec<f64>], p: usize, q: usize) {
    if a[p][q] == 0.0 {
        return;
    }
    let ratio = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let tan = ratio.signum() / (ratio.abs() + ratio.hypot(1.0));
    let cos = 1.0 / tan.hypot(1.0);
    let sin = tan * cos;
    for row in a.iter_mut() {
        let (x, y) = (row[p], row[q]);
        (row[p], row[q]) = (cos * x - sin * y, sin * x + cos * y);
    }
    for matrix in [a, v] {
        let (upper, lower) = matrix.split_at_mut(q);
        for (x, y) in upper[p].iter_mut().zip(&mut lower[0]) {
            (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
        }
    }
}

/// The square root of a symmetric matrix without negative eigenvalues; those that rounding made negative count as 0.
///
/// # Panics
///
/// As [`symmetric`].
pub fn square_root(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let Eigen { values, vectors } = symmetric(matrix);
    let n = matrix.len();
    let mut root = vec![vec![0.0; n]; n];
    for (value, vector) in values.iter().zip(&vectors) {
        let sigma = value.max(0.0).sqrt();
        for (row, x) in root.iter_mut().zip(vector) {
            row.iter_mut().zip(vector).for_each(|(element, y)| *element += sigma * x * y);
        }
    }
    root
}

/// The product of two matrices.
pub(crate) fn product(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = b.first().map_or(0, Vec::len);
    a.iter().map(|row| (0..n).map(|j| row.iter().zip(b).map(|(x, b)| x * b[j]).sum()).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fornax_nn_core::check::fill;

    /// B·Bᵀ of a closed-form B, of rank `rank`.
    fn gram(n: usize, rank: usize) -> Vec<Vec<f64>> {
        let b = |i: usize, k: usize| fill::uniform("gram", i * rank + k);
        (0..n).map(|i| (0..n).map(|j| (0..rank).map(|k| b(i, k) * b(j, k)).sum()).collect()).collect()
    }

    fn close(a: &[Vec<f64>], b: &[Vec<f64>], bound: f64) {
        let worst =
            a.iter().flatten().zip(b.iter().flatten()).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        assert!(worst < bound, "{worst}");
    }

    #[test]
    fn eigenvectors_are_orthonormal_and_rebuild_the_matrix() {
        let matrix = gram(20, 20);
        let Eigen { values, vectors } = symmetric(&matrix);
        assert!(values.is_sorted_by(|a, b| a >= b));
        let transposed: Vec<Vec<f64>> = (0..20).map(|i| vectors.iter().map(|v| v[i]).collect()).collect();
        let identity: Vec<Vec<f64>> =
            (0..20).map(|i| (0..20).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect();
        close(&product(&vectors, &transposed), &identity, 1e-12);
        let scaled: Vec<Vec<f64>> =
            vectors.iter().zip(&values).map(|(v, l)| v.iter().map(|x| x * l).collect()).collect();
        close(&product(&transposed, &scaled), &matrix, 1e-12);
    }

    #[test]
    fn the_root_times_itself_is_the_matrix_also_without_full_rank() {
        for rank in [3, 12] {
            let matrix = gram(12, rank);
            let root = square_root(&matrix);
            close(&product(&root, &root), &matrix, 1e-10);
        }
    }
}
