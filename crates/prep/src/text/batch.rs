//! Sequences of different lengths as one tensor.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::Error;

/// An end of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Its beginning.
    Left,
    /// Its end.
    #[default]
    Right,
}

/// How short sequences are filled up; pure data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Padding {
    /// The number that is put in.
    pub id: u32,
    /// Where. Right for encoders; left for models that continue a text, so that the last entry of every row
    /// is real.
    #[serde(default)]
    pub side: Side,
    /// The least length of a row. Default: that of the longest sequence.
    #[serde(default)]
    pub length: Option<usize>,
    /// Rows are as long as the next multiple of this, which kernels of accelerators like. Default: 1.
    #[serde(default = "one")]
    pub multiple_of: usize,
}

fn one() -> usize {
    1
}

impl Padding {
    /// With this number, on the right, to the longest.
    pub fn new(id: u32) -> Self {
        Self { id, side: Side::Right, length: None, multiple_of: 1 }
    }

    /// On the left.
    #[must_use]
    pub fn on_the_left(self) -> Self {
        Self { side: Side::Left, ..self }
    }

    /// To at least this length.
    #[must_use]
    pub fn to_length(self, length: usize) -> Self {
        Self { length: Some(length), ..self }
    }

    /// To a multiple of this.
    #[must_use]
    pub fn to_multiple_of(self, multiple_of: usize) -> Self {
        Self { multiple_of, ..self }
    }
}

/// How long sequences are cut; pure data.
///
/// ```
/// use fornax_prep::text::{Side, Truncation};
///
/// let ids = [1, 2, 3, 4, 5, 6, 7];
/// assert_eq!(Truncation::to(3)?.apply(&ids), [1, 2, 3]);
/// assert_eq!(Truncation::to(3)?.from(Side::Left).apply(&ids), [5, 6, 7]);
/// // Nothing lost: pieces of 3 that overlap by 1.
/// let pieces: Vec<&[u32]> = Truncation::to(3)?.with_overlap(1)?.pieces(&ids).collect();
/// assert_eq!(pieces, [[1, 2, 3], [3, 4, 5], [5, 6, 7]]);
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "RawTruncation", into = "RawTruncation")]
pub struct Truncation {
    max_length: usize,
    side: Side,
    overlap: usize,
}

/// How it is written down.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTruncation {
    max_length: usize,
    #[serde(default)]
    side: Side,
    #[serde(default)]
    overlap: usize,
}

impl TryFrom<RawTruncation> for Truncation {
    type Error = Error;

    fn try_from(raw: RawTruncation) -> Result<Self, Error> {
        Self::to(raw.max_length)?.from(raw.side).with_overlap(raw.overlap)
    }
}

impl From<Truncation> for RawTruncation {
    fn from(truncation: Truncation) -> Self {
        Self { max_length: truncation.max_length, side: truncation.side, overlap: truncation.overlap }
    }
}

impl Truncation {
    /// To at most this length; what is beyond is cut off at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when `max_length` is 0.
    pub fn to(max_length: usize) -> Result<Self, Error> {
        if max_length == 0 {
            return Err(Error::argument("max_length", "at least 1", 0));
        }
        Ok(Self { max_length, side: Side::Right, overlap: 0 })
    }

    /// What is beyond is cut off here.
    #[must_use]
    pub fn from(self, side: Side) -> Self {
        Self { side, ..self }
    }

    /// How many entries two neighbours of [`pieces`](Self::pieces) share.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when it is not below the length of a piece.
    pub fn with_overlap(self, overlap: usize) -> Result<Self, Error> {
        if overlap >= self.max_length {
            let expected = format!("fewer than the {} of a piece", self.max_length);
            return Err(Error::argument("overlap", expected, overlap));
        }
        Ok(Self { overlap, ..self })
    }

