//! BERT as Hugging Face stores it, sentence encoders such as all-MiniLM-L6-v2 among them.

use std::path::Path;

use burn::tensor::Device;
use fornax_nn_core::activation::Activation;
use fornax_nn_core::weights::{Source, Weights};
use serde::Deserialize;

use super::{Bert, BertConfig, MaskedBert};
use crate::pretrained::{Folder, FolderError};

/// What of `config.json` shapes the model.
#[derive(Debug, Deserialize)]
struct BertFile {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    #[serde(default)]
    hidden_dropout_prob: f64,
}

fn absolute() -> String {
    "absolute".to_owned()
}

impl Bert {
    /// Reads a folder with the `config.json` and `model.safetensors` of a BERT, as Hugging Face's library writes it; a
    /// head for filling gaps is passed over.
    ///
    /// # Errors
    ///
    /// [`FolderError`] naming the file that is missing, or the field or tensor that cannot be used.
    pub fn from_safetensors(folder: impl AsRef<Path>, device: &Device) -> Result<Self, FolderError> {
        let folder = Folder::new(folder);
        let (weights, config, prefix) = open(&folder)?;
        let mut model = config.init(device).map_err(|error| folder.invalid(error))?;
        let weights = weights.without(|name| name.starts_with("cls."));
        weights.load(&mut model, |name| bert_source(name, prefix))?;
        Ok(model)
    }
}

impl MaskedBert {
    /// Reads a folder with the `config.json` and `model.safetensors` of a BERT that has its head for filling gaps.
    ///
    /// # Errors
    ///
    /// [`FolderError`] naming the file that is missing, or the field or tensor that cannot be used.
    pub fn from_safetensors(folder: impl AsRef<Path>, device: &Device) -> Result<Self, FolderError> {
        let folder = Folder::new(folder);
        let (weights, config, prefix) = open(&folder)?;
        let mut model = Self::new(&config, device).map_err(|error| folder.invalid(error))?;
        // The head that tells whether two sentences follow each other, and the tied output layer, stored again.
        let unwanted = |name: &str| {
            name.starts_with("cls.seq_relationship") || name.starts_with("cls.predictions.decoder")
        };
        weights.without(unwanted).load(&mut model, |name| match name.strip_prefix("bert.") {
            Some(name) => bert_source(name, prefix),
            None => Source::from(match name {
                "bias" => "cls.predictions.bias".to_owned(),
                name => format!(
                    "cls.predictions.transform.{}",
                    name.replace("transform", "dense").replace("norm", "LayerNorm")
                ),
            }),
        })?;
        Ok(model)
    }
}

/// The weights without buffers, the configuration they go with, and what their names begin with.
fn open(folder: &Folder) -> Result<(Weights, BertConfig, &'static str), FolderError> {
    let file: BertFile = folder.config(&["bert"])?;
    if file.position_embedding_type != "absolute" {
        return Err(folder.unsupported("position_embedding_type", &file.position_embedding_type));
    }
    let activation = match file.hidden_act.as_str() {
        "gelu" => Activation::Gelu,
        "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluTanh,
        "relu" => Activation::Relu,
        other => return Err(folder.unsupported("hidden_act", other)),
    };
    let weights = folder.weights()?.without(|name| name.ends_with("embeddings.position_ids"));
    let prefix = if weights.names().any(|name| name.starts_with("bert.")) { "bert." } else { "" };
    let pooler = weights.shape(&format!("{prefix}pooler.dense.weight")).is_some();
    let config = BertConfig::new(file.vocab_size)
        .with_context(file.max_position_embeddings)
        .with_segments(file.type_vocab_size)
        .with_d_model(file.hidden_size)
        .with_layers(file.num_hidden_layers)
        .with_heads(file.num_attention_heads)
        .with_d_ff(file.intermediate_size)
        .with_activation(activation)
        .with_dropout(file.hidden_dropout_prob)
        .with_epsilon(file.layer_norm_eps)
        .with_pooler(pooler);
    Ok((weights, config, prefix))
}

/// Where BERT keeps the parameter of a [`Bert`] that is called `name` here.
pub fn bert_source(name: &str, prefix: &str) -> Source {
    let at = |name: &str| Source::from(format!("{prefix}{name}"));
    let Some(rest) = name.strip_prefix("stack.blocks.") else {
        let (place, leaf) = name.rsplit_once('.').unwrap_or((name, ""));
        return at(&match place {
            "tokens" => format!("embeddings.word_embeddings.{leaf}"),
            "positions" => format!("embeddings.position_embeddings.{leaf}"),
            "segments" => format!("embeddings.token_type_embeddings.{leaf}"),
            "norm" => format!("embeddings.LayerNorm.{leaf}"),
            "pooler" => format!("pooler.dense.{leaf}"),
            _ => name.to_owned(),
        });
    };
    let (layer, rest) = rest.split_once('.').unwrap_or((rest, ""));
    let (place, leaf) = rest.rsplit_once('.').unwrap_or((rest, ""));
    let place = match place {
        "attention.query" => "attention.self.query",
        "attention.key" => "attention.self.key",
        "attention.value" => "attention.self.value",
        "attention.output" => "attention.output.dense",
        "attention_norm" => "attention.output.LayerNorm",
        "feed_forward.up" => "intermediate.dense",
        "feed_forward.down" => "output.dense",
        "feed_forward_norm" => "output.LayerNorm",
        other => other,
    };
    at(&format!("encoder.layer.{layer}.{place}.{leaf}"))
}
