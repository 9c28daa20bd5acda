//! What a `tokenizer.json` may hold before it is handed to the library that computes.
//!
//! Parts are looked at by their kind, which must be stated, and everything that would make the library panic,
//! run for ever or grow without bound is refused by name.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde_json::{Map, Value};

use super::charsmap;

/// Gaps that a vocabulary's numbers may leave, and the tokens that may be added to it.
const SPARE_IDS: u64 = 1_000_000;
/// Bytes of a piece of Unigram: its tree is as deep as its longest piece is long.
const PIECE_BYTES: usize = 1024;
/// Bytes of a regular expression.
const PATTERN_BYTES: usize = 16 << 10;
/// How many times longer a text may become by replacements, one after the other.
const GROWTH: usize = 4096;
/// Parts of one kind: normalisers, pre-tokenisers, processors, decoders.
const PARTS: usize = 32;

/// Why a file is not handed on.
#[derive(Debug)]
pub(super) struct Refusal {
    field: String,
    expected: String,
    found: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: expected {}; found {}", self.field, self.expected, self.found)
    }
}

type Checked<T = ()> = Result<T, Refusal>;

fn refusal<T>(field: impl fmt::Display, expected: impl fmt::Display, found: impl fmt::Display) -> Checked<T> {
    let mut found = found.to_string();
    if let Some((end, _)) = found.char_indices().nth(120) {
        found.truncate(end);
        found.push('…');
    }
    Err(Refusal { field: field.to_string(), expected: expected.to_string(), found })
}

/// A value as an error shows it.
fn shown(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::Array(items)) => format!("a list of {}", items.len()),
        Some(Value::Object(fields)) => format!("an object of {}", fields.len()),
        Some(Value::String(text)) => format!("{:?}", text.chars().take(100).collect::<String>()),
        Some(other) => other.to_string(),
    }
}

/// Looks through a file; takes padding, truncation and dropout out of it and names its model if it does not.
pub(super) fn check(file: &mut Value) -> Checked {
    let Value::Object(file) = file else { return refusal("file", "an object", shown(Some(file))) };
    if file.get("version").is_some_and(|version| version != "1.0") {
        return refusal("version", "\"1.0\"", shown(file.get("version")));
    }
    file.insert("truncation".to_owned(), Value::Null);
    file.insert("padding".to_owned(), Value::Null);
    let tokens = match file.get_mut("model") {
        Some(Value::Object(model)) => check_model(model)?,
        other => return refusal("model", "an object", shown(other.as_deref())),
    };
    check_added(file.get("added_tokens"), tokens)?;
    for (field, check_part) in [
        ("normalizer", check_normaliser as Part),
        ("pre_tokenizer", check_pre_tokeniser),
        ("decoder", check_decoder),
    ] {
        let mut seen = Seen { growth: 1, ..Seen::default() };
        check_parts(field, file.get(field), check_part, &mut seen)?;
    }
    check_parts("post_processor", file.get("post_processor"), check_processor, &mut Seen::default())
}

/// What has been seen of the parts of one kind.
#[derive(Default)]
struct Seen {
    parts: usize,
    growth: usize,
    byte_level: bool,
    table: bool,
}

type Part = fn(&str, &str, &Map<String, Value>, &mut Seen) -> Checked;

/// A part, or a sequence of parts.
fn check_parts(field: &str, part: Option<&Value>, check: Part, seen: &mut Seen) -> Checked {
    let fields = match part {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(fields)) => fields,
        other => return refusal(field, "an object with a \"type\"", shown(other)),
    };
    let Some(kind) = fields.get("type").and_then(Value::as_str) else {
        return refusal(format_args!("{field}.type"), "the name of a kind", shown(fields.get("type")));
    };
    seen.parts += 1;
    if seen.parts > PARTS {
        return refusal(field, format_args!("at most {PARTS} parts"), "more");
    }
    if kind != "Sequence" {
        return check(field, kind, fields, seen);
    }
    let list = match field {
        "normalizer" => "normalizers",
        "pre_tokenizer" => "pretokenizers",
        "post_processor" => "processors",
        _ => "decoders",
    };
    let Some(parts) = fields.get(list).and_then(Value::as_array) else {
        return refusal(format_args!("{field}.{list}"), "a list", shown(fields.get(list)));
    };
    for part in parts {
        if !part.is_object() {
            return refusal(format_args!("{field}.{list}"), "objects", shown(Some(part)));
        }
        check_parts(field, Some(part), check, seen)?;
    }
    Ok(())
}

