//! From text to numbers and back.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use serde_json::Value;

use super::guard;
use crate::source::Source;
use crate::{Error, Limits, Problem, json};

/// What a file is called in errors.
const FORMAT: &str = "a tokenizer.json";

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its number.
    pub id: u32,
    /// Its name in the vocabulary; of a byte-level token the bytes in visible stand-ins, `Ġ` for a space.
    pub token: String,
    /// The bytes of the text it covers; tokens that were added, such as `[CLS]`, cover none.
    pub range: Range<usize>,
}

/// Cuts text into tokens and puts it together again: characters, words, byte-level BPE, WordPiece or Unigram.
///
/// Learnt by [`TokenizerConfig`](super::TokenizerConfig) or read from a `tokenizer.json`, the format of
/// Hugging Face's tokenizers library, which computes here as well. So files of published models give the
/// numbers those models were trained on, and what is saved here loads there. Three things in a file are not
/// taken over: padding and truncation, which are the batch's affair ([`Padding`](super::Padding),
/// [`Truncation`](super::Truncation)), and BPE's random dropout, under which the same text would not be the
/// same numbers.
///
/// ```
/// use fornax_prep::text::TokenizerConfig;
///
/// let tokenizer = TokenizerConfig::characters().train(["hello"])?;
/// assert_eq!(tokenizer.vocab_size(), 6); // <pad>, <unk>, l, e, h, o
/// let ids = tokenizer.encode("hole")?;
/// assert_eq!(ids, [4, 5, 2, 3]);
/// assert_eq!(tokenizer.decode(&ids)?, "hole");
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("tokenizer.json");
/// tokenizer.save(&path)?;
/// let read = fornax_prep::text::Tokenizer::load(&path, &fornax_prep::Limits::default())?;
/// assert_eq!(read.encode("hole")?, ids);
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
}

impl Tokenizer {
    pub(super) fn from_trained(inner: tokenizers::Tokenizer) -> Self {
        Self { inner }
    }

    /// Reads a `tokenizer.json`, plain or gzip.
    ///
    /// The library that computes trusts its files: an empty piece makes it run for ever, a merge of unknown
    /// tokens makes it panic, a table of characters makes it reserve what it claims. So a file is looked
    /// through before it gets there.
    ///
    /// # Errors
    ///
    /// [`Error::File`] with the field that is wrong: not JSON, over `limits.tokenizer_bytes`, nested deeper
    /// than `limits.json_nesting`, or contradicting itself.
    pub fn load(path: &Path, limits: &Limits) -> Result<Self, Error> {
        let json = whole_text(path, limits)?;
        Self::parse(&json, limits).map_err(|problem| Error::file(path, problem))
    }

    /// The same from memory.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] with what [`load`](Self::load) would say.
    pub fn from_json(json: &[u8], limits: &Limits) -> Result<Self, Error> {
        Self::parse(json, limits).map_err(|problem| Error::argument("json", FORMAT, problem))
    }

    fn parse(json: &[u8], limits: &Limits) -> Result<Self, Problem> {
        let found = json.len() as u64;
        if found > limits.tokenizer_bytes {
            let (limit, allowed) = ("tokenizer_bytes", limits.tokenizer_bytes);
            return Err(Problem::OverLimit { limit, allowed, found });
        }
        json::check_nesting(json, limits)?;
        let invalid = |reason: String| Problem::Invalid { format: FORMAT, reason };
        let mut file: Value =
            serde_json::from_slice(json).map_err(|error| invalid(format!("not JSON: {error}")))?;
        guard::check(&mut file).map_err(|refusal| invalid(refusal.to_string()))?;
        let inner: tokenizers::Tokenizer =
            serde_json::from_value(file).map_err(|error| invalid(error.to_string()))?;
        Ok(Self { inner })
    }

