//! Learning a tokeniser from text.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::unigram::{Unigram, UnigramTrainer};
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::fixed_length::FixedLength;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::whitespace::Whitespace;
use tokenizers::{
    AddedToken, DecoderWrapper, ModelWrapper, NormalizedString, Normalizer as _, NormalizerWrapper,
    OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _, PreTokenizerWrapper,
};

use super::read::Lines;
use super::word_piece::Lesson;
use super::{Normaliser, PairScore, Tokenizer, UnicodeForm, Vocabulary, VocabularyConfig, WhiteSpace};
use crate::{Error, Limits};

/// Texts counted at a time, on all cores.
const CHUNK: usize = 1024;

/// How a text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenizerKind {
    /// Into characters, that is code points.
    Characters,
    /// Into words and punctuation.
    Words,
    /// Into the bytes of its UTF-8 form, merged pair by pair.
    Bpe,
    /// Into the longest known pieces of each word, from the left.
    WordPiece,
    /// Into the most probable pieces.
    Unigram,
}

/// A tokeniser to be learnt; pure data. The named constructors are where to begin.
///
/// ```
/// use fornax_prep::text::TokenizerConfig;
///
/// let text = "low low low low low lower lower newest newest newest newest newest newest widest widest widest";
/// let tokenizer = TokenizerConfig::bpe(265).train([text])?;
/// let ids = tokenizer.encode("lowest")?;
/// assert_eq!(ids.len(), 2); // "low" and "est"
/// assert_eq!(tokenizer.decode(&ids)?, "lowest");
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerConfig {
    /// How a text is cut.
    pub kind: TokenizerKind,
    /// Most tokens there may be, special ones and, for BPE, the 256 bytes included.
    pub vocab_size: usize,
    /// Words, characters or pairs seen less often are left out. Of no effect on Unigram. Default: 1; for
    /// words 2.
    pub min_frequency: u64,
    /// What is done to the text first.
    pub normaliser: Normaliser,
    /// Tokens that no text can be cut into by accident, with the first numbers.
    pub specials: Vec<String>,
    /// Which of them stands for what cannot be said otherwise.
    pub unknown: Option<String>,
    /// By what WordPiece picks pairs; of no effect on the others. Default: the frequency, as Hugging Face's
    /// trainer.
    pub pair_score: PairScore,
}

impl TokenizerConfig {
    fn new(kind: TokenizerKind, vocab_size: usize, specials: &[&str], unknown: Option<&str>) -> Self {
        Self {
            kind,
            vocab_size,
            min_frequency: 1,
            normaliser: Normaliser::default(),
            specials: specials.iter().map(|&special| special.to_owned()).collect(),
            unknown: unknown.map(str::to_owned),
            pair_score: PairScore::default(),
        }
    }

    /// Characters: all that occur, after `<pad>` and `<unk>`.
    pub fn characters() -> Self {
        // No code point lies beyond this number.
        Self::new(TokenizerKind::Characters, 0x11_0000, &["<pad>", "<unk>"], Some("<unk>"))
    }

    /// Words seen at least twice, after `<pad>` and `<unk>`: a word seen once teaches nothing and may be an
    /// error.
    pub fn words(vocab_size: usize) -> Self {
        let config = Self::new(TokenizerKind::Words, vocab_size, &["<pad>", "<unk>"], Some("<unk>"));
        Self { min_frequency: 2, ..config }
    }

    /// Byte-level BPE with GPT-2's special token and its way to divide a text into words.
    pub fn bpe(vocab_size: usize) -> Self {
        Self::new(TokenizerKind::Bpe, vocab_size, &["<|endoftext|>"], None)
    }

    /// WordPiece with BERT's special tokens, its normalisation (uncased) and its way to divide a text into
    /// words.
    pub fn word_piece(vocab_size: usize) -> Self {
        let specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
        let config = Self::new(TokenizerKind::WordPiece, vocab_size, &specials, Some("[UNK]"));
        Self { normaliser: Normaliser::uncased(), ..config }
    }

    /// Unigram with T5's special tokens, NFKC and collapsed white space, which stands as `▁` before each
    /// word.
    pub fn unigram(vocab_size: usize) -> Self {
        let specials = ["<pad>", "</s>", "<unk>"];
        let normaliser = Normaliser {
            unicode: Some(UnicodeForm::Nfkc),
            white_space: WhiteSpace::Collapse,
            ..Default::default()
        };
        let config = Self::new(TokenizerKind::Unigram, vocab_size, &specials, Some("<unk>"));
        Self { normaliser, ..config }
    }