    /// The part that is kept.
    pub fn apply<'a, T>(&self, sequence: &'a [T]) -> &'a [T] {
        let kept = sequence.len().min(self.max_length);
        match self.side {
            Side::Right => &sequence[..kept],
            Side::Left => &sequence[sequence.len() - kept..],
        }
    }

    /// The whole sequence in pieces: first the one that [`apply`](Self::apply) keeps, then what overflows,
    /// each beginning `overlap` entries before the last one's end; cut from the left, they go backwards. At
    /// least one piece, also of nothing.
    pub fn pieces<'a, T>(&self, sequence: &'a [T]) -> impl Iterator<Item = &'a [T]> + use<'a, T> {
        let Self { max_length, side, overlap } = *self;
        let len = sequence.len();
        let step = max_length - overlap;
        let count = if len <= max_length { 1 } else { 1 + (len - max_length).div_ceil(step) };
        (0..count).map(move |i| match side {
            Side::Right => &sequence[i * step..(i * step + max_length).min(len)],
            Side::Left => &sequence[(len - i * step).saturating_sub(max_length)..len - i * step],
        })
    }
}

/// Sequences padded to one length, with a mask of what is real.
///
/// ```
/// use burn::tensor::Device;
/// use fornax_prep::text::{Padding, TokenBatch};
///
/// let batch = TokenBatch::new(&[vec![5, 6, 7], vec![8]], &Padding::new(0))?;
/// assert_eq!(batch.ids(), [5, 6, 7, 8, 0, 0]);
/// assert_eq!(batch.mask(), [true, true, true, true, false, false]);
/// let (ids, mask) = batch.to_tensors(&Device::flex());
/// assert_eq!((ids.dims(), mask.dims()), ([2, 3], [2, 3]));
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBatch {
    ids: Vec<u32>,
    mask: Vec<bool>,
    shape: [usize; 2],
}

impl TokenBatch {
    /// Pads sequences.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for no sequences, or when all of them are empty and no length is asked for, or
    /// `multiple_of` is 0.
    pub fn new<S: AsRef<[u32]>>(sequences: &[S], padding: &Padding) -> Result<Self, Error> {
        if padding.multiple_of == 0 {
            return Err(Error::argument("multiple_of", "at least 1", 0));
        }
        let longest = sequences.iter().map(|sequence| sequence.as_ref().len()).max().unwrap_or_default();
        let length = longest.max(padding.length.unwrap_or_default()).next_multiple_of(padding.multiple_of);
        if sequences.is_empty() || length == 0 {
            let found = format!("{} sequences of length 0", sequences.len());
            return Err(Error::argument("sequences", "at least one entry", found));
        }
        let mut ids = Vec::with_capacity(sequences.len() * length);
        let mut mask = Vec::with_capacity(sequences.len() * length);
        for sequence in sequences {
            let sequence = sequence.as_ref();
            let fill = length - sequence.len();
            let (before, after) = match padding.side {
                Side::Left => (fill, 0),
                Side::Right => (0, fill),
            };
            ids.extend(std::iter::repeat_n(padding.id, before));
            mask.extend(std::iter::repeat_n(false, before));
            ids.extend_from_slice(sequence);
            mask.extend(std::iter::repeat_n(true, sequence.len()));
            ids.extend(std::iter::repeat_n(padding.id, after));
            mask.extend(std::iter::repeat_n(false, after));
        }
        Ok(Self { ids, mask, shape: [sequences.len(), length] })
    }

    /// `[batch, length]`.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// All numbers, row after row.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// What is real, row after row.
    pub fn mask(&self) -> &[bool] {
        &self.mask
    }

    /// The share of entries that are padding, from 0 to 1: what a batch costs for nothing.
    pub fn waste(&self) -> f64 {
        self.mask.iter().filter(|real| !**real).count() as f64 / self.mask.len() as f64
    }

    /// The numbers and the mask, true where they are real, on `device`.
    ///
    /// # Shapes
    ///
    /// - ids: `[batch, length]`
    /// - mask: `[batch, length]`
    pub fn to_tensors(&self, device: &Device) -> (Tensor<2, Int>, Tensor<2, Bool>) {
        let mask = Tensor::from_data(TensorData::new(self.mask.clone(), self.shape), device);
        (int_tensor(&self.ids, self.shape, device), mask)
    }
}

