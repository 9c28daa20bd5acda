//! Two sets of numbers, and whether they are the same to a stated tolerance.

use burn::tensor::{Tensor, TensorData};

/// Numbers with a shape, where one is known: a tensor on any device, its data, or a plain slice.
pub trait Values {
    /// The shape, or `None` for a slice that stands for any shape of its length.
    fn shape(&self) -> Option<Vec<usize>>;

    /// Every element in row-major order.
    fn values(&self) -> Vec<f64>;
}

impl<const D: usize> Values for Tensor<D> {
    fn shape(&self) -> Option<Vec<usize>> {
        Some(self.dims().to_vec())
    }

    fn values(&self) -> Vec<f64> {
        self.to_data().iter::<f64>().collect()
    }
}

impl Values for TensorData {
    fn shape(&self) -> Option<Vec<usize>> {
        Some(self.shape().as_slice().to_vec())
    }

    fn values(&self) -> Vec<f64> {
        self.iter::<f64>().collect()
    }
}

macro_rules! slices_are_values {
    ($($element:ty),+) => { $(
        impl Values for [$element] {
            fn shape(&self) -> Option<Vec<usize>> {
                None
            }

            fn values(&self) -> Vec<f64> {
                self.iter().map(|&value| f64::from(value)).collect()
            }
        }

        impl<const N: usize> Values for [$element; N] {
            fn shape(&self) -> Option<Vec<usize>> {
                None
            }

            fn values(&self) -> Vec<f64> {
                self.as_slice().values()
            }
        }

        impl Values for Vec<$element> {
            fn shape(&self) -> Option<Vec<usize>> {
                None
            }

            fn values(&self) -> Vec<f64> {
                self.as_slice().values()
            }
        }
    )+ };
}

slices_are_values!(f32, f64);

/// How two sets of numbers differ, told by the element that is worst.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// Nothing to compare element by element.
    #[error("shape {actual:?}, expected {expected:?}")]
    Shape {
        /// The shape at hand; a slice reports its length.
        actual: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// Same shape, other numbers.
    #[error(
        "{count} of {total} elements differ; worst at {index:?}: {actual:e}, expected {expected:e}, \
         difference {:e}, allowed {allowed:e} (rtol {rtol:e}, atol {atol:e})",
        (actual - expected).abs()
    )]
    Elements {
        /// Position of the element that exceeds its allowance by the largest factor.
        index: Vec<usize>,
        /// Its value.
        actual: f64,
        /// The value it should have.
        expected: f64,
        /// What it may differ by: `atol + rtol · |expected|`.
        allowed: f64,
        /// Elements that exceed their allowance.
        count: usize,
        /// Elements compared.
        total: usize,
        /// The relative tolerance asked for.
        rtol: f64,
        /// The absolute tolerance asked for.
        atol: f64,
    },
}

/// Compares element by element: `|actual − expected| ≤ atol + rtol · |expected|`.
///
/// A NaN equals nothing, not even a NaN; an infinity equals itself.
///
/// # Errors
///
/// [`Mismatch`] with the worst element and how many others are out of tolerance.
pub fn compare<A, E>(actual: &A, expected: &E, rtol: f64, atol: f64) -> Result<(), Mismatch>
where
    A: Values + ?Sized,
    E: Values + ?Sized,
{
    let (left, right) = (actual.values(), expected.values());
    let left_shape = actual.shape().unwrap_or_else(|| vec![left.len()]);
    let right_shape = expected.shape().unwrap_or_else(|| vec![right.len()]);
    let both_known = actual.shape().is_some() && expected.shape().is_some();
    if left.len() != right.len() || (both_known && left_shape != right_shape) {
        return Err(Mismatch::Shape { actual: left_shape, expected: right_shape });
    }

    let mut count = 0;
    let mut worst = (0.0, 0);
    for (i, (&actual, &expected)) in left.iter().zip(&right).enumerate() {
        let excess = excess(actual, expected, rtol, atol);
        if excess > 1.0 {
            count += 1;
        }
        if excess > worst.0 {
            worst = (excess, i);
        }
    }
    if count == 0 {
        return Ok(());
    }
    let shape = if actual.shape().is_some() { left_shape } else { right_shape };
    let (actual, expected) = (left[worst.1], right[worst.1]);
    Err(Mismatch::Elements {
        index: unravel(worst.1, &shape),
        actual,
        expected,
        allowed: atol + rtol * expected.abs(),
        count,
        total: left.len(),
        rtol,
        atol,
    })
}

