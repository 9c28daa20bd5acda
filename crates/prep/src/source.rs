//! A file opened for reading, plain or gzip, within limits.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::{Error, Limits, Problem};

/// Gzip's first two bytes.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What gzip data may become whatever its size.
const ALWAYS_ALLOWED: u64 = 1 << 20;

/// A file's content in order, gzip undone. Whether it is gzip its first bytes say, not its name.
///
/// ```
/// use std::io::Write;
/// use fornax_prep::{Limits, source::Source};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("notes"); // no .gz
/// let mut gzip = flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), Default::default());
/// gzip.write_all(b"one\ntwo\n").unwrap();
/// gzip.finish().unwrap();
///
/// let mut source = Source::open(&path, &Limits::default()).unwrap();
/// assert_eq!(source.line().unwrap().unwrap(), b"one");
/// assert_eq!(source.line().unwrap().unwrap(), b"two");
/// assert!(source.line().unwrap().is_none());
/// ```
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    reader: Reader,
    limits: Limits,
    /// Size of the file on disk.
    stored: u64,
    /// Bytes read so far, after gzip.
    taken: u64,
    line: Vec<u8>,
}

#[derive(Debug)]
enum Reader {
    Plain(BufReader<File>),
    Gzip(Box<BufReader<MultiGzDecoder<BufReader<File>>>>),
}

impl Reader {
    fn buffered(&mut self) -> &mut dyn BufRead {
        match self {
            Self::Plain(reader) => reader,
            Self::Gzip(reader) => reader,
        }
    }
}

impl Source {
    /// Opens a file that is there, is a file, has content and is not over `limits.file_bytes`.
    ///
    /// # Errors
    ///
    /// [`Error::File`] with the reason.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, Error> {
        let stored = check_file(path, limits)?;
        let at = |error: io::Error| Error::file(path, error);
        let mut file = BufReader::new(File::open(path).map_err(at)?);
        let reader = if file.fill_buf().map_err(at)?.starts_with(&GZIP) {
            Reader::Gzip(Box::new(BufReader::new(MultiGzDecoder::new(file))))
        } else {
            Reader::Plain(file)
        };
        Ok(Self { path: path.to_owned(), reader, limits: *limits, stored, taken: 0, line: Vec::new() })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes that come next, some or all of them, without taking them.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the file, or its gzip data, cannot be read.
    pub fn peek(&mut self) -> Result<&[u8], Error> {
        if let Err(error) = self.reader.buffered().fill_buf() {
            return Err(self.failed(error));
        }
        match &self.reader {
            Reader::Plain(reader) => Ok(reader.buffer()),
            Reader::Gzip(reader) => Ok(reader.buffer()),
        }
    }

