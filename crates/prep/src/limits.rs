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
    /// Frames of a film, or images of a folder read as one. Default: 1 million, nine hours at 30 a second.
    pub frames: u64,
    /// Frames of an animated GIF, whose index and composition cost more. Default: 20,000.
    pub animation_frames: u64,
    /// Width times height of a film. Default: 36 million, above 8K (7,680 × 4,320).
    pub frame_pixels: u64,
    /// Bytes of all frames of one clip. Default: 1 GiB, 170 frames of 1,920 × 1,080.
    pub clip_bytes: u64,
    /// Entries of an archive. Default: 500,000; ImageNet's validation part has 50,000, COCO's training part 118,287.
    pub archive_entries: u64,
    /// Bytes of everything in an archive, unpacked. Default: 64 GiB.
    pub archive_bytes: u64,
    /// Bytes of one download. Default: 16 GiB.
    pub download_bytes: u64,
    /// Bytes of a tokeniser's file, unfolded. Default: 128 MiB; those of published models have up to 35.
    pub tokenizer_bytes: u64,
    /// How deep lists and objects of a JSON file may lie within each other, at most 127. Default: 64; COCO's
    /// annotations have 5.
    pub json_nesting: u64,
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
            frames: 1_000_000,
            animation_frames: 20_000,
            frame_pixels: 36_000_000,
            clip_bytes: 1 << 30,
            archive_entries: 500_000,
            archive_bytes: 64 << 30,
            download_bytes: 16 << 30,
            tokenizer_bytes: 128 << 20,
            json_nesting: 64,
            nodes: 100_000,
        }
    }
}