    /// Learns from texts: a function of the texts and nothing else, whatever the number of threads.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] naming the setting that cannot be used, or `texts` when they hold nothing to learn
    /// from.
    pub fn train<S: AsRef<str>>(&self, texts: impl IntoIterator<Item = S>) -> Result<Tokenizer, Error> {
        self.train_from(texts.into_iter().map(|text| Ok(text.as_ref().to_owned())))
    }

    /// Learns from the lines of text files, plain or gzip, of any size: what is kept in memory are the
    /// distinct words. A line is a text, without its end.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for a file or line that cannot be read, and as [`train`](Self::train).
    pub fn train_files<P: AsRef<Path>>(&self, paths: &[P], limits: &Limits) -> Result<Tokenizer, Error> {
        let mut files = paths.iter();
        let mut lines: Option<Lines> = None;
        self.train_from(std::iter::from_fn(|| {
            loop {
                if let Some(line) = lines.as_mut().and_then(Iterator::next) {
                    return Some(line);
                }
                match Lines::open(files.next()?.as_ref(), limits) {
                    Ok(opened) => lines = Some(opened),
                    Err(error) => return Some(Err(error)),
                }
            }
        }))
    }

    /// Learns from what a reader gives, and ends with its first error.
    ///
    /// # Errors
    ///
    /// The reader's, and as [`train`](Self::train).
    pub fn train_from(
        &self,
        texts: impl IntoIterator<Item = Result<String, Error>>,
    ) -> Result<Tokenizer, Error> {
        self.check()?;
        let normaliser = self.normaliser.to_wrapper().map_err(|error| failed("normaliser", &*error))?;
        let counts = count(texts, normaliser.as_ref(), &self.pre_tokenizer())?;
        if counts.is_empty() {
            return Err(Error::argument("texts", "at least one word", "none"));
        }
        let model = self.model(counts)?;
        let mut tokenizer = tokenizers::Tokenizer::new(model);
        tokenizer.with_normalizer(normaliser).map_err(|error| failed("normaliser", &*error))?;
        tokenizer.with_pre_tokenizer(Some(self.pre_tokenizer()));
        tokenizer.with_decoder(self.decoder());
        let specials: Vec<_> =
            self.specials.iter().map(|text| AddedToken::from(text.as_str(), true)).collect();
        tokenizer.add_special_tokens(specials).map_err(|error| failed("specials", &*error))?;
        Ok(Tokenizer::from_trained(tokenizer))
    }

    fn check(&self) -> Result<(), Error> {
        if let Some(special) = self.specials.iter().find(|special| special.is_empty()) {
            return Err(Error::argument(
                "specials",
                "tokens of at least one character",
                format!("{special:?}"),
            ));
        }
        // Duplicates, and an unknown token that is none of them.
        let config = VocabularyConfig {
            specials: self.specials.clone(),
            unknown: self.unknown.clone(),
            ..Default::default()
        };
        Vocabulary::from_counts([], &config)?;
        let least = self.specials.len() + if self.kind == TokenizerKind::Bpe { 256 } else { 1 };
        if !(least..=1 << 24).contains(&self.vocab_size) {
            let expected = format!("{least} to 16,777,216 tokens");
            return Err(Error::argument("vocab_size", expected, self.vocab_size));
        }
        let needs_unknown = !matches!(self.kind, TokenizerKind::Bpe);
        if needs_unknown && self.unknown.is_none() {
            return Err(Error::argument("unknown", "a token for what is unknown", "none"));
        }
        Ok(())
    }

