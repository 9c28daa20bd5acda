//! How much a file may make this library take.

use serde::{Deserialize, Serialize};

/// Bounds that hold while files are read, checked on what a file *announces*, before memory is taken
/// for it.
///
/// A header is a claim. Two hundred bytes can claim an image of 65,535 × 65,535 pixels, a kilobyte of
/// gzip can unfold into a megabyte, a hundred-byte IDX file can count four thousand million images. The
/// defaults let pass what people train on; whoever has more raises them.
///
/// ```
/// use fornax_prep::Limits;
///
/// let limits = Limits { image_pixels: 200_000_000, ..Limits::default() };
/// assert_eq!(limits.set_bytes, 4 << 30);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of one file as it lies on disk. Default: 1 GiB.
    pub file_bytes: u64,
    /// Width times height of one image file. Decoding takes up to 12 bytes a pixel, on every thread.
    /// Default: 50 million, what the largest common cameras make.
    pub image_pixels: u64,
    /// Bytes of all decoded pixels of a set. Default: 4 GiB.
    pub set_bytes: u64,
    /// How many times larger than its file gzip data may become; a first mebibyte is always allowed.
    /// Default: 200. MNIST unfolds 5-fold, text 3- to 10-fold, only bombs come near gzip's 1,032.
    pub inflation: u64,
    /// Entries of a folder, over all its classes. Default: 10 million.
    pub files: u64,
    /// Bytes of one line of a text file. Default: 4 MiB, a colour image of 512 × 512 pixels.
    pub line_bytes: u64,
    /// Distinct labels. Default: 100,000; a column of measurements taken for labels has more.
    pub classes: u64,
    /// Levels of brackets inside brackets in JSON. Default: 64; annotations of COCO have 5.
    pub nesting: u64,
    /// Elements, attributes and texts of one XML file. Default: 100,000, some ten thousand objects.
    pub nodes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 1 << 30,
            image_pixels: 50_000_000,
            set_bytes: 4 << 30,
            inflation: 200,
            files: 10_000_000,
            line_bytes: 4 << 20,
            classes: 100_000,
            nesting: 64,
            nodes: 100_000,
        }
    }
}
