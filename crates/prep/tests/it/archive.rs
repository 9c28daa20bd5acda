//! Archives: honest ones come out whole, others not at all.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use fornax_prep::archive::{Entry, extract, list, list_bytes};
use fornax_prep::{Error, Limits};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::support::{Folder, assert_refused, gzip, gzip_bomb, noise};

/// A zip by the crate of this name.
fn zip_of(files: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, content) in files {
        if name.ends_with('/') {
            zip.add_directory(*name, options).unwrap();
        } else {
            zip.start_file(*name, options).unwrap();
            zip.write_all(content).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}

/// A file in a zip, as its bytes say.
#[derive(Clone)]
struct Zipped {
    name: Vec<u8>,
    local_name: Option<Vec<u8>>,
    content: Vec<u8>,
    method: u16,
    flags: u16,
    bytes: u32,
    stored: u32,
    crc: u32,
    mode: u32,
    at: Option<u32>,
}

fn zipped(name: &str) -> Zipped {
    let mut crc = flate2::Crc::new();
    crc.update(b"hello");
    Zipped {
        name: name.into(),
        local_name: None,
        content: b"hello".to_vec(),
        method: 0,
        flags: 0,
        bytes: 5,
        stored: 5,
        crc: crc.sum(),
        mode: 0o100_644,
        at: None,
    }
}

fn zip_raw(entries: &[Zipped]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let at = entry.at.unwrap_or(bytes.len() as u32);
        let local_name = entry.local_name.as_ref().unwrap_or(&entry.name);
        let fields = |name: &[u8]| {
            let mut fields = Vec::new();
            fields.extend(20u16.to_le_bytes());
            fields.extend(entry.flags.to_le_bytes());
            fields.extend(entry.method.to_le_bytes());
            fields.extend([0; 4]);
            fields.extend(entry.crc.to_le_bytes());
            fields.extend(entry.stored.to_le_bytes());
            fields.extend(entry.bytes.to_le_bytes());
            fields.extend((name.len() as u16).to_le_bytes());
            fields.extend([0; 2]);
            fields
        };
        bytes.extend(b"PK\x03\x04");
        bytes.extend(fields(local_name));
        bytes.extend(local_name);
        bytes.extend(&entry.content);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(fields(&entry.name));
        directory.extend([0; 6]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(at.to_le_bytes());
        directory.extend(&entry.name);
    }
    let (count, at) = (entries.len() as u16, bytes.len() as u32);
    bytes.extend(&directory);
    bytes.extend(end(count, directory.len() as u32, at));
    bytes
}

fn end(count: u16, bytes: u32, at: u32) -> Vec<u8> {
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    end.extend(count.to_le_bytes());
    end.extend(count.to_le_bytes());
    end.extend(bytes.to_le_bytes());
    end.extend(at.to_le_bytes());
    end.extend([0, 0]);
    end
}

/// An end record of a large archive that announces `count` entries in a directory of `bytes`, from 0.
fn end_64(count: u64, bytes: u64) -> Vec<u8> {
    let mut record = b"PK\x06\x06".to_vec();
    record.extend(44u64.to_le_bytes());
    record.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    record.extend([count, count, bytes, 0].iter().flat_map(|number| number.to_le_bytes()));
    record.extend(b"PK\x06\x07\0\0\0\0");
    record.extend(bytes.to_le_bytes());
    record.extend([1, 0, 0, 0]);
    record.extend(end(0xffff, 0xffff_ffff, 0xffff_ffff));
    record
}

fn tar_entry(name: &str, kind: u8, link: &str, content: &[u8]) -> Vec<u8> {
    tar_claim(name, kind, link, content.len() as u64, content)
}

/// A tar entry that announces a size.
fn tar_claim(name: &str, kind: u8, link: &str, size: u64, content: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = [&header[..], content].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

/// Refuses the archive and leaves nothing of it.
fn assert_not_extracted(folder: &Folder, path: &Path, reason: &str) {
    let target = folder.path().join("target");
    assert_refused(path, reason, || extract(path, &target, &Limits::default()));
    assert!(!target.exists(), "{reason}");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("unpacking")), "{left:?}");
    assert_refused(path, reason, || list(path, &Limits::default()));
}