/// Panics unless [`compare`] is content; for tests.
///
/// ```
/// use fornax_nn_core::check::assert_close;
///
/// assert_close(&[1.0, 2.0], &[1.0, 2.00001], 1e-5, 0.0);
/// ```
///
/// # Panics
///
/// With the [`Mismatch`], which names the worst element.
#[track_caller]
pub fn assert_close<A, E>(actual: &A, expected: &E, rtol: f64, atol: f64)
where
    A: Values + ?Sized,
    E: Values + ?Sized,
{
    if let Err(mismatch) = compare(actual, expected, rtol, atol) {
        panic!("{mismatch}");
    }
}

/// The difference as a multiple of what is allowed; infinite where no tolerance helps.
fn excess(actual: f64, expected: f64, rtol: f64, atol: f64) -> f64 {
    let difference = (actual - expected).abs();
    if actual == expected {
        0.0
    } else if difference.is_finite() {
        let allowed = atol + rtol * expected.abs();
        if allowed > 0.0 { difference / allowed } else { f64::INFINITY }
    } else {
        f64::INFINITY
    }
}

fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (position, &size) in index.iter_mut().zip(shape).rev() {
        *position = flat % size.max(1);
        flat /= size.max(1);
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn the_worst_element_is_named_by_its_position() {
        let actual = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.5]], &Device::flex());
        let expected = Tensor::<2>::from_data([[1.0, 2.1], [3.0, 4.0]], &Device::flex());
        let Err(Mismatch::Elements { index, count, total, .. }) = compare(&actual, &expected, 1e-3, 0.0)
        else {
            panic!("a difference of 0.5 went unnoticed");
        };
        assert_eq!((index, count, total), (vec![1, 1], 2, 4));
    }

    #[test]
    fn relative_and_absolute_tolerance_add_up() {
        // Allowed: 0.1 + 0.01 · 100 = 1.1.
        assert!(compare(&[101.0], &[100.0], 0.01, 0.1).is_ok());
        assert!(compare(&[101.2], &[100.0], 0.01, 0.1).is_err());
        assert!(compare(&[101.0], &[100.0], 0.01, -0.1).is_err());
    }

    #[test]
    fn shapes_must_agree_where_both_are_known() {
        let row = Tensor::<2>::from_data([[1.0, 2.0]], &Device::flex());
        let column = Tensor::<2>::from_data([[1.0], [2.0]], &Device::flex());
        let error = compare(&row, &column, 1.0, 1.0).unwrap_err();
        assert_eq!(error.to_string(), "shape [1, 2], expected [2, 1]");
        assert!(compare(&row, &[1.0, 2.0], 0.0, 0.0).is_ok());
        assert!(compare(&row, &[1.0], 0.0, 0.0).is_err());
    }

    #[test]
    fn a_nan_is_close_to_nothing_and_an_infinity_to_itself() {
        assert!(compare(&[f64::NAN], &[f64::NAN], 1e9, 1e9).is_err());
        assert!(compare(&[f64::NAN], &[0.0], 1e9, 1e9).is_err());
        assert!(compare(&[f64::INFINITY], &[f64::INFINITY], 0.0, 0.0).is_ok());
        assert!(compare(&[f64::INFINITY], &[1e300], 1e9, 1e9).is_err());
    }

    #[test]
    #[should_panic(expected = "worst at [1]: 3e0, expected 2e0")]
    fn the_assertion_says_what_it_saw() {
        assert_close(&[1.0_f32, 3.0], &[1.0_f32, 2.0], 1e-6, 0.0);
    }
}
