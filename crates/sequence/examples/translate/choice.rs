//! What can be chosen on the command line.

use clap::ValueEnum;
use fornax_sequence::Seq2SeqConfig;
use fornax_sequence::seq2seq::Attention;
use fornax_sequence::transformer::TransformerConfig;
use serde::Serialize;

use crate::translator::TranslatorConfig;

/// Which model translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Model {
    /// Recurrent encoder and decoder with attention
    Seq2seq,
    /// Attention alone
    Transformer,
}

/// How the recurrent decoder looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Look {
    Bahdanau,
    Luong,
}

impl From<Look> for Attention {
    fn from(look: Look) -> Self {
        match look {
            Look::Bahdanau => Self::Bahdanau,
            Look::Luong => Self::Luong,
        }
    }
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Settings {
    /// Which model translates
    #[arg(long, value_enum, default_value_t = Model::Seq2seq)]
    model: Model,
    /// How a seq2seq looks back
    #[arg(long, value_enum, default_value_t = Look::Bahdanau)]
    attention: Look,
    /// Also "day 209 of 1999", which takes more than looking
    #[arg(long)]
    pub(crate) day_of_year: bool,
    /// Epochs of a hundred updates [default: 8, transformer: 16]
    #[arg(long)]
    epochs: Option<usize>,
    /// Dates per update
    #[arg(long, default_value_t = 64)]
    pub(crate) batch_size: usize,
    /// Units of each direction of the encoder and of the decoder, or features of a position
    #[arg(long, default_value_t = 64)]
    pub(crate) hidden: usize,
    /// Highest learning rate [default: 5e-3, transformer: 3e-3]
    #[arg(long)]
    lr: Option<f64>,
    /// Longest gradient of a seq2seq
    #[arg(long, default_value_t = 1.0)]
    pub(crate) clip: f64,
    /// Probability, at the end of training, of giving a seq2seq's decoder its own last character instead of the right one
    #[arg(long, default_value_t = 0.0)]
    pub(crate) sampling: f64,
}

impl Settings {
    pub(crate) fn epochs(&self) -> usize {
        self.epochs.unwrap_or(if self.model == Model::Seq2seq { 8 } else { 16 })
    }

    pub(crate) fn lr(&self) -> f64 {
        self.lr.unwrap_or(if self.model == Model::Seq2seq { 5e-3 } else { 3e-3 })
    }

    /// A transformer without dropout and label smoothing: no date comes twice, and each has one right answer.
    pub(crate) fn model(&self, source: usize, target: usize) -> TranslatorConfig {
        match self.model {
            Model::Seq2seq => TranslatorConfig::Seq2seq(
                Seq2SeqConfig::new(source, target)
                    .with_attention(self.attention.into())
                    .with_embedding_size(32)
                    .with_hidden_size(self.hidden),
            ),
            Model::Transformer => TranslatorConfig::Transformer(
                TransformerConfig::tiny(source, target)
                    .with_d_model(self.hidden)
                    .with_d_ff(4 * self.hidden)
                    .with_context(128)
                    .with_dropout(0.0)
                    .with_label_smoothing(0.0),
            ),
        }
    }
}
