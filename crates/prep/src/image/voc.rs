//! Objects in images, as Pascal VOC's XML files list them: one a picture.
//!
//! ```text
//! VOC2012/
//! ├── JPEGImages/2007_000027.jpg
//! ├── Annotations/2007_000027.xml
//! └── ImageSets/Main/train.txt            names without extension, a line each (after a space anything)
//!
//! <annotation>
//!   <filename>2007_000027.jpg</filename>
//!   <size><width>486</width><height>500</height><depth>3</depth></size>
//!   <object>
//!     <name>person</name> <difficult>0</difficult>
//!     <bndbox><xmin>174</xmin><ymin>101</ymin><xmax>349</xmax><ymax>351</ymax></bndbox>
//!   </object>
//! </annotation>
//! ```
//!
//! VOC counts pixels from 1 and includes the last, so the box above covers [173, 349] × [100, 351] in the edges that
//! [`BoundingBox`] measures. Objects marked `difficult`, which VOC's metric ignores, become
//! [`crowd`](super::Object::crowd).
//!
//! Format: <http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html>

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node, ParsingOptions};

use super::coco::{checked_box, quoted};
use super::folder::{OnBroken, has_image_name};
use super::listing::{below, check_is_file};
use super::{BoundingBox, Entry, Listing, Object};
use crate::source::{Source, whole_file};
use crate::{Error, Limits, Problem};

/// What of a folder to read, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VocSpec {
    /// A list in `ImageSets/Main`, such as `train`; all annotations when absent.
    pub image_set: Option<String>,
    /// The names of the classes, in the order of their numbers; when absent those that occur, by name. Training and
    /// test must be read with the same.
    pub class_names: Option<Vec<String>>,
    /// What to do with an annotation that cannot be used.
    pub on_broken: OnBroken,
}

/// Reads the annotations of a folder laid out as VOC's.
///
/// # Errors
///
/// [`Error::File`] naming the file and the element at fault.
pub fn read(root: &Path, spec: &VocSpec, limits: &Limits) -> Result<Listing, Error> {
    let files = match &spec.image_set {
        Some(name) => listed(root, name, limits)?,
        None => all(root, limits)?,
    };
    let mut class_names = spec.class_names.clone().unwrap_or_default();
    let mut class_of: HashMap<String, usize> = class_names.iter().cloned().zip(0..).collect();
    let mut listing = Listing { entries: Vec::new(), class_names: Vec::new(), skipped: Vec::new() };
    for path in &files {
        let read = annotation(root, path, limits).and_then(|(mut entry, names)| {
            for (object, name) in entry.objects.iter_mut().zip(names) {
                object.class = match class_of.get(&name) {
                    Some(&class) => class,
                    None if spec.class_names.is_some() => {
                        let problem =
                            Problem::field("object/name", "one of the class names given", quoted(&name));
                        return Err(Error::file(path, problem));
                    }
                    None => {
                        class_names.push(name.clone());
                        class_of.insert(name, class_names.len() - 1);
                        class_names.len() - 1
                    }
                };
            }
            let found = class_names.len() as u64;
            if found > limits.classes {
                let problem = Problem::OverLimit { limit: "classes", allowed: limits.classes, found };
                return Err(Error::file(path, problem));
            }
            Ok(entry)
        });
        match read {
            Ok(entry) => listing.entries.push(entry),
            Err(error) if spec.on_broken == OnBroken::Skip => listing.skipped.push(error),
            Err(error) => return Err(error),
        }
    }
    if listing.entries.is_empty() {
        return Err(Error::file(
            root,
            Problem::unexpected("at least one annotation that can be used", "none"),
        ));
    }
    if spec.class_names.is_none() {
        // By name, whatever file came first.
        let mut order: Vec<usize> = (0..class_names.len()).collect();
        order.sort_by(|&a, &b| class_names[a].cmp(&class_names[b]));
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| place[old] = new);
        let objects = listing.entries.iter_mut().flat_map(|entry| &mut entry.objects);
        objects.for_each(|object| object.class = place[object.class]);
        class_names.sort();
    }
    listing.class_names = class_names;
    Ok(listing)
}

/// The annotation files that a list names.
fn listed(root: &Path, name: &str, limits: &Limits) -> Result<Vec<PathBuf>, Error> {
    let folder = root.join("ImageSets").join("Main");
    let list = below(&folder, &format!("{name}.txt"))
        .ok_or_else(|| Error::argument("image_set", "the name of a list", quoted(name)))?;
    let mut source = Source::open(&list, limits)?;
    let (mut files, mut number) = (Vec::new(), 0);
    while let Some(line) = source.line()? {
        number += 1;
        let text = String::from_utf8_lossy(line);
        let Some(stem) = text.split_whitespace().next() else { continue };
        let Some(path) = below(&root.join("Annotations"), &format!("{stem}.xml")) else {
            let (expected, found) = ("the name of an annotation".to_owned(), quoted(stem));
            return Err(Error::file(&list, Problem::Line { line: number, expected, found }));
        };
        if files.len() as u64 >= limits.files {
            let (allowed, found) = (limits.files, limits.files + 1);
            return Err(Error::file(&list, Problem::OverLimit { limit: "files", allowed, found }));
        }
        files.push(path);
    }
    Ok(files)
}

