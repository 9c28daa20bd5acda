#![no_main]
//! An IDX pair; the first two bytes say where the labels end and the images begin.

use fornax_prep::image::idx::{Pair, read};
use libfuzzer_sys::fuzz_target;

#[path = "../support.rs"]
mod support;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (labels, images) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let pair = Pair { images: support::file("images", images), labels: support::file("labels", labels) };
    let _ = read(&pair, &support::limits());
});
