//! A folder that readers of several files start from.

use std::fs;
use std::path::PathBuf;

/// A folder in memory, where the system has a place for that, that holds these files.
pub fn folder(name: &str, files: &[(&str, &[u8])]) -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    let root = if shared.is_dir() { shared } else { std::env::temp_dir() };
    let root = root.join(format!("fornax-fuzz-{}-{name}.d", std::process::id()));
    for (file, bytes) in files {
        let path = root.join(file);
        fs::create_dir_all(path.parent().expect("a file below the root")).expect("the file system in memory is full");
        fs::write(path, bytes).expect("the file system in memory is full");
    }
    root
}
