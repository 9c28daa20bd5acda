//! What a user's `--data PATH` is, found out by looking.

use std::fs;
use std::path::Path;

use super::csv::{self, CsvSpec};
use super::folder::{self, OnBroken};
use super::{ImageSet, ImageSpec, idx};
use crate::source::Source;
use crate::{Error, Limits, Problem, Split};

/// What is accepted, for errors.
const EXPECTED: &str = "a folder of images for each class, an IDX pair (train-images-idx3-ubyte and \
                        train-labels-idx1-ubyte, plain or .gz) or a CSV file of pixels and labels";

/// How [`open`] makes what it finds into a set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenSpec {
    /// Channels and size, whatever the kind of data.
    pub image: ImageSpec,
    /// For CSV files.
    pub csv: CsvSpec,
    /// For image files that cannot be used.
    pub on_broken: OnBroken,
}

impl OpenSpec {
    /// Images of this kind; CSV details detected; a broken file is an error.
    pub fn new(image: ImageSpec) -> Self {
        Self { image, csv: CsvSpec::default(), on_broken: OnBroken::Fail }
    }
}

/// The kinds of data that [`open`] knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A folder of images for each class.
    Folder,
    /// One or two IDX pairs, as MNIST comes in.
    Idx,
    /// A CSV file of pixels and labels.
    Csv,
}

/// What was found.
#[derive(Debug)]
pub struct Opened {
    /// What the path turned out to be.
    pub kind: Kind,
    /// The images, of the channels and size asked for.
    pub set: ImageSet,
    /// The data's own division into training and test, if it comes with one, as MNIST does.
    pub split: Option<Split>,
    /// Files left out under [`OnBroken::Skip`].
    pub skipped: Vec<Error>,
}

/// Reads a folder of images for each class, an IDX pair (its folder, or either file) or a CSV file.
///
/// # Errors
///
/// [`Error::File`]: what was expected and found, or what is wrong with the file at fault.
pub fn open(path: &Path, spec: &OpenSpec, limits: &Limits) -> Result<Opened, Error> {
    let metadata = path.metadata().map_err(|error| Error::file(path, error))?;
    let (kind, set, split, skipped) = if metadata.is_dir() {
        let Names { idx, folders, others } = Names::of(path, limits)?;
        if idx > 0 {
            let (set, split) = idx::read_folder(path, limits)?;
            (Kind::Idx, set, split, Vec::new())
        } else if folders > 0 {
            let found = folder::read(path, &spec.image, spec.on_broken, limits)?;
            (Kind::Folder, found.set, None, found.skipped)
        } else {
            let found = match others.as_slice() {
                [] => "an empty folder".to_owned(),
                some => format!("a folder of files such as {}", some.join(", ")),
            };
            return Err(Error::file(path, Problem::unexpected(EXPECTED, found)));
        }
    } else {
        let (kind, set) = read_file(path, spec, limits)?;
        (kind, set, None, Vec::new())
    };
    Ok(Opened { kind, set: set.conformed(&spec.image)?, split, skipped })
}

fn read_file(path: &Path, spec: &OpenSpec, limits: &Limits) -> Result<(Kind, ImageSet), Error> {
    let mut source = Source::open(path, limits)?;
    let start = source.peek()?;
    if idx::looks_like_idx(start) {
        return Ok((Kind::Idx, idx::read(&idx_pair(path)?, limits)?));
    }
    // Text of any language holds no zero byte; a picture's or an archive's start does.
    if ::image::guess_format(start).is_ok() || start.contains(&0) {
        let found = match ::image::guess_format(start) {
            Ok(format) => format!("a single image ({})", format!("{format:?}").to_lowercase()),
            Err(_) => format!("a file that begins with {}", super::decode::beginning(start)),
        };
        return Err(Error::file(path, Problem::unexpected(EXPECTED, found)));
    }
    Ok((Kind::Csv, csv::read(path, &spec.csv, limits)?))
}

/// The pair one of whose files was given.
fn idx_pair(path: &Path) -> Result<idx::Pair, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let alone = |found: &str| {
        let expected = "a name like train-images-idx3-ubyte, and the labels' file beside it";
        Error::file(path, Problem::unexpected(expected, found))
    };
    let partner = idx::Name::partner(&name).ok_or_else(|| alone("an IDX file of another name"))?;
    let toggled = match partner.strip_suffix(".gz") {
        Some(plain) => plain.to_owned(),
        None => format!("{partner}.gz"),
    };
    let partner = [partner, toggled]
        .into_iter()
        .map(|name| path.with_file_name(name))
        .find(|partner| partner.is_file())
        .ok_or_else(|| alone("no partner"))?;
    let path = path.to_owned();
    Ok(if name.to_lowercase().contains("idx3") {
        idx::Pair { images: path, labels: partner }
    } else {
        idx::Pair { images: partner, labels: path }
    })
}

/// A look at a folder.
struct Names {
    idx: usize,
    folders: usize,
    /// The first few other names.
    others: Vec<String>,
}

impl Names {
    fn of(folder: &Path, limits: &Limits) -> Result<Self, Error> {
        let at = |error| Error::file(folder, Problem::Io(error));
        let mut names = Self { idx: 0, folders: 0, others: Vec::new() };
        for (count, entry) in fs::read_dir(folder).map_err(at)?.enumerate() {
            if count as u64 >= limits.files {
                break; // The reader will say so.
            }
            let entry = entry.map_err(at)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            } else if entry.path().is_dir() {
                names.folders += 1;
            } else if idx::Name::parse(&name).is_some() {
                names.idx += 1;
            } else {
                names.others.push(name);
                names.others.sort();
                names.others.truncate(3);
            }
        }
        Ok(names)
    }
}
