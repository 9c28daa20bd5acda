//! A folder of images for each class.
//!
//! ```text
//! flowers/
//! ├── daisy/          class 0: sub-folders in the order of their names
//! │   ├── 001.jpg
//! │   └── 002.png     any size, any of png, jpeg, webp, bmp
//! └── tulip/          class 1
//!     └── a.webp
//! ```
//!
//! Hidden files and what systems leave behind (`.DS_Store`, `Thumbs.db`, `desktop.ini`) are passed over,
//! so are files beside the class folders, unless their names say they are images.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::{fs, io};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::decode::{Decoded, Decoder};
use super::{Entry, ImageSet, ImageSpec, Listing};
use crate::{Error, Limits, Problem};

/// Files decoded before the first error among them ends the reading.
const CHUNK: usize = 256;

/// What to do with a file that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBroken {
    /// End with its error: nothing is lost in silence.
    #[default]
    Fail,
    /// Leave it out and report it in [`Folder::skipped`].
    Skip,
}

/// What a folder held.
#[derive(Debug)]
pub struct Folder {
    /// The images.
    pub set: ImageSet,
    /// The file of each image.
    pub files: Vec<PathBuf>,
    /// Why files were left out; empty under [`OnBroken::Fail`].
    pub skipped: Vec<Error>,
}

/// Reads a folder of images for each class, on all cores; the order of images is that of their paths,
/// whatever the number of cores.
///
/// # Errors
///
/// [`Error::File`] naming the first file, by order of paths, that cannot be used; a class without images;
/// a folder without classes.
pub fn read(root: &Path, spec: &ImageSpec, on_broken: OnBroken, limits: &Limits) -> Result<Folder, Error> {
    let decoder = || Decoder::new(*spec, *limits);
    decoder()?;
    let Found { classes, images, mut skipped } = list(root, on_broken, limits)?;
    let mut size = spec.size;
    let (mut pixels, mut labels, mut files) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(size) = size {
        pixels = memory(root, images.len(), spec, size, limits)?;
    }
    for chunk in images.chunks(CHUNK) {
        // Each result in its place: the first error is the same whatever thread was faster.
        let decoded: Vec<Result<Decoded, Error>> = chunk
            .par_iter()
            .map_init(decoder, |decoder, (_, path)| match decoder {
                Ok(decoder) => decoder.read(path),
                Err(error) => Err(Error::argument("spec", "a usable size", error)),
            })
            .collect();
        for ((class, path), image) in chunk.iter().zip(decoded) {
            let image = image.and_then(|image| {
                let expected = size.unwrap_or(image.size);
                image.check_size(path, expected).map(|()| image)
            });
            match image {
                Ok(image) => {
                    if size.is_none() {
                        size = Some(image.size);
                        pixels = memory(root, images.len(), spec, image.size, limits)?;
                    }
                    pixels.extend(image.planes);
                    labels.push(*class);
                    files.push(path.clone());
                }
                Err(error) if on_broken == OnBroken::Skip => skipped.push(error),
                Err(error) => return Err(error),
            }
        }
    }
    let found = if skipped.is_empty() { "none" } else { "none that can be used" };
    check_classes(root, &classes, labels.iter().copied(), found)?;
    let [height, width] = size.unwrap_or_default();
    let class_names = classes.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    let set = ImageSet::from_bytes(pixels, [spec.channels.count(), height, width], labels, class_names)?;
    Ok(Folder { set, files, skipped })
}

/// Lists a folder of images for each class without reading them: for sets larger than memory.
///
/// # Errors
///
/// As [`read`], but for what only decoding shows.
pub fn listing(root: &Path, on_broken: OnBroken, limits: &Limits) -> Result<Listing, Error> {
    let Found { classes, images, skipped } = list(root, on_broken, limits)?;
    let entry = |(class, path): (usize, PathBuf)| Entry { label: Some(class), ..Entry::new(path) };
    Ok(Listing {
        entries: images.into_iter().map(entry).collect(),
        class_names: classes.iter().map(|name| name.to_string_lossy().into_owned()).collect(),
        skipped,
    })
}

struct Found {
    classes: Vec<OsString>,
    /// Class and path of every file that should be an image.
    images: Vec<(usize, PathBuf)>,
    skipped: Vec<Error>,
}

