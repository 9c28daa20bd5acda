//! Files and what is known about them, read one by one when they are asked for.

use std::path::{Component, Path, PathBuf};

use super::{Background, Channels, ImageSet, Object, Sample, decode, mask};
use crate::{Error, Limits, Problem};

/// Samples that can be had by number: what a [`Loader`](super::Loader) draws from.
///
/// Implemented by [`FileSamples`] (image files with any annotation), [`ImageSet`] (images in memory) and
/// vectors of [`Sample`]; implement it for whatever else you have.
pub trait Samples: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// Reads one.
    ///
    /// # Errors
    ///
    /// What is wrong with it, naming its file.
    fn get(&self, index: usize) -> Result<Sample, Error>;

    /// The names of the classes that labels, objects and masks count; empty where there are none.
    fn class_names(&self) -> &[String] {
        &[]
    }

    /// The file of one, for errors that do not name it.
    fn path(&self, _index: usize) -> Option<&Path> {
        None
    }

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One image file and its annotations.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The image.
    pub image: PathBuf,
    /// `[height, width]` as the annotations have it; an image of another size is refused when it is read.
    pub size: Option<[usize; 2]>,
    /// The class of the whole image.
    pub label: Option<usize>,
    /// The things in it.
    pub objects: Vec<Object>,
    /// The file of its mask.
    pub mask: Option<PathBuf>,
    /// What it belongs to (a patient, a film, a place), for [`Split::grouped`](crate::Split::grouped).
    pub group: Option<usize>,
}

impl Entry {
    /// An image without annotations.
    pub fn new(image: impl Into<PathBuf>) -> Self {
        Self { image: image.into(), size: None, label: None, objects: Vec::new(), mask: None, group: None }
    }
}

/// What a reader of annotations found; no image has been decoded yet.
#[derive(Debug)]
pub struct Listing {
    /// The images, in the order of the annotations.
    pub entries: Vec<Entry>,
    /// The names of the classes.
    pub class_names: Vec<String>,
    /// Why images or objects were left out; empty under [`OnBroken::Fail`](super::folder::OnBroken::Fail).
    pub skipped: Vec<Error>,
}

impl Listing {
    /// The classes of all images, for splits and weights.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when an image has none.
    pub fn labels(&self) -> Result<Vec<usize>, Error> {
        let label = |entry: &Entry| {
            entry
                .label
                .ok_or_else(|| Error::argument("entries", "a label for each image", entry.image.display()))
        };
        self.entries.iter().map(label).collect()
    }

    /// The same list, ready to be read: images become `channels` on white.
    pub fn samples(self, channels: Channels, limits: &Limits) -> FileSamples {
        FileSamples { listing: self, channels, background: Background::White, limits: *limits }
    }
}

/// A [`Listing`] whose images are decoded when they are asked for.
#[derive(Debug)]
pub struct FileSamples {
    listing: Listing,
    channels: Channels,
    background: Background,
    limits: Limits,
}

impl FileSamples {
    /// Puts transparent images on this background.
    #[must_use]
    pub fn with_background(self, background: Background) -> Self {
        Self { background, ..self }
    }

    /// The list.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }
}

impl Samples for FileSamples {
    fn len(&self) -> usize {
        self.listing.entries.len()
    }

    fn class_names(&self) -> &[String] {
        &self.listing.class_names
    }

    fn path(&self, index: usize) -> Option<&Path> {
        Some(&self.listing.entries.get(index)?.image)
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let entry = entry(&self.listing.entries, index)?;
        let image = decode::load_image(&entry.image, self.channels, self.background, &self.limits)?;
        if let Some(size) = entry.size
            && size != image.size()
        {
            let [[h, w], [height, width]] = [size, image.size()];
            let expected = format!("{h}×{w} pixels, as its annotation says");
            let problem = Problem::unexpected(expected, format_args!("{height}×{width}"));
            return Err(Error::file(&entry.image, problem));
        }
        let mut sample = Sample::new(image).with_objects(entry.objects.clone());
        sample.label = entry.label;
        let Some(path) = &entry.mask else { return Ok(sample) };
        let mask = mask::load_mask(path, &self.limits)?;
        mask::check_classes(path, &mask, self.listing.class_names.len())?;
        let [[h, w], [height, width]] = [sample.image.size(), mask.size()];
        sample.with_mask(mask).map_err(|_| {
            let expected = format!("{h}×{w} pixels, as {} has", entry.image.display());
            Error::file(path, Problem::unexpected(expected, format_args!("{height}×{width}")))
        })
    }
}

/// An element, or an error that says how many there are.
fn entry<T>(all: &[T], index: usize) -> Result<&T, Error> {
    all.get(index)
        .ok_or_else(|| Error::argument("index", format_args!("a number below {}", all.len()), index))
}

impl Samples for Vec<Sample> {
    fn len(&self) -> usize {
        self.len()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        entry(self, index).cloned()
    }
}

impl Samples for ImageSet {
    fn len(&self) -> usize {
        self.len()
    }

    fn class_names(&self) -> &[String] {
        self.class_names()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let label = *entry(self.labels(), index)?;
        let [channels, height, width] = self.shape();
        let kind = match channels {
            1 => Channels::Grey,
            3 => Channels::Rgb,
            _ => return Err(Error::argument("channels", "1 or 3", channels)),
        };
        let planes = self.gather(&[index]).pixels;
        let area = height * width;
        let byte = |place: usize| (planes[place % channels * area + place / channels] * 255.0).round() as u8;
        let pixels = (0..planes.len()).map(byte).collect();
        Ok(Sample::new(super::Image::new(pixels, [height, width], kind)?).with_label(label))
    }
}

/// The file of this name below `root`; `None` for a name that leads out of it.
pub(crate) fn below(root: &Path, name: &str) -> Option<PathBuf> {
    let relative = Path::new(name);
    let inside = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    (inside && !name.is_empty() && !name.contains('\0')).then(|| root.join(relative))
}

/// Refuses what is not there, or not a file.
pub(crate) fn check_is_file(path: &Path) -> Result<(), Error> {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err(Error::file(path, Problem::unexpected("a file", "something else"))),
        Err(error) => Err(Error::file(path, error)),
    }
}
