//! Matrix products into memory of our own.

use gemm::Parallelism;

/// A view of numbers as a matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    numbers: &'a [f32],
    size: [usize; 2],
    /// From a row to the next, and from a column to the next.
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Rows of `columns` numbers, `stride` apart.
    ///
    /// # Panics
    ///
    /// When there are not so many numbers.
    pub(super) fn new(numbers: &'a [f32], [rows, columns]: [usize; 2], stride: usize) -> Self {
        assert!(fits(numbers.len(), [rows, columns], stride), "{} numbers, {rows} rows", numbers.len());
        Self { numbers, size: [rows, columns], strides: [stride, 1] }
    }

    pub(super) fn transposed(self) -> Self {
        let Self { numbers, size: [rows, columns], strides: [down, right] } = self;
        Self { numbers, size: [columns, rows], strides: [right, down] }
    }
}

/// Whether rows `stride` apart lie among `len` numbers.
fn fits(len: usize, [rows, columns]: [usize; 2], stride: usize) -> bool {
    rows == 0 || columns == 0 || (stride >= columns && (rows - 1) * stride + columns <= len)
}

/// Writes the product of two matrices into rows `stride` apart, or adds it to what stands there.
///
/// # Panics
///
/// When the sizes do not agree.
#[allow(unsafe_code, reason = "the interface of gemm takes pointers")]
pub(super) fn multiply(
    target: &mut [f32],
    stride: usize,
    [left, right]: [Matrix<'_>; 2],
    add: bool,
    parallel: bool,
) {
    let ([rows, inner], [expected, columns]) = (left.size, right.size);
    assert!(inner == expected, "{inner} columns by {expected} rows");
    assert!(fits(target.len(), [rows, columns], stride), "{} numbers for {rows} rows", target.len());
    let parallelism = if parallel { Parallelism::Rayon(0) } else { Parallelism::None };
    // A slice has at most isize::MAX bytes.
    let [down, across] = [left, right].map(|matrix| matrix.strides.map(|stride| stride as isize));
    // SAFETY: `target` is borrowed for writing by this call alone, and by the assertions here and in `Matrix::new`
    // (whose transposition names the same numbers) each index of either side is inside its slice.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            target.as_mut_ptr(),
            1,
            stride as isize,
            add,
            left.numbers.as_ptr(),
            down[1],
            down[0],
            right.numbers.as_ptr(),
            across[1],
            across[0],
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_views_and_transposed_views() {
        let numbers: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let left = Matrix::new(&numbers, [2, 3], 4); // [[0, 1, 2], [4, 5, 6]]
        let right = Matrix::new(&numbers, [2, 3], 3).transposed(); // [[0, 3], [1, 4], [2, 5]]
        let mut target = [1.0; 5];
        multiply(&mut target, 3, [left, right], false, false);
        assert_eq!(target, [5.0, 14.0, 1.0, 17.0, 62.0]);
        multiply(&mut target, 3, [left, right], true, true);
        assert_eq!(target, [10.0, 28.0, 1.0, 34.0, 124.0]);
    }

    #[test]
    #[should_panic(expected = "12 numbers, 4 rows")]
    fn a_view_beyond_its_numbers_is_refused() {
        Matrix::new(&[0.0; 12], [4, 3], 4);
    }

    #[test]
    #[should_panic(expected = "3 columns by 2 rows")]
    fn sizes_that_do_not_agree_are_refused() {
        let numbers = [0.0; 6];
        let [left, right] = [Matrix::new(&numbers, [2, 3], 3), Matrix::new(&numbers, [2, 3], 3)];
        multiply(&mut [0.0; 6], 3, [left, right], false, false);
    }
}
