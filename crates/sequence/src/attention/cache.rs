//! What attention remembers while it generates.

use burn::tensor::{Device, Tensor};

/// Keys and values of the positions so far, so that a new position costs one row of scores instead of a whole table.
///
/// ```text
/// without   step t:  T(t) = all t positions through all layers       Σ_t t = t²/2 positions in all
/// with      step t:  one position; its keys and values join those kept         t positions in all
/// ```
///
/// With a **window** only the last positions are kept: memory stays the same however long the text becomes.
#[derive(Debug, Clone, Default)]
pub struct KeyValueCache {
    /// Keys, after rotation, and values: `[batch, kv_heads, kept, d]` each.
    kept: Option<[Tensor<4>; 2]>,
    window: Option<usize>,
}

impl KeyValueCache {
    /// An empty cache that keeps everything, or the last `window` positions.
    pub fn new(window: Option<usize>) -> Self {
        Self { kept: None, window }
    }

    /// Positions held.
    pub fn len(&self) -> usize {
        self.kept.as_ref().map_or(0, |[key, _]| key.dims()[2])
    }

    /// Whether no position is held.
    pub fn is_empty(&self) -> bool {
        self.kept.is_none()
    }

    /// Positions that `new` ones will attend to: those held, but no more than the first of them may still see, and
    /// themselves.
    pub fn reach(&self, new: usize) -> usize {
        let held = self.len();
        self.window.map_or(held, |window| held.min(window - window.min(1))) + new
    }

    /// Adds new positions and returns all that these attend to.
    ///
    /// # Shapes
    ///
    /// - new: `[batch, kv_heads, new, d]` each
    /// - output: `[batch, kv_heads, reach(new), d]` each
    pub(super) fn extend(&mut self, new: [Tensor<4>; 2]) -> [Tensor<4>; 2] {
        let reach = self.reach(new[0].dims()[2]);
        let join = |old, new| last(Tensor::cat(vec![old, new], 2), reach);
        let all = match (self.kept.take(), new) {
            (None, new) => new,
            (Some([old_key, old_value]), [key, value]) => [join(old_key, key), join(old_value, value)],
        };
        self.kept = Some(match self.window {
            None => all.clone(),
            Some(window) => all.clone().map(|tensor| last(tensor, window)),
        });
        all
    }

    /// The rows `rows` of the batch, in this order, a row as often as it is named.
    #[must_use]
    pub fn select(self, rows: &[usize], device: &Device) -> Self {
        let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let rows = Tensor::from_data(rows.as_slice(), device);
        let kept = self.kept.map(|pair| pair.map(|tensor| tensor.select(0, rows.clone())));
        Self { kept, window: self.window }
    }
}

/// The last `count` positions.
fn last(tensor: Tensor<4>, count: usize) -> Tensor<4> {
    let length = tensor.dims()[2];
    if length <= count { tensor } else { tensor.narrow(2, length - count, count) }
}
