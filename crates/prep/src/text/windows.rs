//! What a language model reads at a time.

use std::ops::Range;

use burn::tensor::{Bool, Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use super::batch::int_tensor;
use super::{Padding, TokenBatch};
use crate::Error;

/// What happens where one document ends and the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Boundary {
    /// A window ends there: no token is predicted from another document.
    Respect,
    /// A window runs on, across this token if there is one. No entry is lost to padding, and the model learns
    /// what the separator means.
    Join {
        /// Put after every document, such as GPT-2's `<|endoftext|>`.
        separator: Option<u32>,
    },
}

/// How token streams are cut into windows; pure data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowConfig {
    /// Tokens a window holds, T.
    pub length: usize,
    /// From one window's beginning to the next one's. T: every token is predicted once. Less: windows
    /// overlap, and tokens are predicted with more behind them.
    pub stride: usize,
    /// At the end of a document.
    pub boundary: Boundary,
    /// Leaves out windows shorter than T, so that nothing has to be padded, and the end of each document with
    /// them.
    #[serde(default)]
    pub drop_short: bool,
}

impl WindowConfig {
    /// Windows of this length that do not overlap and run on across documents, as nanoGPT reads.
    pub fn new(length: usize) -> Self {
        Self { length, stride: length, boundary: Boundary::Join { separator: None }, drop_short: false }
    }

    /// Beginning every `stride` tokens.
    #[must_use]
    pub fn with_stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// With this token after every document.
    #[must_use]
    pub fn with_separator(self, separator: u32) -> Self {
        Self { boundary: Boundary::Join { separator: Some(separator) }, ..self }
    }

    /// Ending where documents end.
    #[must_use]
    pub fn within_documents(self) -> Self {
        Self { boundary: Boundary::Respect, ..self }
    }

    /// Without windows shorter than T.
    #[must_use]
    pub fn without_short_ones(self) -> Self {
        Self { drop_short: true, ..self }
    }
}

/// One window: `targets[i]` is the token after `inputs[i]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window<'a> {
    /// What is read.
    pub inputs: &'a [u32],
    /// What is predicted: the same, one place on.
    pub targets: &'a [u32],
    /// Which targets no earlier window had: those to count when a perplexity is measured with overlapping
    /// windows.
    pub fresh: Range<usize>,
}

/// Windows over documents for a model that predicts each next token.
///
/// ```text
/// stream    t₀ t₁ t₂ t₃ t₄ t₅ t₆ t₇ …            T = 4, stride 2
/// window 0  t₀ t₁ t₂ t₃        targets t₁ t₂ t₃ t₄
/// window 1        t₂ t₃ t₄ t₅  targets       t₃ t₄ t₅ t₆, fresh the last two
/// ```
///
/// ```
/// use fornax_prep::text::{LanguageWindows, WindowConfig};
///
/// let documents = [vec![1, 2, 3, 4, 5], vec![6, 7]];
/// let windows = LanguageWindows::new(&documents, &WindowConfig::new(3).with_separator(0))?;
/// // 1 2 3 4 5 0 6 7 0
/// assert_eq!(windows.len(), 3);
/// assert_eq!((windows.get(1).inputs, windows.get(1).targets), (&[4, 5, 0][..], &[5, 0, 6][..]));
///
/// let apart = LanguageWindows::new(&documents, &WindowConfig::new(3).within_documents())?;
/// assert_eq!((apart.get(1).inputs, apart.get(2).inputs), (&[4][..], &[6][..]));
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LanguageWindows {
    tokens: Vec<u32>,
    /// Beginning and end of each window's inputs, and how many of its targets are old.
    spans: Vec<(usize, usize, usize)>,
}

impl LanguageWindows {
    /// Cuts documents.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when length or stride is 0, the stride is longer than a window, or no document has
    /// two tokens.
    pub fn new<S: AsRef<[u32]>>(documents: &[S], config: &WindowConfig) -> Result<Self, Error> {
        let WindowConfig { length, stride, boundary, drop_short } = *config;
        if length == 0 {
            return Err(Error::argument("length", "at least 1 token", 0));
        }
        if !(1..=length).contains(&stride) {
            return Err(Error::argument("stride", format!("1 to {length}, the length of a window"), stride));
        }
        let mut tokens = Vec::new();
        let mut ends = Vec::new();
        for document in documents {
            tokens.extend_from_slice(document.as_ref());
            if let Boundary::Join { separator } = boundary {
                tokens.extend(separator);
            }
            ends.push(tokens.len());
        }
        if let Boundary::Join { .. } = boundary {
            ends = vec![tokens.len()];
        }
        let mut spans = Vec::new();
        let mut first = 0;
        for last in ends {
            // The last token is only predicted.
            let readable = last.saturating_sub(1);
            let (mut start, mut predicted) = (first, first);
            while start < readable {
                let end = (start + length).min(readable);
                if end - start < length && drop_short {
                    break;
                }
                spans.push((start, end, predicted.saturating_sub(start)));
                predicted = end;
                if end == readable {
                    break;
                }
                start += stride;
            }
            first = last;
        }
        if spans.is_empty() {
            let expected = if drop_short {
                format!("one of more than {length} tokens")
            } else {
                "one of two tokens".to_owned()
            };
            return Err(Error::argument(
                "documents",
                expected,
                format_args!("{} tokens in all", tokens.len()),
            ));
        }
        Ok(Self { tokens, spans })
    }

