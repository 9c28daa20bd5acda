#![no_main]
//! YUV4MPEG2 films.

use libfuzzer_sys::fuzz_target;

#[path = "../readers.rs"]
mod readers;

fuzz_target!(|bytes: &[u8]| readers::film(bytes));