fn list(root: &Path, on_broken: OnBroken, limits: &Limits) -> Result<Found, Error> {
    let mut entries_left = limits.files;
    let mut listing = Found { classes: Vec::new(), images: Vec::new(), skipped: Vec::new() };
    let mut strays = 0;
    for (path, is_folder) in entries(root, &mut entries_left, limits)? {
        let name = path.file_name().unwrap_or_default();
        if is_folder {
            let class = listing.classes.len();
            listing.classes.push(name.to_owned());
            for (path, is_folder) in entries(&path, &mut entries_left, limits)? {
                if is_folder {
                    let problem = Problem::unexpected("an image file", "a folder inside a class");
                    listing.refuse(Error::file(&path, problem), on_broken)?;
                } else {
                    listing.images.push((class, path));
                }
            }
        } else if has_image_name(name) {
            let problem = Problem::unexpected("images inside the folder of their class", "one beside them");
            listing.refuse(Error::file(&path, problem), on_broken)?;
            strays += 1;
        } else {
            strays += 1;
        }
    }
    if listing.classes.is_empty() {
        let found = match strays {
            0 => "an empty folder".to_owned(),
            count => format!("no folder and {count} files"),
        };
        return Err(Error::file(root, Problem::unexpected("a folder of images for each class", found)));
    }
    check_classes(root, &listing.classes, listing.images.iter().map(|(class, _)| *class), "none")?;
    Ok(listing)
}

/// Refuses a class that no label names.
fn check_classes(
    root: &Path,
    classes: &[OsString],
    labels: impl Iterator<Item = usize>,
    found: &str,
) -> Result<(), Error> {
    let mut is_empty = vec![true; classes.len()];
    labels.for_each(|label| is_empty[label] = false);
    match is_empty.iter().position(|&is_empty| is_empty) {
        Some(class) => {
            let problem = Problem::unexpected("at least one image", found);
            Err(Error::file(&root.join(&classes[class]), problem))
        }
        None => Ok(()),
    }
}

impl Found {
    fn refuse(&mut self, error: Error, on_broken: OnBroken) -> Result<(), Error> {
        match on_broken {
            OnBroken::Fail => Err(error),
            OnBroken::Skip => {
                self.skipped.push(error);
                Ok(())
            }
        }
    }
}

/// What a folder holds in the order of names, and whether each is a folder; without hidden entries.
pub(crate) fn entries(folder: &Path, left: &mut u64, limits: &Limits) -> Result<Vec<(PathBuf, bool)>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| Error::file(folder, error))? {
        let path = entry.map_err(|error| Error::file(folder, error))?.path();
        if path.file_name().is_none_or(is_hidden) {
            continue;
        }
        if *left == 0 {
            let (limit, allowed) = ("files", limits.files);
            return Err(Error::file(folder, Problem::OverLimit { limit, allowed, found: allowed + 1 }));
        }
        *left -= 1;
        // Follows links: a link to an image is an image. A dangling one is refused when it is opened.
        let is_folder = path.is_dir();
        found.push((path, is_folder));
    }
    found.sort();
    Ok(found)
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
        || ["Thumbs.db", "desktop.ini"].iter().any(|left_behind| name.eq_ignore_ascii_case(left_behind))
}

/// Whether a file is meant to be an image, by its name.
pub(crate) fn has_image_name(name: &OsStr) -> bool {
    let extension = Path::new(name).extension().unwrap_or_default();
    ["png", "jpg", "jpeg", "webp", "bmp"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Room for a whole set, refused if it is too large before an image of it is decoded.
fn memory(
    root: &Path,
    images: usize,
    spec: &ImageSpec,
    [height, width]: [usize; 2],
    limits: &Limits,
) -> Result<Vec<u8>, Error> {
    let found = [spec.channels.count(), height, width]
        .iter()
        .fold(images as u64, |product, &side| product.saturating_mul(side as u64));
    if found > limits.set_bytes {
        let problem = Problem::OverLimit { limit: "set_bytes", allowed: limits.set_bytes, found };
        return Err(Error::file(root, problem));
    }
    let mut pixels = Vec::new();
    match usize::try_from(found).ok().filter(|&room| pixels.try_reserve_exact(room).is_ok()) {
        Some(_) => Ok(pixels),
        None => Err(Error::file(root, io::Error::from(io::ErrorKind::OutOfMemory))),
    }
}
