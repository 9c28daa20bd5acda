//! Writes that survive a crash: the whole new file, or the whole old one.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::Error;

/// Prefix of everything that is not finished yet; whoever finds one may delete it.
pub(super) const TEMPORARY: &str = ".tmp-";

/// Lower-case hexadecimal SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Creates a file that must not exist yet, and waits until its bytes are on the disk.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = File::create_new(path).map_err(Error::io(path, "create the file"))?;
    file.write_all(bytes).map_err(Error::io(path, "write"))?;
    file.sync_all().map_err(Error::io(path, "flush to disk"))
}

/// Replaces `path` as a whole: written beside it, flushed, renamed over it, directory flushed.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        let cause = std::io::Error::from(std::io::ErrorKind::InvalidInput);
        return Err(Error::io(path, "replace the file")(cause));
    };
    let temporary = dir.join(format!("{TEMPORARY}{}", name.to_string_lossy()));
    remove(&temporary)?;
    let written = write_new(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path).map_err(Error::io(path, "replace the file")));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| sync_dir(dir))
}

/// Makes renames and deletions in `dir` durable. Only Unix can; elsewhere the rename is still whole.
pub(super) fn sync_dir(dir: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(Error::io(dir, "flush the directory to disk"))?;
    }
    Ok(())
}

/// Deletes a file or a directory with all it holds; links are deleted, not followed. Fine if absent.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    let gone = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    };
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).or_else(gone),
        Ok(_) => fs::remove_file(path).or_else(gone),
        Err(error) => gone(error),
    }
    .map_err(Error::io(path, "delete"))
}

/// At most `limit` bytes of a file, or `None` if it is longer; the claim of a length allocates nothing.
pub(super) fn read_limited(path: &Path, limit: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}
