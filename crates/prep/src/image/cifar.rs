//! CIFAR-10 and CIFAR-100 in their binary version: 60,000 colour images of 32 × 32 pixels.
//!
//! ```text
//! cifar-10-batches-bin/            cifar-100-binary/
//! ├── batches.meta.txt              ├── coarse_label_names.txt
//! ├── data_batch_1.bin … _5.bin     ├── fine_label_names.txt
//! └── test_batch.bin                ├── train.bin
//!                                   └── test.bin
//! record   label, 1,024 red, 1,024 green, 1,024 blue bytes       CIFAR-10, 3,073 bytes
//!          coarse label, fine label, the same                    CIFAR-100, 3,074 bytes
//! ```
//!
//! Format: <https://www.cs.toronto.edu/~kriz/cifar.html>

use std::path::{Path, PathBuf};

use super::ImageSet;
use crate::source::{Source, whole_file};
use crate::{Error, Limits, Problem, Split};

const SIDE: usize = 32;
const PIXELS: usize = 3 * SIDE * SIDE;

/// Which labels to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cifar {
    /// Ten classes.
    Ten,
    /// A hundred fine classes of CIFAR-100.
    Hundred,
    /// Their twenty super-classes.
    HundredCoarse,
}

impl Cifar {
    fn files(self) -> (&'static [&'static str], &'static str, &'static str) {
        match self {
            Self::Ten => {
                let train = &[
                    "data_batch_1.bin",
                    "data_batch_2.bin",
                    "data_batch_3.bin",
                    "data_batch_4.bin",
                    "data_batch_5.bin",
                ];
                (train, "test_batch.bin", "batches.meta.txt")
            }
            Self::Hundred => (&["train.bin"], "test.bin", "fine_label_names.txt"),
            Self::HundredCoarse => (&["train.bin"], "test.bin", "coarse_label_names.txt"),
        }
    }

    fn classes(self) -> usize {
        match self {
            Self::Ten => 10,
            Self::Hundred => 100,
            Self::HundredCoarse => 20,
        }
    }

    /// Bytes before the pixels, and which of them is the label.
    fn head(self) -> (usize, usize) {
        match self {
            Self::Ten => (1, 0),
            Self::Hundred => (2, 1),
            Self::HundredCoarse => (2, 0),
        }
    }
}

/// Reads the folder of either set, training images first, and where the one part ends and the other begins.
///
/// # Errors
///
/// [`Error::File`] naming the file that is missing or not what it should be.
pub fn read(folder: &Path, kind: Cifar, limits: &Limits) -> Result<(ImageSet, Split), Error> {
    let (train, test, names) = kind.files();
    let class_names = read_names(&folder.join(names), kind, limits)?;
    let paths: Vec<PathBuf> = train.iter().chain([&test]).map(|name| folder.join(name)).collect();
    // All sizes first: what is too large is refused before any of it is read.
    let mut total = 0u64;
    for path in &paths {
        let size = path.metadata().map_err(|error| Error::file(path, error))?.len();
        total = total.saturating_add(size);
        if total > limits.set_bytes {
            let (limit, allowed) = ("set_bytes", limits.set_bytes);
            return Err(Error::file(path, Problem::OverLimit { limit, allowed, found: total }));
        }
    }
    let (mut pixels, mut labels, mut boundary) = (Vec::new(), Vec::new(), 0);
    for path in &paths {
        boundary = labels.len();
        records(path, kind, limits, &mut pixels, &mut labels)?;
    }
    let split = Split::at(labels.len(), boundary)?;
    Ok((ImageSet::from_bytes(pixels, [3, SIDE, SIDE], labels, class_names)?, split))
}

/// Reads one file of records; classes are named by their numbers.
///
/// # Errors
///
/// [`Error::File`] with the reason.
pub fn read_file(path: &Path, kind: Cifar, limits: &Limits) -> Result<ImageSet, Error> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    records(path, kind, limits, &mut pixels, &mut labels)?;
    let class_names = (0..kind.classes()).map(|class| class.to_string()).collect();
    ImageSet::from_bytes(pixels, [3, SIDE, SIDE], labels, class_names)
}

fn records(
    path: &Path,
    kind: Cifar,
    limits: &Limits,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<usize>,
) -> Result<(), Error> {
    let limits = Limits { file_bytes: limits.file_bytes.min(limits.set_bytes), ..*limits };
    let bytes = whole_file(path, &limits)?;
    let (head, label) = kind.head();
    let record = head + PIXELS;
    if !bytes.len().is_multiple_of(record) {
        let expected = format!("records of {record} bytes");
        let found = format!("{} bytes, {} over", bytes.len(), bytes.len() % record);
        return Err(Error::file(path, Problem::unexpected(expected, found)));
    }
    for (index, record) in bytes.chunks_exact(record).enumerate() {
        let (classes, found) = (kind.classes(), usize::from(record[label]));
        if found >= classes {
            return Err(Error::file(path, Problem::LabelOutOfRange { index, classes, found }));
        }
        labels.push(found);
        pixels.extend_from_slice(&record[head..]);
    }
    Ok(())
}

fn read_names(path: &Path, kind: Cifar, limits: &Limits) -> Result<Vec<String>, Error> {
    let mut source = Source::open(path, limits)?;
    let (mut names, mut number) = (Vec::new(), 0);
    while let Some(line) = source.line()? {
        number += 1;
        let text = std::str::from_utf8(line).map_err(|_| {
            let (expected, found) = ("UTF-8 text".to_owned(), "other bytes".to_owned());
            Error::file(path, Problem::Line { line: number, expected, found })
        })?;
        if !text.trim().is_empty() {
            names.push(text.trim().to_owned());
        }
        if names.len() > kind.classes() {
            break;
        }
    }
    if names.len() != kind.classes() {
        let found = if names.len() > kind.classes() { "more".to_owned() } else { names.len().to_string() };
        let expected = format!("the names of {} classes, a line each", kind.classes());
        return Err(Error::file(path, Problem::unexpected(expected, found)));
    }
    Ok(names)
}