/// All annotation files, by name.
fn all(root: &Path, limits: &Limits) -> Result<Vec<PathBuf>, Error> {
    let folder = root.join("Annotations");
    let at = |error| Error::file(&folder, Problem::Io(error));
    let mut files = Vec::new();
    for (count, entry) in std::fs::read_dir(&folder).map_err(at)?.enumerate() {
        if count as u64 >= limits.files {
            let (allowed, found) = (limits.files, limits.files + 1);
            return Err(Error::file(&folder, Problem::OverLimit { limit: "files", allowed, found }));
        }
        let path = entry.map_err(at)?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xml")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// One file: the entry, and the class name of each object.
fn annotation(root: &Path, path: &Path, limits: &Limits) -> Result<(Entry, Vec<String>), Error> {
    let at = |problem: Problem| Error::file(path, problem);
    let invalid = |reason: String| at(Problem::Invalid { format: "VOC XML", reason });
    let bytes = whole_file(path, limits)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| invalid(error.to_string()))?;
    let nodes_limit = u32::try_from(limits.nodes).unwrap_or(u32::MAX);
    // Without document types: no entities that unfold.
    let options = ParsingOptions { nodes_limit, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::NodesLimitReached => at(Problem::OverLimit {
            limit: "nodes",
            allowed: limits.nodes,
            found: limits.nodes.saturating_add(1),
        }),
        other => invalid(other.to_string()),
    })?;
    let annotation = document.root_element();
    if !annotation.has_tag_name("annotation") {
        return Err(at(Problem::unexpected(
            "an element <annotation>",
            format_args!("<{}>", annotation.tag_name().name()),
        )));
    }
    let size = child(annotation, "size").map_err(at)?;
    let side = |name: &str| {
        let value = number(size, name)?;
        let whole = value.fract() == 0.0 && (1.0..=4e9).contains(&value);
        whole
            .then_some(value as u64)
            .ok_or_else(|| Problem::field(format_args!("size/{name}"), "a whole number of at least 1", value))
    };
    let (height, width) = side("height").and_then(|height| Ok((height, side("width")?))).map_err(at)?;
    let found = height.saturating_mul(width);
    if found > limits.image_pixels {
        return Err(at(Problem::OverLimit { limit: "image_pixels", allowed: limits.image_pixels, found }));
    }
    let size = [height as usize, width as usize];

    let name = text_of(annotation, "filename").map_err(at)?;
    let image = below(&root.join("JPEGImages"), name)
        .filter(|path| path.file_name().is_some_and(has_image_name))
        .ok_or_else(|| at(Problem::field("filename", "an image's name", quoted(name))))?;
    check_is_file(&image)?;

    let (mut objects, mut names) = (Vec::new(), Vec::new());
    let elements = annotation.children().filter(|node| node.has_tag_name("object"));
    for (index, element) in elements.enumerate() {
        let (object, name) = object(element, size).map_err(|problem| {
            at(match problem {
                Problem::Field { field, expected, found } => {
                    Problem::Field { field: format!("object[{index}]/{field}"), expected, found }
                }
                other => other,
            })
        })?;
        objects.push(object);
        names.push(name);
    }
    Ok((Entry { size: Some(size), objects, ..Entry::new(image) }, names))
}

fn object(element: Node<'_, '_>, size @ [height, width]: [usize; 2]) -> Result<(Object, String), Problem> {
    let name = text_of(element, "name")?.to_owned();
    let corners = child(element, "bndbox")?;
    let side = |name: &str| {
        number(corners, name).map_err(|problem| match problem {
            Problem::Field { field, expected, found } => {
                Problem::Field { field: format!("bndbox/{field}"), expected, found }
            }
            other => other,
        })
    };
    let [x_min, y_min] = [side("xmin")? - 1.0, side("ymin")? - 1.0];
    let [x_max, y_max] = [side("xmax")?, side("ymax")?];
    let given = BoundingBox::from_corners([x_min, y_min, x_max, y_max].map(|number| number as f32));
    let bounds = checked_box(&given, size, 1.0).ok_or_else(|| {
        let expected = format!("a box of positive width and height inside the image of {width}×{height}");
        let found = format!("{} {} {} {}", x_min + 1.0, y_min + 1.0, x_max, y_max);
        Problem::field("bndbox", expected, found)
    })?;
    let difficult = element.children().find(|node| node.has_tag_name("difficult"));
    let crowd = difficult.and_then(|node| node.text()).is_some_and(|text| text.trim() == "1");
    Ok((Object { crowd, ..Object::new(bounds, 0) }, name))
}

fn child<'a, 'i>(parent: Node<'a, 'i>, name: &str) -> Result<Node<'a, 'i>, Problem> {
    parent
        .children()
        .find(|node| node.has_tag_name(name))
        .ok_or_else(|| Problem::field(name, "this element", "none"))
}

fn text_of<'a>(parent: Node<'a, '_>, name: &str) -> Result<&'a str, Problem> {
    let text = child(parent, name)?.text().unwrap_or_default().trim();
    if text.is_empty() { Err(Problem::field(name, "a text", "none")) } else { Ok(text) }
}

fn number(parent: Node<'_, '_>, name: &str) -> Result<f64, Problem> {
    let text = text_of(parent, name)?;
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(Problem::field(name, "a finite number", quoted(text))),
    }
}
