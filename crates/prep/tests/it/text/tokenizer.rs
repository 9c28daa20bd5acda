//! Tokenisers' files, honest and broken.

use std::path::{Path, PathBuf};

use fornax_prep::text::{Tokenizer, TokenizerConfig};
use fornax_prep::{Key, Limits};
use serde_json::{Value, json};

use crate::support::{Folder, assert_refused, gzip};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizers").join(format!("{name}.json"))
}

fn file(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(fixture(name)).unwrap()).unwrap()
}

/// A word-level tokeniser with this changed.
fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "a": 1}, "unk_token": "<unk>"},
    });
    change(&mut file);
    file
}

fn bpe(vocab: Value, merges: Value) -> Value {
    json!({"model": {"type": "BPE", "vocab": vocab, "merges": merges}})
}

fn unigram(vocab: Value) -> Value {
    json!({"model": {"type": "Unigram", "unk_id": 0, "vocab": vocab}})
}

fn template(single: Value) -> Value {
    let pair = json!([{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}]);
    let tokens = json!({"[CLS]": {"id": "[CLS]", "ids": [0], "tokens": ["[CLS]"]}});
    let processor =
        json!({"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": tokens});
    with(|file| file["post_processor"] = processor)
}

#[test]
fn older_files_that_do_not_say_what_they_are_can_be_read() {
    // As GPT-2's: no type, merges as texts, an unknown token that is empty.
    let old = json!({
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false},
        "model": {
            "dropout": null, "unk_token": "", "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": false,
            "vocab": {"l": 0, "o": 1, "w": 2, "lo": 3, "low": 4, "Ġ": 5, "Ġlow": 6},
            "merges": ["#version: 0.2", "l o", "lo w", "Ġ low"],
        },
    });
    let tokenizer = Tokenizer::from_json(old.to_string().as_bytes(), &Limits::default()).unwrap();
    assert_eq!(tokenizer.encode("low low").unwrap(), [4, 6]);
    assert_eq!(tokenizer.decode(&[4, 6]).unwrap(), "low low");
    // As BERT's.
    let old = json!({
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": {"[UNK]": 0, "low": 1, "##er": 2},
        },
    });
    let tokenizer = Tokenizer::from_json(old.to_string().as_bytes(), &Limits::default()).unwrap();
    assert_eq!(tokenizer.encode("lower high").unwrap(), [1, 2, 0]);
}

