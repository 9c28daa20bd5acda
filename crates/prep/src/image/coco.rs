//! Objects in images, as COCO's JSON files list them.
//!
//! ```text
//! {"images":      [{"id": 9, "file_name": "000009.jpg", "height": 480, "width": 640}, …],
//!  "categories":  [{"id": 18, "name": "dog"}, …],
//!  "annotations": [{"id": 1, "image_id": 9, "category_id": 18, "bbox": [x, y, width, height],
//!                   "iscrowd": 0, "keypoints": [x, y, v, …]}, …]}
//! ```
//!
//! Other fields are passed over; so is `segmentation`. Classes are numbered from 0 in the order of the categories'
//! ids, which have gaps (COCO's 80 classes go up to 90). A keypoint counts as visible when it is labelled (v = 1 or
//! 2).
//!
//! Boxes are measured from the image's corner, as [`BoundingBox`] is. One that sticks out by up to a pixel, as
//! rounding leaves them, is clipped; one that sticks out further, has no area or lies outside is an error, or, under
//! [`OnBroken::Skip`], left out and reported.
//!
//! Format: <https://cocodataset.org/#format-data>

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;

use super::folder::OnBroken;
use super::listing::{below, check_is_file};
use super::{BoundingBox, Entry, Keypoint, Listing, Object};
use crate::source::whole_file;
use crate::{Error, Limits, Problem, json};

/// How far a box may stick out of its image and is clipped.
const ROUNDING: f32 = 1.0;

