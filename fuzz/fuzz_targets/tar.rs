#![no_main]
//! Tar archives, plain and gzip.

use libfuzzer_sys::fuzz_target;

#[path = "../readers.rs"]
mod readers;

fuzz_target!(|bytes: &[u8]| readers::packed(bytes));
