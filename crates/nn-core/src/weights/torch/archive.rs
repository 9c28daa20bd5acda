//! The directory of a zip archive whose files are stored as they are, which is how PyTorch writes them.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::super::error::WeightsError;

/// The longest directory read: a hundred thousand files of PyTorch's naming.
const MAX_DIRECTORY: u64 = 16 << 20;
/// An end record with the longest comment.
const MAX_END: u64 = 22 + 65_535;
/// Stands for "see the extra field".
const IN_EXTRA: u64 = 0xffff_ffff;

/// Where a stored file's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) begin: u64,
    pub(super) size: u64,
}

/// Every file of the archive by name. Extents lie within the `length` bytes of the archive.
pub(super) fn directory<R: Read + Seek>(
    path: &Path,
    archive: &mut R,
    length: u64,
) -> Result<BTreeMap<String, Entry>, WeightsError> {
    let (entries, begin, size) = end_record(path, archive, length)?;
    if begin.checked_add(size).is_none_or(|end| end > length) {
        return Err(WeightsError::format(path, "the archive's directory lies outside of the file"));
    }
    if size > MAX_DIRECTORY {
        let reason = format!("a directory of {size} bytes, where at most {MAX_DIRECTORY} are read");
        return Err(WeightsError::format(path, reason));
    }
    let bytes = read_at(path, archive, begin, size)?;
    let mut rest = Bytes(&bytes);
    let mut found = BTreeMap::new();
    for _ in 0..entries {
        let (name, header, size) =
            one(&mut rest).ok_or_else(|| WeightsError::format(path, "the archive's directory is damaged"))?;
        let size = size.map_err(|reason| WeightsError::format(path, format!("{name}: {reason}")))?;
        let entry = locate(path, archive, length, &name, header, size)?;
        if found.insert(name.clone(), entry).is_some() {
            return Err(WeightsError::format(path, format!("the archive has {name} twice")));
        }
    }
    Ok(found)
}

/// `size` bytes from `begin`, both known to lie within the file.
pub(super) fn read_at<R: Read + Seek>(
    path: &Path,
    archive: &mut R,
    begin: u64,
    size: u64,
) -> Result<Vec<u8>, WeightsError> {
    let mut bytes = vec![0; size as usize];
    let read = archive.seek(SeekFrom::Start(begin)).and_then(|_| archive.read_exact(&mut bytes));
    read.map_err(WeightsError::io(path, "read"))?;
    Ok(bytes)
}

/// Number of files, begin and size of the directory.
fn end_record<R: Read + Seek>(
    path: &Path,
    archive: &mut R,
    length: u64,
) -> Result<(u64, u64, u64), WeightsError> {
    let damaged =
        || WeightsError::format(path, "a zip archive without its end: the file is cut off or damaged");
    let tail = length.min(MAX_END);
    let bytes = read_at(path, archive, length - tail, tail)?;
    let at = bytes.windows(4).rposition(|window| window == b"PK\x05\x06").ok_or_else(damaged)?;
    let mut record = Bytes(&bytes[at + 4..]);
    let mut fields = || Some((record.skip(6)?.u16()?, record.u32()?, record.u32()?, record.u16()?));
    let (entries, size, begin, comment) = fields().ok_or_else(damaged)?;
    if record.0.len() as u64 != comment {
        return Err(damaged());
    }
    if entries != 0xffff && size != IN_EXTRA && begin != IN_EXTRA {
        return Ok((entries, begin, size));
    }
    // The 64-bit record, which the locator right before points to.
    let locator = at.checked_sub(20).ok_or_else(damaged)?;
    let mut locator = Bytes(&bytes[locator..at]);
    let mut fields = || locator.magic(b"PK\x06\x07")?.skip(4)?.u64();
    let record_begin = fields().ok_or_else(damaged)?;
    if record_begin.checked_add(56).is_none_or(|end| end > length) {
        return Err(damaged());
    }
    let bytes = read_at(path, archive, record_begin, 56)?;
    let mut record = Bytes(&bytes);
    let mut fields = || {
        let entries = record.magic(b"PK\x06\x06")?.skip(28)?.u64()?;
        let size = record.u64()?;
        Some((entries, record.u64()?, size))
    };
    fields().ok_or_else(damaged)
}

/// A file's name, where its header begins, and its size or why it cannot be read.
fn one(rest: &mut Bytes<'_>) -> Option<(String, u64, Result<u64, String>)> {
    rest.magic(b"PK\x01\x02")?.skip(4)?;
    let (flags, method) = (rest.u16()?, rest.u16()?);
    rest.skip(8)?;
    let (packed, size) = (rest.u32()?, rest.u32()?);
    let (name, extra, comment) = (rest.u16()?, rest.u16()?, rest.u16()?);
    let header = rest.skip(8)?.u32()?;
    let name = String::from_utf8(rest.take(name)?.to_vec()).ok()?;
    let mut extra = Bytes(rest.take(extra)?);
    rest.take(comment)?;

    // What did not fit into 32 bits, in this order.
    let mut wide = Bytes(&[]);
    while let (Some(id), Some(length)) = (extra.u16(), extra.u16()) {
        let field = extra.take(length)?;
        if id == 1 {
            wide = Bytes(field);
        }
    }
    let mut widened = |field: u64| if field == IN_EXTRA { wide.u64() } else { Some(field) };
    let size = widened(size)?;
    let packed = widened(packed)?;
    let header = widened(header)?;
    let size = match (flags & 1, method) {
        (1, _) => Err("is encrypted".to_owned()),
        (_, 0) if packed == size => Ok(size),
        (_, 0) => Err(format!("is stored in {packed} bytes and {size} long")),
        (_, method) => Err(format!("is compressed (method {method}); PyTorch stores tensors as they are")),
    };
    Some((name, header, size))
}

/// The bytes of the file whose local header begins at `header`.
fn locate<R: Read + Seek>(
    path: &Path,
    archive: &mut R,
    length: u64,
    name: &str,
    header: u64,
    size: u64,
) -> Result<Entry, WeightsError> {
    let outside = || WeightsError::format(path, format!("{name} lies outside of the file"));
    if header.checked_add(30).is_none_or(|end| end > length) {
        return Err(outside());
    }
    let bytes = read_at(path, archive, header, 30)?;
    let mut fields = Bytes(&bytes);
    let mut lengths = || Some((fields.magic(b"PK\x03\x04")?.skip(22)?.u16()?, fields.u16()?));
    let (name_length, extra) = lengths().ok_or_else(|| {
        WeightsError::format(path, format!("{name} does not begin where the directory says"))
    })?;
    let begin = header + 30 + name_length + extra;
    if begin.checked_add(size).is_none_or(|end| end > length) {
        return Err(outside());
    }
    Ok(Entry { begin, size })
}

/// Little-endian numbers off the front of some bytes.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, count: u64) -> Option<&mut Self> {
        self.take(count)?;
        Some(self)
    }

    fn magic(&mut self, bytes: &[u8]) -> Option<&mut Self> {
        (self.take(bytes.len() as u64)? == bytes).then_some(self)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N as u64)?.try_into().ok()
    }

    fn u16(&mut self) -> Option<u64> {
        self.number().map(|bytes| u64::from(u16::from_le_bytes(bytes)))
    }

    fn u32(&mut self) -> Option<u64> {
        self.number().map(|bytes| u64::from(u32::from_le_bytes(bytes)))
    }

    fn u64(&mut self) -> Option<u64> {
        self.number().map(u64::from_le_bytes)
    }
}
