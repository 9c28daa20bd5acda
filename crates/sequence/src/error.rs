//! What can be wrong with a batch of sequences.

use burn::tensor::{Int, Tensor};

/// A batch that a sequence model cannot read; every variant names the culprit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// There is no sample or no time step.
    #[error("empty sequences: a batch of {batch} with {steps} time steps")]
    Empty {
        /// Samples.
        batch: usize,
        /// Time steps.
        steps: usize,
    },
    /// Another number of features than the model was built for.
    #[error("inputs of {actual} features, expected {expected}")]
    Features {
        /// Features found.
        actual: usize,
        /// Features the model reads.
        expected: usize,
    },
    /// Not one length for each sample.
    #[error("{actual} lengths for a batch of {expected}")]
    LengthCount {
        /// Lengths found.
        actual: usize,
        /// Samples.
        expected: usize,
    },
    /// A length that the padded batch cannot hold, or zero.
    #[error("length {length} of sample {sample}, expected 1 to {steps}")]
    Length {
        /// The sample's position in the batch.
        sample: usize,
        /// Its length.
        length: usize,
        /// Time steps of the padded batch.
        steps: usize,
    },
    /// A token that is not in the vocabulary.
    #[error("token {token} at position {position} of sample {sample}, expected 0 to {}", vocabulary - 1)]
    Token {
        /// The sample's position in the batch.
        sample: usize,
        /// The time step.
        position: usize,
        /// The token.
        token: i64,
        /// Tokens in the vocabulary.
        vocabulary: usize,
    },
    /// An initial state for another batch or another model.
    #[error("{actual} states, expected {expected}")]
    States {
        /// States found.
        actual: String,
        /// States the model carries.
        expected: String,
    },
}

/// Checks sizes and lengths of a padded batch.
///
/// # Errors
///
/// [`SequenceError`] naming the first thing that is wrong.
pub fn check_inputs(
    [batch, steps, features]: [usize; 3],
    lengths: Option<&[usize]>,
    expected: usize,
) -> Result<(), SequenceError> {
    if features != expected {
        return Err(SequenceError::Features { actual: features, expected });
    }
    if batch == 0 || steps == 0 {
        return Err(SequenceError::Empty { batch, steps });
    }
    let Some(lengths) = lengths else { return Ok(()) };
    if lengths.len() != batch {
        return Err(SequenceError::LengthCount { actual: lengths.len(), expected: batch });
    }
    match lengths.iter().position(|length| !(1..=steps).contains(length)) {
        Some(sample) => Err(SequenceError::Length { sample, length: lengths[sample], steps }),
        None => Ok(()),
    }
}

/// Checks that every token is below `vocabulary`. Reads the tokens back, so it is meant for what comes from outside, not
/// for every step.
///
/// # Shapes
///
/// - tokens: `[batch, steps]`
///
/// # Errors
///
/// [`SequenceError::Token`] for the first that is not, [`SequenceError::Empty`] when there is none.
pub fn check_tokens(tokens: &Tensor<2, Int>, vocabulary: usize) -> Result<(), SequenceError> {
    let [batch, steps] = tokens.dims();
    if batch == 0 || steps == 0 {
        return Err(SequenceError::Empty { batch, steps });
    }
    let data = tokens.to_data();
    match data.iter::<i64>().enumerate().find(|(_, token)| *token < 0 || *token >= vocabulary as i64) {
        Some((at, token)) => {
            Err(SequenceError::Token { sample: at / steps, position: at % steps, token, vocabulary })
        }
        None => Ok(()),
    }
}
