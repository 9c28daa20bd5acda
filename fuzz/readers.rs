//! What the targets do with the bytes they are given: each reader's entry point, as a user calls it. The tests of
//! fornax-prep replay the corpus through the same functions (crates/prep/tests/it/corpus.rs).

#![allow(dead_code, unreachable_pub, reason = "each target uses one of these functions, the tests all")]

use std::hint::black_box;

use fornax_nn_core::weights::Weights;
use fornax_prep::archive;
use fornax_prep::image::cifar::{self, Cifar};
use fornax_prep::image::csv::CsvSpec;
use fornax_prep::image::folder::OnBroken;
use fornax_prep::image::idx::Pair;
use fornax_prep::image::mask::load_mask;
use fornax_prep::image::voc::VocSpec;
use fornax_prep::image::{
    Channels, ImageSpec, coco, csv as pixels, folder as classes, idx as pairs, load_images, paths, voc as xml,
};
use fornax_prep::source::Source;
use fornax_prep::text::{CsvRecords, CsvTextSpec, JsonLines, Lines, Tokenizer};
use fornax_prep::video::{Film, FilmSpec};

#[path = "support.rs"]
mod support;

/// A reader's name and entry point.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("image", image),
    ("idx", idx),
    ("csv", csv),
    ("gzip", gzip),
    ("folder", folder),
    ("cifar", cifar),
    ("coco", coco),
    ("voc", voc),
    ("mask", mask),
    ("text", text),
    ("csv_text", csv_text),
    ("jsonl", jsonl),
    ("tokenizer", tokenizer),
    ("y4m", film),
    ("gif", film),
    ("frames", frames),
    ("zip", packed),
    ("tar", packed),
    ("safetensors", weights),
    ("torch", weights),
    #[cfg(feature = "mp4")]
    ("mp4_boxes", film_index),
    #[cfg(feature = "mp4")]
    ("mp4", film),
];

/// Image files: png, jpeg, webp, bmp.
pub fn image(bytes: &[u8]) {
    let path = support::file("image", bytes);
    let _ = load_images(&[path], &ImageSpec::new(Channels::Rgb), &support::limits());
}

/// An IDX pair; the first two bytes say where the labels end and the images begin.
pub fn idx(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (labels, images) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let pair = Pair { images: support::file("images", images), labels: support::file("labels", labels) };
    let _ = pairs::read(&pair, &support::limits());
}

/// CSV files of pixels, and of paths; an image `a.jpg` is there to be named.
pub fn csv(bytes: &[u8]) {
    let images = support::folder("csv", &["a.jpg"]);
    let path = support::file("csv", bytes);
    let _ = pixels::read(&path, &CsvSpec::default(), &support::limits());
    let _ = paths::read(&path, &images, OnBroken::Skip, &support::limits());
}

/// A file's lines, whether plain or gzip.
pub fn gzip(bytes: &[u8]) {
    let path = support::file("gzip", bytes);
    let Ok(mut source) = Source::open(&path, &support::limits()) else { return };
    while let Ok(Some(line)) = source.line() {
        black_box(line);
    }
    let _ = source.end("lines", 0);
}

/// A folder of one class with one image.
pub fn folder(bytes: &[u8]) {
    let folder = support::folder("folder", &["class/image"]);
    support::write(&folder.join("class/image"), bytes);
    let spec = ImageSpec::new(Channels::Grey).with_size(4, 4);
    let _ = classes::read(&folder, &spec, OnBroken::Fail, &support::limits());
}

/// CIFAR's records; the first byte chooses the kind.
pub fn cifar(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let kind = [Cifar::Ten, Cifar::Hundred, Cifar::HundredCoarse][usize::from(first % 3)];
    let _ = cifar::read_file(&support::file("cifar", rest), kind, &support::limits());
}

/// COCO's JSON; an image `a.jpg` is there to be named.
pub fn coco(bytes: &[u8]) {
    let images = support::folder("coco", &["a.jpg"]);
    let path = support::file("coco", bytes);
    let _ = coco::read(&path, &images, OnBroken::Fail, &support::limits());
    let _ = coco::read(&path, &images, OnBroken::Skip, &support::limits());
}

/// VOC's XML; an image `a.jpg` is there to be named.
pub fn voc(bytes: &[u8]) {
    let root = support::folder("voc", &["JPEGImages/a.jpg", "Annotations/a.xml"]);
    support::write(&root.join("Annotations/a.xml"), bytes);
    let _ = xml::read(&root, &VocSpec::default(), &support::limits());
}