#[test]
fn padding_truncation_and_dropout_of_a_file_are_left_out() {
    let mut file = file("bpe");
    file["truncation"] =
        json!({"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 7});
    file["padding"] = json!({
        "strategy": {"Fixed": 1_000_000_000}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
        "pad_type_id": 0, "pad_token": "x",
    });
    file["model"]["dropout"] = json!(0.5);
    let plain = Tokenizer::load(&fixture("bpe"), &Limits::default()).unwrap();
    let read = Tokenizer::from_json(file.to_string().as_bytes(), &Limits::default()).unwrap();
    let text = "tokenise the lowest internationalisation";
    for _ in 0..5 {
        assert_eq!(read.encode(text).unwrap(), plain.encode(text).unwrap());
    }
}

#[test]
fn what_the_file_adds_around_a_text_can_be_left_out() {
    let tokenizer = Tokenizer::load(&fixture("word_piece"), &Limits::default()).unwrap();
    let (ids, bare) = (tokenizer.encode("the runner").unwrap(), tokenizer.encode_bare("the runner").unwrap());
    assert_eq!((ids[0], ids[ids.len() - 1], &ids[1..ids.len() - 1]), (2, 3, &bare[..]));
    let pieces = tokenizer.pieces("the runner").unwrap();
    assert_eq!((pieces[0].token.as_str(), pieces[0].range.clone()), ("[CLS]", 0..0));
    assert_eq!((pieces[1].token.as_str(), pieces[1].range.clone()), ("the", 0..3));
}

#[test]
fn files_survive_saving_and_a_failure_leaves_nothing_beside() {
    let folder = Folder::new();
    let path = folder.path().join("tokenizer.json");
    let tokenizer = TokenizerConfig::bpe(300).train(["low lower lowest"]).unwrap();
    tokenizer.save(&path).unwrap();
    let read = Tokenizer::load(&path, &Limits::default()).unwrap();
    assert_eq!(read.to_json().unwrap(), tokenizer.to_json().unwrap());
    let packed = folder.write("packed", &gzip(tokenizer.to_json().unwrap().as_bytes()));
    assert_eq!(Tokenizer::load(&packed, &Limits::default()).unwrap().vocab_size(), read.vocab_size());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    let error = tokenizer.save(Path::new("/nowhere/at/all.json")).unwrap_err();
    assert_eq!(error.path(), Some(Path::new("/nowhere/at/all.json")));
}

#[test]
fn malformed_files_are_refused_with_the_field() {
    let folder = Folder::new();
    let sequence = |part: Value, count: usize| {
        with(|file| file["normalizer"] = json!({"type": "Sequence", "normalizers": vec![part; count]}))
    };
    let replace = |content: &str| json!({"type": "Replace", "pattern": {"String": "a"}, "content": content});
    let part = |field: &str, value: Value| with(|file| file[field] = value);
    let text = json!({"Sequence": {"id": "A", "type_id": 0}});
    let cases: Vec<(Value, &str)> = vec![
        (json!([]), "`file`: expected an object; found a list of 0"),
        (json!({}), "`model`: expected an object; found nothing"),
        (with(|file| file["version"] = json!("9.9")), "`version`: expected \"1.0\""),
        (
            with(|file| file["model"]["type"] = json!("GPT")),
            "`model.type`: expected BPE, WordPiece, WordLevel or Unigram",
        ),
        (with(|file| file["model"]["vocab"] = json!({"a": -1})), "`model.vocab.a`: expected a number below"),
        (
            with(|file| file["model"]["vocab"] = json!({"a": u32::MAX})),
            "`model.vocab.a`: expected a number below 1000001",
        ),
        (
            with(|file| file["model"]["vocab"] = json!({"<unk>": 0, "a": 0})),
            "`model.vocab.a`: expected a number of its own",
        ),
        (
            with(|file| file["model"]["unk_token"] = json!("?")),
            "`model.unk_token`: expected a token of the vocabulary",
        ),
        (
            bpe(json!({"a": 0, "b": 1}), json!([["a", "b"]])),
            "`model.merges[0]`: expected tokens of the vocabulary; found \"ab\"",
        ),
        (
            bpe(json!({"a": 0}), json!([["a", "zzzzzz"]])),
            "`model.merges[0]`: expected tokens of the vocabulary",
        ),
        (bpe(json!({"a": 0}), json!(["a"])), "`model.merges[0]`: expected two tokens"),
        (bpe(json!({"a": 0}), json!("a a")), "`model.merges`: expected a list"),
        (
            json!({"model": {"type": "BPE", "vocab": {"a": 0, "é": 1}, "merges": [["a", "é"]], "continuing_subword_prefix": "x"}}),
            "expected a second token that begins with \"x\"",
        ),
        (
            unigram(json!([["<unk>", 0.0], ["", 5.0]])),
            "`model.vocab[1]`: expected a piece of 1 to 1024 bytes; found 0",
        ),
        (
            unigram(json!([["<unk>", 0.0], ["x".repeat(2000), 5.0]])),
            "expected a piece of 1 to 1024 bytes; found 2000",
        ),
        (unigram(json!([["<unk>", 0.0], ["a", null]])), "`model.vocab[1]`: expected a piece and its score"),
        (
            unigram(json!([["<unk>", 0.0], ["a", 1e300]])),
            "`model.vocab[1]`: expected a logarithm of a probability",
        ),
        (unigram(json!([["<unk>", 0.0], ["<unk>", 0.0]])), "`model.vocab[1]`: expected every piece once"),
        (unigram(json!([])), "`model.unk_id`: expected a number below 0"),
        (
            part("normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "////fw=="})),
            "`normalizer.precompiled_charsmap`: expected a tree",
        ),
        (
            part("normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "?"})),
            "expected a text in base 64",
        ),
        (part("normalizer", json!({"type": "Precompiled"})), "expected a text in base 64; found nothing"),
        (
            part("normalizer", json!({"pattern": 1})),
            "`normalizer.type`: expected the name of a kind; found nothing",
        ),
        (sequence(json!({"type": "NFC"}), 40), "`normalizer`: expected at most 32 parts"),
        (sequence(replace("aa"), 20), "expected replacements that make a text at most 4096 times longer"),
        (sequence(json!({"type": "ByteLevel"}), 2), "`normalizer`: expected ByteLevel once"),
        (
            part("normalizer", json!({"type": "Replace", "pattern": {"Regex": ""}, "content": "x"})),
            "`normalizer.pattern`: expected a pattern",
        ),
        (
            part("normalizer", json!({"type": "Replace", "pattern": {"Regex": "("}, "content": "x"})),
            "is not valid a tokenizer.json",
        ),
        (
            part("pre_tokenizer", json!({"type": "FixedLength", "length": 0})),
            "`pre_tokenizer.length`: expected at least 1",
        ),
        (
            part("pre_tokenizer", json!({"type": "Sequence", "pretokenizers": 7})),
            "`pre_tokenizer.pretokenizers`: expected a list",
        ),
        (part("pre_tokenizer", json!("ByteLevel")), "`pre_tokenizer`: expected an object with a \"type\""),
        (
            part("decoder", json!({"type": "Strip", "content": "x", "start": 0, "stop": 3})),
            "`decoder.stop`: expected 0; found 3",
        ),
        (part("decoder", json!({"type": "Unheard"})), "is not valid a tokenizer.json"),
        (part("added_tokens", json!([{"id": 5, "content": ""}])), "`added_tokens.content`: expected a text"),
        (
            part("added_tokens", json!([{"id": u64::MAX, "content": "a"}])),
            "`added_tokens.id`: expected a number near",
        ),
        (template(json!([text, text])), "`post_processor.single`: expected [\"A\"] once each"),
        (
            template(json!([{"SpecialToken": {"id": "[SEP]", "type_id": 0}}, text])),
            "expected special tokens of the list; found \"[SEP]\"",
        ),
        (
            template(json!([{"Sequence": {"id": "B", "type_id": 0}}])),
            "`post_processor.single`: expected [\"A\"] once each",
        ),
        (template(json!([])), "`post_processor.single`: expected the text A; found none"),
    ];
    for (i, (value, reason)) in cases.iter().enumerate() {
        let path = folder.write(&format!("{i}.json"), value.to_string().as_bytes());
        assert_refused(&path, reason, || Tokenizer::load(&path, &Limits::default()));
    }

    let honest = with(|_| ()).to_string();
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let own = |bytes: &[u8]| bytes.to_vec();
    let cases = [
        (own(b""), "found an empty file"),
        (own(b"{"), "not JSON: EOF"),
        (own(b"vocabulary\n"), "not JSON: expected value"),
        (own(&honest.as_bytes()[..honest.len() - 4]), "not JSON"),
        (own(b"\xff\xfe{\0"), "not JSON"),
        (own(b"{\"model\": \"\xc3\x28\"}"), "not JSON"),
        ([honest.as_bytes(), b"x"].concat(), "not JSON: trailing characters"),
        (nested.into_bytes(), "limit `json_nesting`: allowed 64; found 65"),
        (gzip(honest.as_bytes())[..60].to_vec(), "is not valid gzip"),
    ];
    for (i, (bytes, reason)) in cases.into_iter().enumerate() {
        let path = folder.write(&format!("raw {i}"), &bytes);
        assert_refused(&path, reason, || Tokenizer::load(&path, &Limits::default()));
    }
    let small = Limits { tokenizer_bytes: 100, ..Limits::default() };
    let path = folder.write("large", honest.as_bytes());
    assert_refused(&path, "limit `tokenizer_bytes`: allowed 100", || Tokenizer::load(&path, &small));
    let path = folder.write("packed", &gzip(&[b'\n'; 500]));
    assert_refused(&path, "limit `tokenizer_bytes`: allowed 100", || Tokenizer::load(&path, &small));
    assert!(
        Tokenizer::from_json(b"{}", &Limits::default())
            .unwrap_err()
            .to_string()
            .starts_with("json: expected")
    );
}

/// Every part of the committed files, replaced by something else in turn: refused, or usable without a panic.
#[test]
fn altered_files_are_refused_or_work() {
    let values = [
        json!(null),
        json!(0),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("a"),
        json!([]),
        json!({}),
        json!(true),
    ];
    let (mut usable, mut refused) = (0, 0);
    let mut stream = Key::new(1).stream();
    for name in ["bpe", "word_piece", "unigram"] {
        let mut small = file(name);
        shrink(&mut small);
        let text = small.to_string();
        assert!(Tokenizer::from_json(text.as_bytes(), &Limits::default()).is_ok(), "{name}");
        let mut places = Vec::new();
        pointers(&small, String::new(), &mut places);
        for place in &places {
            for value in &values {
                let mut changed = small.clone();
                *changed.pointer_mut(place).unwrap() = value.clone();
                try_out(changed.to_string().as_bytes(), &mut usable, &mut refused);
            }
        }
        for _ in 0..500 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..1 + stream.below(3) {
                let place = stream.below(bytes.len() as u64) as usize;
                match stream.below(3) {
                    0 => bytes[place] = stream.below(256) as u8,
                    1 => drop(bytes.remove(place)),
                    _ => bytes.insert(place, b"0\"[]{},:9"[stream.below(9) as usize]),
                }
            }
            try_out(&bytes, &mut usable, &mut refused);
        }
    }
    assert!(usable > 300 && refused > 300, "{usable} usable, {refused} refused");
}

/// Patterns that match the empty text, everywhere a pattern may stand.
#[test]
fn patterns_that_match_nothing_do_no_harm() {
    let (mut usable, mut refused) = (0, 0);
    for pattern in ["x*", "(?=a)", "$", "^", "\\b", "(?<=e)", "|a", "(a|b|ab)*?", ".?", "(?s).*"] {
        let pattern = json!({"Regex": pattern});
        for content in ["", "y", "世"] {
            let replace = json!({"type": "Replace", "pattern": pattern, "content": content});
            for field in ["normalizer", "decoder"] {
                let file = with(|file| file[field] = replace.clone());
                try_out(file.to_string().as_bytes(), &mut usable, &mut refused);
            }
        }
        for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"] {
            for invert in [false, true] {
                let split =
                    json!({"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert});
                let file = with(|file| file["pre_tokenizer"] = split);
                try_out(file.to_string().as_bytes(), &mut usable, &mut refused);
            }
        }
    }
    assert_eq!((usable, refused), (160, 0));
}

fn try_out(json: &[u8], usable: &mut usize, refused: &mut usize) {
    match Tokenizer::from_json(json, &Limits::default()) {
        Err(_) => *refused += 1,
        Ok(tokenizer) => {
            *usable += 1;
            for text in ["", "a", "the lower e\u{301} 世界\0 <unk> don't  x\n"] {
                if let Ok(ids) = tokenizer.encode(text) {
                    let _ = tokenizer.decode(&ids);
                }
                let _ = tokenizer.pieces(text);
            }
            let _ = tokenizer.to_json();
        }
    }
}

/// Leaves a few entries of every long list and table, and of BPE's merges those that still make tokens.
fn shrink(value: &mut Value) {
    let model = &mut value["model"];
    if let Some(vocab) = model["vocab"].as_object_mut() {
        *vocab = std::mem::take(vocab).into_iter().take(12).collect();
    } else if let Some(vocab) = model["vocab"].as_array_mut() {
        vocab.truncate(12);
    }
    if model.get("merges").is_some() {
        model["vocab"] = json!({"<|endoftext|>": 0, "t": 1, "h": 2, "e": 3, "th": 4, "the": 5});
        model["merges"] = json!([["t", "h"], ["th", "e"]]);
    }
}

fn pointers(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers(value, format!("{place}/{name}"), places);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| pointers(value, format!("{place}/{i}"), places));
        }
        _ => {}
    }
    places.push(place);
}
