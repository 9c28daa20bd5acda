//! The tests of fornax-sequence, one binary so that it links once.

mod contract;
mod examples;
mod gradients;
mod language;
mod metric;
mod recurrent;
mod recurrent_parity;
mod seq2seq;
mod state_space;
mod transformer;