    fn pre_tokenizer(&self) -> PreTokenizerWrapper {
        match self.kind {
            TokenizerKind::Characters => PreTokenizerWrapper::FixedLength(FixedLength::new(1)),
            TokenizerKind::Words => PreTokenizerWrapper::Whitespace(Whitespace),
            TokenizerKind::Bpe => PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, true)),
            TokenizerKind::WordPiece => PreTokenizerWrapper::BertPreTokenizer(BertPreTokenizer),
            TokenizerKind::Unigram => {
                PreTokenizerWrapper::Metaspace(Metaspace::new('▁', PrependScheme::Always, true))
            }
        }
    }

    fn decoder(&self) -> Option<DecoderWrapper> {
        Some(match self.kind {
            TokenizerKind::Characters => DecoderWrapper::Fuse(Fuse::new()),
            TokenizerKind::Words => return None,
            TokenizerKind::Bpe => DecoderWrapper::ByteLevel(ByteLevel::new(false, true, true)),
            TokenizerKind::WordPiece => {
                DecoderWrapper::WordPiece(WordPieceDecoder::new("##".to_owned(), false))
            }
            TokenizerKind::Unigram => {
                DecoderWrapper::Metaspace(Metaspace::new('▁', PrependScheme::Always, true))
            }
        })
    }

    /// Learns the model from words in a fixed order.
    fn model(&self, words: Vec<(String, u64)>) -> Result<ModelWrapper, Error> {
        match self.kind {
            TokenizerKind::Characters | TokenizerKind::Words => {
                let config = VocabularyConfig {
                    min_frequency: self.min_frequency,
                    max_size: Some(self.vocab_size),
                    specials: self.specials.clone(),
                    unknown: self.unknown.clone(),
                };
                let vocabulary = Vocabulary::from_counts(words, &config)?;
                let numbered = vocabulary.tokens().iter().enumerate();
                let model = WordLevel::builder()
                    .vocab(numbered.map(|(id, token)| (token.clone(), id as u32)).collect())
                    .unk_token(self.unknown.clone().unwrap_or_default())
                    .build();
                Ok(model.map_err(|error| failed("vocab_size", &*error))?.into())
            }
            TokenizerKind::Bpe => {
                let trainer = BpeTrainer::builder()
                    .vocab_size(self.vocab_size)
                    .min_frequency(self.min_frequency)
                    .special_tokens(self.added())
                    .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
                    .show_progress(false)
                    .build();
                let mut model = BPE::default();
                let words = words.into_iter().map(|(word, count)| (word.into(), count)).collect();
                trainer.do_train(&words, &mut model).map_err(|error| failed("texts", &*error))?;
                Ok(model.into())
            }
            TokenizerKind::WordPiece => {
                let lesson = Lesson {
                    words: &words,
                    vocab_size: self.vocab_size,
                    min_frequency: self.min_frequency,
                    specials: &self.specials,
                    score: self.pair_score,
                };
                let pieces = lesson.pieces();
                if pieces.len() > self.vocab_size {
                    return Err(self.too_few(pieces.len()));
                }
                let numbered = pieces.into_iter().enumerate();
                let vocab: serde_json::Map<_, _> =
                    numbered.map(|(id, piece)| (piece, serde_json::Value::from(id))).collect();
                let model: Result<ModelWrapper, _> = serde_json::from_value(json!({
                    "type": "WordPiece",
                    "unk_token": self.unknown,
                    "continuing_subword_prefix": "##",
                    "max_input_chars_per_word": 100,
                    "vocab": vocab,
                }));
                model.map_err(|error| failed("texts", &error))
            }
            TokenizerKind::Unigram => self.unigram_model(words),
        }
    }

    fn unigram_model(&self, words: Vec<(String, u64)>) -> Result<ModelWrapper, Error> {
        let letters: std::collections::BTreeSet<char> =
            words.iter().flat_map(|(word, _)| word.chars()).collect();
        let needed = letters.len() + self.specials.len();
        if needed > self.vocab_size {
            return Err(self.too_few(needed));
        }
        let mut trainer = UnigramTrainer::builder();
        trainer
            .vocab_size(self.vocab_size as u32)
            .special_tokens(self.added())
            .unk_token(self.unknown.clone())
            .show_progress(false);
        let trainer = trainer.build().map_err(|error| failed("vocab_size", &error))?;
        let words =
            words.into_iter().map(|(word, count)| (word, u32::try_from(count).unwrap_or(u32::MAX))).collect();
        // Sums over words are taken in as many parts as there are threads: with one, they are the same everywhere.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.map_err(|error| failed("texts", &error))?;
        let mut model = Unigram::default();
        pool.install(|| trainer.do_train(words, &mut model)).map_err(|error| failed("texts", &*error))?;
        let unknown = self.specials.iter().position(|special| Some(special) == self.unknown.as_ref());
        let model = in_fixed_order(&model, self.specials.len(), unknown);
        model.map(Into::into).map_err(|error| failed("texts", &*error))
    }

    fn added(&self) -> Vec<AddedToken> {
        self.specials.iter().map(|text| AddedToken::from(text.as_str(), true)).collect()
    }

    fn too_few(&self, needed: usize) -> Error {
        let expected = format!("at least {needed} tokens, for every letter of the texts");
        Error::argument("vocab_size", expected, self.vocab_size)
    }
}

