//! Readers against files: honest ones, and ones made to break them.

#[cfg(feature = "archive")]
mod archive;
#[cfg(feature = "video")]
mod clips;
mod csv;
#[cfg(feature = "download")]
mod download;
#[cfg(feature = "video")]
mod films;
mod gzip;
mod idx;
mod images;
mod open;
mod support;
#[cfg(feature = "video")]
mod video;
#[cfg(feature = "video")]
mod video_hostile;
#[cfg(feature = "text")]
mod text;
