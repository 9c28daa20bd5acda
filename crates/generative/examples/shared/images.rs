//! The images of an example: the embedded digits, or the user's own.

use std::path::PathBuf;

use fornax_prep::image::{Channels, ImageSet, ImageSpec, Kind, OpenSpec, open};
use fornax_prep::{Digits, Folds, Limits, Split};
use serde::Serialize;

/// Which images, of what size, and which of them are held out.
#[derive(clap::Args, Serialize)]
pub(crate) struct Source {
    /// Images of your own: a folder per class, an IDX pair (plain or .gz) or a CSV file of pixels
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Side in pixels that the images are resized to
    #[arg(long, default_value_t = 8)]
    pub(crate) image_size: usize,
    /// Which fifth of the images is held out
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..5))]
    pub(crate) fold: u8,
}

impl Source {
    /// Grey images with pixels in [0, 1], and which of them are held out.
    pub(crate) fn load(&self) -> Result<(ImageSet, Split), Box<dyn std::error::Error>> {
        let (side, fold) = (self.image_size, usize::from(self.fold));
        let Some(path) = &self.data else {
            let digits = Digits::load();
            return Ok((digits.to_set().resized(side, side)?, digits.folds().split(fold)));
        };
        let spec = ImageSpec::new(Channels::Grey).with_size(side, side);
        let opened = open(path, &OpenSpec::new(spec), &Limits::default())?;
        let len = opened.set.len();
        let split = match (opened.split, opened.kind) {
            (Some(split), _) => split,
            (None, Kind::Idx) => Split::at(len, len - len / 5)?, // such files come in random order
            (None, _) => Folds::stratified(opened.set.labels(), 5, 0)?.split(fold),
        };
        Ok((opened.set, split))
    }
}
