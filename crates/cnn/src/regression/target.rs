//! Targets, before they spoil a batch.

use burn::tensor::Tensor;

/// Targets that nothing can be learnt from.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// As many columns as the head has outputs were expected.
    #[error("targets of {actual} columns, expected {expected}")]
    Columns {
        /// What there was.
        actual: usize,
        /// What the head was built for.
        expected: usize,
    },
    /// A NaN or an infinity.
    #[error("target {sample}, column {column} is {value}, expected a finite number")]
    NotFinite {
        /// Row of the targets.
        sample: usize,
        /// Column of the targets.
        column: usize,
        /// What was there.
        value: f64,
    },
}

/// Looks for targets that would spoil a batch: once over the data is enough.
///
/// # Errors
///
/// [`TargetError`] naming the first one.
pub fn check_targets(targets: &Tensor<2>, expected: usize) -> Result<(), TargetError> {
    let [_, actual] = targets.dims();
    if actual != expected {
        return Err(TargetError::Columns { actual, expected });
    }
    let bad = targets.to_data().iter::<f64>().enumerate().find(|(_, value)| !value.is_finite());
    bad.map_or(Ok(()), |(at, value)| {
        Err(TargetError::NotFinite { sample: at / actual, column: at % actual, value })
    })
}
