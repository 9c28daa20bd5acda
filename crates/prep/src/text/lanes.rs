//! What a recurrent network reads at a time.

use burn::tensor::{Device, Int, Tensor};

use super::batch::int_tensor;
use crate::Error;

/// One long text read at several places at once, for truncated backpropagation through time.
///
/// The text is cut into as many *lanes* of equal length, and every batch holds the next stretch of all of them: row b of
/// batch i + 1 goes on where row b of batch i ended, so a recurrent network's state fits.
///
/// ```text
/// text      t₀ t₁ t₂ t₃ t₄ t₅ t₆ t₇ t₈ t₉ t₁₀ t₁₁ t₁₂          2 lanes, stretches of 3
/// batch 0   t₀ t₁ t₂ │ t₆ t₇ t₈      targets t₁ t₂ t₃ │ t₇ t₈ t₉
/// batch 1   t₃ t₄ t₅ │ t₉ t₁₀ t₁₁    targets t₄ t₅ t₆ │ t₁₀ t₁₁ t₁₂
/// ```
///
/// ```
/// use burn::tensor::Device;
/// use fornax_prep::text::TextLanes;
///
/// let lanes = TextLanes::new((0..13).collect(), 2, 3)?;
/// let (inputs, targets) = lanes.batch(1, &Device::flex());
/// assert_eq!(inputs.into_data().iter::<i64>().collect::<Vec<_>>(), [3, 4, 5, 9, 10, 11]);
/// assert_eq!(targets.into_data().iter::<i64>().collect::<Vec<_>>(), [4, 5, 6, 10, 11, 12]);
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLanes {
    tokens: Vec<u32>,
    lanes: usize,
    steps: usize,
    /// Stretches a lane.
    count: usize,
}

impl TextLanes {
    /// Cuts a text into `lanes` places and stretches of `steps` tokens. What is left over at the end is not read.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when a size is 0, or the text is too short for one stretch of every lane and a token after it.
    pub fn new(tokens: Vec<u32>, lanes: usize, steps: usize) -> Result<Self, Error> {
        for (name, size) in [("lanes", lanes), ("steps", steps)] {
            if size == 0 {
                return Err(Error::argument(name, "at least 1", 0));
            }
        }
        let count = tokens.len().saturating_sub(1) / lanes / steps;
        if count == 0 {
            let expected = format!("more than {lanes} lanes of {steps} tokens");
            return Err(Error::argument("tokens", expected, tokens.len()));
        }
        Ok(Self { tokens, lanes, steps, count })
    }

    /// How many batches one reading has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none; never, once made.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Tokens predicted in one reading.
    pub fn predicted(&self) -> usize {
        self.count * self.lanes * self.steps
    }

    /// Batch `index` of one reading: inputs and targets, on `device`.
    ///
    /// # Shapes
    ///
    /// - inputs, targets: `[lanes, steps]`
    ///
    /// # Panics
    ///
    /// When `index` is not below [`len`](Self::len).
    pub fn batch(&self, index: usize, device: &Device) -> (Tensor<2, Int>, Tensor<2, Int>) {
        assert!(index < self.count, "batch {index} of {}", self.count);
        let cut = |shift: usize| {
            let start = |lane: usize| (lane * self.count + index) * self.steps + shift;
            let rows = (0..self.lanes).flat_map(|lane| &self.tokens[start(lane)..][..self.steps]);
            let ids: Vec<u32> = rows.copied().collect();
            int_tensor(&ids, [self.lanes, self.steps], device)
        };
        (cut(0), cut(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tensor: Tensor<2, Int>) -> Vec<i64> {
        tensor.into_data().iter::<i64>().collect()
    }

    #[test]
    fn a_lane_goes_on_where_it_ended_and_every_token_is_predicted_once() {
        let lanes = TextLanes::new((0..103).collect(), 4, 5).unwrap();
        assert_eq!((lanes.len(), lanes.predicted()), (5, 100));
        let mut seen = Vec::new();
        for index in 0..lanes.len() {
            let (inputs, targets) = lanes.batch(index, &Device::flex());
            assert_eq!(inputs.dims(), [4, 5]);
            let (inputs, targets) = (read(inputs), read(targets));
            assert!(inputs.iter().zip(&targets).all(|(input, target)| input + 1 == *target));
            if index > 0 {
                let (before, _) = lanes.batch(index - 1, &Device::flex());
                let before = read(before);
                assert!((0..4).all(|lane| before[lane * 5 + 4] + 1 == inputs[lane * 5]));
            }
            seen.extend(targets);
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=100).collect::<Vec<i64>>());
    }

    #[test]
    fn sizes_that_cannot_be_are_named() {
        let message = |count: u32, lanes, steps| {
            TextLanes::new((0..count).collect(), lanes, steps).unwrap_err().to_string()
        };
        assert!(message(100, 0, 5).contains("lanes"));
        assert!(message(100, 4, 0).contains("steps"));
        assert!(message(20, 4, 5).contains("tokens"));
        assert!(TextLanes::new((0..21).collect(), 4, 5).is_ok());
    }
}
