//! Folders of published models: `config.json` beside `model.safetensors`, as Hugging Face's libraries write them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fornax_nn_core::ConfigError;
use fornax_nn_core::weights::{Weights, WeightsError};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The largest `config.json` that is read.
const MAX_CONFIG: u64 = 1 << 20;

/// A folder that holds no model of the kind asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A file that every such folder has is not there, or cannot be read.
    #[error("{}: {cause}; a model's folder has config.json and model.safetensors", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// `config.json` is not what it should be.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The field, or where the text breaks off.
        reason: String,
    },
    /// A model of another kind.
    #[error("{}: model_type is {found:?}, expected {}", path.display(), expected.join(" or "))]
    Kind {
        /// The file.
        path: PathBuf,
        /// What the file says.
        found: String,
        /// What is read here.
        expected: Vec<String>,
    },
    /// The weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// A folder by its path.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned() }
    }

    fn config_path(&self) -> PathBuf {
        self.path.join("config.json")
    }

    /// `config.json`, if its `model_type` is one of `kinds`; fields that `C` does not have are passed over.
    pub(crate) fn config<C: DeserializeOwned>(&self, kinds: &[&str]) -> Result<C, FolderError> {
        let path = self.config_path();
        let at = |cause| FolderError::File { path: path.clone(), cause };
        let mut text = String::new();
        let file = File::open(&path).map_err(at)?;
        file.take(MAX_CONFIG + 1).read_to_string(&mut text).map_err(at)?;
        if text.len() as u64 > MAX_CONFIG {
            return Err(self.invalid(format!("larger than {MAX_CONFIG} bytes, which no configuration is")));
        }
        let value: Value = serde_json::from_str(&text).map_err(|error| self.invalid(error))?;
        let found = value.get("model_type").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !kinds.contains(&found.as_str()) {
            let expected = kinds.iter().map(|&kind| kind.to_owned()).collect();
            return Err(FolderError::Kind { path, found, expected });
        }
        C::deserialize(value).map_err(|error| self.invalid(error))
    }

    pub(crate) fn weights(&self) -> Result<Weights, FolderError> {
        let path = self.path.join("model.safetensors");
        match Weights::open(&path) {
            Err(WeightsError::Io { cause, .. }) => Err(FolderError::File { path, cause }),
            other => Ok(other?),
        }
    }

    pub(crate) fn invalid(&self, reason: impl std::fmt::Display) -> FolderError {
        FolderError::Config { path: self.config_path(), reason: reason.to_string() }
    }

    pub(crate) fn unsupported(&self, field: &str, found: &str) -> FolderError {
        self.invalid(ConfigError::new(field, format!("{found:?} is not supported")))
    }
}
