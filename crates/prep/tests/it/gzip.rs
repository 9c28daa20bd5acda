//! The source under every reader: gzip by content, limits, ends.

use fornax_prep::Limits;
use fornax_prep::source::Source;

use crate::support::{Folder, assert_refused, gzip, gzip_bomb};

/// Reads all lines, then nothing more can be wrong.
fn drain(mut source: Source) -> Result<u64, fornax_prep::Error> {
    let mut lines = 0;
    while source.line()?.is_some() {
        lines += 1;
    }
    source.end("lines", lines)?;
    Ok(lines)
}

fn open(path: &std::path::Path) -> Result<Source, fornax_prep::Error> {
    Source::open(path, &Limits::default())
}

#[test]
fn plain_gzip_and_several_gzips_in_a_row_read_the_same() {
    let folder = Folder::new();
    let text = b"one\r\ntwo\n\nfour";
    let two_members = [gzip(&text[..6]), gzip(&text[6..])].concat();
    for (name, bytes) in [("a.gz", text.to_vec()), ("b", gzip(text)), ("c.txt", two_members)] {
        let mut source = open(&folder.write(name, &bytes)).unwrap();
        let mut lines = Vec::new();
        while let Some(line) = source.line().unwrap() {
            lines.push(line.to_vec());
        }
        assert_eq!(lines, [&b"one"[..], b"two", b"", b"four"], "{name}");
    }
}

#[test]
fn damaged_gzip_is_refused() {
    let folder = Folder::new();
    let text: String = (0..2000).map(|number| format!("{number}\n")).collect();
    let good = gzip(text.as_bytes());
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    let checksum = good.len() - 8;
    let length = good.len() - 2;
    for (name, bytes) in [
        ("two bytes", good[..2].to_vec()),
        ("header cut", good[..7].to_vec()),
        ("body cut", good[..good.len() / 2].to_vec()),
        ("checksum cut", good[..good.len() - 8].to_vec()),
        ("length cut", good[..good.len() - 1].to_vec()),
        ("another method", changed(2, 7)),
        ("reserved flags", changed(3, 0xe0)),
        ("a wrong checksum", changed(checksum, good[checksum] ^ 1)),
        ("a wrong length", changed(length, good[length] ^ 1)),
        ("a broken block", changed(10, 0x07)),
        ("garbage behind", [&good[..], b"garbage"].concat()),
        ("a name without end", [&changed(3, 8)[..10], &[b'x'; 40]].concat()),
    ] {
        let path = folder.write(name, &bytes);
        assert_refused(&path, "is not valid gzip", || drain(open(&path)?));
    }
}

#[test]
fn a_bomb_is_refused_before_it_unfolds() {
    let folder = Folder::new();
    let bomb = gzip_bomb(b"", 64 << 20);
    assert!((64 << 20) / bomb.len() >= 1000, "ratio {}", (64 << 20) / bomb.len());
    let path = folder.write("bomb", &bomb);
    assert_refused(&path, "over the limit `line_bytes`", || drain(open(&path)?));
    assert_refused(&path, "over the limit `inflation`: allowed 200; found", || {
        open(&path)?.bytes(64 << 20, "data")
    });

    let lines = gzip("\n".repeat(32 << 20).as_bytes());
    let path = folder.write("empty lines", &lines);
    assert_refused(&path, "over the limit `inflation`", || drain(open(&path)?));
}

#[test]
fn what_is_no_file_with_content_is_refused() {
    let folder = Folder::new();
    let path = folder.write("empty", b"");
    assert_refused(&path, "expected a file with content; found an empty file", || open(&path));
    let path = folder.path().join("missing");
    assert_refused(&path, "cannot be read", || open(&path));
    assert_refused(folder.path(), "expected a file; found a folder", || open(folder.path()));
    let path = folder.write("large", &[b'x'; 1000]);
    let limits = Limits { file_bytes: 999, line_bytes: 10, ..Limits::default() };
    assert_refused(&path, "over the limit `file_bytes`: allowed 999; found 1000", || {
        Source::open(&path, &limits)
    });
    let limits = Limits { line_bytes: 10, ..Limits::default() };
    assert_refused(&path, "over the limit `line_bytes`: allowed 10", || {
        Source::open(&path, &limits)?.line().map(|_| ())
    });
}

#[cfg(unix)]
#[test]
fn a_device_is_not_waited_for() {
    let path = std::path::Path::new("/dev/zero");
    assert_refused(path, "expected a file; found a device or pipe", || open(path));
}
