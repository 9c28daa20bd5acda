#![no_main]
//! An MP4 file's tables.

use libfuzzer_sys::fuzz_target;

#[path = "../readers.rs"]
mod readers;

fuzz_target!(|bytes: &[u8]| readers::film_index(bytes));
