//! Words and their numbers.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Which words get a number; pure data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VocabularyConfig {
    /// Words seen less often are unknown. Default: 1, every word counts.
    pub min_frequency: u64,
    /// Most words there may be, special ones included; the rarest are left out. Default: no bound.
    pub max_size: Option<usize>,
    /// Words with the first numbers, whether seen or not. Default: `<pad>`, `<unk>`.
    pub specials: Vec<String>,
    /// Which of the special words stands for all that are not here; without one, they are an error. Default:
    /// `<unk>`.
    pub unknown: Option<String>,
}

impl Default for VocabularyConfig {
    fn default() -> Self {
        Self {
            min_frequency: 1,
            max_size: None,
            specials: ["<pad>", "<unk>"].map(str::to_owned).to_vec(),
            unknown: Some("<unk>".to_owned()),
        }
    }
}

/// A bijection between words and the numbers below [`len`](Self::len): special words first, then by falling
/// frequency, equally frequent ones in the order of their code points. A function of the counts, not of the
/// order of the text.
///
/// ```
/// use fornax_prep::text::{Vocabulary, VocabularyConfig};
///
/// let words = "to be or not to be".split(' ');
/// let vocabulary = Vocabulary::from_words(words, &VocabularyConfig::default())?;
/// assert_eq!(vocabulary.tokens(), ["<pad>", "<unk>", "be", "to", "not", "or"]);
/// assert_eq!(vocabulary.encode("to sleep".split(' '))?, [3, 1]);
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Vocabulary {
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
    unknown: Option<u32>,
}

/// How it is written down.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    tokens: Vec<String>,
    unknown: Option<u32>,
}

impl Vocabulary {
    /// Counts words and numbers them.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] as for [`from_counts`](Self::from_counts).
    pub fn from_words<S: AsRef<str>>(
        words: impl IntoIterator<Item = S>,
        config: &VocabularyConfig,
    ) -> Result<Self, Error> {
        let mut counts: HashMap<String, u64> = HashMap::new();
        for word in words {
            let word = word.as_ref();
            match counts.get_mut(word) {
                Some(count) => *count += 1,
                None => drop(counts.insert(word.to_owned(), 1)),
            }
        }
        Self::from_counts(counts, config)
    }

    /// Numbers words by how often they were seen.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when a special word occurs twice, `unknown` is not among them, or `max_size` has
    /// no room for them.
    pub fn from_counts(
        counts: impl IntoIterator<Item = (String, u64)>,
        config: &VocabularyConfig,
    ) -> Result<Self, Error> {
        if let Some(unknown) = &config.unknown
            && !config.specials.contains(unknown)
        {
            return Err(Error::argument("unknown", "one of the special words", unknown));
        }
        let room = config.max_size.unwrap_or(u32::MAX as usize).min(u32::MAX as usize);
        if room < config.specials.len() {
            let expected = format!("room for the {} special words", config.specials.len());
            return Err(Error::argument("max_size", expected, room));
        }
        let mut words: Vec<(String, u64)> = counts
            .into_iter()
            .filter(|(word, count)| *count >= config.min_frequency && !config.specials.contains(word))
            .collect();
        words.sort_unstable_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
        words.truncate(room - config.specials.len());
        let tokens = config.specials.iter().cloned().chain(words.into_iter().map(|(word, _)| word)).collect();
        let unknown = config.unknown.as_ref().and_then(|unknown| {
            config.specials.iter().position(|special| special == unknown).map(|id| id as u32)
        });
        Self::new(tokens, unknown)
    }

    /// The words in the order of their numbers, and the number of the unknown one.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when a word occurs twice or `unknown` is not below their number.
    pub fn new(tokens: Vec<String>, unknown: Option<u32>) -> Result<Self, Error> {
        if let Some(unknown) = unknown.filter(|&unknown| unknown as usize >= tokens.len()) {
            return Err(Error::argument("unknown", format!("a number below {}", tokens.len()), unknown));
        }
        let mut ids = HashMap::with_capacity(tokens.len());
        for (id, token) in tokens.iter().enumerate() {
            if let Some(first) = ids.insert(token.clone(), id as u32) {
                let expected = "every word once";
                return Err(Error::argument(
                    "tokens",
                    expected,
                    format_args!("{token:?} as {first} and {id}"),
                ));
            }
        }
        Ok(Self { tokens, ids, unknown })
    }

