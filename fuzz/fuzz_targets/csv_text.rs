#![no_main]
//! Tables with named columns.

use libfuzzer_sys::fuzz_target;

#[path = "../readers.rs"]
mod readers;

fuzz_target!(|bytes: &[u8]| readers::csv_text(bytes));