    /// How many windows there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none; never, once made.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// A window.
    ///
    /// # Panics
    ///
    /// When `index` is not below [`len`](Self::len).
    pub fn get(&self, index: usize) -> Window<'_> {
        let (start, end, old) = self.spans[index];
        Window {
            inputs: &self.tokens[start..end],
            targets: &self.tokens[start + 1..end + 1],
            fresh: old..end - start,
        }
    }

    /// Some windows as tensors, on `device`: short ones filled up with `padding_id` on the right.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for no indices.
    ///
    /// # Panics
    ///
    /// When an index is not below [`len`](Self::len).
    pub fn batch(&self, indices: &[usize], padding_id: u32, device: &Device) -> Result<LanguageBatch, Error> {
        let windows: Vec<Window<'_>> = indices.iter().map(|&index| self.get(index)).collect();
        let padding = Padding::new(padding_id);
        let inputs: Vec<&[u32]> = windows.iter().map(|window| window.inputs).collect();
        let targets: Vec<&[u32]> = windows.iter().map(|window| window.targets).collect();
        let targets = TokenBatch::new(&targets, &padding)?;
        let (inputs, mask) = TokenBatch::new(&inputs, &padding)?.to_tensors(device);
        let targets = int_tensor(targets.ids(), targets.shape(), device);
        Ok(LanguageBatch { inputs, targets, mask })
    }
}

/// Windows as tensors.
#[derive(Debug, Clone)]
pub struct LanguageBatch {
    /// `[batch, length]`
    pub inputs: Tensor<2, Int>,
    /// `[batch, length]`: the token after each of the inputs.
    pub targets: Tensor<2, Int>,
    /// `[batch, length]`: true where input and target are real.
    pub mask: Tensor<2, Bool>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn windows_as_drawn() {
        let stream: Vec<u32> = (0..9).collect();
        let windows = LanguageWindows::new(&[stream], &WindowConfig::new(4).with_stride(2)).unwrap();
        let shown: Vec<_> = (0..windows.len()).map(|i| windows.get(i)).collect();
        assert_eq!(shown.len(), 3);
        assert_eq!((shown[0].inputs, shown[0].targets), (&[0, 1, 2, 3][..], &[1, 2, 3, 4][..]));
        assert_eq!((shown[1].inputs, shown[1].fresh.clone()), (&[2, 3, 4, 5][..], 2..4));
        assert_eq!((shown[2].targets, shown[2].fresh.clone()), (&[5, 6, 7, 8][..], 2..4));
    }

    #[test]
    fn tensors_are_padded_and_masked() {
        let documents = [vec![1, 2, 3, 4], vec![5, 6]];
        let windows = LanguageWindows::new(&documents, &WindowConfig::new(4).within_documents()).unwrap();
        let batch = windows.batch(&[1, 0], 9, &Device::flex()).unwrap();
        let numbers = |tensor: Tensor<2, Int>| tensor.into_data().iter::<i64>().collect::<Vec<_>>();
        assert_eq!(numbers(batch.inputs), [5, 9, 9, 1, 2, 3]);
        assert_eq!(numbers(batch.targets), [6, 9, 9, 2, 3, 4]);
        assert_eq!(
            batch.mask.into_data().iter::<bool>().collect::<Vec<_>>(),
            [true, false, false, true, true, true]
        );
        assert!(windows.batch(&[], 9, &Device::flex()).is_err());
    }

    #[test]
    fn what_makes_no_windows_is_refused() {
        let one = [vec![1u32]];
        for (config, field) in [
            (WindowConfig::new(0), "length"),
            (WindowConfig::new(4).with_stride(0), "stride"),
            (WindowConfig::new(4).with_stride(5), "stride"),
            (WindowConfig::new(4), "documents"),
        ] {
            let message = LanguageWindows::new(&one, &config).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{field}: expected")), "{message}");
        }
        let four = [vec![1, 2, 3, 4]];
        assert!(LanguageWindows::new(&four, &WindowConfig::new(4).without_short_ones()).is_err());
        assert_eq!(LanguageWindows::new(&four, &WindowConfig::new(3).without_short_ones()).unwrap().len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn fresh_targets_are_every_token_once_but_the_first(
            sizes in prop::collection::vec(0usize..30, 1..6), length in 1usize..9, stride in 1usize..9, apart: bool,
        ) {
            prop_assume!(stride <= length);
            let mut next = 0;
            let documents: Vec<Vec<u32>> = sizes.iter().map(|&size| {
                next += size as u32;
                (next - size as u32..next).collect()
            }).collect();
            let mut config = WindowConfig::new(length).with_stride(stride);
            if apart {
                config = config.within_documents();
            }
            let expected: Vec<u32> = if apart {
                documents.iter().flat_map(|document| document.iter().skip(1).copied()).collect()
            } else {
                (1..next).collect()
            };
            prop_assume!(!expected.is_empty());
            let windows = LanguageWindows::new(&documents, &config).unwrap();
            let mut fresh = Vec::new();
            for index in 0..windows.len() {
                let window = windows.get(index);
                prop_assert!(window.inputs.len() <= length && !window.inputs.is_empty());
                prop_assert!(window.inputs.iter().zip(window.targets).all(|(input, target)| target - input == 1));
                fresh.extend_from_slice(&window.targets[window.fresh.clone()]);
            }
            prop_assert_eq!(fresh, expected);
        }
    }
}
