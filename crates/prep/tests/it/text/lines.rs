//! Lines of text files.

use std::path::Path;

use fornax_prep::text::Lines;
use fornax_prep::{Error, Limits};

use crate::support::{Folder, assert_refused, gzip, gzip_bomb};

fn all(path: &Path, limits: &Limits) -> Result<Vec<String>, Error> {
    Lines::open(path, limits)?.collect()
}

#[test]
fn marks_and_ends_of_lines_are_no_part_of_the_text() {
    let folder = Folder::new();
    for (text, expected) in [
        ("a\nb\n", &["a", "b"][..]),
        ("a\r\nb", &["a", "b"]),
        ("\u{feff}a\n\u{feff}b\n", &["a", "\u{feff}b"]),
        ("\n\n", &["", ""]),
        ("a\rb\n", &["a\rb"]),
        ("\t äöü 世界 \n", &["\t äöü 世界 "]),
    ] {
        let path = folder.write("a.txt", text.as_bytes());
        assert_eq!(all(&path, &Limits::default()).unwrap(), expected, "{text:?}");
        let path = folder.write("a.txt.gz", &gzip(text.as_bytes()));
        assert_eq!(all(&path, &Limits::default()).unwrap(), expected, "{text:?} as gzip");
    }
}

#[test]
fn a_file_is_read_line_by_line_whatever_its_size() {
    let folder = Folder::new();
    // 40 MB, an error at the very end: more passes through than a refusal may take.
    let text = [format!("{}\n", "x".repeat(999)).repeat(40_000).as_bytes(), b"\xff"].concat();
    let path = folder.write("large.txt", &text);
    drop(text);
    let read = || Lines::open(&path, &Limits::default())?.try_for_each(|line| line.map(drop));
    assert_refused(&path, "line 40001: expected text in UTF-8", read);
}

#[test]
fn malformed_files_are_refused_with_their_line() {
    let folder = Folder::new();
    let long = [&b"ok\n"[..], &[b'x'; 101]].concat();
    let mut cut = gzip("line\n".repeat(1000).as_bytes());
    cut.truncate(cut.len() - 9);
    let mut flipped = gzip("other lines\n".repeat(1000).as_bytes());
    let last = flipped.len() - 5;
    flipped[last] ^= 1;
    let cases: [(&str, &[u8], &str); 17] = [
        ("empty", b"", "found an empty file"),
        (
            "lone continuation",
            b"ok\nab\x80c\n",
            "line 2: expected text in UTF-8; found the byte 0x80 at position 2",
        ),
        ("cut character", b"\xe4\xb8", "line 1: expected text in UTF-8; found the byte 0xe4 at position 0"),
        ("cut by the line's end", b"\xe4\xb8\n\x96", "line 1: expected text in UTF-8"),
        ("overlong", b"\xc0\xaf", "line 1: expected text in UTF-8; found the byte 0xc0"),
        ("surrogate", b"a\n\xed\xa0\x80", "line 2: expected text in UTF-8; found the byte 0xed"),
        ("beyond Unicode", b"\xf4\x90\x80\x80", "line 1: expected text in UTF-8"),
        (
            "Latin-1",
            b"caf\xe9 au lait\n",
            "line 1: expected text in UTF-8; found the byte 0xe9 at position 3",
        ),
        ("zero byte", b"a\nb\n\0c", "line 3: expected text; found a zero byte at position 0"),
        ("UTF-16 little", b"\xff\xfea\0b\0", "expected text in UTF-8; found UTF-16"),
        ("UTF-16 big", b"\xfe\xff\0a", "expected text in UTF-8; found UTF-16"),
        ("UTF-32 little", b"\xff\xfe\0\0a\0\0\0", "expected text in UTF-8; found UTF-32"),
        ("UTF-32 big", b"\0\0\xfe\xff\0\0\0a", "expected text in UTF-8; found UTF-32"),
        ("long line", &long, "line 2: expected at most 100 bytes (limit `line_bytes`); found 101 or more"),
        ("cut gzip", &cut, "is not valid gzip"),
        ("flipped gzip", &flipped, "is not valid gzip"),
        ("an image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "line 1: expected text in UTF-8; found the byte 0x89"),
    ];
    let limits = Limits { line_bytes: 100, ..Limits::default() };
    for (name, bytes, reason) in cases {
        let path = folder.write(name, bytes);
        assert_refused(&path, reason, || all(&path, &limits));
    }
    let bomb = folder.write("bomb.gz", &gzip_bomb(b"one line", 64 << 20));
    assert_refused(&bomb, "line 1: expected at most 4194304 bytes", || all(&bomb, &Limits::default()));
    let bomb = folder.write("lines.gz", &gzip(&vec![b'\n'; 32 << 20]));
    let few = Limits { inflation: 20, ..Limits::default() };
    let count = || Lines::open(&bomb, &few)?.try_for_each(|line| line.map(drop));
    assert_refused(&bomb, "limit `inflation`: allowed 20", count);
    let path = folder.make("folder");
    assert_refused(&path, "expected a file; found a folder", || all(&path, &limits));
    let path = folder.path().join("missing");
    assert_refused(&path, "cannot be read", || all(&path, &limits));
    let path = folder.write("large", &[b'a'; 100]);
    assert_refused(&path, "limit `file_bytes`", || all(&path, &Limits { file_bytes: 99, ..limits }));
}

#[test]
fn after_an_error_there_is_nothing() {
    let folder = Folder::new();
    let path = folder.write("a", b"ok\n\xff\nok\n");
    let mut lines = Lines::open(&path, &Limits::default()).unwrap();
    assert!(lines.next().unwrap().is_ok() && lines.next().unwrap().is_err());
    assert!(lines.next().is_none() && lines.next().is_none());
    assert_eq!(lines.number(), 2);
    let mut lines = Lines::open(&folder.write("b", b"one\ntwo\n"), &Limits::default()).unwrap();
    assert_eq!((lines.by_ref().count(), lines.number()), (2, 2));
}
