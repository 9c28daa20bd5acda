//! # Pictures
//!
//! What a training run leaves to look at, as PNG and GIF, with nothing taken from the system: the font is embedded, the
//! colours are safe for colour-blind readers, lengths are in points at two pixels each.
//!
//! | figure | shows |
//! |---|---|
//! | [`Curves`] | lines over steps or epochs, in panels, linear or logarithmic |
//! | [`Matrix`] | confusion matrices with counts, heat maps with a colour bar |
//! | [`Tiles`] | images in a grid with captions: misread digits, filters, samples |
//! | [`Passage`] | text whose pieces lie on a colour each: tokens |
//! | [`Bars`] | one figure per name, with error bars |
//! | [`Plane`] | points, trajectories and fields over two coordinates: landscapes, densities, embeddings |
//! | [`Animation`] | any of them, moving |
//!
//! Every figure has `draw`, which returns a [`Picture`], and `save`, which writes a PNG whole or not at all.
//!
//! Text is set in DejaVu Sans, reduced to Latin, Greek, Cyrillic, arrows and mathematics; its licence is in
//! `src/plot/font/LICENSE`.

mod animation;
mod axis;
mod bars;
mod canvas;
mod color;
mod curves;
mod field;
mod legend;
mod matrix;
mod passage;
mod picture;
mod plane;
mod tiles;

use std::fmt;
use std::path::{Path, PathBuf};

pub use animation::Animation;
pub use axis::{Scale, number};
pub use bars::Bars;
pub use color::{Color, ColorMap, SERIES};
pub use curves::{Curves, Line, Panel};
pub use field::bin;
pub use matrix::Matrix;
pub use passage::Passage;
pub use picture::Picture;
pub use plane::Plane;
pub use tiles::{Tile, Tiles};

/// Why a picture was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// The data cannot be drawn.
    #[error("{}{figure}: {reason}", Prefix(path))]
    Data {
        /// The file the picture was meant for, when it was meant for one.
        path: Option<PathBuf>,
        /// The figure, panel or series.
        figure: String,
        /// What was expected and what was there.
        reason: String,
    },
    /// The file cannot be written.
    #[error("{}: cannot write the picture: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system or the encoder said.
        reason: String,
    },
}

struct Prefix<'a>(&'a Option<PathBuf>);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |path| write!(f, "{}: ", path.display()))
    }
}

impl PlotError {
    pub(crate) fn data(figure: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Data { path: None, figure: figure.into(), reason: reason.into() }
    }

    pub(crate) fn write(path: &Path, reason: &dyn fmt::Display) -> Self {
        Self::Write { path: path.to_owned(), reason: reason.to_string() }
    }

    /// The same error, of a picture meant for `file`.
    pub(crate) fn for_file(self, file: &Path) -> Self {
        match self {
            Self::Data { figure, reason, .. } => Self::Data { path: Some(file.to_owned()), figure, reason },
            written @ Self::Write { .. } => written,
        }
    }
}
