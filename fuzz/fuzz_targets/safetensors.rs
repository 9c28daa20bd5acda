#![no_main]
//! Weights of other libraries: safetensors.

use libfuzzer_sys::fuzz_target;

#[path = "../readers.rs"]
mod readers;

fuzz_target!(|bytes: &[u8]| readers::weights(bytes));
