#![no_main]
//! An object a line.

use fornax_prep::text::JsonLines;
use libfuzzer_sys::fuzz_target;

#[path = "../support.rs"]
mod support;

fuzz_target!(|bytes: &[u8]| {
    let path = support::file("jsonl", bytes);
    if let Ok(records) = JsonLines::open(&path, ["text", "label"], &support::limits()) {
        for record in records.flatten() {
            let _ = (record.text("text"), record.label("label"), record.number("label"));
        }
    }
});
