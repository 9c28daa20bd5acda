//! What can be chosen on the command line.

use clap::ValueEnum;
use fornax_sequence::seq2seq::Attention;
use serde::Serialize;

/// Which model translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Model {
    /// Recurrent encoder and decoder with attention
    Seq2seq,
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
