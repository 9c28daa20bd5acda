//! Folders of texts.

use fornax_prep::text::TextFolder;
use fornax_prep::{Error, Limits};

use crate::support::{Folder, assert_refused, gzip};

fn all(folder: &Folder, limits: &Limits) -> Result<(), Error> {
    TextFolder::open(folder.path(), limits)?.iter().try_for_each(|file| file.map(drop))
}

#[test]
fn classes_and_files_come_in_the_order_of_their_names() {
    let folder = Folder::new();
    folder.write("positive/b.txt", b"good\n");
    folder.write("positive/a.txt.gz", &gzip("very\r\ngood".as_bytes()));
    folder.write("negative/1.txt", b"bad");
    folder.write(".hidden/x", b"\0");
    folder.write("negative/.DS_Store", b"\0");
    folder.write("README.md", b"beside");
    let texts = TextFolder::open(folder.path(), &Limits::default()).unwrap();
    assert_eq!(texts.class_names(), ["negative", "positive"]);
    assert_eq!((texts.len(), texts.labels()), (3, vec![0, 1, 1]));
    let read: Vec<_> = texts.iter().map(Result::unwrap).map(|file| (file.text, file.class)).collect();
    let expected = [("bad\n", 0), ("very\ngood\n", 1), ("good\n", 1)];
    assert_eq!(read, expected.map(|(text, class)| (text.to_owned(), class)));
}

#[test]
fn malformed_folders_and_files_are_refused_by_name() {
    let limits = Limits { line_bytes: 50, file_bytes: 400, files: 3, classes: 2, ..Limits::default() };
    let mut cut = gzip("text\n".repeat(50).as_bytes());
    cut.truncate(cut.len() - 6);
    let unfolds = gzip(&[b'x', b'\n'].repeat(300));
    let text = |bytes: &[u8]| bytes.to_vec();
    // What one file of the only class holds.
    let files: [(Vec<u8>, &str); 12] = [
        (text(b""), "found an empty file"),
        (text(b"a\n\xff"), "line 2: expected text in UTF-8"),
        (text(b"\xff\xfea\0"), "found UTF-16"),
        (text(b"\0\0\xfe\xff"), "found UTF-32"),
        (text(b"a\0b"), "line 1: expected text; found a zero byte"),
        (text(b"caf\xe9"), "found the byte 0xe9"),
        (text(b"\xed\xa0\x80"), "found the byte 0xed"),
        (text(b"\xc0\x80"), "found the byte 0xc0"),
        (vec![b'x'; 60], "line 1: expected at most 50 bytes"),
        (b"line\n".repeat(100), "limit `file_bytes`: allowed 400; found 500"),
        (cut, "is not valid gzip"),
        (unfolds, "limit `file_bytes`"),
    ];
    for (bytes, reason) in files {
        let folder = Folder::new();
        let path = folder.write("class/text.txt", &bytes);
        assert_refused(&path, reason, || all(&folder, &limits));
    }

    let folder = Folder::new();
    assert_refused(folder.path(), "expected a folder for each class; found none", || all(&folder, &limits));
    let empty = folder.make("empty");
    assert_refused(&empty, "expected a class's text files; found none", || all(&folder, &limits));
    let folder = Folder::new();
    let inner = folder.make("class/inner");
    assert_refused(&inner, "expected a text file; found a folder", || all(&folder, &limits));
    let folder = Folder::new();
    (0..5).for_each(|i| drop(folder.write(&format!("class/{i}"), b"x")));
    let class = folder.path().join("class");
    assert_refused(&class, "limit `files`: allowed 3; found 4", || all(&folder, &limits));
    let folder = Folder::new();
    (0..3).for_each(|i| drop(folder.write(&format!("{i}/x"), b"x")));
    assert_refused(folder.path(), "limit `classes`: allowed 2; found 3", || all(&folder, &limits));
    let missing = folder.path().join("missing");
    assert_refused(&missing, "cannot be read", || TextFolder::open(&missing, &limits));
    let file = folder.write("0/x", b"x");
    assert_refused(&file, "cannot be read", || TextFolder::open(&file, &limits));
}
