//! What the targets share.

use std::fs;
use std::path::PathBuf;

use fornax_prep::Limits;

/// A file that holds `bytes`, in memory where the system has a place for that; the same one each time.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    let folder = if shared.is_dir() { shared } else { std::env::temp_dir() };
    let path = folder.join(format!("fornax-fuzz-{}-{name}", std::process::id()));
    fs::write(&path, bytes).expect("the file system in memory is full");
    path
}

/// Small enough that a claim taken at its word shows as a crash: the fuzzer allows 2 GiB.
pub fn limits() -> Limits {
    Limits { file_bytes: 1 << 20, image_pixels: 1 << 20, set_bytes: 16 << 20, ..Limits::default() }
}