/// Numbers as a tensor.
pub(super) fn int_tensor(ids: &[u32], shape: [usize; 2], device: &Device) -> Tensor<2, Int> {
    let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    Tensor::from_data(TensorData::new(ids, shape), device)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn padding_goes_where_it_is_told() {
        let sequences = [vec![1], vec![2, 3, 4, 5, 6]];
        let left = TokenBatch::new(&sequences, &Padding::new(9).on_the_left()).unwrap();
        assert_eq!(left.ids(), [9, 9, 9, 9, 1, 2, 3, 4, 5, 6]);
        assert_eq!(left.waste(), 0.4);
        let eight = TokenBatch::new(&sequences, &Padding::new(0).to_multiple_of(4)).unwrap();
        assert_eq!(eight.shape(), [2, 8]);
        let longer = TokenBatch::new(&sequences, &Padding::new(0).to_length(7)).unwrap();
        assert_eq!(longer.shape(), [2, 7]);
        let shorter = TokenBatch::new(&sequences, &Padding::new(0).to_length(2)).unwrap();
        assert_eq!(shorter.shape(), [2, 5], "nothing is cut");
        assert_eq!(shorter.ids()[..5], [1, 0, 0, 0, 0]);
    }

    #[test]
    fn tensors_hold_what_the_batch_holds() {
        let batch = TokenBatch::new(&[vec![7, 70_000], vec![3]], &Padding::new(1)).unwrap();
        let (ids, mask) = batch.to_tensors(&Device::flex());
        assert_eq!(ids.into_data().iter::<i64>().collect::<Vec<_>>(), [7, 70_000, 3, 1]);
        let mask: Vec<bool> = mask.into_data().iter::<bool>().collect();
        assert_eq!(mask, [true, true, true, false]);
    }

    #[test]
    fn what_makes_no_batch_is_refused() {
        let none: [Vec<u32>; 0] = [];
        for (error, field) in [
            (TokenBatch::new(&none, &Padding::new(0)), "sequences"),
            (TokenBatch::new(&[vec![]], &Padding::new(0)), "sequences"),
            (TokenBatch::new(&[vec![1]], &Padding::new(0).to_multiple_of(0)), "multiple_of"),
        ] {
            assert!(error.unwrap_err().to_string().starts_with(&format!("{field}: expected")));
        }
        assert_eq!(TokenBatch::new(&[vec![]], &Padding::new(4).to_length(2)).unwrap().ids(), [4, 4]);
        assert!(Truncation::to(0).is_err() && Truncation::to(3).unwrap().with_overlap(3).is_err());
        let json = serde_json::to_string(&Truncation::to(5).unwrap().from(Side::Left)).unwrap();
        assert_eq!(json, r#"{"max_length":5,"side":"left","overlap":0}"#);
        assert!(serde_json::from_str::<Truncation>(r#"{"max_length":5,"overlap":5}"#).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn pieces_cover_everything_overlap_as_told_and_begin_with_what_is_kept(
            len in 0usize..60, max_length in 1usize..20, overlap in 0usize..20, left: bool,
        ) {
            prop_assume!(overlap < max_length);
            let side = if left { Side::Left } else { Side::Right };
            let truncation = Truncation::to(max_length).unwrap().from(side).with_overlap(overlap).unwrap();
            let sequence: Vec<usize> = (0..len).collect();
            let pieces: Vec<&[usize]> = truncation.pieces(&sequence).collect();
            prop_assert_eq!(pieces[0], truncation.apply(&sequence));
            let mut covered: Vec<usize> = pieces.concat();
            covered.sort_unstable();
            covered.dedup();
            prop_assert_eq!(&covered, &sequence);
            for pair in pieces.windows(2) {
                let shared = pair[0].iter().filter(|entry| pair[1].contains(entry)).count();
                prop_assert_eq!(shared, overlap);
                prop_assert_eq!(pair[0].len(), max_length);
            }
        }
    }
}
