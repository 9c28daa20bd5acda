#![doc = include_str!("../README.md")]

pub mod error;
pub mod gru;
pub mod language;
pub mod lstm;
pub mod many_to_one;
pub mod metric;
pub mod recurrent;
pub mod rnn;
pub mod seq2seq;
pub mod sequence_model;
pub mod state_space;
pub mod training;

pub use error::SequenceError;
pub use gru::{Gru, GruConfig};
pub use language::{LanguageConfig, LanguageModel};
pub use lstm::{Lstm, LstmConfig};
pub use many_to_one::{ManyToOne, ManyToOneConfig};
pub use recurrent::State;
pub use rnn::{Jordan, JordanConfig, Rnn, RnnConfig};
pub use seq2seq::{Seq2Seq, Seq2SeqConfig};
pub use sequence_model::{Kind, SequenceConfig, SequenceModel};
pub use state_space::{StateSpace, StateSpaceConfig};
pub mod attention;
pub mod bert;
pub mod generate;
pub mod gpt;
pub mod position;
pub mod pretrained;
pub mod tokens;
pub mod transformer;
pub mod vit;
