#![no_main]
//! Images as lines of text, and lists of paths.

use libfuzzer_sys::fuzz_target;

#[path = "../readers.rs"]
mod readers;

fuzz_target!(|bytes: &[u8]| readers::csv(bytes));