fn refuse(cases: Vec<(Vec<u8>, &str)>) {
    assert!(cases.len() >= 15, "{} cases", cases.len());
    let folder = Folder::new();
    for (index, (bytes, reason)) in cases.into_iter().enumerate() {
        let path = folder.write(&format!("case {index}"), &bytes);
        assert_not_extracted(&folder, &path, reason);
    }
}

#[test]
fn honest_archives_come_out_whole() {
    let noise = noise(1, 100_000);
    let text = b"all work and no play ".repeat(2000);
    let files: [(&str, &[u8]); 4] =
        [("a/", b""), ("a/b/noise", &noise), ("text.txt", &text), ("a/empty", b"")];
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_entry_type(if name.ends_with('/') {
            ::tar::EntryType::Directory
        } else {
            ::tar::EntryType::Regular
        });
        builder.append_data(&mut header, name, content).unwrap();
    }
    let tar = builder.into_inner().unwrap();
    let folder = Folder::new();
    for (name, bytes) in [
        ("stored.zip", zip_of(&files, CompressionMethod::Stored)),
        ("deflated.zip", zip_of(&files, CompressionMethod::Deflated)),
        ("plain.tar", tar.clone()),
        ("packed.tar.gz", gzip(&tar)),
    ] {
        let path = folder.write(name, &bytes);
        let target = folder.path().join(format!("{name}.d/below"));
        let entries = extract(&path, &target, &Limits::default()).unwrap();
        let expected =
            |(name, content): &(&str, &[u8])| Entry { name: (*name).to_owned(), bytes: content.len() as u64 };
        assert_eq!(entries, files[1..].iter().map(expected).collect::<Vec<_>>(), "{name}");
        assert_eq!(entries, list(&path, &Limits::default()).unwrap());
        assert_eq!(entries, list_bytes(name, &bytes, &Limits::default()).unwrap());
        for (file, content) in &files[1..] {
            assert!(fs::read(target.join(file)).unwrap() == *content, "{name} {file}");
        }
        assert!(target.join("a").is_dir());
        // A second time the target is there.
        assert_refused(&target, "expected no file or folder of this name; found one", || {
            extract(&path, &target, &Limits::default())
        });
    }
}

#[test]
fn long_names_of_both_dialects_are_read() {
    let long = format!("{}/{}.txt", "d".repeat(120), "f".repeat(150));
    let mut gnu = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_size(2);
    gnu.append_data(&mut header, &long, &b"hi"[..]).unwrap();
    let record = |text: &str| {
        let length = (text.len() + 2..).find(|n| n.to_string().len() + text.len() + 2 == *n).unwrap();
        format!("{length} {text}\n")
    };
    let posix = tar(&[
        tar_entry("g", b'g', "", record("comment=all of it").as_bytes()),
        tar_entry("x", b'x', "", (record("mtime=1.5") + &record(&format!("path={long}"))).as_bytes()),
        tar_entry("short", b'0', "", b"hi"),
    ]);
    for bytes in [gnu.into_inner().unwrap(), posix] {
        let entries = list_bytes("long.tar", &bytes, &Limits::default()).unwrap();
        assert_eq!(entries, [Entry { name: long.clone(), bytes: 2 }]);
    }
}

