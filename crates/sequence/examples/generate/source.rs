//! Where a trained model comes from.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use fornax_nn_core::config;
use fornax_nn_core::train::checkpoint::newest;
use fornax_prep::Limits;
use fornax_prep::text::Tokenizer;
use fornax_sequence::gpt::{Gpt, GptConfig};

use super::Outcome;

/// The model's sizes, beside a run's own `config.json`.
const MODEL: &str = "model.json";
const TOKENIZER: &str = "tokenizer.json";

/// Writes beside the checkpoints what it takes to read them.
pub(crate) fn save(dir: &Path, model: &GptConfig, tokenizer: &Tokenizer) -> Outcome<()> {
    std::fs::write(dir.join(MODEL), config::to_json(model)? + "\n")?;
    Ok(tokenizer.save(&dir.join(TOKENIZER))?)
}

/// A run directory has a `model.json`, a folder of Hugging Face's has none.
pub(crate) fn load(dir: &Path, device: &Device) -> Outcome<(Gpt, Tokenizer)> {
    let tokenizer = Tokenizer::load(&dir.join(TOKENIZER), &Limits::default())?;
    if !dir.join(MODEL).exists() {
        return Ok((Gpt::from_safetensors(dir, device)?.valid(), tokenizer));
    }
    let model = config::read::<GptConfig>(dir.join(MODEL))?.init(device)?;
    let Some(saved) = newest(&dir.join("checkpoints"))?.loaded else {
        return Err(format!("{}: no checkpoint yet", dir.display()).into());
    };
    Ok((saved.module("model", model)?.valid(), tokenizer))
}
