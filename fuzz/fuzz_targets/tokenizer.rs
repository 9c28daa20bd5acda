#![no_main]
//! Tokenisers' files.

use libfuzzer_sys::fuzz_target;

#[path = "../readers.rs"]
mod readers;

fuzz_target!(|bytes: &[u8]| readers::tokenizer(bytes));
