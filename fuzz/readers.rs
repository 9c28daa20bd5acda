//! What the targets do with the bytes they are given: each reader's entry point, as a user calls it. The tests of
//! fornax-prep replay the corpus through the same functions (crates/prep/tests/it/corpus.rs).

#![allow(dead_code, unused_imports, reason = "each target uses one of these functions")]

use std::hint::black_box;
use std::path::Path;

use fornax_prep::image::folder::OnBroken;
use fornax_prep::image::idx::Pair;
use fornax_prep::image::{Channels, ImageSpec, csv, folder, idx, load_images};
use fornax_prep::source::Source;
use fornax_prep::video::{Film, FilmSpec};

#[path = "support.rs"]
mod support;

/// A reader's name and entry point.
pub type Target = (&'static str, fn(&[u8]));

/// Every target; those whose feature is not compiled in are left out.
pub fn targets() -> Vec<Target> {
    vec![
        ("image", image),
        ("idx", idx),
        ("csv", csv),
        ("gzip", gzip),
        ("folder", folder),
        ("y4m", film),
        ("gif", film),
        ("frames", frames),
        #[cfg(feature = "mp4")]
        ("mp4", film),
        #[cfg(feature = "mp4")]
        ("mp4_boxes", film_index),
    ]
}

/// Image files: png, jpeg, webp, bmp.
pub fn image(bytes: &[u8]) {
    let path = support::file("image", bytes);
    let _ = load_images(&[path], &ImageSpec::new(Channels::Rgb), &support::limits());
}

/// The two files of an IDX pair, one behind the other; the first byte says where the second begins.
pub fn idx(bytes: &[u8]) {
    let Some((&cut, bytes)) = bytes.split_first() else { return };
    let (images, labels) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let pair = Pair { images: support::file("idx3", images), labels: support::file("idx1", labels) };
    let _ = idx::read(&pair, &support::limits());
}

/// Lines of pixels and a label.
pub fn csv(bytes: &[u8]) {
    let path = support::file("csv", bytes);
    let _ = csv::read(&path, &Default::default(), &support::limits());
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
    let folder = support::folder("folder", &["class"]);
    support::write(&folder.join("class/image"), bytes);
    let spec = ImageSpec::new(Channels::Grey).with_size(4, 4);
    let _ = folder::read(&folder, &spec, OnBroken::Fail, &support::limits());
}

/// A folder of two frames; the first byte says where the second begins.
pub fn frames(bytes: &[u8]) {
    let Some((&cut, bytes)) = bytes.split_first() else { return };
    let (first, second) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let folder = support::folder("frames", &[]);
    support::write(&folder.join("1.bmp"), first);
    support::write(&folder.join("2.bmp"), second);
    watch(Film::open(&folder, &FilmSpec::default(), &support::limits()));
}

/// A film in one file: y4m, GIF, MP4.
pub fn film(bytes: &[u8]) {
    watch(Film::from_bytes("film", bytes.to_vec(), &FilmSpec::default(), &support::limits()));
}

/// A film's tables, without decoding a picture.
#[cfg(feature = "mp4")]
pub fn film_index(bytes: &[u8]) {
    if let Ok(film) = Film::from_bytes("film", bytes.to_vec(), &FilmSpec::default(), &support::limits()) {
        for frame in 0..film.len().min(64) {
            assert!(film.clock().time(frame) <= film.clock().duration());
            black_box(film.clock().frame_at(film.clock().time(frame)));
        }
    }
}

/// The last frames backwards, then some forwards: what came twice must be the same.
fn watch(film: Result<Film, fornax_prep::Error>) {
    let Ok(mut film) = film else { return };
    let count = film.len().min(4);
    let backwards: Vec<_> = (0..count).rev().map(|frame| film.frame(frame).ok()).collect();
    for frame in 0..count {
        assert!(film.frame(frame).ok() == backwards[count - 1 - frame], "frame {frame} differs");
    }
}
