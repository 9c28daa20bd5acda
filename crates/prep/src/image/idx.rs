//! IDX, the format of MNIST and its successors: one file of images, one of labels, plain or gzip.
//!
//! ```text
//! bytes 0, 1   zero
//! byte  2      type of the numbers; 0x08 is an unsigned byte, the only one images use
//! byte  3      number of dimensions: 3 for images, 1 for labels
//! then         each dimension as a big-endian 32-bit number: count, height, width
//! then         the numbers, the last dimension fastest
//! ```
//!
//! Format: <http://yann.lecun.com/exdb/mnist/>

use std::path::{Path, PathBuf};

use super::ImageSet;
use crate::source::Source;
use crate::{Error, Limits, Problem, Split};

/// A file of images and the file of their labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Such as `train-images-idx3-ubyte.gz`.
    pub images: PathBuf,
    /// Such as `train-labels-idx1-ubyte.gz`.
    pub labels: PathBuf,
}

/// The IDX pairs of a folder, by the part their names say they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pairs {
    /// `train-…`, or the only pair of a folder whatever its name.
    pub train: Option<Pair>,
    /// `t10k-…` or `test-…`.
    pub test: Option<Pair>,
}

/// Reads one pair. Classes are the numbers from 0 to the largest label.
///
/// # Errors
///
/// [`Error::File`] naming the file and the reason.
pub fn read(pair: &Pair, limits: &Limits) -> Result<ImageSet, Error> {
    let (labels_shape, labels) = read_bytes::<1>(&pair.labels, "labels", limits)?;
    let ([count, height, width], pixels) = read_bytes::<3>(&pair.images, "images", limits)?;
    if labels_shape != [count] {
        let expected = format!("{count} labels, as many as {} has images", pair.images.display());
        return Err(Error::file(&pair.labels, Problem::unexpected(expected, labels.len())));
    }
    let labels: Vec<usize> = labels.into_iter().map(usize::from).collect();
    let classes = labels.iter().max().map_or(0, |&largest| largest + 1);
    let class_names = (0..classes).map(|class| class.to_string()).collect();
    ImageSet::from_bytes(pixels, [1, height, width], labels, class_names)
}

/// Reads one pair whose labels must lie below `classes`.
///
/// # Errors
///
/// As [`read`], and [`Problem::LabelOutOfRange`].
pub fn read_with_classes(pair: &Pair, class_names: &[String], limits: &Limits) -> Result<ImageSet, Error> {
    let set = read(pair, limits)?;
    if let Some(index) = set.labels().iter().position(|&label| label >= class_names.len()) {
        let (classes, found) = (class_names.len(), set.labels()[index]);
        return Err(Error::file(&pair.labels, Problem::LabelOutOfRange { index, classes, found }));
    }
    Ok(set.with_class_names(class_names.to_vec()))
}

/// Reads the pairs of a folder: training images first, then test images, and where the one ends and the
/// other begins if there are both.
///
/// # Errors
///
/// As [`find`] and [`read`]; also when test images are of another size than training images.
pub fn read_folder(folder: &Path, limits: &Limits) -> Result<(ImageSet, Option<Split>), Error> {
    match find(folder, limits)? {
        Pairs { train: Some(train), test: Some(test) } => {
            let (first, second) = (read(&train, limits)?, read(&test, limits)?);
            if first.shape() != second.shape() {
                let expected = format!("images of {:?}, as in {}", first.shape(), train.images.display());
                let problem = Problem::unexpected(expected, format_args!("{:?}", second.shape()));
                return Err(Error::file(&test.images, problem));
            }
            let both = first.followed_by(&second)?;
            let split = Split::at(both.len(), first.len())?;
            Ok((both, Some(split)))
        }
        Pairs { train: Some(pair), .. } | Pairs { test: Some(pair), .. } => Ok((read(&pair, limits)?, None)),
        Pairs { .. } => Err(none(folder)),
    }
}

/// Finds the IDX pairs of a folder by their names: `…images-idx3-ubyte` and `…labels-idx1-ubyte`, with
/// dashes, dots or underscores, with or without `.gz`.
///
/// # Errors
///
/// [`Error::File`] when there is none, when a file lacks its partner, or when there are several for a part.
pub fn find(folder: &Path, limits: &Limits) -> Result<Pairs, Error> {
    let at = |error| Error::file(folder, Problem::Io(error));
    let mut found: Vec<(Name, PathBuf)> = Vec::new();
    for (count, entry) in std::fs::read_dir(folder).map_err(at)?.enumerate() {
        if count as u64 >= limits.files {
            let (limit, allowed) = ("files", limits.files);
            return Err(Error::file(folder, Problem::OverLimit { limit, allowed, found: allowed + 1 }));
        }
        let path = entry.map_err(at)?.path();
        if let Some(name) = path.file_name().and_then(|name| Name::parse(&name.to_string_lossy())) {
            found.push((name, path));
        }
    }
    // Of two files that differ only in `.gz` the plain one comes first and stays.
    found.sort();
    found.dedup_by(|(later, _), (kept, _)| (&later.part, later.kind) == (&kept.part, kept.kind));

    let mut pairs = Pairs::default();
    let mut others = Vec::new();
    for two in found.chunk_by(|(a, _), (b, _)| a.part == b.part) {
        let [(_, images), (_, labels)] = two else {
            let (name, path) = &two[0];
            let expected =
                format!("its {} beside it", if name.kind == Kind::Images { "labels" } else { "images" });
            return Err(Error::file(path, Problem::unexpected(expected, "none")));
        };
        let pair = Pair { images: images.clone(), labels: labels.clone() };
        let part = two[0].0.part.as_str();
        let place = match part {
            _ if part.ends_with("train") => &mut pairs.train,
            _ if part.ends_with("t10k") || part.ends_with("test") => &mut pairs.test,
            _ => {
                others.push(pair);
                continue;
            }
        };
        if let Some(first) = place.replace(pair) {
            let expected = "one IDX pair for training and one for the test".to_owned();
            let found = format!("also {}", first.images.display());
            return Err(Error::file(images.as_path(), Problem::unexpected(expected, found)));
        }
    }
    match (others.len(), &pairs) {
        (0, Pairs { train: None, test: None }) => Err(none(folder)),
        (0, _) => Ok(pairs),
        (1, Pairs { train: None, test: None }) => Ok(Pairs { train: others.pop(), test: None }),
        _ => {
            let problem = Problem::unexpected(
                "one IDX pair, or one for training and one for the test",
                "a further pair that is neither",
            );
            Err(Error::file(&others[0].images, problem))
        }
    }
}

