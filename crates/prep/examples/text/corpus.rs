//! The text that is learnt from.

use std::path::Path;

use fornax_prep::text::Lines;
use fornax_prep::{Error, Limits};

/// This crate's sources, of which the documentation is taken.
const SOURCES: [&str; 36] = [
    include_str!("../../src/lib.rs"),
    include_str!("../../src/digits.rs"),
    include_str!("../../src/error.rs"),
    include_str!("../../src/limits.rs"),
    include_str!("../../src/partition/mod.rs"),
    include_str!("../../src/random.rs"),
    include_str!("../../src/source.rs"),
    include_str!("../../src/image/mod.rs"),
    include_str!("../../src/image/augment.rs"),
    include_str!("../../src/image/csv.rs"),
    include_str!("../../src/image/decode.rs"),
    include_str!("../../src/image/folder.rs"),
    include_str!("../../src/image/idx.rs"),
    include_str!("../../src/image/normalise.rs"),
    include_str!("../../src/image/open.rs"),
    include_str!("../../src/image/sample.rs"),
    include_str!("../../src/image/set.rs"),
    include_str!("../../src/text/mod.rs"),
    include_str!("../../src/text/batch.rs"),
    include_str!("../../src/text/buckets.rs"),
    include_str!("../../src/text/normalise.rs"),
    include_str!("../../src/text/tokenizer.rs"),
    include_str!("../../src/text/train.rs"),
    include_str!("../../src/text/vocabulary.rs"),
    include_str!("../../src/text/windows.rs"),
    include_str!("../../src/text/series.rs"),
    include_str!("../../src/text/word_piece.rs"),
    include_str!("../../src/text/read/mod.rs"),
    include_str!("../../src/text/read/csv.rs"),
    include_str!("../../src/text/read/lines.rs"),
    include_str!("../../src/worlds/mod.rs"),
    include_str!("../../src/worlds/curves.rs"),
    include_str!("../../src/worlds/densities.rs"),
    include_str!("../../src/worlds/digit_scenes.rs"),
    include_str!("../../src/worlds/shapes.rs"),
    include_str!("../../src/worlds/tasks/dates.rs"),
];

/// What English has not prepared anybody for.
pub(crate) const FOREIGN: [&str; 2] = [
    "Сеть не читает букв, она читает числа, и у каждого числа есть своя строка в таблице.",
    "Слово, которого не было в обучающем тексте, распадается на отдельные байты.",
];

/// The lines of a file, or of the documentation: whatever follows `//!` and `///`.
pub(crate) fn load(file: Option<&Path>) -> Result<Vec<String>, Error> {
    if let Some(file) = file {
        // A text that is learnt from may be larger than what is taken for granted.
        let limits = Limits { file_bytes: u64::MAX, ..Limits::default() };
        return Lines::open(file, &limits)?.collect();
    }
    let comment = |line: &'static str| {
        let line = line.trim_start();
        line.strip_prefix("//!").or_else(|| line.strip_prefix("///"))
    };
    let documentation = SOURCES.iter().flat_map(|source| source.lines()).filter_map(comment);
    let readme = include_str!("../../README.md").lines();
    let lines = documentation.chain(readme).map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(str::to_owned).collect())
}
