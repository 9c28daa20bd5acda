#![no_main]
//! Image files: png, jpeg, webp, bmp.

use libfuzzer_sys::fuzz_target;

#[path = "../readers.rs"]
mod readers;

fuzz_target!(|bytes: &[u8]| readers::image(bytes));
