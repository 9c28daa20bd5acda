//! The text, as characters.

use std::path::Path;

use fornax_prep::text::Vocabulary;

use crate::Outcome;

/// The project's own documentation.
const DOCUMENTS: [&str; 10] = [
    include_str!("../../../../README.md"),
    include_str!("../../../../docs/guide/README.md"),
    include_str!("../../../../docs/guide/0-elements.md"),
    include_str!("../../../../docs/guide/0.1-inputs.md"),
    include_str!("../../../../docs/guide/1-cnn.md"),
    include_str!("../../../../docs/guide/3-sequences.md"),
    include_str!("../../../../docs/architecture.md"),
    include_str!("../../../../docs/contributing.md"),
    include_str!("../../../../docs/log.md"),
    include_str!("../../../../crates/nn-core/README.md"),
];
/// Longest text of one's own, in bytes.
const LIMIT: u64 = 64 << 20;

/// A text as numbers, its end kept for validation.
pub(crate) struct Corpus {
    pub(crate) vocabulary: Vocabulary,
    pub(crate) train: Vec<u32>,
    pub(crate) val: Vec<u32>,
}

impl Corpus {
    /// Reads a file, or the documentation; the last tenth is for validation.
    pub(crate) fn load(path: Option<&Path>) -> Outcome<Self> {
        let text = match path {
            None => DOCUMENTS.join("\n"),
            Some(path) => {
                let bytes =
                    std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.len();
                if bytes > LIMIT {
                    return Err(format!("{}: {bytes} bytes, at most {LIMIT} are read", path.display()).into());
                }
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?
            }
        };
        let mut characters: Vec<String> = text.chars().map(String::from).collect();
        let all = characters.clone();
        characters.sort_unstable();
        characters.dedup();
        let vocabulary = Vocabulary::new(characters, None)?;
        let mut train = vocabulary.encode(&all)?;
        let val = train.split_off(train.len() / 10 * 9);
        Ok(Self { vocabulary, train, val })
    }

    /// The text that these numbers stand for.
    pub(crate) fn text(&self, ids: &[u32]) -> Outcome<String> {
        Ok(self.vocabulary.decode(ids)?.concat())
    }
}
