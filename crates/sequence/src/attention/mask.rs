//! # Who may look at whom
//!
//! Masks are boolean and true where a key is **hidden** from a query. Three reasons to hide:
//!
//! ```text
//! causal           window of 3       padding of 2 on the left       1 = hidden
//! 0 1 1 1 1        0 1 1 1 1         1 1 1 1 1
//! 0 0 1 1 1        0 0 1 1 1         1 1 1 1 1     rows of padding see nothing
//! 0 0 0 1 1        0 0 0 1 1         1 1 0 1 1
//! 0 0 0 0 1        1 0 0 0 1         1 1 0 0 1     (together with causal)
//! 0 0 0 0 0        1 1 0 0 0         1 1 0 0 0
//! ```
//!
//! - **causal**: whoever predicts the next token must not see it;
//! - **window**: the last few positions suffice, and cost and memory stay bounded;
//! - **padding**: what fills up a batch is no text.

use std::ops::Range;

use burn::tensor::{Bool, Device, Tensor, TensorData};

/// Hides keys after the query, those `window` or more before it, and the first `padding[row]` of each row; queries and keys
/// are given by their positions. `None` when that hides nothing.
///
/// # Shapes
///
/// - output: `[batch, 1, queries, keys]`, batch 1 when no row is padded
///
/// ```
/// use burn::tensor::Device;
/// use fornax_sequence::attention::mask::causal;
///
/// let hidden = causal(0..3, 0..3, None, &[], &Device::flex()).unwrap();
/// assert_eq!(hidden.int().into_data().iter::<i64>().collect::<Vec<_>>(), [0, 1, 1, 0, 0, 1, 0, 0, 0]);
/// assert!(causal(5..6, 0..6, None, &[], &Device::flex()).is_none()); // the last one sees all
/// ```
pub fn causal(
    queries: Range<usize>,
    keys: Range<usize>,
    window: Option<usize>,
    padding: &[usize],
    device: &Device,
) -> Option<Tensor<4, Bool>> {
    let none = [0];
    let padding = if padding.iter().all(|&pad| pad <= keys.start) { &none[..] } else { padding };
    let mut hidden = Vec::with_capacity(padding.len() * queries.len() * keys.len());
    for &pad in padding {
        for query in queries.clone() {
            let seen =
                |key: usize| key >= pad && key <= query && window.is_none_or(|window| key + window > query);
            hidden.extend(keys.clone().map(|key| !seen(key)));
        }
    }
    if !hidden.contains(&true) {
        return None;
    }
    let shape = [padding.len(), 1, queries.len(), keys.len()];
    Some(Tensor::from_data(TensorData::new(hidden, shape), device))
}

/// Hides the keys that are not real.
///
/// # Shapes
///
/// - real: `[batch, keys]`
/// - output: `[batch, 1, 1, keys]`
pub fn padding(real: Tensor<2, Bool>) -> Tensor<4, Bool> {
    let [batch, keys] = real.dims();
    real.bool_not().reshape([batch, 1, 1, keys])
}
