//! Tables with named columns.

use std::path::Path;

use fornax_prep::text::{CsvRecords, CsvTextSpec};
use fornax_prep::{Error, Limits};
use proptest::prelude::*;

use crate::support::{Folder, assert_refused, gzip};

fn all(path: &Path, columns: &[&str], limits: &Limits) -> Result<Vec<Vec<String>>, Error> {
    let spec = CsvTextSpec::new(columns.iter().copied());
    let records: Vec<_> = CsvRecords::open(path, &spec, limits)?.collect::<Result<_, _>>()?;
    records
        .iter()
        .map(|record| columns.iter().map(|column| record.text(column).map(str::to_owned)).collect())
        .collect()
}

#[test]
fn quotes_separators_and_ends_of_lines_are_read_as_the_standard_has_them() {
    let folder = Folder::new();
    let rows = [["a, b", "1"], ["say \"hi\"", "2"], ["two\nlines", "3"], ["", "4"], ["5\" disk", ""]];
    for (name, text) in [
        ("comma", "text,n\n\"a, b\",1\n\"say \"\"hi\"\"\",2\n\"two\nlines\",3\n,4\n5\" disk,\n"),
        (
            "crlf",
            "\u{feff}n,text\r\n1,\"a, b\"\r\n2,\"say \"\"hi\"\"\"\r\n\r\n3,\"two\r\nlines\"\r\n4,\r\n,5\" disk",
        ),
        (
            "semicolon",
            "text;x;n\na, b;;1\n\"say \"\"hi\"\"\";;2\n\"two\nlines\";;\"3\"\n\"\";;4\n5\" disk;;\"\"\n",
        ),
        ("tab", "n\ttext\n1\ta, b\n2\tsay \"hi\"\n3\t\"two\nlines\"\n4\t\n\t5\" disk\n"),
    ] {
        let path = folder.write(name, text.as_bytes());
        assert_eq!(all(&path, &["text", "n"], &Limits::default()).unwrap(), rows, "{name}");
        let path = folder.write(name, &gzip(text.as_bytes()));
        assert_eq!(all(&path, &["n"], &Limits::default()).unwrap().len(), 5, "{name} as gzip");
    }
}

#[test]
fn values_are_text_numbers_or_labels() {
    let folder = Folder::new();
    let path = folder.write("a", b"word,n,x\nyes, 3.5 ,7\nno,many,\n");
    let spec = CsvTextSpec::new(["n", "x", "word"]);
    let records: Vec<_> =
        CsvRecords::open(&path, &spec, &Limits::default()).unwrap().map(Result::unwrap).collect();
    assert_eq!((records[0].number("n").unwrap(), records[0].label("x").unwrap()), (3.5, "7".to_owned()));
    for (error, expected) in [
        (
            records[1].number("n").unwrap_err(),
            "line 3: expected a finite number in `n`; found the text \"many\"",
        ),
        (records[1].label("x").unwrap_err(), "line 3: expected a label: a word or a whole number in `x`"),
    ] {
        assert!(error.to_string().contains(expected), "{error}");
    }
    let message = records[0].text("missing").unwrap_err().to_string();
    assert!(message.starts_with("column: expected one of [\"n\", \"x\", \"word\"]"), "{message}");
}

