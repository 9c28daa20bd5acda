#![no_main]
//! Image files: png, jpeg, webp, bmp.

use fornax_prep::image::{Channels, ImageSpec, load_images};
use libfuzzer_sys::fuzz_target;

#[path = "../support.rs"]
mod support;

fuzz_target!(|bytes: &[u8]| {
    let path = support::file("image", bytes);
    let _ = load_images(&[path], &ImageSpec::new(Channels::Rgb), &support::limits());
});
