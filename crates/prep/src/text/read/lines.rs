//! The lines of a text file.

use std::path::Path;
use std::sync::Arc;

use crate::source::Source;
use crate::{Error, Limits, Problem};

/// What a file begins with that a text file of another encoding would begin with.
const MARKS: [(&[u8], &str); 4] = [
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
];

/// The lines of a text file, without their ends, one at a time.
///
/// ```
/// use fornax_prep::{Limits, text::Lines};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("poem.txt");
/// std::fs::write(&path, "so much depends\r\nupon\n\na red wheel").unwrap();
///
/// let lines: Vec<String> = Lines::open(&path, &Limits::default())?.collect::<Result<_, _>>()?;
/// assert_eq!(lines, ["so much depends", "upon", "", "a red wheel"]);
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug)]
pub struct Lines {
    source: Source,
    path: Arc<Path>,
    limits: Limits,
    number: u64,
    done: bool,
}

impl Lines {
    /// Opens a text file, plain or gzip.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when it cannot be read, is empty or over `limits.file_bytes`, or begins as UTF-16 or
    /// UTF-32 do.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, Error> {
        let mut source = Source::open(path, limits)?;
        let start = source.peek()?;
        if let Some((_, found)) = MARKS.iter().find(|(mark, _)| start.starts_with(mark)) {
            return Err(Error::file(path, Problem::unexpected("text in UTF-8", *found)));
        }
        Ok(Self { source, path: path.into(), limits: *limits, number: 0, done: false })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the last line read, from 1; 0 before the first.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line, borrowed.
    pub(super) fn advance(&mut self) -> Result<Option<&str>, Error> {
        if self.done {
            return Ok(None);
        }
        self.number += 1;
        let number = self.number;
        // Whatever ends this call early ends the file.
        self.done = true;
        let path = Arc::clone(&self.path);
        let at = |expected: String, found: String| {
            Error::file(&path, Problem::Line { line: number, expected, found })
        };
        let allowed = self.limits.line_bytes;
        let bytes = match self.source.line() {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                self.number -= 1;
                return Ok(None);
            }
            Err(Error::File { problem: Problem::OverLimit { limit: "line_bytes", found, .. }, .. }) => {
                return Err(at(
                    format!("at most {allowed} bytes (limit `line_bytes`)"),
                    format!("{found} or more"),
                ));
            }
            Err(other) => return Err(other),
        };
        let bytes = match number {
            1 => bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
            _ => bytes,
        };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let place = error.valid_up_to();
            at("text in UTF-8".to_owned(), format!("the byte 0x{:02x} at position {place}", bytes[place]))
        })?;
        if let Some(place) = text.bytes().position(|byte| byte == 0) {
            return Err(at("text".to_owned(), format!("a zero byte at position {place}")));
        }
        self.done = false;
        Ok(Some(text))
    }

    /// An error at the last line read.
    pub(super) fn error(
        &self,
        line: u64,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Error {
        let (expected, found) = (expected.to_string(), found.to_string());
        Error::file(&self.path, Problem::Line { line, expected, found })
    }
}

impl Iterator for Lines {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().map(|line| line.map(str::to_owned)).transpose()
    }
}
