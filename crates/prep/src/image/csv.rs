//! Images as lines of text: pixel values and a label, separated by commas, semicolons or tabs; plain or
//! gzip.
//!
//! ```text
//! label,p0,p1,p2,p3          a header, or none
//! cat,0,17,255,3
//! dog,9,0,0,254              the label first or last: a word or a whole number
//! ```

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ImageSet;
use crate::source::Source;
use crate::{Error, Limits, Problem};

/// Names by which a header calls the label.
const LABEL_NAMES: [&str; 5] = ["label", "labels", "class", "target", "digit"];

/// Which column is the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelColumn {
    /// The one that a header calls label, class, target or digit. Without such a header the last, unless
    /// all its values are the same: then the first.
    #[default]
    Detect,
    /// The first, as in the usual CSV of MNIST.
    First,
    /// The last, as in the UCI's files.
    Last,
}

/// How to read a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsvSpec {
    /// Where the label stands.
    pub label: LabelColumn,
    /// `[channels, height, width]` of a line's pixels, in this order. Default: a grey square, or else three
    /// squares of colour.
    pub shape: Option<[usize; 3]>,
    /// The value of white, by which pixels are divided. Default: the largest in the file.
    pub white: Option<f32>,
}

/// Reads a CSV file. Classes are the distinct labels, whole numbers in their order, else words in theirs.
///
/// # Errors
///
/// [`Error::File`] with the line, counted from 1, or the reason.
pub fn read(path: &Path, spec: &CsvSpec, limits: &Limits) -> Result<ImageSet, Error> {
    if let Some(white) = spec.white
        && !(white.is_finite() && white > 0.0)
    {
        return Err(Error::argument("white", "a finite number above 0", white));
    }
    let mut source = Source::open(path, limits)?;
    let mut table = Table::new(path, limits, spec.label);
    while let Some(line) = source.line()? {
        table.line(line)?;
    }
    table.finish(spec)
}

/// The rows read so far. Both outer columns are kept as text until it is known which is the label.
struct Table<'a> {
    path: &'a Path,
    limits: &'a Limits,
    label: LabelColumn,
    line: u64,
    /// Separator and number of columns, as the first line has them.
    format: Option<(char, usize)>,
    /// Line numbers, to name one later.
    lines: Vec<u64>,
    firsts: Column,
    lasts: Column,
    /// The columns between the outer ones.
    inner: Vec<f32>,
    /// Memory taken so far, about.
    bytes: u64,
}

/// A column of text: each distinct word once.
#[derive(Default)]
struct Column {
    words: HashMap<String, usize>,
    rows: Vec<usize>,
}

impl Column {
    /// Adds a row; returns the bytes it takes beside its index.
    fn push(&mut self, word: &str) -> u64 {
        let next = self.words.len();
        let (index, taken) = match self.words.get(word) {
            Some(&index) => (index, 0),
            None => (*self.words.entry(word.to_owned()).or_insert(next), word.len() as u64 + 48),
        };
        self.rows.push(index);
        taken
    }

    /// The distinct words in the order of their first row.
    fn words(&self) -> Vec<&str> {
        let mut words = vec![""; self.words.len()];
        for (word, &index) in &self.words {
            words[index] = word;
        }
        words
    }
}

impl<'a> Table<'a> {
    fn new(path: &'a Path, limits: &'a Limits, label: LabelColumn) -> Self {
        let (firsts, lasts) = (Column::default(), Column::default());
        Self {
            path,
            limits,
            label,
            line: 0,
            format: None,
            lines: Vec::new(),
            firsts,
            lasts,
            inner: Vec::new(),
            bytes: 0,
        }
    }