    /// How many words there are, V.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The words in the order of their numbers.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// The number of a word, if it has one.
    pub fn id(&self, word: &str) -> Option<u32> {
        self.ids.get(word).copied()
    }

    /// The word of a number.
    pub fn token(&self, id: u32) -> Option<&str> {
        self.tokens.get(id as usize).map(String::as_str)
    }

    /// The number of the word that stands for unknown ones.
    pub fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// The numbers of words.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] naming the first word that has no number, when none stands for the unknown.
    pub fn encode<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> Result<Vec<u32>, Error> {
        let number = |word: S| {
            let word = word.as_ref();
            self.id(word).or(self.unknown).ok_or_else(|| {
                Error::argument(
                    "words",
                    "words of the vocabulary, or one for the unknown",
                    format!("{word:?}"),
                )
            })
        };
        words.into_iter().map(number).collect()
    }

    /// The words of numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a number that is not below [`len`](Self::len).
    pub fn decode(&self, ids: &[u32]) -> Result<Vec<&str>, Error> {
        let word = |&id: &u32| {
            self.token(id).ok_or_else(|| Error::argument("ids", format!("numbers below {}", self.len()), id))
        };
        ids.iter().map(word).collect()
    }
}

impl TryFrom<Stored> for Vocabulary {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self, Error> {
        Self::new(stored.tokens, stored.unknown)
    }
}

impl From<Vocabulary> for Stored {
    fn from(vocabulary: Vocabulary) -> Self {
        Self { tokens: vocabulary.tokens, unknown: vocabulary.unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "b a c a b a d <unk> e e e e";

    fn made(config: VocabularyConfig) -> Result<Vocabulary, Error> {
        Vocabulary::from_words(TEXT.split(' '), &config)
    }

    #[test]
    fn rare_words_and_those_beyond_the_size_are_left_out() {
        let all = made(VocabularyConfig::default()).unwrap();
        assert_eq!(all.tokens(), ["<pad>", "<unk>", "e", "a", "b", "c", "d"]);
        let frequent = made(VocabularyConfig { min_frequency: 2, ..Default::default() }).unwrap();
        assert_eq!(frequent.tokens(), ["<pad>", "<unk>", "e", "a", "b"]);
        let small = made(VocabularyConfig { max_size: Some(4), ..Default::default() }).unwrap();
        assert_eq!(small.tokens(), ["<pad>", "<unk>", "e", "a"]);
        assert_eq!(small.encode(["e", "b", "<pad>"]).unwrap(), [2, 1, 0]);
        assert_eq!(small.decode(&[3, 2]).unwrap(), ["a", "e"]);
    }

    #[test]
    fn without_a_word_for_the_unknown_they_are_an_error() {
        let config = VocabularyConfig { specials: vec![], unknown: None, ..Default::default() };
        let vocabulary = made(config).unwrap();
        let message = vocabulary.encode(["a", "zebra"]).unwrap_err().to_string();
        assert!(message.contains("\"zebra\""), "{message}");
        assert!(vocabulary.decode(&[99]).unwrap_err().to_string().contains("below 6"));
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let twice = vec!["<unk>".to_owned(), "<unk>".to_owned()];
        for (config, field) in [
            (VocabularyConfig { specials: vec![], ..Default::default() }, "unknown"),
            (VocabularyConfig { max_size: Some(1), ..Default::default() }, "max_size"),
            (VocabularyConfig { specials: twice, ..Default::default() }, "tokens"),
        ] {
            let message = made(config).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{field}: expected")), "{message}");
        }
        assert!(Vocabulary::new(vec!["a".to_owned()], Some(1)).is_err());
    }

    #[test]
    fn it_survives_json_and_a_broken_one_is_refused() {
        let vocabulary = made(VocabularyConfig::default()).unwrap();
        let json = serde_json::to_string(&vocabulary).unwrap();
        assert_eq!(serde_json::from_str::<Vocabulary>(&json).unwrap(), vocabulary);
        assert!(serde_json::from_str::<Vocabulary>(r#"{"tokens": ["a", "a"], "unknown": null}"#).is_err());
    }
}