/// Masks: png files of grey levels or palette indices.
pub fn mask(bytes: &[u8]) {
    let _ = load_mask(&support::file("mask", bytes), &support::limits());
}

/// Text files, line by line.
pub fn text(bytes: &[u8]) {
    if let Ok(lines) = Lines::open(&support::file("text", bytes), &support::limits()) {
        lines.for_each(drop);
    }
}

/// Tables with named columns.
pub fn csv_text(bytes: &[u8]) {
    let path = support::file("csv_text", bytes);
    if let Ok(records) = CsvRecords::open(&path, &CsvTextSpec::new(["text", "label"]), &support::limits()) {
        for record in records.flatten() {
            let _ = (record.text("text"), record.label("label"), record.number("label"));
        }
    }
}

/// An object a line.
pub fn jsonl(bytes: &[u8]) {
    let path = support::file("jsonl", bytes);
    if let Ok(records) = JsonLines::open(&path, ["text", "label"], &support::limits()) {
        for record in records.flatten() {
            let _ = (record.text("text"), record.label("label"), record.number("label"));
        }
    }
}

/// Tokenisers' files: what can be read must also cut, put together and be written.
pub fn tokenizer(bytes: &[u8]) {
    let Ok(tokenizer) = Tokenizer::from_json(bytes, &support::limits()) else { return };
    for text in ["", "a", "the lower e\u{301} 世界\0 <unk> don't  x\n"] {
        if let Ok(ids) = tokenizer.encode(text) {
            let _ = tokenizer.decode(&ids);
        }
        let _ = tokenizer.pieces(text);
    }
    let _ = tokenizer.to_json();
}

/// A folder of two frames; the first two bytes say where the second begins.
pub fn frames(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (first, second) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let folder = support::folder("frames", &["1.bmp", "2.bmp"]);
    support::write(&folder.join("1.bmp"), first);
    support::write(&folder.join("2.bmp"), second);
    watch(Film::open(&folder, &FilmSpec::default(), &support::limits()));
}

/// A film in one file: y4m, GIF, MP4.
pub fn film(bytes: &[u8]) {
    watch(Film::from_bytes("film", bytes.to_vec(), &FilmSpec::default(), &support::limits()));
}

/// A film's tables, without decoding a picture.
pub fn film_index(bytes: &[u8]) {
    if let Ok(film) = Film::from_bytes("film", bytes.to_vec(), &FilmSpec::default(), &support::limits()) {
        for frame in 0..film.len().min(64) {
            assert!(film.clock().time(frame) <= film.clock().duration());
            black_box(film.clock().frame_at(film.clock().time(frame)));
        }
    }
}

/// Zip, tar and tar.gz, everything in them read.
pub fn packed(bytes: &[u8]) {
    if let Ok(entries) = archive::list_bytes("archive", bytes, &support::limits()) {
        assert!(
            entries.iter().all(|entry| !entry.name.split('/').any(|part| matches!(part, "" | "." | "..")))
        );
    }
}

/// Files of weights, safetensors and those of torch.save: what the directory promises must be there, and the same from a file as
/// from memory.
pub fn weights(bytes: &[u8]) {
    let Ok(weights) = Weights::from_bytes("weights", bytes.to_vec()) else { return };
    let file = Weights::open(support::file("weights", bytes)).expect("sound in memory, so sound in a file");
    let names: Vec<&str> = weights.names().collect();
    assert!(names.iter().copied().eq(file.names()));
    for name in names {
        let elements = weights.shape(name).map(|shape| shape.iter().product::<usize>());
        assert!(elements.is_some_and(|elements| elements <= bytes.len()), "{name}: more elements than bytes");
        if let Ok(numbers) = weights.numbers(name) {
            assert_eq!(Some(numbers.len()), elements, "{name}");
        }
        if let Ok(values) = weights.tensor(name) {
            assert_eq!(Some(values.num_elements()), elements, "{name}");
            let again = file.tensor(name).expect("read from memory, so from a file");
            assert_eq!(values.as_bytes(), again.as_bytes(), "{name}");
        }
    }
}

/// The first frames backwards, then forwards: what came twice must be the same.
fn watch(film: Result<Film, fornax_prep::Error>) {
    let Ok(mut film) = film else { return };
    let count = film.len().min(4);
    let backwards: Vec<_> = (0..count).rev().map(|frame| film.frame(frame).ok()).collect();
    for frame in 0..count {
        assert!(film.frame(frame).ok() == backwards[count - 1 - frame], "frame {frame} differs");
    }
}