#[test]
fn hostile_zips_are_refused() {
    let good = zip_raw(&[zipped("a"), zipped("b/c")]);
    assert_eq!(list_bytes("good", &good, &Limits::default()).unwrap().len(), 2);
    let named = |name: &str| zip_raw(&[zipped("a"), zipped(name)]);
    let changed = |change: fn(&mut Zipped)| {
        let mut entry = zipped("b");
        change(&mut entry);
        zip_raw(&[zipped("a"), entry])
    };
    let large_claim = |count: u64, bytes: u64| {
        [vec![0x50, 0x4b], vec![0; bytes as usize - 2], end_64(count, bytes)].concat()
    };
    let bomb = zip_of(&[("zeros", &vec![0; 48 << 20])], CompressionMethod::Deflated);
    let outside = "expected a relative path of plain names; found";
    refuse(vec![
        (named("../b"), "entry \"../b\": expected a relative path of plain names; found a way out (`..`)"),
        (named("b/../../c"), "found a way out (`..`)"),
        (
            named("/etc/passwd"),
            "entry \"/etc/passwd\": expected a relative path of plain names; found an absolute path",
        ),
        (named("C:\\b"), "found a backslash or colon"),
        (named("..\\b"), outside),
        (named("b\0c"), "found a control character"),
        (named(""), "found no name"),
        (named("./."), "found no name"),
        (named(&"n".repeat(5000)), "found a name of over 4,096 bytes"),
        (named(&"n".repeat(300)), "found a part of over 255 bytes"),
        (named(&("n/".repeat(70) + "x")), "found over 64 folders deep"),
        (changed(|entry| entry.name = b"\xff\xfe".to_vec()), "found a name that is not UTF-8"),
        (named("a"), "entry \"a\": expected each name once; found \"a\" again"),
        (named("a/b"), "entry \"a/b\": expected a folder above; found the file \"a\""),
        (named("./a"), "found \"a\" again"),
        (changed(|entry| entry.mode = 0o120_777), "entry \"b\": expected a file or folder; found a link"),
        (changed(|entry| entry.mode = 0o060_644), "found a device"),
        (changed(|entry| entry.mode = 0o010_644), "found a pipe"),
        (changed(|entry| entry.flags = 1), "expected an entry that is not encrypted; found one that is"),
        (changed(|entry| entry.method = 12), "expected an entry stored (0) or deflated (8); found method 12"),
        (changed(|entry| entry.crc ^= 1), "entry \"b\": is not valid zip: its checksum is"),
        (changed(|entry| entry.bytes = 6), "stored in another size than its own"),
        (changed(|entry| entry.stored = 500), "expected 500 bytes of an entry; found 5"),
        (changed(|entry| entry.at = Some(9)), "its local header is not that of the directory"),
        (changed(|entry| entry.at = Some(9_000_000)), "lies outside the archive"),
        (
            changed(|entry| entry.local_name = Some(b"x".to_vec())),
            "its local header is not that of the directory",
        ),
        (
            changed(|entry| (entry.method, entry.content) = (8, b"\xff\xff\xff\xff\xff".to_vec())),
            "entry \"b\": is not valid deflate",
        ),
        (
            changed(|entry| {
                (entry.method, entry.bytes, entry.stored, entry.content) =
                    (8, 9, 7, vec![1, 2, 0, 0xfd, 0xff, 1, 2])
            }),
            "ends too early: expected 9 bytes of an entry; found 2",
        ),
        (
            changed(|entry| {
                (entry.method, entry.bytes, entry.stored, entry.content) =
                    (8, 1, 7, vec![1, 2, 0, 0xfd, 0xff, 1, 2])
            }),
            "goes on after its end: expected 1 bytes of an entry",
        ),
        (
            changed(|entry| (entry.bytes, entry.method) = (u32::MAX - 1, 8)),
            "entry \"b\": is over the limit `inflation`: allowed 200",
        ),
        (bomb, "entry \"zeros\": is over the limit `inflation`: allowed 200; found 10"),
        (large_claim(1_000_000, 64), "is over the limit `archive_entries`: allowed 500000; found 1000000"),
        (large_claim(u64::MAX, 64), "is over the limit `archive_entries`"),
        (large_claim(400_000, 64), "400000 entries in a directory of 64 bytes"),
        ([&good[..], b"behind"].concat(), "no end record reaches to the file's end"),
        (good[..good.len() - 1].to_vec(), "no end record reaches"),
        (b"PK\x05\x06".to_vec(), "no end record reaches"),
        ([b"PK".to_vec(), end(1, 46, 2)].concat(), "its directory does not reach to the end record"),
        (end(0, 0, 0), "expected at least one entry; found none"),
        ([vec![b'P', b'K'], vec![0; 50], end(1, 52, 0)].concat(), "its directory is damaged"),
        ([&good[..30], &good].concat(), "its directory does not reach to the end record"),
    ]);
}

