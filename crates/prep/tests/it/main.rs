//! Readers against files: honest ones, and ones made to break them.

mod csv;
mod gzip;
mod idx;
mod images;
mod open;
mod support;
#[cfg(feature = "text")]
mod text;
