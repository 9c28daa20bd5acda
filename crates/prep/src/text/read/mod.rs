//! Texts from files, one after the other: what is in memory is one of them, whatever the size of the file.
//!
//! | reader | gives |
//! |---|---|
//! | [`Lines`] | the lines of a text file |
//! | [`TextFolder`] | whole files, from a folder for each class |
//! | [`CsvRecords`] | named columns of a table with a header |
//! | [`JsonLines`] | named fields of an object a line |
//!
//! All of them are iterators, read plain files and gzip, take UTF-8 with or without a byte order mark and
//! lines that end in `\n` or `\r\n`, and stop at their first error, which names the file and the line. What
//! is not text (other encodings, zero bytes) is refused and not repaired: a repaired text is another text,
//! and nobody sees it.
//!
//! A file larger than [`Limits::file_bytes`](crate::Limits) has to be allowed there; lines are bounded by
//! `line_bytes` and gzip by `inflation`.

mod csv;
mod folder;
mod jsonl;
mod lines;
mod record;

pub use csv::{CsvRecords, CsvTextSpec};
pub use folder::{TextFile, TextFolder};
pub use jsonl::JsonLines;
pub use lines::Lines;
pub use record::Record;
