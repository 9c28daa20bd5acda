#![no_main]
//! CSV files of pixels, and of paths; an image `a.jpg` is there to be named.

use std::path::PathBuf;
use std::sync::OnceLock;

use fornax_prep::image::csv::{CsvSpec, read};
use fornax_prep::image::folder::OnBroken;
use fornax_prep::image::paths;
use libfuzzer_sys::fuzz_target;

#[path = "../folder.rs"]
mod folder;
#[path = "../support.rs"]
mod support;

static IMAGES: OnceLock<PathBuf> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let images = IMAGES.get_or_init(|| folder::folder("csv", &[("a.jpg", b"image")]));
    let path = support::file("csv", bytes);
    let _ = read(&path, &CsvSpec::default(), &support::limits());
    let _ = paths::read(&path, images, OnBroken::Skip, &support::limits());
});
