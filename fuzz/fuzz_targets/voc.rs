#![no_main]
//! VOC's XML; an image `a.jpg` is there to be named.

use fornax_prep::image::voc::{VocSpec, read};
use libfuzzer_sys::fuzz_target;

#[path = "../folder.rs"]
mod folder;
#[path = "../support.rs"]
mod support;

fuzz_target!(|bytes: &[u8]| {
    let root = folder::folder("voc", &[("JPEGImages/a.jpg", b"image"), ("Annotations/a.xml", bytes)]);
    let _ = read(&root, &VocSpec::default(), &support::limits());
});
