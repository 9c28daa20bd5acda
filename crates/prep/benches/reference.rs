//! Our side of `cargo xtask bench prep`; `xtask/reference/bench.py` is the other.
//!
//! The only argument is the number of timed repetitions. Both sides read the same files, from the folder that
//! `FORNAX_BENCH_DATA` names; this side makes them if they are not there.

#[path = "reference/images.rs"]
mod images;

use std::error::Error;
use std::path::PathBuf;

use fornax_nn_core::check::bench::Bench;

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let repetitions = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(10);
    let data = std::env::var_os("FORNAX_BENCH_DATA")
        .map_or_else(|| std::env::temp_dir().join("fornax-bench-prep"), PathBuf::from);
    let mut bench = Bench::new(repetitions);
    images::cases(&mut bench, &data)?;
    println!("{}", bench.to_json()?);
    Ok(())
}
