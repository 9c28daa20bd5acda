#![no_main]
//! COCO's JSON; an image `a.jpg` is there to be named.

use std::path::PathBuf;
use std::sync::OnceLock;

use fornax_prep::image::coco::read;
use fornax_prep::image::folder::OnBroken;
use libfuzzer_sys::fuzz_target;

#[path = "../folder.rs"]
mod folder;
#[path = "../support.rs"]
mod support;

static IMAGES: OnceLock<PathBuf> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let images = IMAGES.get_or_init(|| folder::folder("coco", &[("a.jpg", b"image")]));
    let path = support::file("coco", bytes);
    let _ = read(&path, images, OnBroken::Fail, &support::limits());
    let _ = read(&path, images, OnBroken::Skip, &support::limits());
});
