//! What a generation says about itself, and whether it is true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::train::files::{read_limited, sha256};

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const SUMS: &str = "SHA256SUMS";
/// Bumped when an older reader would misunderstand a newer generation.
const FORMAT: u64 = 1;
/// A manifest lists a handful of files; anything near this is hostile.
const LIMIT: u64 = 1 << 20;

/// How far training is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Updates done since the start.
    pub step: u64,
    /// The epoch that is under way or comes next, counting from zero.
    pub epoch: u64,
    /// Updates done within that epoch.
    pub step_in_epoch: u64,
    /// Samples seen since the start.
    pub samples: u64,
}

/// How a part was encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Module,
    Optimizer,
    Scheduler,
    Json,
    Bytes,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Optimizer => "optimizer",
            Self::Scheduler => "scheduler",
            Self::Json => "JSON value",
            Self::Bytes => "byte string",
        }
    }

    pub(super) fn file_name(self, part: &str) -> String {
        let extension = match self {
            Self::Module | Self::Optimizer | Self::Scheduler => "bpk",
            Self::Json => "json",
            Self::Bytes => "bin",
        };
        format!("{part}.{extension}")
    }
}

/// Part names become file names, so they are kept to what every file system takes.
pub(super) fn is_part_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
        && name != "manifest"
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: u64,
    pub(super) seed: u64,
    pub(super) progress: Progress,
    pub(super) metrics: BTreeMap<String, f64>,
    pub(super) files: Vec<Entry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) part: String,
    pub(super) kind: Kind,
    pub(super) file: String,
    pub(super) size: u64,
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn new(progress: Progress, seed: u64, metrics: BTreeMap<String, f64>) -> Self {
        Self { format: FORMAT, seed, progress, metrics, files: Vec::new() }
    }

    /// The text of `SHA256SUMS`, as `sha256sum -c` reads it; the manifest stands last.
    pub(super) fn sums(&self, manifest: &[u8]) -> String {
        let files = self.files.iter().map(|entry| format!("{}  {}\n", entry.sha256, entry.file));
        files.chain([format!("{}  {MANIFEST}\n", sha256(manifest))]).collect()
    }
}