#[test]
fn malformed_files_are_refused_with_their_line() {
    let folder = Folder::new();
    let long = ["text\n\"", &"x\n".repeat(60)].concat();
    let wide = "a,".repeat(100_001);
    let cases: [(&str, &[u8], &str); 20] = [
        ("empty", b"", "found an empty file"),
        ("blank", b"\n\r\n \n", "expected a header and rows; found only empty lines"),
        ("no such column", b"id,body\n1,x\n", "line 1: expected a column `text`; found `id`, `body`"),
        ("another case", b"Text\nx\n", "line 1: expected a column `text`; found `Text`"),
        ("column twice", b"text,text\na,b\n", "line 1: expected one column `text`; found several"),
        ("too few", b"id,text\n1,a\n2\n", "line 3: expected 2 values, as the header has; found 1"),
        ("too many", b"id,text\n1,a,b\n", "line 2: expected 2 values, as the header has; found 3"),
        (
            "never closed",
            b"id,text\n1,\"a\n2,b\n",
            "line 2: expected a closing quote; found the end of the file",
        ),
        ("never closed in the header", b"\"text\n", "line 1: expected a closing quote"),
        (
            "after a quote",
            b"id,text\n1,\"a\"b\n",
            "line 2: expected `,` or the end after a closing quote; found \"b\"",
        ),
        (
            "space after a quote",
            b"id,text\n1,\"a\" ,\n",
            "line 2: expected `,` or the end after a closing quote",
        ),
        (
            "bad bytes",
            b"id,text\n1,\xff\n",
            "line 2: expected text in UTF-8; found the byte 0xff at position 2",
        ),
        ("bad header", b"\xc3\x28,text\n", "line 1: expected text in UTF-8"),
        ("zero byte", b"id,text\n1,a\0b\n", "line 2: expected text; found a zero byte at position 3"),
        ("UTF-16", b"\xff\xfet\0", "found UTF-16"),
        ("UTF-32", b"\xff\xfe\0\0t\0\0\0", "found UTF-32"),
        ("long line", &[b'x'; 4 << 20 | 1], "line 1: expected at most 4194304 bytes"),
        ("cut gzip", &gzip(b"text\n1\n")[..15], "is not valid gzip"),
        ("wide", wide.as_bytes(), "line 1: expected a column `text`"),
        ("an image", b"\x89PNG\r\n\x1a\n\0", "line 1: expected text in UTF-8"),
    ];
    for (name, bytes, reason) in cases {
        let path = folder.write(name, bytes);
        if name == "wide" {
            // A hundred thousand names are read before they are counted.
            let error = all(&path, &["text"], &Limits::default()).unwrap_err().to_string();
            assert!(error.contains("line 1: expected at most 100000 columns; found 100002"), "{error}");
            continue;
        }
        assert_refused(&path, reason, || all(&path, &["text"], &Limits::default()));
    }
    let path = folder.write("long record", long.as_bytes());
    let limits = Limits { line_bytes: 100, ..Limits::default() };
    assert_refused(&path, "line 2: expected a record of at most 100 bytes", || {
        all(&path, &["text"], &limits)
    });

    let path = folder.write("good", b"text\nx\n");
    for separator in ['"', '\n', '\r', 'é'] {
        let spec = CsvTextSpec { separator: Some(separator), ..CsvTextSpec::new(["text"]) };
        let message = CsvRecords::open(&path, &spec, &Limits::default()).unwrap_err().to_string();
        assert!(message.starts_with("separator: expected"), "{message}");
    }
    assert!(all(&path, &[], &Limits::default()).unwrap_err().to_string().starts_with("columns: expected"));
}

#[test]
fn a_long_quoted_value_takes_time_in_proportion() {
    let folder = Folder::new();
    let text = ["text\n\"", &"\n".repeat(3 << 20), "\"\n"].concat();
    let path = folder.write("a", text.as_bytes());
    let start = std::time::Instant::now();
    let read = all(&path, &["text"], &Limits::default()).unwrap();
    assert_eq!(read[0][0].len(), 3 << 20);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn a_table_is_read_record_by_record_whatever_its_size() {
    let folder = Folder::new();
    let text = format!("text,n\n{}x\n", format!("\"{}\",1\n", "x".repeat(3996)).repeat(10_000));
    let path = folder.write("large.csv", text.as_bytes());
    drop(text);
    let read = || {
        CsvRecords::open(&path, &CsvTextSpec::new(["text"]), &Limits::default())?
            .try_for_each(|r| r.map(drop))
    };
    assert_refused(&path, "line 10002: expected 2 values", read);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_written_is_read(
        rows in prop::collection::vec(prop::collection::vec("[a-c,;\"\n\t é]{0,6}", 3), 1..6), quote_all: bool,
    ) {
        let quoted = |value: &String| {
            if quote_all || value.contains([',', '"', '\n']) || value.trim_ascii().is_empty() {
                format!("\"{}\"", value.replace('"', "\"\""))
            } else {
                value.clone()
            }
        };
        let mut text = "x,y,z\n".to_owned();
        for row in &rows {
            text.push_str(&row.iter().map(quoted).collect::<Vec<_>>().join(","));
            text.push('\n');
        }
        let folder = Folder::new();
        let path = folder.write("a", text.as_bytes());
        prop_assert_eq!(all(&path, &["x", "y", "z"], &Limits::default()).unwrap(), rows);
    }
}
