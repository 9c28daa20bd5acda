//! # Texts, from files to tensors
//!
//! A text is a sequence of code points, of which Unicode has about 150,000. A network wants integers below a
//! small V, the **vocabulary size**, each of which looks up a row of a learnt table; V rows have to be
//! learnt, and a softmax over V has to be computed at every step. So how a text is cut decides how large the
//! model is, how long its sequences are, and what it can say at all.
//!
//! ```text
//! "Ünïted  Kingdom" ──Normaliser──▶ "united kingdom" ──Tokenizer──▶ [312, 17, 904, 77]
//!                                                                          │
//! (Tensor<2, Int>, Tensor<2, Bool>) ◀──TokenBatch── LengthBuckets ◀── Truncation
//!                                   ◀──LanguageBatch── LanguageWindows ◀───┘
//! ```
//!
//! | step | here |
//! |---|---|
//! | files, of any size | [`Lines`], [`TextFolder`], [`CsvRecords`], [`JsonLines`] |
//! | normalise | [`Normaliser`] |
//! | cut into tokens, numbers and back | [`TokenizerConfig`] learns, [`Tokenizer`] uses; [`Vocabulary`] for words of one's own |
//! | one length, and what is real | [`Truncation`], [`Padding`], [`TokenBatch`], [`LengthBuckets`] |
//! | windows | [`LanguageWindows`] over tokens, [`TextLanes`] for recurrent networks, [`SeriesWindows`] over measurements |
//!
//! ## Byte-level BPE
//!
//! Begin with the 256 bytes, of which every text is made, so that nothing is unknown. Merge the pair of
//! neighbours that is most frequent within words, and again:
//!
//! ```text
//! (a, b) = argmax count(a b);   every "a b" becomes one token "ab";   until V tokens are there
//! ```
//!
//! A text is then cut by doing the same merges in the same order. P. Gage, *A new algorithm for data
//! compression*, 1994; R. Sennrich, B. Haddow, A. Birch, *Neural machine translation of rare words with
//! subword units*, 2016 <https://arxiv.org/abs/1508.07909>; on bytes: GPT-2. Of pairs equally frequent the
//! one with the smaller numbers is merged.
//!
//! ## WordPiece
//!
//! Merges the pair whose parts occur together most often for how often they occur at all,
//!
//! ```text
//! (a, b) = argmax count(a b) / (count(a) · count(b))           PairScore::Likelihood
//! ```
//!
//! or, in the trainer most vocabularies of today come from, the most frequent one as BPE does
//! ([`PairScore::Frequency`], the default). It cuts otherwise than BPE: from the left, always the longest
//! piece that is in the vocabulary; a word for which that fails is unknown as a whole.
//!
//! ## Unigram
//!
//! Begins with many pieces and takes away. Pieces are drawn independently, so a text has as many
//! probabilities as it has ways to be cut:
//!
//! ```text
//! P(x) = Π p(xᵢ);     cut: argmax over all x that spell the text  (Viterbi)
//! p by expectation–maximisation on  Σ log Σ_x P(x);   drop the pieces whose loss lowers it least;   repeat
//! ```
//!
//! T. Kudo, *Subword regularization*, 2018 <https://arxiv.org/abs/1804.10959>. The M-step here is the
//! variational one of SentencePiece: `p = exp(ψ(c) − ψ(Σc))` instead of `c/Σc`, with ψ the digamma function,
//! which lets rare pieces die out.
//!
//! ## What goes wrong
//!
//! A vocabulary learnt on the test text; numbers of one tokeniser given to the weights of another, which
//! fails in silence; normalisation in training and none in use; windows that overlap between training and
//! test; padding that the network takes for text because nobody passed the mask on.

mod batch;
mod buckets;
mod charsmap;
mod guard;
mod lanes;
mod normalise;
mod read;
mod series;
#[cfg(test)]
mod tests;
mod tokenizer;
mod train;
mod vocabulary;
mod windows;
mod word_piece;

pub use batch::{Padding, Side, TokenBatch, Truncation};
pub use buckets::LengthBuckets;
pub use lanes::TextLanes;
pub use normalise::{Normaliser, UnicodeForm, WhiteSpace};
pub use read::{CsvRecords, CsvTextSpec, JsonLines, Lines, Record, TextFile, TextFolder};
pub use series::{SeriesConfig, SeriesWindows};
pub use tokenizer::{Piece, Tokenizer};
pub use train::{TokenizerConfig, TokenizerKind};
pub use vocabulary::{Vocabulary, VocabularyConfig};
pub use windows::{Boundary, LanguageBatch, LanguageWindows, Window, WindowConfig};
pub use word_piece::PairScore;
