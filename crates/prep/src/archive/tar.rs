//! Tar: a header of 512 bytes, a file's content, and so on.
//!
//! Long names come as entries before the one they name, in two dialects (GNU's `L`, POSIX's `x`); both are read here, with bounds, and
//! neither may change a size.

use std::io::{self, Read};

use tar::{Archive, EntryType};

use super::{Names, of_entry};
use crate::Problem;

pub(super) const FORMAT: &str = "tar";
/// Bytes that an entry with names for the next may have.
const ABOUT_NEXT: u64 = 1 << 16;

pub(super) fn walk(input: &mut dyn Read, format: &'static str, names: &mut Names<'_>) -> Result<(), Problem> {
    let bounded = Bounded { input, left: names.room, over: false };
    let mut archive = Archive::new(bounded);
    let result = entries(&mut archive, format, names);
    // After the last entry come zeros; gzip's checksum stands behind them.
    let mut rest = archive.into_inner();
    let result = result.and_then(|()| {
        io::copy(&mut rest, &mut io::sink()).map(|_| ()).map_err(|error| fault(format, error))
    });
    if rest.over {
        let (limit, _) = names.bound;
        let over = names.over(names.room + 1);
        return Err(match result {
            // It is the archive, or its entry, that asks for too much.
            Err(Problem::Entry { entry, .. }) => Problem::Entry { entry, problem: Box::new(over) },
            Err(limited @ Problem::OverLimit { .. }) if limit != "inflation" => limited,
            _ => over,
        });
    }
    result
}

fn entries<R: Read>(
    archive: &mut Archive<R>,
    format: &'static str,
    names: &mut Names<'_>,
) -> Result<(), Problem> {
    let mut long: Option<Vec<u8>> = None;
    let mut any = false;
    for entry in archive.entries().map_err(|error| fault(format, error))?.raw(true) {
        let mut entry = entry.map_err(|error| fault(format, error))?;
        any = true;
        let kind = entry.header().entry_type();
        let bytes = entry.size();
        let raw = long.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        let wrong = |problem| of_entry(&raw, problem);
        match kind {
            EntryType::GNULongName | EntryType::XHeader | EntryType::XGlobalHeader => {
                names.count += 1;
                names.check_count(names.count)?;
                if bytes > ABOUT_NEXT {
                    let found = format!("{bytes} bytes");
                    return Err(wrong(Problem::unexpected(
                        "a name of at most 64 KiB for the next entry",
                        found,
                    )));
                }
                let mut content = Vec::new();
                entry.read_to_end(&mut content).map_err(|error| wrong(fault(format, error)))?;
                if content.len() as u64 != bytes {
                    let found = content.len() as u64;
                    return Err(wrong(Problem::Truncated { part: "a name", expected: bytes, found }));
                }
                if kind == EntryType::GNULongName {
                    let end = content.iter().position(|&byte| byte == 0).unwrap_or(content.len());
                    content.truncate(end);
                    long = Some(content);
                } else {
                    let path = records(&content).map_err(wrong)?;
                    // Global ones say nothing about names that is heeded.
                    long = if kind == EntryType::XHeader { path } else { None };
                }
            }
            EntryType::Directory => names.folder(&raw).map_err(wrong)?,
            EntryType::Regular | EntryType::Continuous if raw.ends_with(b"/") && bytes == 0 => {
                names.folder(&raw).map_err(wrong)?; // As archives from before 1988 say it.
            }
            EntryType::Regular | EntryType::Continuous => {
                let mut content = Faults { entry: &mut entry, format };
                names.file(&raw, bytes, &mut content).map_err(|problem| wrong(unwrapped(problem, format)))?;
            }
            other => {
                let found = match other {
                    EntryType::Symlink | EntryType::Link | EntryType::GNULongLink => "a link".to_owned(),
                    EntryType::Char | EntryType::Block => "a device".to_owned(),
                    EntryType::Fifo => "a pipe".to_owned(),
                    EntryType::GNUSparse => "a sparse file".to_owned(),
                    other => format!("an entry of kind {:?}", char::from(other.as_byte())),
                };
                return Err(wrong(Problem::unexpected("a file or folder", found)));
            }
        }
    }
    if long.is_some() {
        return Err(Problem::invalid(FORMAT, "a name without its entry at the end"));
    }
    if any { Ok(()) } else { Err(Problem::unexpected("at least one entry", "none")) }
}

/// The path among POSIX's records, each `length key=value⏎`.
fn records(mut content: &[u8]) -> Result<Option<Vec<u8>>, Problem> {
    let broken = || Problem::invalid(FORMAT, "a broken record about the next entry");
    let mut path = None;
    while !content.is_empty() {
        let space = content.iter().position(|&byte| byte == b' ').ok_or_else(broken)?;
        let length = std::str::from_utf8(&content[..space]).ok().and_then(|text| text.parse::<usize>().ok());
        let length =
            length.filter(|length| (space + 2..=content.len()).contains(length)).ok_or_else(broken)?;
        let (record, rest) = content.split_at(length);
        let record = record[space + 1..].strip_suffix(b"\n").ok_or_else(broken)?;
        let equals = record.iter().position(|&byte| byte == b'=').ok_or_else(broken)?;
        match &record[..equals] {
            b"path" => path = Some(record[equals + 1..].to_vec()),
            b"linkpath" => return Err(Problem::unexpected("a file or folder", "a link")),
            b"size" => {
                return Err(Problem::unexpected("a size in the entry's header", "one in a record before it"));
            }
            key if key.starts_with(b"GNU.sparse") => {
                return Err(Problem::unexpected("a file or folder", "a sparse file"));
            }
            _ => {}
        }
        content = rest;
    }
    Ok(path)
}

fn fault(format: &'static str, error: io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidData
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::Other => Problem::invalid(format, error),
        _ => Problem::Io(error),
    }
}

/// What reading an entry met is the archive's fault, what writing met is not.
fn unwrapped(problem: Problem, format: &'static str) -> Problem {
    match problem {
        Problem::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<Met>()) => {
            Problem::invalid(format, error)
        }
        other => other,
    }
}

/// Marks the faults of an archive.
struct Faults<'a, R> {
    entry: &'a mut R,
    format: &'static str,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Met(String);

impl<R: Read> Read for Faults<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.entry.read(buffer).map_err(|error| match fault(self.format, error) {
            Problem::Invalid { reason, .. } => io::Error::other(Met(reason)),
            other => io::Error::other(Met(other.to_string())),
        })
    }
}

/// Ends with an error where more comes than may.
struct Bounded<'a> {
    input: &'a mut dyn Read,
    left: u64,
    over: bool,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !buffer.is_empty() {
            // One byte more decides whether it is over or at its end.
            return match self.input.read(&mut buffer[..1])? {
                0 => Ok(0),
                _ => {
                    self.over = true;
                    Err(io::Error::other("more than is allowed"))
                }
            };
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.input.read(&mut buffer[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}
