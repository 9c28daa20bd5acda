#![no_main]
//! CIFAR's records; the first byte chooses the kind.

use fornax_prep::image::cifar::{Cifar, read_file};
use libfuzzer_sys::fuzz_target;

#[path = "../support.rs"]
mod support;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let kind = [Cifar::Ten, Cifar::Hundred, Cifar::HundredCoarse][usize::from(first % 3)];
    let _ = read_file(&support::file("cifar", rest), kind, &support::limits());
});
