//! Where weights come from: a file, a folder, and with feature `download` an address.
//!
//! A file downloaded counts for nothing until its size and SHA-256 are those that were published; it is then in the user's cache and
//! the network is not asked again. Nothing is ever fetched but by [`WeightSource::open`] on a [`WeightSource::Remote`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fornax_nn_core::weights::{Weights, WeightsError};

/// Endings of files of weights, those first that hold no code.
const ENDINGS: [&str; 4] = ["safetensors", "pth", "pt", "bin"];
/// What a folder's weights are called by Hugging Face's libraries.
const USUAL: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// Where a file of weights is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightSource {
    /// This file, or the one file of weights in this folder.
    Path(PathBuf),
    /// A published file, fetched once into the user's cache.
    #[cfg(feature = "download")]
    Remote(fornax_prep::download::Remote),
}

impl<P: Into<PathBuf>> From<P> for WeightSource {
    fn from(path: P) -> Self {
        Self::Path(path.into())
    }
}

/// There is no file of weights, or it cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The folder cannot be listed.
    #[error("{}: cannot list the folder: {cause}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// None or several files could be meant.
    #[error("{}: expected one file of weights (.safetensors, .pth, .pt, .bin), found {}", folder.display(), listed(found))]
    Ambiguous {
        /// The folder.
        folder: PathBuf,
        /// The files of weights in it, sorted.
        found: Vec<String>,
    },
    /// The file.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The download.
    #[cfg(feature = "download")]
    #[error(transparent)]
    Download(#[from] fornax_prep::Error),
}

fn listed(found: &[String]) -> String {
    if found.is_empty() { "none".to_owned() } else { found.join(", ") }
}

impl WeightSource {
    /// The file itself, fetched if it has to be.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when a folder has no file of weights, or several of the kind that is preferred; or the download fails.
    pub fn path(&self) -> Result<PathBuf, SourceError> {
        match self {
            Self::Path(path) if path.is_dir() => in_folder(path),
            Self::Path(path) => Ok(path.clone()),
            #[cfg(feature = "download")]
            Self::Remote(remote) => Ok(fornax_prep::download::Downloader::in_user_cache()?.fetch(remote)?),
        }
    }

    /// The tensors of the file, whose directory was found sound.
    ///
    /// # Errors
    ///
    /// As for [`path`](Self::path), and [`WeightsError`] naming what is wrong with the file.
    pub fn open(&self) -> Result<Weights, SourceError> {
        Ok(Weights::open(self.path()?)?)
    }
}

fn in_folder(folder: &Path) -> Result<PathBuf, SourceError> {
    if let Some(usual) = USUAL.iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
        return Ok(usual);
    }
    let at = |cause| SourceError::Folder { folder: folder.to_owned(), cause };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(at)? {
        let path = entry.map_err(at)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    let of = |ending: &str| {
        files.iter().filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
    };
    let by_ending: Vec<Vec<&PathBuf>> = ENDINGS.iter().map(|ending| of(ending)).collect();
    match by_ending.iter().find(|files| !files.is_empty()).map(Vec::as_slice) {
        Some([file]) => Ok((*file).clone()),
        _ => {
            let name = |path: &&PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut found: Vec<String> = by_ending.iter().flatten().map(name).collect();
            found.sort();
            Err(SourceError::Ambiguous { folder: folder.to_owned(), found })
        }
    }
}
