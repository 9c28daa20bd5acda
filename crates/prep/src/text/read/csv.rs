//! Tables with a header, values separated by commas, semicolons, tabs or bars.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::record::{Origin, Value};
use super::{Lines, Record};
use crate::{Error, Limits, Problem};

/// Separators that are looked for.
const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];
/// Columns a table may have.
const COLUMNS: usize = 100_000;

/// How to read a table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsvTextSpec {
    /// Names of the columns to read, as the header has them.
    pub columns: Vec<String>,
    /// What stands between values: any ASCII character but a quote or the end of a line. Default: whichever
    /// of `,` `;` tab `|` the header has most of.
    pub separator: Option<char>,
}

impl CsvTextSpec {
    /// These columns, the separator found out.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), separator: None }
    }
}

/// The records of a table with a header, one at a time, as RFC 4180 has them: a value in quotes may hold
/// separators, quotes (doubled) and ends of lines.
///
/// Stricter than most readers where leniency would hide a broken file: every record has as many values as the
/// header, nothing follows a closing quote, and a quote that is never closed is an error at the line where it
/// was opened, found within `limits.line_bytes`.
///
/// ```
/// use fornax_prep::{Limits, text::{CsvRecords, CsvTextSpec}};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("reviews.csv");
/// std::fs::write(&path, "id,stars,review\n1,5,\"Good, \"\"really\"\"\"\n2,1,Bad\n").unwrap();
///
/// let mut records = CsvRecords::open(&path, &CsvTextSpec::new(["review", "stars"]), &Limits::default())?;
/// let first = records.next().unwrap()?;
/// assert_eq!((first.text("review")?, first.number("stars")?), ("Good, \"really\"", 5.0));
/// assert_eq!(records.next().unwrap()?.line(), 3);
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug)]
pub struct CsvRecords {
    lines: Lines,
    limits: Limits,
    separator: char,
    origin: Arc<Origin>,
    /// Where each column asked for stands.
    places: Vec<usize>,
    width: usize,
    done: bool,
}

impl CsvRecords {
    /// Opens a table and reads its header.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when it cannot be read or the header lacks a column or has it twice;
    /// [`Error::Argument`] for a separator that cannot be one and for no columns.
    pub fn open(path: &Path, spec: &CsvTextSpec, limits: &Limits) -> Result<Self, Error> {
        if spec.columns.is_empty() {
            return Err(Error::argument("columns", "at least one column", "none"));
        }
        if let Some(separator) = spec.separator
            && (!separator.is_ascii() || ['"', '\n', '\r'].contains(&separator))
        {
            let expected = "an ASCII character but a quote or the end of a line";
            return Err(Error::argument("separator", expected, format_args!("{separator:?}")));
        }
        let lines = Lines::open(path, limits)?;
        let origin = Origin { path: path.into(), columns: spec.columns.clone() };
        let mut table = Self {
            lines,
            limits: *limits,
            separator: spec.separator.unwrap_or(','),
            origin: Arc::new(origin),
            places: Vec::new(),
            width: 0,
            done: false,
        };
        table.header(spec)?;
        Ok(table)
    }

    fn header(&mut self, spec: &CsvTextSpec) -> Result<(), Error> {
        let Some((line, text)) = self.record_text(spec.separator.is_none())? else {
            let problem = Problem::unexpected("a header and rows", "only empty lines");
            return Err(Error::file(self.lines.path(), problem));
        };
        let names: Vec<String> = self.split(line, &text)?.iter().map(|name| name.trim().to_owned()).collect();
        if names.len() > COLUMNS {
            return Err(self.lines.error(line, format_args!("at most {COLUMNS} columns"), names.len()));
        }
        for column in &spec.columns {
            let mut found = names.iter().enumerate().filter(|(_, name)| *name == column);
            let Some((place, _)) = found.next() else {
                let shown: Vec<&str> = names.iter().map(String::as_str).take(20).collect();
                let found = shown.join("`, `").chars().take(200).collect::<String>();
                return Err(self.lines.error(
                    line,
                    format_args!("a column `{column}`"),
                    format_args!("`{found}`"),
                ));
            };
            if found.next().is_some() {
                return Err(self.lines.error(line, format_args!("one column `{column}`"), "several"));
            }
            self.places.push(place);
        }
        self.width = names.len();
        Ok(())
    }

