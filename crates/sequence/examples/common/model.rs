//! The language models of the examples by one name, and what lies in a run directory beside their checkpoints.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use fornax_nn_core::train::Error;
use fornax_nn_core::train::checkpoint::Loaded;
use fornax_nn_core::{ConfigError, config};
use fornax_prep::text::Tokenizer;
use fornax_sequence::gpt::{Gpt, GptConfig};
use fornax_sequence::{LanguageConfig, LanguageModel};
use serde::{Deserialize, Serialize};

use super::Outcome;

/// The model's sizes, beside a run's own `config.json`.
pub(crate) const MODEL: &str = "model.json";
pub(crate) const TOKENIZER: &str = "tokenizer.json";

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ModelConfig {
    Recurrent(LanguageConfig),
    Gpt(GptConfig),
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant)]
pub(crate) enum Model {
    Recurrent(LanguageModel),
    Gpt(Gpt),
}

impl ModelConfig {
    pub(crate) fn init(&self, device: &Device) -> Result<Model, ConfigError> {
        Ok(match self {
            Self::Recurrent(config) => Model::Recurrent(config.init(device)?),
            Self::Gpt(config) => Model::Gpt(config.init(device)?),
        })
    }

    /// Writes beside the checkpoints what it takes to read them.
    pub(crate) fn save(&self, dir: &Path, tokenizer: &Tokenizer) -> Outcome<()> {
        std::fs::write(dir.join(MODEL), config::to_json(self)? + "\n")?;
        Ok(tokenizer.save(&dir.join(TOKENIZER))?)
    }
}

impl Model {
    pub(crate) fn restored(self, saved: &Loaded) -> Result<Self, Error> {
        Ok(match self {
            Self::Recurrent(model) => Self::Recurrent(saved.module("model", model)?),
            Self::Gpt(model) => Self::Gpt(saved.module("model", model)?),
        })
    }

    pub(crate) fn valid(&self) -> Self {
        match self {
            Self::Recurrent(model) => Self::Recurrent(model.valid()),
            Self::Gpt(model) => Self::Gpt(model.valid()),
        }
    }
}