fn check_normaliser(field: &str, kind: &str, fields: &Map<String, Value>, seen: &mut Seen) -> Checked {
    match kind {
        "Replace" => check_replacement(field, fields, seen),
        "Prepend" => grow(field, fields.get("prepend"), seen),
        "ByteLevel" => once(field, kind, &mut seen.byte_level),
        "Precompiled" => {
            once(field, kind, &mut seen.table)?;
            let name = format!("{field}.precompiled_charsmap");
            let Some(table) = fields.get("precompiled_charsmap").and_then(Value::as_str) else {
                return refusal(name, "a text in base 64", shown(fields.get("precompiled_charsmap")));
            };
            charsmap::check(table).or_else(|(expected, found)| refusal(name, expected, found))
        }
        _ => Ok(()),
    }
}

fn check_pre_tokeniser(field: &str, kind: &str, fields: &Map<String, Value>, seen: &mut Seen) -> Checked {
    match kind {
        "ByteLevel" => once(field, kind, &mut seen.byte_level),
        "Split" => check_pattern(field, fields),
        "FixedLength"
            if fields.get("length").is_some_and(|length| length.as_u64().is_none_or(|n| n == 0)) =>
        {
            refusal(format_args!("{field}.length"), "at least 1", shown(fields.get("length")))
        }
        _ => Ok(()),
    }
}

fn check_decoder(field: &str, kind: &str, fields: &Map<String, Value>, seen: &mut Seen) -> Checked {
    match kind {
        "Replace" => check_replacement(field, fields, seen),
        // It cuts beyond a token's start where a token is shorter.
        "Strip" if fields.get("stop").is_some_and(|stop| stop.as_u64() != Some(0)) => {
            refusal(format_args!("{field}.stop"), "0", shown(fields.get("stop")))
        }
        _ => Ok(()),
    }
}

fn once(field: &str, kind: &str, seen: &mut bool) -> Checked {
    if std::mem::replace(seen, true) {
        return refusal(field, format_args!("{kind} once"), "it again");
    }
    Ok(())
}

fn check_replacement(field: &str, fields: &Map<String, Value>, seen: &mut Seen) -> Checked {
    check_pattern(field, fields)?;
    grow(field, fields.get("content"), seen)
}

/// Each replacement may put its content in the place of one byte.
fn grow(field: &str, content: Option<&Value>, seen: &mut Seen) -> Checked {
    let Some(content) = content.and_then(Value::as_str) else {
        return refusal(field, "a text to put in", shown(content));
    };
    seen.growth = seen.growth.saturating_mul(content.len().max(1));
    if seen.growth > GROWTH {
        let expected = format!("replacements that make a text at most {GROWTH} times longer");
        return refusal(field, expected, seen.growth);
    }
    Ok(())
}

fn check_pattern(field: &str, fields: &Map<String, Value>) -> Checked {
    let name = format!("{field}.pattern");
    let pattern = fields.get("pattern");
    let text = pattern.and_then(|pattern| pattern.get("String").or_else(|| pattern.get("Regex")));
    match text.and_then(Value::as_str) {
        None => refusal(name, "{\"String\": …} or {\"Regex\": …}", shown(pattern)),
        Some("") => refusal(name, "a pattern of at least one character", "an empty one"),
        Some(text) if text.len() > PATTERN_BYTES => {
            refusal(name, format_args!("at most {PATTERN_BYTES} bytes"), text.len())
        }
        Some(_) => Ok(()),
    }
}

