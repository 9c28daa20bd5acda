//! Readers against files: honest ones, and ones made to break them.

#[cfg(feature = "archive")]
mod archive;
mod cifar;
#[cfg(feature = "video")]
mod clips;
mod coco;
#[cfg(all(feature = "archive", feature = "mp4", feature = "text"))]
mod corpus;
mod csv;
#[cfg(feature = "download")]
mod download;
#[cfg(feature = "video")]
mod films;
mod gzip;
mod idx;
mod images;
mod joint;
mod loader;
mod mask;
mod open;
mod parity;
mod paths;
mod support;
#[cfg(feature = "text")]
mod text;
#[cfg(feature = "video")]
mod video;
#[cfg(feature = "video")]
mod video_hostile;
mod voc;
