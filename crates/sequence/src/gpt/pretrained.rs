//! GPT-2 as Hugging Face stores it.

use std::path::Path;

use burn::tensor::Device;
use fornax_nn_core::activation::Activation;
use fornax_nn_core::weights::Source;
use serde::Deserialize;

use super::{Gpt, GptConfig};
use crate::pretrained::{Folder, FolderError};

/// What of `config.json` shapes the model.
#[derive(Debug, Deserialize)]
struct Gpt2File {
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    #[serde(default = "gelu_new")]
    activation_function: String,
    #[serde(default = "epsilon")]
    layer_norm_epsilon: f64,
    #[serde(default = "dropout")]
    resid_pdrop: f64,
    #[serde(default = "yes")]
    tie_word_embeddings: bool,
}

fn gelu_new() -> String {
    "gelu_new".to_owned()
}

fn epsilon() -> f64 {
    1e-5
}

fn dropout() -> f64 {
    0.1
}

fn yes() -> bool {
    true
}

impl Gpt {
    /// Reads a folder with the `config.json` and `model.safetensors` of a GPT-2, as Hugging Face's library writes it.
    ///
    /// # Errors
    ///
    /// [`FolderError`] naming the file that is missing, or the field or tensor that cannot be used.
    pub fn from_safetensors(folder: impl AsRef<Path>, device: &Device) -> Result<Self, FolderError> {
        let folder = Folder::new(folder);
        let file: Gpt2File = folder.config(&["gpt2"])?;
        if !file.tie_word_embeddings {
            return Err(
                folder.unsupported("tie_word_embeddings", "an output layer that is not the embedding")
            );
        }
        let activation = match file.activation_function.as_str() {
            "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            "gelu" => Activation::Gelu,
            "relu" => Activation::Relu,
            other => return Err(folder.unsupported("activation_function", other)),
        };
        let config = GptConfig::new(file.vocab_size)
            .with_context(file.n_positions)
            .with_d_model(file.n_embd)
            .with_layers(file.n_layer)
            .with_heads(file.n_head)
            .with_d_ff(file.n_inner)
            .with_activation(activation)
            .with_epsilon(file.layer_norm_epsilon)
            .with_dropout(file.resid_pdrop);
        let mut model = config.init(device).map_err(|error| folder.invalid(error))?;
        let weights = folder.weights()?;
        let prefix =
            if weights.names().any(|name| name.starts_with("transformer.")) { "transformer." } else { "" };
        // The causal mask is stored as a buffer by some versions, the tied head by others.
        let unwanted = |name: &str| {
            name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") || name == "lm_head.weight"
        };
        weights.without(unwanted).load(&mut model, |name| gpt2_source(name, prefix))?;
        Ok(model)
    }
}

/// Where GPT-2 keeps the parameter that is called `name` here. Its matrices lie `[in, out]` as ours do, and query, key and
/// value side by side in one.
pub fn gpt2_source(name: &str, prefix: &str) -> Source {
    let at = |name: &str| Source::from(format!("{prefix}{name}")).as_stored();
    match name {
        "tokens.weight" => return at("wte.weight"),
        "positions.weight" => return at("wpe.weight"),
        _ => {}
    }
    let Some(rest) = name.strip_prefix("stack.blocks.") else {
        return at(&name.replace("stack.norm", "ln_f"));
    };
    let (layer, rest) = rest.split_once('.').unwrap_or((rest, ""));
    let (place, leaf) = rest.rsplit_once('.').unwrap_or((rest, ""));
    // Of [in, 3·out] weights the columns, of [3·out] biases the elements.
    let fused =
        |index| at(&format!("h.{layer}.attn.c_attn.{leaf}")).part(usize::from(leaf == "weight"), index, 3);
    match place {
        "attention.query" => fused(0),
        "attention.key" => fused(1),
        "attention.value" => fused(2),
        _ => {
            let place = match place {
                "attention.output" => "attn.c_proj",
                "attention_norm" => "ln_1",
                "feed_forward.up" => "mlp.c_fc",
                "feed_forward.down" => "mlp.c_proj",
                "feed_forward_norm" => "ln_2",
                other => other,
            };
            at(&format!("h.{layer}.{place}.{leaf}"))
        }
    }
}
