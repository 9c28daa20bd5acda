//! Texts and tokenisers from files, honest and broken ones, and what the Python library makes of the same
//! lines.

mod csv;
mod folder;
mod jsonl;
mod lines;
mod mixed_lines;
mod parity;
mod tokenizer;