/// Templates name only what there is, and each text once: twice in every part of a sequence it would double
/// and double again.
fn check_processor(field: &str, kind: &str, fields: &Map<String, Value>, _: &mut Seen) -> Checked {
    if kind != "TemplateProcessing" {
        return Ok(());
    }
    let specials = fields.get("special_tokens").and_then(Value::as_object);
    for (template, allowed) in [("single", &["A"][..]), ("pair", &["A", "B"])] {
        let name = format!("{field}.{template}");
        let Some(pieces) = fields.get(template).and_then(Value::as_array) else {
            return refusal(name, "a list", shown(fields.get(template)));
        };
        let mut texts = HashSet::new();
        for piece in pieces {
            let id = |kind: &str| piece.get(kind).and_then(|piece| piece.get("id")).and_then(Value::as_str);
            if let Some(text) = id("Sequence") {
                if !allowed.contains(&text) || !texts.insert(text) {
                    return refusal(name, format_args!("{allowed:?} once each"), format_args!("{text:?}"));
                }
            } else if let Some(special) = id("SpecialToken") {
                let Some(token) = specials.and_then(|specials| specials.get(special)) else {
                    return refusal(name, "special tokens of the list", format_args!("{special:?}"));
                };
                let count = |list: &str| token.get(list).and_then(Value::as_array).map(Vec::len);
                if count("ids").is_none() || count("ids") != count("tokens") {
                    let name = format!("{field}.special_tokens.{special}");
                    return refusal(name, "as many ids as tokens", shown(Some(token)));
                }
            } else {
                return refusal(name, "a Sequence or a SpecialToken", shown(Some(piece)));
            }
        }
        if !texts.contains("A") {
            return refusal(name, "the text A", "none");
        }
    }
    Ok(())
}

fn check_added(added: Option<&Value>, tokens: u64) -> Checked {
    let added = match added {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(added)) => added,
        other => return refusal("added_tokens", "a list", shown(other)),
    };
    if added.len() as u64 > SPARE_IDS {
        return refusal("added_tokens", format_args!("at most {SPARE_IDS} tokens"), added.len());
    }
    for token in added {
        let id = token.get("id").and_then(Value::as_u64);
        if id.is_none_or(|id| id >= tokens + added.len() as u64 + SPARE_IDS) {
            return refusal("added_tokens.id", "a number near the vocabulary's", shown(token.get("id")));
        }
        let content = token.get("content");
        if content.and_then(Value::as_str).is_none_or(str::is_empty) {
            return refusal("added_tokens.content", "a text of at least one character", shown(content));
        }
    }
    Ok(())
}

/// Returns the number of tokens.
fn check_model(model: &mut Map<String, Value>) -> Checked<u64> {
    // Files of before 2021 do not say what they are.
    let kind = match model.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        None | Some(Value::Null) => {
            let kind = if model.contains_key("merges") {
                "BPE"
            } else if model.get("vocab").is_some_and(Value::is_array) {
                "Unigram"
            } else if model.contains_key("continuing_subword_prefix") {
                "WordPiece"
            } else {
                "WordLevel"
            };
            model.insert("type".to_owned(), Value::from(kind));
            kind.to_owned()
        }
        other => return refusal("model.type", "a name", shown(other)),
    };
    match kind.as_str() {
        "BPE" => {
            model.insert("dropout".to_owned(), Value::Null);
            let vocab = check_vocab(model)?;
            check_merges(model, &vocab)?;
            check_unknown(model, &vocab)?;
            Ok(vocab.len() as u64)
        }
        "WordPiece" => {
            let vocab = check_vocab(model)?;
            check_unknown(model, &vocab)?;
            let longest = model.get("max_input_chars_per_word").and_then(Value::as_u64);
            if longest.is_none_or(|longest| longest > 10_000) {
                let found = shown(model.get("max_input_chars_per_word"));
                return refusal("model.max_input_chars_per_word", "at most 10,000", found);
            }
            Ok(vocab.len() as u64)
        }
        "WordLevel" => {
            let vocab = check_vocab(model)?;
            check_unknown(model, &vocab)?;
            Ok(vocab.len() as u64)
        }
        "Unigram" => check_unigram(model),
        other => refusal("model.type", "BPE, WordPiece, WordLevel or Unigram", format_args!("{other:?}")),
    }
}