#[test]
fn a_zip_of_a_million_entries_is_refused_before_it_is_read() {
    // A directory of a million real entries, 53 MB.
    let folder = Folder::new();
    let path = folder.path().join("million.zip");
    let mut file = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    let mut bytes = 0;
    for number in 0..1_000_000u32 {
        let mut header = b"PK\x01\x02".to_vec();
        header.extend([0; 24]);
        header.extend([7, 0]);
        header.extend([0; 16]);
        header.extend(format!("{number:07}").bytes());
        bytes += header.len() as u64;
        file.write_all(&header).unwrap();
    }
    file.write_all(&end_64(1_000_000, bytes)).unwrap();
    drop(file);
    assert_not_extracted(
        &folder,
        &path,
        "is over the limit `archive_entries`: allowed 500000; found 1000000",
    );
}

#[test]
fn entries_that_share_their_bytes_are_refused() {
    // The second's local header and content are those of the first: the same name would be a duplicate, so the local
    // header of one lies inside the content of the other.
    let inner = zip_raw(&[zipped("b")]);
    let inner = &inner[..36];
    let mut crc = flate2::Crc::new();
    crc.update(inner);
    let outer = Zipped { content: inner.to_vec(), bytes: 36, stored: 36, crc: crc.sum(), ..zipped("a") };
    let shared = Zipped { content: Vec::new(), at: Some(31), ..zipped("b") };
    let mut bytes = zip_raw(&[outer, Zipped { local_name: Some(b"b".to_vec()), ..shared }]);
    assert!(
        list_bytes("x", &bytes, &Limits::default())
            .unwrap_err()
            .to_string()
            .contains("entries lie over each other")
    );
    bytes.truncate(9);
    assert!(list_bytes("x", &bytes, &Limits::default()).is_err());
}

