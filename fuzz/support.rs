//! What the targets share.

use std::fs;
use std::path::{Path, PathBuf};

use fornax_prep::Limits;

/// The place of this process's files, in memory where the system has a place for that.
fn place(name: &str) -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    let folder = if shared.is_dir() { shared } else { std::env::temp_dir() };
    folder.join(format!("fornax-fuzz-{}-{name}", std::process::id()))
}

/// A file that holds `bytes`; the same one each time.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = place(name);
    write(&path, bytes);
    path
}

/// A folder that holds these files, empty until they are written; the same one each time.
pub fn folder(name: &str, files: &[&str]) -> PathBuf {
    let root = place(&format!("{name}.d"));
    for file in files {
        let path = root.join(file);
        if !path.exists() {
            fs::create_dir_all(path.parent().expect("a file below the root"))
                .expect("the file system in memory is full");
            write(&path, b"image");
        }
    }
    root
}

pub fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("the file system in memory is full");
}

/// Small enough that a claim taken at its word shows as a crash: the fuzzer allows 2 GiB.
pub fn limits() -> Limits {
    Limits {
        file_bytes: 1 << 20,
        image_pixels: 1 << 20,
        set_bytes: 16 << 20,
        frames: 1 << 12,
        animation_frames: 1 << 10,
        frame_pixels: 1 << 16,
        archive_entries: 1 << 10,
        archive_bytes: 1 << 22,
        tokenizer_bytes: 1 << 20,
        ..Limits::default()
    }
}
