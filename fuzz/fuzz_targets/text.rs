#![no_main]
//! Text files, line by line.

use fornax_prep::text::Lines;
use libfuzzer_sys::fuzz_target;

#[path = "../support.rs"]
mod support;

fuzz_target!(|bytes: &[u8]| {
    let path = support::file("text", bytes);
    if let Ok(lines) = Lines::open(&path, &support::limits()) {
        lines.for_each(drop);
    }
});
