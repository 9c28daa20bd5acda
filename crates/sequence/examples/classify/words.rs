//! Words and the language each is of: invented ones, or lines of a table.

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use fornax_prep::text::{CsvRecords, CsvTextSpec};
use fornax_prep::{Key, Limits};

use crate::Outcome;

/// How the words of an invented language are made: one to four syllables of an onset, a vowel and, if any, a coda, then an ending.
struct Language {
    name: &'static str,
    onsets: &'static [&'static str],
    vowels: &'static [&'static str],
    codas: &'static [&'static str],
    endings: &'static [&'static str],
}

/// They share most letters; what tells them apart is what may follow what.
const LANGUAGES: [Language; 6] = [
    Language {
        name: "Kelu",
        onsets: &["k", "l", "m", "n", "p", "t", "w", ""],
        vowels: &["a", "e", "i", "o", "u"],
        codas: &[""],
        endings: &["", "i", "a"],
    },
    Language {
        name: "Vorsk",
        onsets: &["v", "sk", "br", "zd", "gr", "m", "str"],
        vowels: &["a", "o", "e", "y"],
        codas: &["r", "sk", "v", "n", "lg", ""],
        endings: &["", "ov", "ik", "na"],
    },
    Language {
        name: "Aniel",
        onsets: &["l", "n", "r", "th", "f", "m", ""],
        vowels: &["ia", "ae", "e", "i", "a", "io"],
        codas: &["l", "n", "r", ""],
        endings: &["iel", "e", "ien", ""],
    },
    Language {
        name: "Tsumi",
        onsets: &["ts", "sh", "k", "m", "r", "n", "h"],
        vowels: &["a", "i", "u", "o", "ou"],
        codas: &["", "", "n"],
        endings: &["", "ko", "mi"],
    },
    Language {
        name: "Gharad",
        onsets: &["gh", "kh", "q", "r", "d", "sh", "m"],
        vowels: &["a", "aa", "i", "u"],
        codas: &["d", "r", "sh", "l", "m"],
        endings: &["", "a", "iyya"],
    },
    Language {
        name: "Bloum",
        onsets: &["bl", "ch", "pr", "v", "s", "m", "j"],
        vowels: &["ou", "eau", "é", "a", "ui", "on"],
        codas: &["", "", "t", "r"],
        endings: &["e", "ette", "eux", ""],
    },
];

/// Labelled words and everything needed to read them.
pub(crate) struct Words {
    pub(crate) words: Vec<Vec<char>>,
    pub(crate) labels: Vec<usize>,
    pub(crate) names: Vec<String>,
    pub(crate) alphabet: Vec<char>,
}

impl Words {
    /// `count` words of each invented language. The same word may come from two of them; nobody can tell those apart.
    pub(crate) fn invented(seed: u64, count: u64) -> Self {
        let mut rows = Vec::new();
        for (label, language) in LANGUAGES.iter().enumerate() {
            for index in 0..count {
                let mut stream = Key::new(seed).fold(label as u64).fold(index).stream();
                let mut pick = |parts: &[&'static str]| parts[stream.below(parts.len() as u64) as usize];
                let syllables = pick(&["x", "xx", "xx", "xxx", "xxx", "xxxx"]).len();
                let mut word = String::new();
                for _ in 0..syllables {
                    word += pick(language.onsets);
                    word += pick(language.vowels);
                    word += pick(language.codas);
                }
                word += pick(language.endings);
                rows.push((word, language.name.to_owned()));
            }
        }
        Self::new(rows)
    }

    /// The lines of a CSV file with a header that has these two columns.
    pub(crate) fn read(path: &Path, text: &str, label: &str) -> Outcome<Self> {
        let mut rows = Vec::new();
        for record in CsvRecords::open(path, &CsvTextSpec::new([text, label]), &Limits::default())? {
            let record = record?;
            let word = record.text(text)?;
            if word.is_empty() {
                return Err(format!("{}: line {}: {text} is empty", path.display(), record.line()).into());
            }
            rows.push((word.to_owned(), record.label(label)?));
        }
        let words = Self::new(rows);
        if words.names.len() < 2 {
            return Err(
                format!("{}: {} classes, expected at least 2", path.display(), words.names.len()).into()
            );
        }
        Ok(words)
    }

    fn new(rows: Vec<(String, String)>) -> Self {
        let mut names: Vec<String> = rows.iter().map(|(_, label)| label.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let words: Vec<Vec<char>> = rows.iter().map(|(word, _)| word.chars().collect()).collect();
        let mut alphabet: Vec<char> = words.iter().flatten().copied().collect();
        alphabet.sort_unstable();
        alphabet.dedup();
        let labels = rows.iter().map(|(_, label)| names.binary_search(label).unwrap_or(0)).collect();
        Self { words, labels, names, alphabet }
    }

    /// Some words: one-hot characters `[batch, longest, alphabet]`, their lengths, and their classes.
    pub(crate) fn batch(
        &self,
        indices: &[usize],
        device: &Device,
    ) -> (Tensor<3>, Vec<usize>, Tensor<1, Int>) {
        let lengths: Vec<usize> = indices.iter().map(|&index| self.words[index].len()).collect();
        let (longest, width) = (lengths.iter().copied().max().unwrap_or(0), self.alphabet.len());
        let mut values = vec![0.0f32; indices.len() * longest * width];
        for (row, &index) in indices.iter().enumerate() {
            for (step, character) in self.words[index].iter().enumerate() {
                if let Ok(letter) = self.alphabet.binary_search(character) {
                    values[(row * longest + step) * width + letter] = 1.0;
                }
            }
        }
        let inputs = Tensor::from_data(TensorData::new(values, [indices.len(), longest, width]), device);
        let labels: Vec<i64> = indices.iter().map(|&index| self.labels[index] as i64).collect();
        (inputs, lengths, Tensor::from_data(TensorData::new(labels, [indices.len()]), device))
    }
}
