//! Images listed in a CSV file by their paths.
//!
//! ```text
//! path,label,group            a header, or none; further columns are passed over
//! cats/001.jpg,cat,7
//! "dogs/a, b.png",dog,8       quotes around a field that holds the separator; doubled inside
//! ```
//!
//! Without a header the first column is the path, the second (if any) the label. Columns are separated by commas,
//! semicolons or tabs. Classes are the distinct labels, whole numbers in their order, else words in theirs; groups say
//! what belongs together, for [`Split::grouped`](crate::Split::grouped).

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::coco::quoted;
use super::folder::OnBroken;
use super::listing::{below, check_is_file};
use super::{Entry, Listing};
use crate::source::Source;
use crate::{Error, Limits, Problem};

const PATH_NAMES: [&str; 6] = ["path", "file", "filename", "file_name", "image", "image_path"];
const LABEL_NAMES: [&str; 4] = ["label", "class", "target", "category"];
const GROUP_NAMES: [&str; 4] = ["group", "patient", "subject", "session"];

/// More columns than a list of images has.
const COLUMNS: usize = 1000;

/// Reads a list; paths start from `root`, usually the list's folder.
///
/// # Errors
///
/// [`Error::File`] naming the list and the line, or the image that is not there.
pub fn read(path: &Path, root: &Path, on_broken: OnBroken, limits: &Limits) -> Result<Listing, Error> {
    let mut source = Source::open(path, limits)?;
    let mut table = Table { path, root, line: 0, columns: None, seen: HashSet::new() };
    let (mut rows, mut skipped) = (Vec::new(), Vec::new());
    while let Some(line) = source.line()? {
        match table.line(line) {
            Ok(row) => rows.extend(row),
            Err(error) if on_broken == OnBroken::Skip => skipped.push(error),
            Err(error) => return Err(error),
        }
        if rows.len() as u64 > limits.files {
            let (allowed, found) = (limits.files, rows.len() as u64);
            return Err(Error::file(path, Problem::OverLimit { limit: "files", allowed, found }));
        }
    }
    if rows.is_empty() {
        return Err(Error::file(path, Problem::unexpected("at least one image that can be used", "none")));
    }
    let (class_names, class_of) = numbered(rows.iter().filter_map(|row| row.label.as_deref()));
    let found = class_names.len() as u64;
    if found > limits.classes {
        let (limit, allowed) = ("classes", limits.classes);
        return Err(Error::file(path, Problem::OverLimit { limit, allowed, found }));
    }
    let (_, group_of) = numbered(rows.iter().filter_map(|row| row.group.as_deref()));
    let number = |of: &BTreeMap<String, usize>, word: Option<String>| of.get(&word?).copied();
    let entries = rows.into_iter().map(|row| Entry {
        label: number(&class_of, row.label),
        group: number(&group_of, row.group),
        ..Entry::new(row.image)
    });
    Ok(Listing { entries: entries.collect(), class_names, skipped })
}

struct Row {
    image: PathBuf,
    label: Option<String>,
    group: Option<String>,
}

/// Which column is which.
#[derive(Clone, Copy)]
struct Columns {
    separator: char,
    count: usize,
    path: usize,
    label: Option<usize>,
    group: Option<usize>,
}

struct Table<'a> {
    path: &'a Path,
    root: &'a Path,
    line: u64,
    columns: Option<Columns>,
    seen: HashSet<PathBuf>,
}

impl Table<'_> {
    /// The row of a line; none for a header or an empty line.
    fn line(&mut self, bytes: &[u8]) -> Result<Option<Row>, Error> {
        self.line += 1;
        let bytes = if self.line == 1 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) } else { bytes };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            self.at("UTF-8 text", format_args!("other bytes from position {}", error.valid_up_to()))
        })?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        let columns = match self.columns {
            Some(columns) => columns,
            None => {
                let (columns, is_header) = self.first(text)?;
                self.columns = Some(columns);
                if is_header {
                    return Ok(None);
                }
                columns
            }
        };
        let fields = self.fields(text, columns.separator)?;
        if fields.len() != columns.count {
            return Err(
                self.at(format_args!("{} columns, as in the first line", columns.count), fields.len())
            );
        }
        let word = |column: Option<usize>, what: &str| match column.map(|column| fields[column].as_str()) {
            Some("") => Err(self.at(format_args!("a {what}"), "an empty field")),
            found => Ok(found.map(str::to_owned)),
        };
        let (label, group) = (word(columns.label, "label")?, word(columns.group, "group")?);
        let name = &fields[columns.path];
        let image = below(self.root, name)
            .ok_or_else(|| self.at("a path below the folder of images", quoted(name)))?;
        check_is_file(&image)?;
        if !self.seen.insert(image.clone()) {
            return Err(self.at("an image once", format_args!("{} again", quoted(name))));
        }
        Ok(Some(Row { image, label, group }))
    }

    /// Separator and columns, by the first line.
    fn first(&self, text: &str) -> Result<(Columns, bool), Error> {
        let separator =
            [',', ';', '\t'].into_iter().find(|&separator| text.contains(separator)).unwrap_or(',');
        let fields = self.fields(text, separator)?;
        let find = |names: &[&str]| {
            fields.iter().position(|field| names.iter().any(|name| field.eq_ignore_ascii_case(name)))
        };
        let count = fields.len();
        Ok(match find(&PATH_NAMES) {
            Some(path) => (
                Columns { separator, count, path, label: find(&LABEL_NAMES), group: find(&GROUP_NAMES) },
                true,
            ),
            None => {
                (Columns { separator, count, path: 0, label: (count > 1).then_some(1), group: None }, false)
            }
        })
    }

    fn fields(&self, text: &str, separator: char) -> Result<Vec<String>, Error> {
        let mut fields = vec![String::new()];
        let mut in_quotes = false;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let field = match fields.last_mut() {
                Some(field) => field,
                None => continue,
            };
            match character {
                '"' if in_quotes && characters.peek() == Some(&'"') => {
                    characters.next();
                    field.push('"');
                }
                '"' if in_quotes || field.trim().is_empty() => {
                    in_quotes = !in_quotes;
                    if in_quotes {
                        field.clear();
                    }
                }
                _ if character == separator && !in_quotes => fields.push(String::new()),
                _ => field.push(character),
            }
        }
        if in_quotes {
            return Err(self.at("a quote that ends", "a line that ends inside it"));
        }
        if fields.len() > COLUMNS {
            return Err(self.at(format_args!("at most {COLUMNS} columns"), fields.len()));
        }
        Ok(fields.iter().map(|field| field.trim().to_owned()).collect())
    }

    fn at(&self, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> Error {
        let (expected, found) = (expected.to_string(), found.to_string());
        Error::file(self.path, Problem::Line { line: self.line, expected, found })
    }
}

/// The distinct words in order (numbers by value), and the number of each.
fn numbered<'w>(words: impl Iterator<Item = &'w str>) -> (Vec<String>, BTreeMap<String, usize>) {
    let mut distinct: Vec<String> = words.map(str::to_owned).collect::<HashSet<_>>().into_iter().collect();
    distinct.sort_by(|a, b| {
        let value = |word: &str| word.parse::<u64>().unwrap_or(u64::MAX);
        value(a).cmp(&value(b)).then_with(|| a.cmp(b))
    });
    let numbers = distinct.iter().cloned().zip(0..).collect();
    (distinct, numbers)
}
