//! Tokens on the host: checked before a model sees them.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Tokens a model cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not a single sequence.
    #[error("no sequence given")]
    NoSequence,
    /// A sequence without tokens.
    #[error("sequence {row} is empty")]
    Empty {
        /// Which one.
        row: usize,
    },
    /// A number for which the model has no embedding.
    #[error(
        "token {token} at position {position} of sequence {row} is not below the vocabulary's size {vocab_size}"
    )]
    OutOfVocabulary {
        /// Which sequence.
        row: usize,
        /// Where in it.
        position: usize,
        /// The number.
        token: u32,
        /// How many there are.
        vocab_size: usize,
    },
    /// More tokens than the model has positions.
    #[error("sequence {row} has {length} tokens, more than the {context} the model can see")]
    TooLong {
        /// Which one.
        row: usize,
        /// Its tokens.
        length: usize,
        /// The most there may be.
        context: usize,
    },
    /// Sequences of one length are needed.
    #[error(
        "sequence {row} has {length} tokens, the first has {expected}: this model takes sequences of one length"
    )]
    Ragged {
        /// Which one.
        row: usize,
        /// Its tokens.
        length: usize,
        /// Those of the first.
        expected: usize,
    },
}

/// Checks that a model with these sizes can read `sequences`.
///
/// # Errors
///
/// [`TokenError`] for the first that it cannot.
pub fn check<S: AsRef<[u32]>>(
    sequences: &[S],
    vocab_size: usize,
    context: Option<usize>,
) -> Result<(), TokenError> {
    if sequences.is_empty() {
        return Err(TokenError::NoSequence);
    }
    for (row, sequence) in sequences.iter().enumerate() {
        let sequence = sequence.as_ref();
        let length = sequence.len();
        if length == 0 {
            return Err(TokenError::Empty { row });
        }
        if let Some(context) = context.filter(|&context| length > context) {
            return Err(TokenError::TooLong { row, length, context });
        }
        let unknown = |&(_, &token): &(usize, &u32)| token as usize >= vocab_size;
        if let Some((position, &token)) = sequence.iter().enumerate().find(unknown) {
            return Err(TokenError::OutOfVocabulary { row, position, token, vocab_size });
        }
    }
    Ok(())
}

/// Rows of one length as a tensor.
///
/// # Shapes
///
/// - output: `[rows, length]`
///
/// # Panics
///
/// When the rows differ in length.
pub fn to_tensor<S: AsRef<[u32]>>(rows: &[S], device: &Device) -> Tensor<2, Int> {
    let length = rows.first().map_or(0, |row| row.as_ref().len());
    let ids: Vec<i64> = rows.iter().flat_map(|row| row.as_ref()).map(|&id| i64::from(id)).collect();
    assert_eq!(ids.len(), rows.len() * length, "rows of tokens differ in length");
    Tensor::from_data(TensorData::new(ids, [rows.len(), length]), device)
}

/// Rows brought to the longest one's length with token 0, and what is real, padding `before` them or after.
pub(crate) fn pad<S: AsRef<[u32]>>(rows: &[S], before: bool) -> (Vec<Vec<u32>>, Vec<Vec<bool>>) {
    let longest = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0);
    let padded = rows.iter().map(|row| {
        let row = row.as_ref();
        let (fill, no) = (vec![0; longest - row.len()], vec![false; longest - row.len()]);
        let yes = vec![true; row.len()];
        if before {
            ([&fill, row].concat(), [no, yes].concat())
        } else {
            ([row, &fill].concat(), [yes, no].concat())
        }
    });
    padded.unzip()
}
