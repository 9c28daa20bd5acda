//! The images of an example: the embedded digits, or the user's own.

use std::path::Path;

use fornax_prep::image::{Channels, ImageSet, ImageSpec, Kind, OpenSpec, open};
use fornax_prep::{Digits, Folds, Limits, Split};

/// Grey images of `side` × `side` pixels in [0, 1], and which of them are held out.
pub(crate) fn load(
    data: Option<&Path>,
    side: usize,
    fold: u8,
) -> Result<(ImageSet, Split), Box<dyn std::error::Error>> {
    let fold = usize::from(fold);
    let Some(path) = data else {
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