#[derive(Deserialize)]
struct File {
    images: Vec<ImageRecord>,
    categories: Vec<Category>,
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct ImageRecord {
    id: i64,
    file_name: String,
    height: u64,
    width: u64,
}

#[derive(Deserialize)]
struct Category {
    id: i64,
    name: String,
}

#[derive(Deserialize)]
struct Annotation {
    id: i64,
    image_id: i64,
    category_id: i64,
    bbox: Vec<f64>,
    #[serde(default)]
    iscrowd: u8,
    #[serde(default)]
    keypoints: Vec<f64>,
}

/// Reads a file of annotations; `images` is the folder that file names start from.
///
/// # Errors
///
/// [`Error::File`] naming the file of annotations and the field, or the image that is not there.
pub fn read(path: &Path, images: &Path, on_broken: OnBroken, limits: &Limits) -> Result<Listing, Error> {
    let bytes = whole_file(path, limits)?;
    let at = |problem: Problem| Error::file(path, problem);
    json::check_nesting(&bytes, limits).map_err(at)?;
    let file: File = serde_json::from_slice(&bytes)
        .map_err(|error| at(Problem::Invalid { format: "COCO JSON", reason: error.to_string() }))?;
    drop(bytes);
    let (class_names, class_of) = classes(&file.categories, limits).map_err(at)?;

    let mut skipped = Vec::new();
    let mut refuse = |error: Error| match on_broken {
        OnBroken::Fail => Err(error),
        OnBroken::Skip => {
            skipped.push(error);
            Ok(())
        }
    };
    let mut entries: Vec<Entry> = Vec::with_capacity(file.images.len());
    let mut entry_of = HashMap::with_capacity(file.images.len());
    // Images that were left out: their objects go with them, without a word each.
    let mut lost = HashSet::new();
    for (index, record) in file.images.iter().enumerate() {
        let size = image_size(record, index, limits).map_err(at);
        let found = size.and_then(|size| {
            if entry_of.contains_key(&record.id) {
                let problem =
                    Problem::field(format_args!("images[{index}].id"), "ids that differ", record.id);
                return Err(at(problem));
            }
            let image = below(images, &record.file_name).ok_or_else(|| {
                let expected = "a file name below the folder of images";
                at(Problem::field(
                    format_args!("images[{index}].file_name"),
                    expected,
                    quoted(&record.file_name),
                ))
            })?;
            check_is_file(&image)?;
            Ok(Entry { size: Some(size), ..Entry::new(image) })
        });
        match found {
            Ok(entry) => {
                entry_of.insert(record.id, entries.len());
                entries.push(entry);
            }
            Err(error) => {
                refuse(error)?;
                if !entry_of.contains_key(&record.id) {
                    lost.insert(record.id);
                }
            }
        }
    }
    let mut ids = HashSet::with_capacity(file.annotations.len());
    for (index, record) in file.annotations.iter().enumerate() {
        if lost.contains(&record.image_id) {
            continue;
        }
        let field = |name: &str| format!("annotations[{index}].{name}");
        let found = entry_of
            .get(&record.image_id)
            .ok_or_else(|| Problem::field(field("image_id"), "the id of an image", record.image_id))
            .and_then(|&entry| {
                if !ids.insert(record.id) {
                    return Err(Problem::field(field("id"), "ids that differ", record.id));
                }
                let class = class_of.get(&record.category_id).ok_or_else(|| {
                    Problem::field(field("category_id"), "the id of a category", record.category_id)
                })?;
                Ok((entry, object(record, *class, entries[entry].size.unwrap_or_default(), field)?))
            });
        match found {
            Ok((entry, object)) => entries[entry].objects.push(object),
            Err(problem) => refuse(at(problem))?,
        }
    }
    if entries.is_empty() {
        return Err(at(Problem::field("images", "at least one image that can be used", "none")));
    }
    Ok(Listing { entries, class_names, skipped })
}

fn image_size(record: &ImageRecord, index: usize, limits: &Limits) -> Result<[usize; 2], Problem> {
    let found = record.width.saturating_mul(record.height);
    if found == 0 {
        let found = format!("{}×{}", record.height, record.width);
        return Err(Problem::field(
            format_args!("images[{index}]"),
            "a height and width of at least 1",
            found,
        ));
    }
    if found > limits.image_pixels {
        return Err(Problem::OverLimit { limit: "image_pixels", allowed: limits.image_pixels, found });
    }
    // Below the limit a side fits whatever a usize is.
    Ok([record.height as usize, record.width as usize])
}

/// The classes' names in the order of their ids, and the class of each id.
fn classes(categories: &[Category], limits: &Limits) -> Result<(Vec<String>, HashMap<i64, usize>), Problem> {
    if categories.is_empty() {
        return Err(Problem::field("categories", "at least one", "none"));
    }
    let found = categories.len() as u64;
    if found > limits.classes {
        return Err(Problem::OverLimit { limit: "classes", allowed: limits.classes, found });
    }
    let mut sorted: Vec<(usize, &Category)> = categories.iter().enumerate().collect();
    sorted.sort_by_key(|(_, category)| category.id);
    let mut class_of = HashMap::new();
    let mut names = HashSet::new();
    for (class, (index, category)) in sorted.iter().enumerate() {
        if class_of.insert(category.id, class).is_some() {
            let field = format!("categories[{index}].id");
            return Err(Problem::field(field, "ids that differ", category.id));
        }
        if category.name.is_empty() || !names.insert(&category.name) {
            let field = format!("categories[{index}].name");
            return Err(Problem::field(field, "names that differ and are not empty", quoted(&category.name)));
        }
    }
    Ok((sorted.into_iter().map(|(_, category)| category.name.clone()).collect(), class_of))
}

fn object(
    record: &Annotation,
    class: usize,
    size @ [height, width]: [usize; 2],
    field: impl Fn(&str) -> String,
) -> Result<Object, Problem> {
    let bounds = match record.bbox[..] {
        [x, y, w, h] => BoundingBox::from_corner_size([x, y, w, h].map(|number| number as f32)),
        _ => return Err(Problem::field(field("bbox"), "4 numbers", record.bbox.len())),
    };
    let bounds = checked_box(&bounds, size, ROUNDING).ok_or_else(|| {
        let expected = format!("a box of positive width and height inside the image of {width}×{height}");
        Problem::field(field("bbox"), expected, format_args!("{:?}", record.bbox))
    })?;
    let (triples, rest) = record.keypoints.as_chunks::<3>();
    if !rest.is_empty() {
        return Err(Problem::field(field("keypoints"), "three numbers a point", record.keypoints.len()));
    }
    let point = |&[x, y, labelled]: &[f64; 3]| Keypoint { x: x as f32, y: y as f32, visible: labelled > 0.0 };
    let keypoints: Vec<Keypoint> = triples.iter().map(point).collect();
    if keypoints.iter().any(|point| !(point.x.is_finite() && point.y.is_finite())) {
        return Err(Problem::field(field("keypoints"), "numbers that f32 can hold", "larger ones"));
    }
    Ok(Object { crowd: record.iscrowd != 0, keypoints, ..Object::new(bounds, class) })
}

/// A box with area inside an image, clipped where it sticks out by up to `rounding`; `None` if it is none.
pub(crate) fn checked_box(
    bounds: &BoundingBox,
    size @ [height, width]: [usize; 2],
    rounding: f32,
) -> Option<BoundingBox> {
    let [x_min, y_min, x_max, y_max] = bounds.corners();
    // Comparisons with what is not a number are false.
    let ordered = x_min < x_max && y_min < y_max;
    let inside = x_min >= -rounding
        && y_min >= -rounding
        && x_max <= width as f32 + rounding
        && y_max <= height as f32 + rounding;
    let clipped = (ordered && inside).then(|| bounds.clipped(size))?;
    (clipped.area() > 0.0).then_some(clipped)
}

/// A text as an error shows it.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