#[test]
fn hostile_tars_are_refused() {
    let file = |name: &str| tar_entry(name, b'0', "", b"hello");
    let one = |entry: Vec<u8>| tar(&[file("a"), entry]);
    let kind = |kind: u8| one(tar_entry("b", kind, "/etc/passwd", b""));
    let changed = |at: usize, to: &[u8]| {
        let mut bytes = tar(&[file("a"), file("b")]);
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    refuse(vec![
        (
            one(file("../b")),
            "entry \"../b\": expected a relative path of plain names; found a way out (`..`)",
        ),
        (one(file("/etc/passwd")), "found an absolute path"),
        (one(file("b/../../../c")), "found a way out"),
        (one(file("b\\c")), "found a backslash or colon"),
        (one(file("b\x01c")), "found a control character"),
        (one(file("")), "found no name"),
        (kind(b'2'), "entry \"b\": expected a file or folder; found a link"),
        (kind(b'1'), "found a link"),
        (kind(b'3'), "found a device"),
        (kind(b'4'), "found a device"),
        (kind(b'6'), "found a pipe"),
        (kind(b'S'), "found a sparse file"),
        (kind(b'K'), "found a link"),
        (kind(b'V'), "found an entry of kind 'V'"),
        (one(file("a")), "expected each name once; found \"a\" again"),
        (one(file("a/b")), "expected a folder above; found the file \"a\""),
        (one(tar_entry("a/", b'5', "", b"")), "found \"a\" again"),
        (one(tar_claim("b", b'0', "", 1 << 32, b"x")), "entry \"b\": is over the limit `inflation`"),
        (
            one(tar_claim("b", b'0', "", 9000, b"x")),
            "entry \"b\": ends too early: expected 9000 bytes of an entry; found 1536",
        ),
        (
            one(tar_claim("b", b'L', "", 1 << 30, b"x")),
            "expected a name of at most 64 KiB for the next entry; found 1073741824 bytes",
        ),
        (one(tar_claim("b", b'x', "", 1 << 30, b"x")), "expected a name of at most 64 KiB"),
        (one(tar_claim("b", b'x', "", 600, b"x")), "is not valid tar"),
        (one(tar_entry("b", b'x', "", b"nonsense")), "a broken record about the next entry"),
        (one(tar_entry("b", b'x', "", b"99 path=c\n")), "a broken record"),
        (one(tar_entry("b", b'x', "", b"0 \n")), "a broken record"),
        (one(tar_entry("b", b'x', "", b"17 linkpath=/etc\n")), "found a link"),
        (one(tar_entry("b", b'x', "", b"14 size=99999\n")), "found one in a record before it"),
        (one(tar_entry("b", b'x', "", b"22 GNU.sparse.major=1\n")), "found a sparse file"),
        (one(tar_entry("b", b'L', "", b"../../c\0")), "a name without its entry at the end"),
        (tar(&[tar_entry("l", b'L', "", b"../../c\0"), file("short")]), "found a way out"),
        (tar(&[tar_entry("x", b'x', "", b"16 path=../../c\n"), file("short")]), "found a way out"),
        (changed(1024 + 148, b"0000000"), "is not valid tar"),
        (changed(1024 + 124, b"99999999"), "is not valid tar"),
        (tar(&[file("a")])[..514].to_vec(), "ends too early: expected 5 bytes"),
        (tar(&[file("a"), file("b")])[..1300].to_vec(), "is not valid tar"),
        (gzip(&tar(&[file("a"), file("../b")])), "found a way out"),
        (gzip(&tar(&[file("a")]))[..40].to_vec(), "is not valid tar.gz"),
        (gzip(b"not a tar at all"), "is not valid tar.gz"),
        (
            gzip_bomb(&tar_claim("zeros", b'0', "", 48 << 20, b"")[..512], 48 << 20),
            "is over the limit `inflation`: allowed 200",
        ),
        (gzip_bomb(&tar(&[file("a")]), 48 << 20), "is over the limit `inflation`: allowed 200"),
        (
            b"plain text that is no archive".to_vec(),
            "expected a zip, tar or tar.gz archive; found a file that begins with [70, 6c, 61, 69]",
        ),
        (Vec::new(), "expected a zip, tar or tar.gz archive; found an empty file"),
    ]);
}

#[test]
fn limits_are_named_and_can_be_moved() {
    let folder = Folder::new();
    let zip = folder.write("z", &zip_raw(&[zipped("a"), zipped("b")]));
    let tar =
        folder.write("t", &tar(&[tar_entry("a", b'0', "", b"hello"), tar_entry("b", b'0', "", b"hello")]));
    for path in [&zip, &tar] {
        let with = |limits: Limits| list(path, &limits).map(|_: Vec<Entry>| ());
        let few = Limits { archive_entries: 1, ..Limits::default() };
        assert_refused(path, "is over the limit `archive_entries`: allowed 1; found 2", || with(few));
        let small = Limits { archive_bytes: 9, ..Limits::default() };
        assert_refused(path, "is over the limit `archive_bytes`: allowed 9; found 10", || with(small));
        with(Limits { archive_entries: 2, archive_bytes: 10_000, ..Limits::default() }).unwrap();
    }
}

#[test]
fn what_cannot_be_written_is_the_targets_fault() {
    let folder = Folder::new();
    let path = folder.write("a.zip", &zip_raw(&[zipped("a")]));
    let below_a_file = path.join("target");
    let error: Error = extract(&path, &below_a_file, &Limits::default()).unwrap_err();
    assert_eq!(error.path(), Some(path.as_path()));
    let missing = folder.path().join("missing.zip");
    assert_refused(&missing, "cannot be read", || {
        extract(&missing, &folder.path().join("t"), &Limits::default())
    });
    assert_refused(folder.path(), "found a folder", || list(folder.path(), &Limits::default()));
}
