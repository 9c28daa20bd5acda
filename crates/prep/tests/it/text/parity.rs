//! The numbers and texts of the Python library, from `xtask/reference/parity/prep_text.py`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fornax_prep::Limits;
use fornax_prep::text::Tokenizer;
use sha2::{Digest, Sha256};

use super::mixed_lines::{COUNT, line};

const BLOCK: usize = 100;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Every entry's values, all of which are whole numbers.
fn expected() -> BTreeMap<String, Vec<u32>> {
    let text = std::fs::read_to_string(fixtures().join("tokenizers.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let entries = file["entries"].as_object().unwrap().iter();
    entries
        .map(|(name, entry)| {
            let values = entry["values"].as_array().unwrap().iter();
            (name.clone(), values.map(|value| value.as_u64().unwrap() as u32).collect())
        })
        .collect()
}

fn digest(bytes: &[u8]) -> Vec<u32> {
    Sha256::digest(bytes).iter().map(|&byte| u32::from(byte)).collect()
}

fn lines() -> Vec<String> {
    (0..COUNT).map(line).collect()
}

#[test]
fn both_sides_make_the_same_lines() {
    let all: String = lines().iter().map(|line| format!("{line}\n")).collect();
    assert_eq!(digest(all.as_bytes()), expected()["lines"]);
}

fn assert_same(name: &str) {
    let (expected, lines) = (expected(), lines());
    let path = fixtures().join("tokenizers").join(format!("{name}.json"));
    let tokenizer = Tokenizer::load(&path, &Limits::default()).unwrap();
    for (index, line) in lines[..12].iter().enumerate() {
        let ids = tokenizer.encode(line).unwrap();
        assert_eq!(ids, expected[&format!("{name} line {index}")], "{line:?}");
    }
    let mut blocks = 0;
    for (block, lines) in lines.chunks(BLOCK).enumerate() {
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        for ids in tokenizer.encode_batch(lines).unwrap() {
            numbers.extend((ids.len() as u32).to_le_bytes());
            ids.iter().for_each(|id| numbers.extend(id.to_le_bytes()));
            texts.extend(tokenizer.decode(&ids).unwrap().into_bytes());
            texts.push(b'\n');
        }
        let start = block * BLOCK;
        assert_eq!(digest(&numbers), expected[&format!("{name} ids {start}")], "ids from line {start}");
        assert_eq!(digest(&texts), expected[&format!("{name} texts {start}")], "texts from line {start}");
        blocks += 1;
    }
    assert_eq!(blocks, 24);

    // Saved and read again it is the same.
    let again = Tokenizer::from_json(tokenizer.to_json().unwrap().as_bytes(), &Limits::default()).unwrap();
    for line in &lines[..120] {
        assert_eq!(again.encode(line).unwrap(), tokenizer.encode(line).unwrap());
    }
}

#[test]
fn bpe_gives_the_library_s_numbers() {
    assert_same("bpe");
}

#[test]
fn word_piece_gives_the_library_s_numbers() {
    assert_same("word_piece");
}

#[test]
fn unigram_gives_the_library_s_numbers() {
    assert_same("unigram");
}
