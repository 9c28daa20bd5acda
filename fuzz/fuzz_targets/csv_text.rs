#![no_main]
//! Tables with named columns.

use fornax_prep::text::{CsvRecords, CsvTextSpec};
use libfuzzer_sys::fuzz_target;

#[path = "../support.rs"]
mod support;

fuzz_target!(|bytes: &[u8]| {
    let path = support::file("csv_text", bytes);
    if let Ok(records) = CsvRecords::open(&path, &CsvTextSpec::new(["text", "label"]), &support::limits()) {
        for record in records.flatten() {
            let _ = (record.text("text"), record.label("label"), record.number("label"));
        }
    }
});