/// Tokens and their numbers: none empty, no number twice, none far beyond their count.
fn check_vocab(model: &Map<String, Value>) -> Checked<HashSet<&str>> {
    let Some(vocab) = model.get("vocab").and_then(Value::as_object) else {
        return refusal("model.vocab", "an object of tokens and numbers", shown(model.get("vocab")));
    };
    let mut numbers: HashMap<u64, &str> = HashMap::with_capacity(vocab.len());
    for (token, number) in vocab {
        let Some(id) = number.as_u64().filter(|&id| id < vocab.len() as u64 + SPARE_IDS) else {
            let expected = format!("a number below {}", vocab.len() as u64 + SPARE_IDS);
            return refusal(format_args!("model.vocab.{token}"), expected, shown(Some(number)));
        };
        if let Some(other) = numbers.insert(id, token) {
            let expected = format!("a number of its own, not that of {other:?}");
            return refusal(format_args!("model.vocab.{token}"), expected, id);
        }
    }
    Ok(vocab.keys().map(String::as_str).collect())
}

fn check_unknown(model: &Map<String, Value>, vocab: &HashSet<&str>) -> Checked {
    match model.get("unk_token") {
        None | Some(Value::Null) => Ok(()),
        // GPT-2's file has an empty one, which it never needs.
        Some(Value::String(unknown)) if unknown.is_empty() || vocab.contains(unknown.as_str()) => Ok(()),
        other => refusal("model.unk_token", "a token of the vocabulary", shown(other)),
    }
}

/// Both parts of a merge and what they make must be tokens.
fn check_merges(model: &Map<String, Value>, vocab: &HashSet<&str>) -> Checked {
    let prefix = match model.get("continuing_subword_prefix") {
        None | Some(Value::Null) => "",
        Some(Value::String(prefix)) => prefix,
        other => return refusal("model.continuing_subword_prefix", "a text", shown(other)),
    };
    let Some(merges) = model.get("merges").and_then(Value::as_array) else {
        return refusal("model.merges", "a list", shown(model.get("merges")));
    };
    let mut joined = String::new();
    for (i, merge) in merges.iter().enumerate() {
        let pair = match merge {
            Value::String(pair) if pair.starts_with("#version") => continue,
            Value::String(pair) => pair.split_once(' '),
            Value::Array(pair) => match &pair[..] {
                [Value::String(a), Value::String(b)] => Some((a.as_str(), b.as_str())),
                _ => None,
            },
            _ => None,
        };
        let name = format_args!("model.merges[{i}]").to_string();
        let Some((a, b)) = pair else { return refusal(name, "two tokens", shown(Some(merge))) };
        let Some(rest) = b.strip_prefix(prefix) else {
            return refusal(
                name,
                format_args!("a second token that begins with {prefix:?}"),
                format_args!("{b:?}"),
            );
        };
        joined.clear();
        joined.push_str(a);
        joined.push_str(rest);
        for token in [a, b, &joined] {
            if !vocab.contains(token) {
                return refusal(name, "tokens of the vocabulary", format_args!("{token:?}"));
            }
        }
    }
    Ok(())
}

fn check_unigram(model: &Map<String, Value>) -> Checked<u64> {
    let Some(vocab) = model.get("vocab").and_then(Value::as_array) else {
        return refusal("model.vocab", "a list of pieces and scores", shown(model.get("vocab")));
    };
    let mut pieces = HashSet::with_capacity(vocab.len());
    for (i, entry) in vocab.iter().enumerate() {
        let name = format_args!("model.vocab[{i}]").to_string();
        let (Some(piece), Some(score)) =
            (entry.get(0).and_then(Value::as_str), entry.get(1).and_then(Value::as_f64))
        else {
            return refusal(name, "a piece and its score", shown(Some(entry)));
        };
        if !(1..=PIECE_BYTES).contains(&piece.len()) {
            return refusal(name, format_args!("a piece of 1 to {PIECE_BYTES} bytes"), piece.len());
        }
        if !score.is_finite() || score.abs() > 1e9 {
            return refusal(name, "a logarithm of a probability", score);
        }
        if !pieces.insert(piece) {
            return refusal(name, "every piece once", format_args!("{piece:?} again"));
        }
    }
    match model.get("unk_id") {
        None | Some(Value::Null) => {}
        Some(id) if id.as_u64().is_some_and(|id| id < vocab.len() as u64) => {}
        other => {
            return refusal("model.unk_id", format_args!("a number below {}", vocab.len()), shown(other));
        }
    }
    Ok(vocab.len() as u64)
}