    /// Reads exactly `count` bytes, which are called `part` in errors.
    ///
    /// Memory is taken only for what the file can hold: for a plain file that is its size; gzip data is
    /// bounded by `limits.inflation`.
    ///
    /// # Errors
    ///
    /// [`Error::File`]: [`Problem::Truncated`] when there are fewer, [`Problem::OverLimit`] when so many
    /// cannot come from an honest file of this size.
    pub fn bytes(&mut self, count: u64, part: &'static str) -> Result<Vec<u8>, Error> {
        let announced = self.taken.saturating_add(count);
        match self.reader {
            Reader::Plain(_) if announced > self.stored => {
                let found = self.stored.saturating_sub(self.taken);
                return Err(self.error(Problem::Truncated { part, expected: count, found }));
            }
            Reader::Plain(_) => {}
            Reader::Gzip(_) => self.check_inflation(announced)?,
        }
        let mut bytes = Vec::new();
        let room = usize::try_from(count).map_err(|_| self.error(out_of_memory()))?;
        if bytes.try_reserve_exact(room).is_err() {
            return Err(self.error(out_of_memory()));
        }
        match self.reader.buffered().take(count).read_to_end(&mut bytes) {
            Ok(found) if found == room => {
                self.taken = announced;
                Ok(bytes)
            }
            Ok(found) => Err(self.error(Problem::Truncated { part, expected: count, found: found as u64 })),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.error(Problem::Truncated { part, expected: count, found: bytes.len() as u64 }))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Makes sure nothing is left; `expected` bytes of `part` have been read.
    ///
    /// # Errors
    ///
    /// [`Error::File`] with [`Problem::TrailingData`], or with what is wrong with the gzip data's end: its
    /// checksum is looked at here.
    pub fn end(mut self, part: &'static str, expected: u64) -> Result<(), Error> {
        match self.reader.buffered().fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(self.error(Problem::TrailingData { part, expected })),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The next line without its end (`\n` or `\r\n`), or nothing at the end of the file.
    ///
    /// # Errors
    ///
    /// [`Error::File`]: [`Problem::OverLimit`] for a line over `limits.line_bytes` and for gzip data that
    /// becomes too large.
    pub fn line(&mut self) -> Result<Option<&[u8]>, Error> {
        self.line.clear();
        let allowed = self.limits.line_bytes;
        let read = self.reader.buffered().take(allowed.saturating_add(1)).read_until(b'\n', &mut self.line);
        let read = match read {
            Ok(read) => read as u64,
            Err(error) => return Err(self.failed(error)),
        };
        if read > allowed {
            return Err(self.error(Problem::OverLimit { limit: "line_bytes", allowed, found: read }));
        }
        self.taken += read;
        if let Reader::Gzip(_) = self.reader {
            self.check_inflation(self.taken)?;
        }
        if read == 0 {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            if self.line.last() == Some(&b'\r') {
                self.line.pop();
            }
        }
        Ok(Some(&self.line))
    }

    fn check_inflation(&self, size: u64) -> Result<(), Error> {
        let allowed = self.stored.saturating_mul(self.limits.inflation).saturating_add(ALWAYS_ALLOWED);
        if size <= allowed {
            return Ok(());
        }
        let found = size.div_ceil(self.stored.max(1));
        Err(self.error(Problem::OverLimit { limit: "inflation", allowed: self.limits.inflation, found }))
    }

    fn error(&self, problem: Problem) -> Error {
        Error::file(&self.path, problem)
    }

    fn failed(&self, error: io::Error) -> Error {
        self.error(match (&self.reader, error.kind()) {
            (
                Reader::Gzip(_),
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof,
            ) => Problem::Invalid { format: "gzip", reason: error.to_string() },
            _ => Problem::Io(error),
        })
    }
}

fn out_of_memory() -> Problem {
    Problem::Io(io::ErrorKind::OutOfMemory.into())
}

/// The size of a file that may be opened.
fn check_file(path: &Path, limits: &Limits) -> Result<u64, Error> {
    let metadata = path.metadata().map_err(|error| Error::file(path, error))?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() { "a folder" } else { "a device or pipe" };
        return Err(Error::file(path, Problem::unexpected("a file", found)));
    }
    match metadata.len() {
        0 => Err(Error::file(path, Problem::unexpected("a file with content", "an empty file"))),
        found if found > limits.file_bytes => {
            let problem = Problem::OverLimit { limit: "file_bytes", allowed: limits.file_bytes, found };
            Err(Error::file(path, problem))
        }
        size => Ok(size),
    }
}

/// A whole file as it lies on disk, gzip or not.
pub(crate) fn whole_file(path: &Path, limits: &Limits) -> Result<Vec<u8>, Error> {
    let size = check_file(path, limits)?;
    let at = |error: io::Error| Error::file(path, error);
    let mut bytes = Vec::new();
    let room = usize::try_from(size).ok().filter(|&room| bytes.try_reserve_exact(room).is_ok());
    if room.is_none() {
        return Err(Error::file(path, out_of_memory()));
    }
    // A file that grows meanwhile is read as far as it was announced.
    File::open(path).map_err(at)?.take(size).read_to_end(&mut bytes).map_err(at)?;
    Ok(bytes)
}
