//! An object a line.

use std::path::Path;

use fornax_prep::text::{JsonLines, Record};
use fornax_prep::{Error, Limits};

use crate::support::{Folder, assert_refused, gzip};

fn all(path: &Path, fields: &[&str], limits: &Limits) -> Result<Vec<Record>, Error> {
    JsonLines::open(path, fields.iter().copied(), limits)?.collect()
}

#[test]
fn fields_are_texts_numbers_and_labels() {
    let folder = Folder::new();
    let text = "\u{feff}{\"text\": \"a\\n\\u00e9\\ud83d\\ude42\", \"n\": 3, \"ok\": true, \"other\": [{\"deep\": [1]}]}\r\n\n  \
        {\"n\":-2.5e1,\"text\":\"\",\"text2\":null}";
    for (name, bytes) in [("plain", text.as_bytes().to_vec()), ("gzip", gzip(text.as_bytes()))] {
        let path = folder.write(name, &bytes);
        let records = all(&path, &["text", "n", "ok"], &Limits::default()).unwrap();
        assert_eq!(records[0].text("text").unwrap(), "a\né🙂");
        assert_eq!(
            (records[0].label("n").unwrap(), records[0].label("ok").unwrap()),
            ("3".into(), "true".into())
        );
        assert_eq!((records[1].number("n").unwrap(), records[1].line()), (-25.0, 3));
        assert!(records[1].label("n").is_ok_and(|label| label == "-25"));
    }
}

#[test]
fn wrong_types_and_missing_fields_are_refused_with_line_and_field() {
    let folder = Folder::new();
    let path = folder.write(
        "a",
        b"{\"text\": 5}\n{\"text\": null}\n{}\n{\"text\": false}\n{\"text\": 1.5}\n{\"text\": \"x\"}\n",
    );
    let records = all(&path, &["text"], &Limits::default()).unwrap();
    for (record, found) in
        records.iter().zip(["the number 5", "nothing", "nothing", "false", "the number 1.5"])
    {
        let error = record.text("text").unwrap_err();
        let expected = format!("line {}: expected a text in `text`; found {found}", record.line());
        assert!(error.to_string().ends_with(&expected), "{error}");
        assert_eq!(error.path(), Some(&*path));
    }
    for place in [1, 4] {
        assert!(records[place].label("text").is_err());
    }
    assert!(records[5].number("text").is_err() && records[3].number("text").is_err());
}

#[test]
fn malformed_lines_are_refused_with_their_number() {
    let folder = Folder::new();
    let deep = |open: &str, close: &str| {
        format!("{{\"text\": \"x\"}}\n{{\"other\": {}1{}}}\n", open.repeat(10_000), close.repeat(10_000))
    };
    let (lists, objects) = (deep("[", "]"), deep("{\"a\":", "}"));
    let long = format!("{{\"text\": \"{}\"}}", "x".repeat(4 << 20));
    let many = format!("{{\"text\": [{}0]}}", "0,".repeat(1 << 20));
    let cases: [(&str, &[u8], &str); 24] = [
        ("empty", b"", "found an empty file"),
        ("not JSON", b"hello\n", "line 1: expected an object in JSON; found expected value at column 1"),
        (
            "a list",
            b"[1, 2]\n",
            "line 1: expected an object in JSON; found invalid type: sequence, expected an object",
        ),
        ("a text", b"\"a\"\n", "line 1: expected an object in JSON; found invalid type: string"),
        ("cut", b"{\"text\": \"a\"}\n{\"text\": \"b\n", "line 2: expected an object in JSON"),
        ("cut object", b"{\"text\": \"b\"\n", "line 1: expected an object in JSON; found EOF"),
        (
            "two a line",
            b"{\"text\": \"a\"} {\"text\": \"b\"}\n",
            "line 1: expected an object in JSON; found trailing characters",
        ),
        ("comma", b"{\"text\": \"a\",}\n", "line 1: expected an object in JSON; found trailing comma"),
        (
            "single quotes",
            b"{'text': 'a'}\n",
            "line 1: expected an object in JSON; found key must be a string",
        ),
        ("NaN", b"{\"text\": NaN}\n", "line 1: expected an object in JSON"),
        (
            "too large",
            b"{\"text\": 1e999}\n",
            "line 1: expected an object in JSON; found number out of range",
        ),
        ("escape", b"{\"text\": \"\\q\"}\n", "line 1: expected an object in JSON; found invalid escape"),
        ("half a surrogate", b"{\"text\": \"\\ud83d\"}\n", "line 1: expected an object in JSON"),
        (
            "tab in a text",
            b"{\"text\": \"a\tb\"}\n",
            "line 1: expected an object in JSON; found control character",
        ),
        (
            "field twice",
            b"{\"text\": \"a\", \"text\": \"b\"}\n",
            "line 1: expected an object in JSON; found the field `text` twice",
        ),
        (
            "list in the field",
            b"{\"text\": [\"a\"]}\n",
            "expected a text, a number or a truth value in `text`",
        ),
        ("object in the field", b"{\"text\": {}}\n", "expected a text, a number or a truth value in `text`"),
        (
            "bad bytes",
            b"{\"text\": \"\xff\"}\n",
            "line 1: expected text in UTF-8; found the byte 0xff at position 10",
        ),
        ("zero byte", b"{\"text\": \"\0\"}\n", "line 1: expected text; found a zero byte"),
        ("UTF-16", b"\xff\xfe{\0", "found UTF-16"),
        (
            "lists",
            lists.as_bytes(),
            "line 2: expected nesting of at most 64 (limit `json_nesting`); found 65",
        ),
        (
            "objects",
            objects.as_bytes(),
            "line 2: expected nesting of at most 64 (limit `json_nesting`); found 65",
        ),
        ("long", long.as_bytes(), "line 1: expected at most 4194304 bytes (limit `line_bytes`)"),
        ("many", many.as_bytes(), "expected a text, a number or a truth value in `text`"),
    ];
    for (name, bytes, reason) in cases {
        let path = folder.write(name, bytes);
        assert_refused(&path, reason, || all(&path, &["text"], &Limits::default()));
    }
    let mut cut = gzip(b"{\"text\": \"a\"}\n");
    cut.truncate(20);
    let path = folder.write("cut gzip", &cut);
    assert_refused(&path, "is not valid gzip", || all(&path, &["text"], &Limits::default()));
    assert!(all(&path, &[], &Limits::default()).unwrap_err().to_string().starts_with("fields: expected"));
    // Brackets within texts are no nesting, and neither is what lies side by side.
    let flat = format!(
        "{{\"text\": \"{}\\\"{}\", \"o\": [{}[]]}}",
        "[".repeat(500),
        "{".repeat(500),
        "[],".repeat(500)
    );
    let path = folder.write("flat", flat.as_bytes());
    assert_eq!(all(&path, &["text"], &Limits::default()).unwrap()[0].text("text").unwrap().len(), 1001);
}

#[test]
fn a_file_is_read_object_by_object_whatever_its_size() {
    let folder = Folder::new();
    let text = format!("{}{{", format!("{{\"text\": \"{}\"}}\n", "x".repeat(3987)).repeat(10_000));
    let path = folder.write("large.jsonl", text.as_bytes());
    drop(text);
    let read =
        || JsonLines::open(&path, ["text"], &Limits::default())?.try_for_each(|record| record.map(drop));
    assert_refused(&path, "line 10001: expected an object in JSON", read);
}
