//! Either model: how it learns, what it writes, where it looks.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Bool, Device, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::gradient::NonFinite;
use fornax_nn_core::train::Error;
use fornax_nn_core::train::checkpoint::{Loaded, Snapshot};
use fornax_sequence::generate::GenerateConfig;
use fornax_sequence::seq2seq::{self, Batch, Sampling};
use fornax_sequence::tokens::to_tensor;
use fornax_sequence::transformer::{self, Transformer, TransformerConfig};
use fornax_sequence::{Seq2Seq, Seq2SeqConfig};
use serde::Serialize;

use crate::data::{BEGIN, END};
use crate::{LONGEST, Outcome};

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TranslatorConfig {
    Seq2seq(Seq2SeqConfig),
    Transformer(TransformerConfig),
}

/// Weights, `[token][source token]`.
type Map = Vec<Vec<f64>>;

#[allow(clippy::large_enum_variant)]
pub(crate) enum Translator {
    Seq2seq(Seq2Seq),
    Transformer(Transformer),
}

impl TranslatorConfig {
    pub(crate) fn init(&self, device: &Device) -> Result<Translator, ConfigError> {
        Ok(match self {
            Self::Seq2seq(config) => Translator::Seq2seq(config.init(device)?),
            Self::Transformer(config) => Translator::Transformer(config.init(device)?),
        })
    }
}

impl Translator {
    pub(crate) fn restored(self, saved: &Loaded) -> Result<Self, Error> {
        Ok(match self {
            Self::Seq2seq(model) => Self::Seq2seq(saved.module("model", model)?),
            Self::Transformer(model) => Self::Transformer(saved.module("model", model)?),
        })
    }

    pub(crate) fn save(&self, snapshot: Snapshot) -> Result<Snapshot, Error> {
        match self {
            Self::Seq2seq(model) => snapshot.module("model", model),
            Self::Transformer(model) => snapshot.module("model", model),
        }
    }

    pub(crate) fn valid(&self) -> Self {
        match self {
            Self::Seq2seq(model) => Self::Seq2seq(model.valid()),
            Self::Transformer(model) => Self::Transformer(model.valid()),
        }
    }

    pub(crate) fn num_params(&self) -> usize {
        match self {
            Self::Seq2seq(model) => model.num_params(),
            Self::Transformer(model) => model.num_params(),
        }
    }

    pub(crate) fn learn(
        self,
        optim: &mut ModuleOptimizer,
        (lr, max_norm): (f64, f64),
        batch: Batch,
        sampling: Option<Sampling<'_>>,
    ) -> Result<(Self, f32), NonFinite> {
        Ok(match self {
            Self::Seq2seq(model) => {
                let (model, loss) = seq2seq::train_step(model, optim, (lr, max_norm), batch, sampling)?;
                (Self::Seq2seq(model), loss)
            }
            Self::Transformer(model) => {
                let source_real = real(&batch);
                let Batch { sources: source, inputs, targets, mask: target_real, .. } = batch;
                let batch = transformer::Batch { source, source_real, inputs, targets, target_real };
                let (model, loss) = transformer::train_step(model, optim, lr, batch)?;
                (Self::Transformer(model), loss)
            }
        })
    }

    /// The likeliest translations, token by token, and how much each of their tokens took from each of the source's:
    /// a map each. Of a transformer it is the mean of the last layer's heads.
    pub(crate) fn translate(&self, batch: Batch) -> Outcome<(Vec<Vec<u32>>, Vec<Map>)> {
        let (written, looks) = match self {
            Self::Seq2seq(model) => model.greedy(batch.sources, &batch.lengths, LONGEST),
            Self::Transformer(model) => {
                let real = real(&batch);
                let ids: Vec<u32> = batch.sources.to_data().iter::<u32>().collect();
                let rows = ids.chunks(batch.sources.dims()[1]).zip(&batch.lengths);
                let sources: Vec<&[u32]> = rows.map(|(row, &length)| &row[..length]).collect();
                let config = GenerateConfig::greedy(LONGEST).with_stop_tokens(vec![END]);
                let mut written = model.translate(&sources, BEGIN, &config, 0)?;
                for tokens in &mut written {
                    tokens.retain(|&token| token != END);
                }
                // What it wrote behind the token that begins, padded: the row of each token is where it was chosen.
                let width = written.iter().map(Vec::len).max().unwrap_or(0);
                let padded = |tokens: &Vec<u32>| {
                    [&[BEGIN], tokens.as_slice(), &vec![0; width - tokens.len()]].concat()
                };
                let inputs: Vec<Vec<u32>> = written.iter().map(padded).collect();
                let memory = model.encode(batch.sources, real);
                let maps = model.memory_maps(to_tensor(&inputs, &memory.states.device()), &memory);
                let Some(last) = maps.into_iter().last() else { return Err("a model without layers".into()) };
                (written, last.mean_dim(1).squeeze_dim::<3>(1))
            }
        };
        let [_, tokens, width] = looks.dims();
        let weights: Vec<f64> = looks.into_data().iter::<f64>().collect();
        let looks = weights
            .chunks(tokens * width)
            .zip(&written)
            .map(|(map, tokens)| map.chunks(width).take(tokens.len()).map(<[f64]>::to_vec).collect());
        let looks = looks.collect();
        Ok((written, looks))
    }
}

/// `[batch, source_steps]`, false where padded.
fn real(batch: &Batch) -> Tensor<2, Bool> {
    let [rows, width] = batch.sources.dims();
    let real: Vec<bool> =
        batch.lengths.iter().flat_map(|&length| (0..width).map(move |i| i < length)).collect();
    Tensor::from_data(TensorData::new(real, [rows, width]), &batch.sources.device())
}
