//! A folder of text files for each class.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::Lines;
use crate::{Error, Limits, Problem};

/// Texts in a folder for each class, as sentiment and news data sets come:
///
/// ```text
/// reviews/
/// ├── negative/        class 0: sub-folders in the order of their names
/// │   ├── 1.txt
/// │   └── 2.txt.gz     plain or gzip
/// └── positive/        class 1
///     └── 7.txt
/// ```
///
/// Names are listed when it is opened and files are read one at a time. Hidden files are passed over, so are
/// files beside the class folders; every other file counts, whatever its ending.
#[derive(Debug)]
pub struct TextFolder {
    classes: Vec<String>,
    files: Vec<(usize, PathBuf)>,
    limits: Limits,
}

/// One file's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFile {
    /// The file.
    pub path: PathBuf,
    /// All of it; lines end in `\n`.
    pub text: String,
    /// Its class, an index into [`TextFolder::class_names`].
    pub class: usize,
}

impl TextFolder {
    /// Lists a folder.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when it cannot be listed, has no class folders, one of them is empty or its name is
    /// not UTF-8, or there are more than `limits.files` files or `limits.classes` classes.
    pub fn open(root: &Path, limits: &Limits) -> Result<Self, Error> {
        let (mut classes, mut files) = (Vec::new(), Vec::new());
        let folders = entries(root, limits)?.into_iter().filter(|path| path.is_dir());
        for folder in folders {
            let Some(name) = folder.file_name().and_then(OsStr::to_str) else {
                return Err(Error::file(&folder, Problem::unexpected("a name in UTF-8", "other bytes")));
            };
            let class = classes.len();
            classes.push(name.to_owned());
            over(root, "classes", limits.classes, classes.len())?;
            let before = files.len();
            for path in entries(&folder, limits)? {
                if path.is_dir() {
                    return Err(Error::file(&path, Problem::unexpected("a text file", "a folder")));
                }
                files.push((class, path));
            }
            over(root, "files", limits.files, files.len())?;
            if files.len() == before {
                return Err(Error::file(&folder, Problem::unexpected("a class's text files", "none")));
            }
        }
        if classes.is_empty() {
            return Err(Error::file(root, Problem::unexpected("a folder for each class", "none")));
        }
        Ok(Self { classes, files, limits: *limits })
    }

    /// The names of the classes, in the order of their numbers.
    pub fn class_names(&self) -> &[String] {
        &self.classes
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is no file; never, once it is open.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The class of each file: to split by, before anything is read.
    pub fn labels(&self) -> Vec<usize> {
        self.files.iter().map(|(class, _)| *class).collect()
    }

    /// Reads file `index`, in the order of paths.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for a file that is not text, or that unfolds beyond `limits.file_bytes`.
    ///
    /// # Panics
    ///
    /// When `index` is not below [`len`](Self::len).
    pub fn read(&self, index: usize) -> Result<TextFile, Error> {
        let (class, path) = &self.files[index];
        let mut lines = Lines::open(path, &self.limits)?;
        let mut text = String::new();
        while let Some(line) = lines.advance()? {
            over(path, "file_bytes", self.limits.file_bytes, text.len() + line.len())?;
            text.push_str(line);
            text.push('\n');
        }
        Ok(TextFile { path: path.clone(), text, class: *class })
    }

    /// All files in the order of their paths, each read when its turn comes.
    pub fn iter(&self) -> impl Iterator<Item = Result<TextFile, Error>> {
        (0..self.len()).map(|index| self.read(index))
    }
}

/// What a folder holds and is not hidden, by name.
fn entries(folder: &Path, limits: &Limits) -> Result<Vec<PathBuf>, Error> {
    let at = |error: io::Error| Error::file(folder, error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(at)? {
        let entry = entry.map_err(at)?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        paths.push(entry.path());
        over(folder, "files", limits.files, paths.len())?;
    }
    paths.sort_unstable();
    Ok(paths)
}

fn over(path: &Path, limit: &'static str, allowed: u64, found: usize) -> Result<(), Error> {
    if found as u64 <= allowed {
        return Ok(());
    }
    Err(Error::file(path, Problem::OverLimit { limit, allowed, found: found as u64 }))
}
