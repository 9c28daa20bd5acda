#![no_main]
//! Masks: png files of grey levels or palette indices.

use fornax_prep::image::mask::load_mask;
use libfuzzer_sys::fuzz_target;

#[path = "../support.rs"]
mod support;

fuzz_target!(|bytes: &[u8]| {
    let _ = load_mask(&support::file("mask", bytes), &support::limits());
});