    /// Writes a `tokenizer.json`, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let at = |error: std::io::Error| Error::file(path, error);
        let json = self.to_json()?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(".part");
        std::fs::write(&beside, json)
            .and_then(|()| std::fs::rename(&beside, path))
            .inspect_err(|_| drop(std::fs::remove_file(&beside)))
            .map_err(at)
    }

    /// What [`save`](Self::save) writes.
    ///
    /// # Errors
    ///
    /// None that is known: [`Error::Argument`] when the library cannot write what it has made.
    pub fn to_json(&self) -> Result<String, Error> {
        self.inner.to_string(true).map_err(|error| Error::argument("tokenizer", FORMAT, error))
    }

    /// How many tokens there are, V: every number is below it, unless a file leaves gaps.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The number of a token.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token of a number.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The numbers of a text's tokens, with those that the file adds around it (BERT's `[CLS]` and `[SEP]`);
    /// a tokeniser learnt here adds none.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when the text has a part for which there is no token, not even an unknown one.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.numbers(text, true)
    }

    /// The numbers of a text's tokens and nothing around them.
    ///
    /// # Errors
    ///
    /// As for [`encode`](Self::encode).
    pub fn encode_bare(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.numbers(text, false)
    }

    fn numbers(&self, text: &str, around: bool) -> Result<Vec<u32>, Error> {
        let encoded = self.inner.encode_fast(text, around).map_err(|error| cannot_encode(&*error))?;
        Ok(encoded.get_ids().to_vec())
    }

    /// Many texts, on all cores; as [`encode`](Self::encode) each.
    ///
    /// # Errors
    ///
    /// As for [`encode`](Self::encode), of the first text that has one.
    pub fn encode_batch<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Vec<Vec<u32>>, Error> {
        let encoded: Vec<_> = texts.par_iter().map(|text| self.encode(text.as_ref())).collect();
        // The first error is the same whatever thread was faster.
        encoded.into_iter().collect()
    }

    /// A text's tokens with the places they cover.
    ///
    /// # Errors
    ///
    /// As for [`encode`](Self::encode).
    pub fn pieces(&self, text: &str) -> Result<Vec<Piece>, Error> {
        let encoded = self.inner.encode(text, true).map_err(|error| cannot_encode(&*error))?;
        let tokens = encoded.get_ids().iter().zip(encoded.get_tokens()).zip(encoded.get_offsets());
        Ok(tokens
            .map(|((&id, token), &(start, end))| Piece { id, token: token.clone(), range: start..end })
            .collect())
    }

    /// The text of numbers, special tokens left out.
    ///
    /// Byte-level BPE gives back exactly what was encoded; the others what their normalisation and their
    /// unknown token left of it. Words are joined by single spaces.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a number that no token has.
    pub fn decode(&self, ids: &[u32]) -> Result<String, Error> {
        self.text(ids, true)
    }

    /// The text of numbers, special tokens written out.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a number that no token has.
    pub fn decode_all(&self, ids: &[u32]) -> Result<String, Error> {
        self.text(ids, false)
    }

    fn text(&self, ids: &[u32], skip_specials: bool) -> Result<String, Error> {
        if let Some(&id) = ids.iter().find(|&&id| self.id_to_token(id).is_none()) {
            let expected = format!("numbers of the {} tokens", self.vocab_size());
            return Err(Error::argument("ids", expected, id));
        }
        let decoded = self.inner.decode(ids, skip_specials);
        decoded.map_err(|error| Error::argument("ids", "tokens that make a text", error))
    }
}

fn cannot_encode(error: &(impl std::fmt::Display + ?Sized)) -> Error {
    Error::argument("text", "a text that the tokeniser has tokens for", error)
}

/// A file's text, bounded by what a tokeniser may take.
fn whole_text(path: &Path, limits: &Limits) -> Result<Vec<u8>, Error> {
    let bytes = limits.tokenizer_bytes;
    let mut source = Source::open(path, &Limits { line_bytes: bytes, file_bytes: bytes, ..*limits })
        .map_err(|error| renamed(error, "file_bytes"))?;
    let mut text = Vec::new();
    while let Some(line) = source.line().map_err(|error| renamed(error, "line_bytes"))? {
        let found = (text.len() + line.len()) as u64 + 1;
        if found > bytes.saturating_add(1) {
            let problem = Problem::OverLimit { limit: "tokenizer_bytes", allowed: bytes, found };
            return Err(Error::file(path, problem));
        }
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    Ok(text)
}

/// An error of a limit that stood in for `tokenizer_bytes`.
fn renamed(error: Error, stand_in: &str) -> Error {
    match error {
        Error::File { path, problem: Problem::OverLimit { limit, allowed, found } } if limit == stand_in => {
            Error::File { path, problem: Problem::OverLimit { limit: "tokenizer_bytes", allowed, found } }
        }
        other => other,
    }
}