    /// The text of the next record, all its lines, with the number of its first; empty lines between records
    /// are passed over.
    fn record_text(&mut self, detect: bool) -> Result<Option<(u64, String)>, Error> {
        let mut record = String::new();
        let mut start = 0;
        let mut quotes = Quotes { open: false, start: true, closed: false };
        loop {
            let open = quotes.open;
            let allowed = self.limits.line_bytes;
            let Some(line) = self.lines.advance()? else {
                if open {
                    return Err(self.lines.error(start, "a closing quote", "the end of the file"));
                }
                return Ok(None);
            };
            if !open && line.trim_ascii().is_empty() {
                continue;
            }
            if open {
                record.push('\n');
            }
            if (record.len() + line.len()) as u64 > allowed {
                let expected = format!("a record of at most {allowed} bytes (limit `line_bytes`)");
                return Err(self.lines.error(start, expected, "more, or a quote that is never closed"));
            }
            let length = line.len();
            record.push_str(line);
            if !open {
                start = self.lines.number();
                if detect {
                    self.separator = detected(&record);
                }
            }
            let line = &record[record.len() - length..];
            quotes.follow(line, self.separator);
            if !quotes.open {
                return Ok(Some((start, record)));
            }
        }
    }

    /// The values of a record.
    fn split(&self, line: u64, text: &str) -> Result<Vec<String>, Error> {
        let mut values = Vec::with_capacity(self.width);
        let mut rest = text;
        loop {
            let value;
            (value, rest) = if let Some(quoted) = rest.strip_prefix('"') {
                let (value, rest) = unquoted(quoted)
                    .ok_or_else(|| self.lines.error(line, "a closing quote", "the end of the record"))?;
                if !rest.is_empty() && !rest.starts_with(self.separator) {
                    let found: String = rest.chars().take(20).collect();
                    let expected =
                        format!("`{}` or the end after a closing quote", self.separator.escape_debug());
                    return Err(self.lines.error(line, expected, format_args!("{found:?}")));
                }
                (value, rest)
            } else {
                let end = rest.find(self.separator).unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            };
            values.push(value);
            match rest.strip_prefix(self.separator) {
                Some(next) => rest = next,
                None => return Ok(values),
            }
        }
    }

    fn read(&mut self) -> Result<Option<Record>, Error> {
        let Some((line, text)) = self.record_text(false)? else { return Ok(None) };
        let mut values = self.split(line, &text)?;
        if values.len() != self.width {
            let expected = format!("{} values, as the header has", self.width);
            return Err(self.lines.error(line, expected, values.len()));
        }
        // A column may be asked for twice.
        let last = |i: usize, place: &usize| !self.places[i + 1..].contains(place);
        let values = self.places.iter().enumerate().map(|(i, place)| {
            let value = &mut values[*place];
            Value::Text(if last(i, place) { std::mem::take(value) } else { value.clone() })
        });
        let values = values.collect();
        Ok(Some(Record { origin: Arc::clone(&self.origin), line, values }))
    }
}

/// The text up to the closing quote, doubled ones made one, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                value.push('"');
                rest = next;
            }
            None => return Some((value, rest)),
        }
    }
}

/// Where in a record one stands, followed line by line.
struct Quotes {
    /// Within quotes.
    open: bool,
    /// At the first character of a value.
    start: bool,
    /// Right after a quote that closed, or that is the first of two.
    closed: bool,
}

impl Quotes {
    /// A quote within a value that did not begin with one is an ordinary character.
    fn follow(&mut self, text: &str, separator: char) {
        for character in text.chars() {
            if self.open {
                (self.open, self.closed) = (character != '"', character == '"');
            } else if character == '"' && (self.start || self.closed) {
                *self = Self { open: true, start: false, closed: false };
            } else {
                (self.start, self.closed) = (character == separator, false);
            }
        }
    }
}

fn detected(header: &str) -> char {
    let mut counts = [0usize; 4];
    let mut quoted = false;
    for character in header.chars() {
        quoted ^= character == '"';
        if let Some(place) = SEPARATORS.iter().position(|&separator| separator == character)
            && !quoted
        {
            counts[place] += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or_default();
    let place = counts.iter().position(|&count| count == most).unwrap_or_default();
    SEPARATORS[place]
}

impl Iterator for CsvRecords {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let record = self.read().transpose();
        self.done = !matches!(record, Some(Ok(_)));
        record
    }
}
