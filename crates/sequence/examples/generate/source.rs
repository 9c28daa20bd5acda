//! Where a trained model comes from.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use fornax_nn_core::config;
use fornax_nn_core::train::checkpoint::newest;
use fornax_prep::Limits;
use fornax_prep::text::Tokenizer;
use fornax_sequence::gpt::Gpt;

use super::Outcome;
use super::model::{MODEL, Model, ModelConfig, TOKENIZER};

/// The newest checkpoint of a run of this example or of `char_lm`, or a GPT-2 as Hugging Face's libraries write it: its folder
/// has no `model.json`.
pub(crate) fn load(dir: &Path, device: &Device) -> Outcome<(Model, Tokenizer)> {
    let tokenizer = Tokenizer::load(&dir.join(TOKENIZER), &Limits::default())?;
    if !dir.join(MODEL).exists() {
        return Ok((Model::Gpt(Gpt::from_safetensors(dir, device)?.valid()), tokenizer));
    }
    let model = config::read::<ModelConfig>(dir.join(MODEL))?.init(device)?;
    let Some(saved) = newest(&dir.join("checkpoints"))?.loaded else {
        return Err(format!("{}: no checkpoint yet", dir.display()).into());
    };
    Ok((model.restored(&saved)?.valid(), tokenizer))
}
