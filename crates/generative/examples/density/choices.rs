//! What can be chosen by name.

use clap::ValueEnum;
use fornax_prep::worlds::DensityKind;
use serde::Serialize;

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Layer {
    Planar,
    RealNvp,
    Maf,
    Spline,
}

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    EightGaussians,
    TwoMoons,
    Rings,
    Checkerboard,
    Spirals,
}

impl Shape {
    pub(crate) fn kind(self) -> DensityKind {
        match self {
            Self::EightGaussians => DensityKind::EightGaussians,
            Self::TwoMoons => DensityKind::TwoMoons,
            Self::Rings => DensityKind::Rings,
            Self::Checkerboard => DensityKind::Checkerboard,
            Self::Spirals => DensityKind::Spirals,
        }
    }
}
