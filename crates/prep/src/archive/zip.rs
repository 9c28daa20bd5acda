//! Zip: files, then a directory of them, then a record that says where the directory is.
//!
//! ```text
//! [local header, name, content] … [directory: a header and name each] … [zip64 record, locator] [end record, comment]
//! ```
//!
//! What counts is the directory; a local header says only where its content begins, and has to have the same name. The end record is the one that
//! reaches exactly to the file's end, so that no two readers see two archives in one file. Read here rather than by a crate, because the
//! number of entries is a claim that has to be checked before there is a table of that size. Contents are stored or deflated,
//! as all but exotic files have them.

use std::io::{self, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::{Kind, Names, of_entry};
use crate::Problem;

const FORMAT: &str = "zip";
const END: usize = 22;
const LOCATOR: usize = 20;
const END_64: usize = 56;
const DIRECTORY: usize = 46;
const LOCAL: usize = 30;

/// An entry as the directory has it.
struct Entry {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    crc: u32,
    stored: u64,
    bytes: u64,
    at: u64,
    kind: Result<Kind, &'static str>,
}

struct Directory {
    count: u64,
    bytes: u64,
    at: u64,
}

pub(super) fn walk<R: Read + Seek>(input: &mut R, len: u64, names: &mut Names<'_>) -> Result<(), Problem> {
    let directory = end(input, len)?;
    names.check_count(directory.count)?;
    if directory.count == 0 {
        return Err(Problem::unexpected("at least one entry", "none"));
    }
    if directory.count.saturating_mul(DIRECTORY as u64) > directory.bytes {
        let reason = format!("{} entries in a directory of {} bytes", directory.count, directory.bytes);
        return Err(Problem::invalid(FORMAT, reason));
    }
    let mut at = directory.at;
    let end = directory.at + directory.bytes;
    let mut places = Vec::new();
    for _ in 0..directory.count {
        input.seek(SeekFrom::Start(at))?;
        let (entry, length) = entry(input, end - at)?;
        at += length;
        let content = content(input, &entry, directory.at, names);
        places.push((entry.at, content.map_err(|problem| of_entry(&entry.name, problem))?));
    }
    // The same bytes unfolded again and again are a bomb.
    places.sort_unstable();
    if places.windows(2).any(|pair| pair[1].0 < pair[0].1) {
        return Err(Problem::invalid(FORMAT, "entries lie over each other"));
    }
    if at == end { Ok(()) } else { Err(Problem::invalid(FORMAT, "a directory longer than its entries")) }
}

/// Where the directory is.
fn end<R: Read + Seek>(input: &mut R, len: u64) -> Result<Directory, Problem> {
    let tail = len.min((END + LOCATOR + usize::from(u16::MAX)) as u64);
    input.seek(SeekFrom::Start(len - tail))?;
    let mut bytes = vec![0; tail as usize]; // At most 65 KiB.
    full(input, &mut bytes, "its end")?;
    let record = (0..bytes.len().saturating_sub(END - 1)).rev().find(|&at| {
        bytes[at..].starts_with(b"PK\x05\x06")
            && at + END + usize::from(le16(&bytes[at + 20..])) == bytes.len()
    });
    let at = record.ok_or_else(|| Problem::invalid(FORMAT, "no end record reaches to the file's end"))?;
    let end = &bytes[at..];
    let position = len - tail + at as u64;
    let mut directory = Directory {
        count: le16(&end[10..]).into(),
        bytes: le32(&end[12..]).into(),
        at: le32(&end[16..]).into(),
    };
    let mut behind = position;
    let is_large = directory.count == 0xffff || directory.bytes == 0xffff_ffff || directory.at == 0xffff_ffff;
    if let Some(locator) =
        at.checked_sub(LOCATOR).map(|at| &bytes[at..]).filter(|l| is_large && l.starts_with(b"PK\x06\x07"))
    {
        let at = le64(&locator[8..]);
        if at.checked_add((END_64 + LOCATOR) as u64).is_none_or(|end| end > position) {
            return Err(Problem::invalid(FORMAT, "its large end record lies outside"));
        }
        input.seek(SeekFrom::Start(at))?;
        let mut end = [0; END_64];
        full(input, &mut end, "its large end record")?;
        if !end.starts_with(b"PK\x06\x06") {
            return Err(Problem::invalid(FORMAT, "its large end record is none"));
        }
        directory = Directory { count: le64(&end[32..]), bytes: le64(&end[40..]), at: le64(&end[48..]) };
        behind = at;
    } else if le16(&end[4..]) != 0 || le16(&end[6..]) != 0 || le16(&end[8..]) != le16(&end[10..]) {
        return Err(Problem::unexpected("an archive in one file", "a part of one"));
    }
    if directory.at.checked_add(directory.bytes) != Some(behind) {
        return Err(Problem::invalid(FORMAT, "its directory does not reach to the end record"));
    }
    Ok(directory)
}

/// The entry here, and the bytes it takes in the directory.
fn entry<R: Read>(input: &mut R, room: u64) -> Result<(Entry, u64), Problem> {
    let mut header = [0; DIRECTORY];
    full(input, &mut header, "its directory")?;
    if !header.starts_with(b"PK\x01\x02") {
        return Err(Problem::invalid(FORMAT, "its directory is damaged"));
    }
    let [name, extra, comment] = [28, 30, 32].map(|at| usize::from(le16(&header[at..])));
    let length = (DIRECTORY + name + extra + comment) as u64;
    if length > room {
        return Err(Problem::Truncated { part: "its directory", expected: length, found: room });
    }
    let mut both = vec![0; name + extra]; // At most 128 KiB.
    full(input, &mut both, "its directory")?;
    let (name, extra) = both.split_at(name);
    let mut sizes = [24, 20, 42].map(|at| u64::from(le32(&header[at..])));
    large(&mut sizes, extra)?;
    let [bytes, stored, at] = sizes;
    let by_unix = header[5] == 3;
    let mode = le32(&header[38..]) >> 16;
    let kind = match mode & 0o170_000 {
        _ if name.ends_with(b"/") => Ok(Kind::Folder),
        0o120_000 if by_unix => Err("a link"),
        0o060_000 | 0o020_000 if by_unix => Err("a device"),
        0o010_000 | 0o140_000 if by_unix => Err("a pipe"),
        _ => Ok(Kind::File),
    };
    let (flags, method, crc) = (le16(&header[8..]), le16(&header[10..]), le32(&header[16..]));
    Ok((Entry { name: name.to_vec(), flags, method, crc, stored, bytes, at, kind }, length))
}

/// Numbers that did not fit are in the extra field of kind 1, in this order.
fn large(sizes: &mut [u64; 3], mut extra: &[u8]) -> Result<(), Problem> {
    let mut missing = sizes.iter_mut().filter(|size| **size == 0xffff_ffff).peekable();
    while missing.peek().is_some() {
        let [a, b, c, d, rest @ ..] = extra else {
            return Ok(()); // It is what it says.
        };
        let length = usize::from(u16::from_le_bytes([*c, *d]));
        let (field, after) =
            rest.split_at_checked(length).ok_or_else(|| Problem::invalid(FORMAT, "a damaged extra field"))?;
        if u16::from_le_bytes([*a, *b]) == 1 {
            let mut numbers = field.as_chunks::<8>().0.iter();
            for size in missing {
                let number =
                    numbers.next().ok_or_else(|| Problem::invalid(FORMAT, "a damaged extra field"))?;
                *size = u64::from_le_bytes(*number);
            }
            return Ok(());
        }
        extra = after;
    }
    Ok(())
}

/// Unpacks an entry; gives where its content ends.
fn content<R: Read + Seek>(
    input: &mut R,
    entry: &Entry,
    limit: u64,
    names: &mut Names<'_>,
) -> Result<u64, Problem> {
    let kind = entry.kind.map_err(|found| Problem::unexpected("a file or folder", found))?;
    if entry.flags & 1 != 0 {
        return Err(Problem::unexpected("an entry that is not encrypted", "one that is"));
    }
    if entry.at.checked_add(LOCAL as u64).is_none_or(|end| end > limit) {
        return Err(Problem::invalid(FORMAT, "lies outside the archive"));
    }
    input.seek(SeekFrom::Start(entry.at))?;
    let mut header = [0; LOCAL];
    full(input, &mut header, "a local header")?;
    let is_header = header.starts_with(b"PK\x03\x04") && usize::from(le16(&header[26..])) == entry.name.len();
    let mut name = vec![0; entry.name.len()];
    if is_header {
        full(input, &mut name, "a local header")?;
    }
    if !is_header || name != entry.name {
        return Err(Problem::invalid(FORMAT, "its local header is not that of the directory"));
    }
    let start = entry.at + (LOCAL + name.len()) as u64 + u64::from(le16(&header[28..]));
    let end = start.checked_add(entry.stored).filter(|&end| end <= limit);
    let end = end.ok_or_else(|| {
        let found = limit.saturating_sub(start);
        Problem::Truncated { part: "an entry", expected: entry.stored, found }
    })?;
    if kind == Kind::Folder {
        if entry.bytes != 0 {
            return Err(Problem::unexpected(
                "a folder without content",
                format_args!("{} bytes", entry.bytes),
            ));
        }
        names.folder(&entry.name)?;
        return Ok(end);
    }
    input.seek(SeekFrom::Start(start))?;
    let stored = input.take(entry.stored);
    let mut crc = Crc::new();
    match entry.method {
        0 if entry.stored != entry.bytes => {
            return Err(Problem::invalid(FORMAT, "stored in another size than its own"));
        }
        0 => names.file(&entry.name, entry.bytes, &mut Checked { inner: stored, crc: &mut crc })?,
        8 => {
            let inner = DeflateDecoder::new(stored);
            let unpacked = names.file(&entry.name, entry.bytes, &mut Checked { inner, crc: &mut crc });
            unpacked.map_err(|problem| match problem {
                Problem::Io(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::InvalidInput
                            | io::ErrorKind::InvalidData
                            | io::ErrorKind::UnexpectedEof
                    ) =>
                {
                    Problem::invalid("deflate", error)
                }
                other => other,
            })?;
        }
        other => {
            return Err(Problem::unexpected(
                "an entry stored (0) or deflated (8)",
                format_args!("method {other}"),
            ));
        }
    }
    if crc.sum() == entry.crc {
        return Ok(end);
    }
    let reason = format!("its checksum is {:08x}, not {:08x}", crc.sum(), entry.crc);
    Err(Problem::invalid(FORMAT, reason))
}

/// Adds up what is read.
struct Checked<'a, R> {
    inner: R,
    crc: &'a mut Crc,
}

impl<R: Read> Read for Checked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.crc.update(&buffer[..read]);
        Ok(read)
    }
}

fn full<R: Read>(input: &mut R, buffer: &mut [u8], part: &'static str) -> Result<(), Problem> {
    input.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Problem::invalid(FORMAT, format_args!("ends within {part}")),
        _ => Problem::Io(error),
    })
}

fn le16(bytes: &[u8]) -> u16 {
    u16::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default())
}

fn le32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default())
}

fn le64(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default())
}