fn none(folder: &Path) -> Error {
    let expected = "files named like train-images-idx3-ubyte and train-labels-idx1-ubyte";
    Error::file(folder, Problem::unexpected(expected, "none"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Images,
    Labels,
}

/// A file name, taken apart; ordered so that a pair stands together, images first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    part: String,
    kind: Kind,
    gzip: bool,
}

impl Name {
    pub(crate) fn parse(file_name: &str) -> Option<Self> {
        let name = file_name.to_lowercase().replace(['.', '_'], "-");
        let (name, gzip) = match name.strip_suffix("-gz") {
            Some(name) => (name, true),
            None => (&name[..], false),
        };
        let (part, kind) = match name.strip_suffix("images-idx3-ubyte") {
            Some(part) => (part, Kind::Images),
            None => (name.strip_suffix("labels-idx1-ubyte")?, Kind::Labels),
        };
        Some(Self { part: part.trim_end_matches('-').to_owned(), kind, gzip })
    }

    /// The file name of the other half of the pair, spelled like `file_name`.
    pub(crate) fn partner(file_name: &str) -> Option<String> {
        Self::parse(file_name)?;
        let swap = |from: [&str; 2], to: [&str; 2]| {
            let (head, tail) = file_name.rsplit_once(from[0])?;
            Some(format!("{head}{}{}", to[0], tail.replacen(from[1], to[1], 1)))
        };
        swap(["images", "idx3"], ["labels", "idx1"]).or_else(|| swap(["labels", "idx1"], ["images", "idx3"]))
    }
}

/// Whether a file begins as an IDX file of images or labels does.
pub(crate) fn looks_like_idx(start: &[u8]) -> bool {
    matches!(start, [0, 0, 0x08 | 0x09 | 0x0b..=0x0e, 1..=4, ..])
}

/// The dimensions and bytes of one file.
fn read_bytes<const D: usize>(
    path: &Path,
    part: &'static str,
    limits: &Limits,
) -> Result<([usize; D], Vec<u8>), Error> {
    let mut source = Source::open(path, limits)?;
    let header = source.bytes(4, "the IDX header")?;
    check_magic::<D>(&header).map_err(|problem| Error::file(path, problem))?;
    let mut shape = [0; D];
    // u128 holds any product of three 32-bit numbers.
    let mut total = 1u128;
    for (side, bytes) in
        shape.iter_mut().zip(source.bytes(4 * D as u64, "the IDX header")?.as_chunks::<4>().0)
    {
        *side = u32::from_be_bytes(*bytes) as usize;
        total *= u128::from(u32::from_be_bytes(*bytes));
    }
    if total == 0 {
        let problem = Problem::unexpected("dimensions of at least 1", format_args!("{shape:?}"));
        return Err(Error::file(path, problem));
    }
    let total = u64::try_from(total).unwrap_or(u64::MAX);
    if total > limits.set_bytes {
        let problem = Problem::OverLimit { limit: "set_bytes", allowed: limits.set_bytes, found: total };
        return Err(Error::file(path, problem));
    }
    let bytes = source.bytes(total, part)?;
    source.end(part, total)?;
    Ok((shape, bytes))
}

fn check_magic<const D: usize>(header: &[u8]) -> Result<(), Problem> {
    let kind = match header {
        [0, 0, kind, dimensions] if usize::from(*dimensions) == D => *kind,
        [0, 0, _, dimensions] => {
            return Err(Problem::unexpected(
                format_args!("IDX data of {D} dimensions"),
                format_args!("{dimensions} dimensions"),
            ));
        }
        other => {
            let found = format!("something that begins with {}", super::decode::beginning(other));
            return Err(Problem::unexpected("an IDX file", found));
        }
    };
    let found = match kind {
        0x08 => return Ok(()),
        0x09 => "signed bytes",
        0x0b => "16-bit integers",
        0x0c => "32-bit integers",
        0x0d => "32-bit floats",
        0x0e => "64-bit floats",
        _ => "an unknown type",
    };
    Err(Problem::unexpected("unsigned bytes (type 0x08)", format_args!("{found} (type {kind:#04x})")))
}