/// Counts the words of all texts, in the order of their code points.
fn count(
    texts: impl IntoIterator<Item = Result<String, Error>>,
    normaliser: Option<&NormalizerWrapper>,
    pre_tokenizer: &PreTokenizerWrapper,
) -> Result<Vec<(String, u64)>, Error> {
    let mut total: HashMap<String, u64> = HashMap::new();
    let mut texts = texts.into_iter();
    loop {
        let chunk: Vec<String> = texts.by_ref().take(CHUNK).collect::<Result<_, _>>()?;
        if chunk.is_empty() {
            break;
        }
        let counted: tokenizers::Result<HashMap<String, u64>> = chunk
            .par_iter()
            .try_fold(HashMap::new, |mut counts: HashMap<String, u64>, text| {
                let mut normalized = NormalizedString::from(text.as_str());
                if let Some(normaliser) = normaliser {
                    normaliser.normalize(&mut normalized)?;
                }
                let mut words = PreTokenizedString::from(normalized);
                pre_tokenizer.pre_tokenize(&mut words)?;
                for (word, ..) in words.get_splits(OffsetReferential::Normalized, OffsetType::None) {
                    match counts.get_mut(word) {
                        Some(count) => *count += 1,
                        None => drop(counts.insert(word.to_owned(), 1)),
                    }
                }
                Ok(counts)
            })
            .try_reduce(HashMap::new, |mut all, part| {
                part.into_iter().for_each(|(word, count)| *all.entry(word).or_default() += count);
                Ok(all)
            });
        let counted = counted.map_err(|error| failed("texts", &*error))?;
        counted.into_iter().for_each(|(word, count)| *total.entry(word).or_default() += count);
    }
    let mut words: Vec<(String, u64)> = total.into_iter().filter(|(word, _)| !word.is_empty()).collect();
    words.sort_unstable();
    Ok(words)
}

/// The trainer gives letters that EM has dropped the least score, and a little more for each, in the order of
/// a hash table. Here in the order of the letters, and pieces of equal score in theirs.
fn in_fixed_order(model: &Unigram, specials: usize, unknown: Option<usize>) -> tokenizers::Result<Unigram> {
    let mut pieces: Vec<(String, f64)> = model.iter().cloned().collect();
    let learnt = &mut pieces[specials..];
    let mut letters: Vec<usize> = (0..learnt.len()).filter(|&i| learnt[i].0.chars().count() == 1).collect();
    letters.sort_by(|&a, &b| learnt[a].1.total_cmp(&learnt[b].1));
    let least = letters.first().map_or(0.0, |&first| learnt[first].1);
    // The scores min, min + δ, min + 2δ, … added up as the trainer does.
    let (mut penalty, mut dropped) = (0.0, Vec::new());
    loop {
        let same: Vec<usize> = letters.iter().copied().filter(|&i| learnt[i].1 == least + penalty).collect();
        if same.is_empty() {
            break;
        }
        dropped.extend(same);
        penalty += 0.0001;
    }
    let scores: Vec<f64> = dropped.iter().map(|&i| learnt[i].1).collect();
    let mut texts: Vec<String> = dropped.iter().map(|&i| learnt[i].0.clone()).collect();
    texts.sort_unstable();
    for ((&place, text), score) in dropped.iter().zip(texts).zip(scores) {
        learnt[place] = (text, score);
    }
    learnt.sort_by(|(a, of_a), (b, of_b)| of_b.total_cmp(of_a).then_with(|| a.cmp(b)));
    Unigram::from(pieces, unknown, model.byte_fallback())
}

fn failed(argument: &'static str, error: &(impl std::fmt::Display + ?Sized)) -> Error {
    Error::argument(argument, "what a tokeniser can be learnt from", error)
}