    fn line(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.line += 1;
        let bytes = if self.line == 1 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) } else { bytes };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            self.at("UTF-8 text", format_args!("other bytes from position {}", error.valid_up_to()))
        })?;
        if text.trim().is_empty() {
            return Ok(());
        }
        let (separator, columns) = match self.format {
            Some(format) => format,
            None => {
                let separator = [',', ';', '\t'].into_iter().find(|&separator| text.contains(separator));
                let separator = separator.ok_or_else(|| {
                    self.at("values separated by commas, semicolons or tabs", "a line without any")
                })?;
                (separator, text.split(separator).count())
            }
        };
        if columns < 2 {
            return Err(self.at("a label and at least one pixel", "one column"));
        }
        let fields = text.split(separator).map(unquoted);
        let found = fields.clone().count();
        if found != columns {
            return Err(self.at(format_args!("{columns} columns, as in the lines before"), found));
        }
        if self.format.replace((separator, columns)).is_none() && self.is_header(fields.clone()) {
            return Ok(());
        }
        self.row(fields, columns)
    }

    /// Takes the first line for a header if what must be a pixel is no number.
    fn is_header<'t>(&mut self, fields: impl Iterator<Item = &'t str>) -> bool {
        let fields: Vec<&str> = fields.collect();
        let (Some(first), Some(last)) = (fields.first(), fields.last()) else { return false };
        let is_label = |name: &str| LABEL_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known));
        let is_number = |field: &&str| field.parse::<f32>().is_ok();
        let pixels_are_numbers = match fields.len() {
            2 => is_number(first) || is_number(last),
            columns => fields[1..columns - 1].iter().any(is_number),
        };
        if pixels_are_numbers {
            return false;
        }
        if self.label == LabelColumn::Detect {
            self.label = match (is_label(first), is_label(last)) {
                (true, false) => LabelColumn::First,
                (false, true) => LabelColumn::Last,
                _ => LabelColumn::Detect,
            };
        }
        true
    }

    fn row<'t>(&mut self, fields: impl Iterator<Item = &'t str>, columns: usize) -> Result<(), Error> {
        // The pixels, and three indices a row.
        self.bytes += columns as u64 * size_of::<f32>() as u64 + 24;
        for (column, field) in fields.enumerate() {
            if column == 0 {
                if self.label == LabelColumn::Last {
                    self.pixel(column, field)?;
                }
                self.bytes += self.firsts.push(field);
            } else if column == columns - 1 {
                if self.label == LabelColumn::First {
                    self.pixel(column, field)?;
                }
                self.bytes += self.lasts.push(field);
            } else {
                let value = self.pixel(column, field)?;
                self.inner.push(value);
            }
        }
        if self.bytes > self.limits.set_bytes {
            let (limit, allowed) = ("set_bytes", self.limits.set_bytes);
            return Err(Error::file(self.path, Problem::OverLimit { limit, allowed, found: self.bytes }));
        }
        let classes = match self.label {
            LabelColumn::First => self.firsts.words.len(),
            LabelColumn::Last => self.lasts.words.len(),
            LabelColumn::Detect => self.firsts.words.len().min(self.lasts.words.len()),
        } as u64;
        if classes > self.limits.classes {
            let (limit, allowed) = ("classes", self.limits.classes);
            return Err(Error::file(self.path, Problem::OverLimit { limit, allowed, found: classes }));
        }
        self.lines.push(self.line);
        Ok(())
    }

    fn pixel(&self, column: usize, field: &str) -> Result<f32, Error> {
        match field.parse::<f32>() {
            Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
            _ => Err(self.at(
                format_args!("a finite number of at least 0 in column {}", column + 1),
                format_args!("{:?}", shortened(field)),
            )),
        }
    }

    fn finish(self, spec: &CsvSpec) -> Result<ImageSet, Error> {
        let Some((_, columns)) = self.format.filter(|_| !self.lines.is_empty()) else {
            let found = if self.line == 0 { "none" } else { "only a header or empty lines" };
            return Err(Error::file(self.path, Problem::unexpected("lines of pixels and a label", found)));
        };
        let label_is_first = match self.label {
            LabelColumn::First => true,
            LabelColumn::Last => false,
            LabelColumn::Detect => self.lasts.words.len() == 1 && self.firsts.words.len() > 1,
        };
        let (labels, pixels) =
            if label_is_first { (&self.firsts, &self.lasts) } else { (&self.lasts, &self.firsts) };
        let shape = self.shape(spec, columns - 1)?;
        let (class_of, class_names) = self.classes(labels)?;

        // The outer column that is a pixel was text until now.
        let outer_column = if label_is_first { columns - 1 } else { 0 };
        let mut values = Vec::with_capacity(pixels.words.len());
        for (index, word) in pixels.words().into_iter().enumerate() {
            let value = self.pixel(outer_column, word);
            values.push(value.map_err(|error| self.at_row(&pixels.rows, index, error))?);
        }
        let mut all = Vec::with_capacity(self.lines.len() * (columns - 1));
        for (row, &index) in pixels.rows.iter().enumerate() {
            let inner = &self.inner[row * (columns - 2)..][..columns - 2];
            if label_is_first {
                all.extend_from_slice(inner);
                all.push(values[index]);
            } else {
                all.push(values[index]);
                all.extend_from_slice(inner);
            }
        }
        let white = match spec.white {
            Some(white) => white,
            None => all.iter().copied().fold(0.0, f32::max),
        };
        if white == 0.0 {
            return Err(Error::file(self.path, Problem::unexpected("pixels above 0", "only zeros")));
        }
        for value in &mut all {
            *value /= white;
        }
        let labels = labels.rows.iter().map(|&word| class_of[word]).collect();
        ImageSet::new(all, shape, labels, class_names)
    }

    fn shape(&self, spec: &CsvSpec, pixels: usize) -> Result<[usize; 3], Error> {
        let square = |area: usize| Some(area.isqrt()).filter(|side| side * side == area);
        let shape = match spec.shape {
            Some(shape) => Some(shape),
            None => square(pixels).map(|side| [1, side, side]).or_else(|| {
                let side = pixels.is_multiple_of(3).then(|| square(pixels / 3))??;
                Some([3, side, side])
            }),
        };
        let product =
            |shape: [usize; 3]| shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
        match shape {
            Some(shape) if product(shape) == Some(pixels) => Ok(shape),
            Some([c, h, w]) => {
                let expected = format!("a label and {c}×{h}×{w} pixels a line");
                Err(Error::file(self.path, Problem::unexpected(expected, format_args!("{pixels} pixels"))))
            }
            None => {
                let expected = "a square number of pixels a line, or three times one";
                Err(Error::file(self.path, Problem::unexpected(expected, pixels)))
            }
        }
    }

    /// The class of each distinct word, and the classes' names.
    fn classes(&self, labels: &Column) -> Result<(Vec<usize>, Vec<String>), Error> {
        let words = labels.words();
        let at = |index: usize, found: &str| {
            let error = self.at("a label that is a word or a whole number of at least 0", found);
            self.at_row(&labels.rows, index, error)
        };
        for (index, word) in words.iter().enumerate() {
            let is_other_number = word.parse::<f64>().is_ok() && word.parse::<u32>().is_err();
            if word.is_empty() || is_other_number {
                return Err(at(index, &format!("{:?}", shortened(word))));
            }
        }
        // Numbers by value: 2 before 10.
        let mut sorted = words.clone();
        sorted.sort_by_key(|&word| (word.parse::<u32>().unwrap_or(u32::MAX), word));
        let class_of: HashMap<&str, usize> = sorted.iter().enumerate().map(|(i, &name)| (name, i)).collect();
        let class_of = words.iter().map(|word| class_of[word]).collect();
        Ok((class_of, sorted.into_iter().map(str::to_owned).collect()))
    }

    fn at(&self, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> Error {
        let (expected, found) = (expected.to_string(), found.to_string());
        Error::file(self.path, Problem::Line { line: self.line, expected, found })
    }

    /// The same error at the first row that holds the word `index`.
    fn at_row(&self, rows: &[usize], index: usize, error: Error) -> Error {
        match error {
            Error::File { path, problem: Problem::Line { expected, found, .. } } => {
                let row = rows.iter().position(|&word| word == index).unwrap_or(0);
                let line = self.lines.get(row).copied().unwrap_or(self.line);
                Error::File { path, problem: Problem::Line { line, expected, found } }
            }
            other => other,
        }
    }
}

fn unquoted(field: &str) -> &str {
    let field = field.trim();
    field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field).trim()
}

/// A field as an error shows it.
fn shortened(field: &str) -> String {
    match field.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &field[..end]),
        None => field.to_owned(),
    }
}