/// Why a generation is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", file.display())]
#[non_exhaustive]
pub struct Invalid {
    /// The file at fault, or the directory of the generation.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a file of a generation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The manifest lists it, but it is not there.
    #[error("missing")]
    Missing,
    /// It is there, but the manifest does not list it.
    #[error("does not belong to this generation")]
    Unexpected,
    /// A link, a directory or a device where a file belongs, or something else where a directory does.
    #[error("is not a regular {0}")]
    Irregular(&'static str),
    /// Shorter or longer than the manifest says.
    #[error("has {found} bytes instead of {expected}")]
    Size {
        /// What the manifest says.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The bytes are not the ones that were written.
    #[error("does not have its SHA-256: the file was changed or damaged")]
    Digest,
    /// Written in a format of another version.
    #[error("has format {found}, this build reads format {FORMAT}")]
    Format {
        /// The version found.
        found: u64,
    },
    /// The manifest is no manifest.
    #[error("is not a valid manifest: {0}")]
    Manifest(String),
    /// The directory's name says another step than the manifest.
    #[error("is named for step {named} but holds step {found}")]
    Misnamed {
        /// The step in the directory's name.
        named: u64,
        /// The step in the manifest.
        found: u64,
    },
    /// The file system refused.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

/// A generation whose every byte was checked, in memory: what was verified is what will be used.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) manifest: Manifest,
    pub(super) parts: BTreeMap<String, (Kind, Vec<u8>)>,
}

/// Reads a generation and checks every byte of it.
pub(super) fn read(dir: &Path) -> Result<Contents, Invalid> {
    let mut parts = BTreeMap::new();
    let manifest = check(dir, |entry, bytes| {
        parts.insert(entry.part.clone(), (entry.kind, bytes));
    })?;
    Ok(Contents { manifest, parts })
}

/// Checks every byte of a generation, holding one part at a time.
pub(super) fn verify(dir: &Path) -> Result<Manifest, Invalid> {
    check(dir, |_, _| {})
}

fn check(dir: &Path, mut keep: impl FnMut(&Entry, Vec<u8>)) -> Result<Manifest, Invalid> {
    if !attributes(dir)?.is_dir() {
        return Err(invalid(dir, Reason::Irregular("directory")));
    }
    let manifest_path = dir.join(MANIFEST);
    let sums_path = dir.join(SUMS);
    let text = small(&manifest_path)?;
    let sums = small(&sums_path)?;
    // Nothing of the manifest is looked at before its digest is found right.
    if !sums.ends_with(format!("{}  {MANIFEST}\n", sha256(&text)).as_bytes()) {
        return Err(invalid(&manifest_path, Reason::Digest));
    }
    let manifest = parse(&text).map_err(|reason| invalid(&manifest_path, reason))?;
    if sums != manifest.sums(&text).as_bytes() {
        return Err(invalid(&sums_path, Reason::Digest));
    }
    refuse_strangers(dir, &manifest)?;
    for entry in &manifest.files {
        let path = dir.join(&entry.file);
        let bytes = checked(&path, entry.size, &entry.sha256).map_err(|reason| invalid(&path, reason))?;
        keep(entry, bytes);
    }
    Ok(manifest)
}

fn parse(text: &[u8]) -> Result<Manifest, Reason> {
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    let broken = |error: serde_json::Error| Reason::Manifest(error.to_string());
    let Version { format } = serde_json::from_slice(text).map_err(broken)?;
    if format != FORMAT {
        return Err(Reason::Format { found: format });
    }
    let manifest: Manifest = serde_json::from_slice(text).map_err(broken)?;
    let mut seen = BTreeSet::new();
    for entry in &manifest.files {
        if !is_part_name(&entry.part) || entry.file != entry.kind.file_name(&entry.part) {
            return Err(Reason::Manifest(format!("{:?} is no file of a part {:?}", entry.file, entry.part)));
        }
        if !seen.insert(&entry.part) {
            return Err(Reason::Manifest(format!("part {:?} is listed twice", entry.part)));
        }
    }
    Ok(manifest)
}

fn refuse_strangers(dir: &Path, manifest: &Manifest) -> Result<(), Invalid> {
    let unreadable = |error: std::io::Error| invalid(dir, Reason::Unreadable(error.to_string()));
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let known =
            [MANIFEST, SUMS].into_iter().chain(manifest.files.iter().map(|entry| entry.file.as_str()));
        if !known.into_iter().any(|known| name == known) {
            return Err(invalid(&dir.join(name), Reason::Unexpected));
        }
    }
    Ok(())
}

/// The bytes of a part, if they are as many as claimed (asked before anything is allocated) and the
/// right ones.
fn checked(path: &Path, size: u64, digest: &str) -> Result<Vec<u8>, Reason> {
    let metadata = regular(path)?;
    if metadata.len() != size {
        return Err(Reason::Size { expected: size, found: metadata.len() });
    }
    let bytes = read_limited(path, size).map_err(|error| Reason::Unreadable(error.to_string()))?;
    match bytes {
        Some(bytes) if sha256(&bytes) == digest => Ok(bytes),
        _ => Err(Reason::Digest),
    }
}

fn small(path: &Path) -> Result<Vec<u8>, Invalid> {
    regular(path).map_err(|reason| invalid(path, reason))?;
    match read_limited(path, LIMIT) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(invalid(path, Reason::Manifest(format!("longer than {LIMIT} bytes")))),
        Err(error) => Err(invalid(path, Reason::Unreadable(error.to_string()))),
    }
}

/// Links are not followed: a generation is its own files, not what they point to today.
fn regular(path: &Path) -> Result<fs::Metadata, Reason> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(metadata),
        Ok(_) => Err(Reason::Irregular("file")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Reason::Missing),
        Err(error) => Err(Reason::Unreadable(error.to_string())),
    }
}

fn attributes(dir: &Path) -> Result<fs::Metadata, Invalid> {
    fs::symlink_metadata(dir).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => invalid(dir, Reason::Missing),
        _ => invalid(dir, Reason::Unreadable(error.to_string())),
    })
}

pub(super) fn invalid(file: &Path, reason: Reason) -> Invalid {
    Invalid { file: file.to_owned(), reason }
}
