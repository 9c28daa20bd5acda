//! Masks: png files whose pixels are classes, and folders of them beside folders of images.
//!
//! ```text
//! street/
//! ├── images/0001.jpg         any of png, jpeg, webp, bmp
//! └── masks/0001.png          the same name: the class of each pixel
//! ```
//!
//! A mask's numbers are read as they were written. In a **palette** png (VOC) they are the palette's indices, whatever
//! colours the palette shows them in; in a **grey** one of 1, 2, 4, 8 or 16 bits the grey levels. Nothing is
//! interpolated, scaled or rotated on the way. Colour pngs without a palette and jpegs, whose compression changes
//! values, hold no classes and are refused.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::decode::decode_png;
use super::folder::{OnBroken, entries, has_image_name};
use super::{Entry, Listing, Mask};
use crate::source::whole_file;
use crate::{Error, Limits, Problem};

/// Lists the images of one folder with the masks of the same names in another.
///
/// Every image needs a mask; masks without an image are passed over. Whether a mask's classes lie below the number of
/// `class_names` (or are [`Mask::IGNORE`]) is seen when it is read.
///
/// # Errors
///
/// [`Error::File`] naming the folder or the image at fault.
pub fn read(
    images: &Path,
    masks: &Path,
    class_names: &[String],
    on_broken: OnBroken,
    limits: &Limits,
) -> Result<Listing, Error> {
    if class_names.is_empty() || class_names.len() > usize::from(Mask::IGNORE) {
        return Err(Error::argument("class_names", "1 to 255 names", class_names.len()));
    }
    let mut left = limits.files;
    let mut mask_of: HashMap<OsString, PathBuf> = HashMap::new();
    for (path, is_folder) in entries(masks, &mut left, limits)? {
        if is_folder || !path.file_name().is_some_and(has_image_name) {
            continue;
        }
        let stem = path.file_stem().unwrap_or_default().to_owned();
        if let Some(first) = mask_of.insert(stem, path.clone()) {
            let problem = Problem::unexpected("one mask a name", format_args!("also {}", first.display()));
            return Err(Error::file(&path, problem));
        }
    }
    let mut listing = Listing { entries: Vec::new(), class_names: class_names.to_vec(), skipped: Vec::new() };
    for (path, is_folder) in entries(images, &mut left, limits)? {
        if is_folder || !path.file_name().is_some_and(has_image_name) {
            continue;
        }
        match mask_of.get(path.file_stem().unwrap_or_default()) {
            Some(mask) => listing.entries.push(Entry { mask: Some(mask.clone()), ..Entry::new(path) }),
            None => {
                let expected = format!("a mask of the same name in {}", masks.display());
                let error = Error::file(&path, Problem::unexpected(expected, "none"));
                match on_broken {
                    OnBroken::Fail => return Err(error),
                    OnBroken::Skip => listing.skipped.push(error),
                }
            }
        }
    }
    if listing.entries.is_empty() {
        return Err(Error::file(images, Problem::unexpected("images with masks", "none")));
    }
    Ok(listing)
}

/// Reads one mask.
///
/// # Errors
///
/// [`Error::File`] with the reason.
pub fn load_mask(path: &Path, limits: &Limits) -> Result<Mask, Error> {
    let bytes = whole_file(path, limits)?;
    classes(&bytes, limits)
        .and_then(|(classes, size)| {
            Mask::new(classes, size)
                .map_err(|error| Problem::Invalid { format: "png", reason: error.to_string() })
        })
        .map_err(|problem| Error::file(path, problem))
}

/// Refuses a class that has no name, unless it is the one to ignore.
pub(crate) fn check_classes(path: &Path, mask: &Mask, classes: usize) -> Result<(), Error> {
    let bad = |&class: &u8| class != Mask::IGNORE && usize::from(class) >= classes;
    match mask.classes().iter().position(bad) {
        Some(index) => {
            let found = mask.classes()[index].into();
            Err(Error::file(path, Problem::LabelOutOfRange { index, classes, found }))
        }
        None => Ok(()),
    }
}

fn classes(bytes: &[u8], limits: &Limits) -> Result<(Vec<u8>, [usize; 2]), Problem> {
    // Signature, length and name of the header chunk, width, height, depth, kind of colour.
    let header = bytes.get(..26).filter(|header| header.starts_with(b"\x89PNG\r\n\x1a\n"));
    let Some(&[depth, kind]) = header.and_then(|header| header[24..].as_array::<2>()) else {
        let found = super::decode::beginning(bytes);
        return Err(Problem::unexpected("a png image", format_args!("something that begins with {found}")));
    };
    let image = decode_png(bytes, limits)?;
    let size = [image.height() as usize, image.width() as usize];
    const GREY: u8 = 0;
    const PALETTE: u8 = 3;
    let classes = match kind {
        GREY if depth == 16 => {
            let values = image.into_luma16().into_raw();
            let narrow =
                |value: u16| u8::try_from(value).map_err(|_| Problem::unexpected("classes up to 255", value));
            values.into_iter().map(narrow).collect::<Result<_, _>>()?
        }
        GREY => {
            // The decoder spreads 1, 2 and 4 bits over the whole byte.
            let step = (255 / ((1u32 << depth.min(8)) - 1).max(1)) as u8;
            image.into_luma8().into_raw().into_iter().map(|value| value / step).collect()
        }
        PALETTE => {
            let index_of = palette(bytes)?;
            let index = |pixel: &[u8; 3]| match index_of.get(pixel) {
                Some(&Some(index)) => Ok(index),
                Some(None) => Err(Problem::unexpected(
                    "a palette of different colours",
                    format_args!("{pixel:?} twice"),
                )),
                None => Err(Problem::unexpected("pixels of the palette", format_args!("{pixel:?}"))),
            };
            let pixels = image.into_rgb8().into_raw();
            pixels.as_chunks::<3>().0.iter().map(index).collect::<Result<_, _>>()?
        }
        _ => {
            let expected = "a png of grey levels or with a palette, whose numbers are classes";
            return Err(Problem::unexpected(expected, "one of colours"));
        }
    };
    Ok((classes, size))
}

/// The index of each colour of the palette; `None` for a colour that stands in two places. The decoder gives
/// colours, and the classes are the indices.
fn palette(bytes: &[u8]) -> Result<HashMap<[u8; 3], Option<u8>>, Problem> {
    let mut rest = &bytes[8..];
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((name, after)) = after.split_first_chunk::<4>() else { break };
        let Some(content) = after.get(..length) else { break };
        if name == b"PLTE" {
            let mut index_of = HashMap::new();
            for (color, index) in content.as_chunks::<3>().0.iter().zip(0..=255) {
                index_of.entry(*color).and_modify(|known| *known = None).or_insert(Some(index));
            }
            return Ok(index_of);
        }
        rest = after.get(length.saturating_add(4)..).unwrap_or_default();
    }
    Err(Problem::Invalid { format: "png", reason: "no palette before the pixels".to_owned() })
}
