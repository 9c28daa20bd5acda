//! What several families are built from.
//!
//! | block | what it does |
//! |---|---|
//! | [`ConvNorm`] | convolution, batch normalisation, activation: the brick of every network since 2015 |
//! | [`SqueezeExcitation`] | one weight for each channel, from what the whole map shows |
//! | [`InvertedResidual`] | widen, filter each channel on its own, narrow: the block of the mobile networks |
//! | [`Step`] | a layer of a plain chain |
//! | [`resize_bilinear`], [`resize_nearest`] | maps at another size |
//! | [`Summary`] | from the coarsest map to one vector, for heads that answer with numbers |
//! | [`drop_path`] | the branches of a residual network, dropped while training |
//!
//! Fields are named as torchvision's modules, but for two regular differences that
//! [`torchvision_name`](crate::torchvision_name) undoes.

pub mod chain;
pub mod conv_norm;
mod convolution;
mod drop_path;
pub mod inverted_residual;
mod pooling;
pub mod resize;
pub mod squeeze_excitation;
pub mod summary;
mod width;

pub use chain::Step;
pub use conv_norm::{Activation, ConvNorm, Norm};
pub use drop_path::drop_path;
pub use inverted_residual::{InvertedResidual, InvertedResidualConfig, Layer};
pub use pooling::{adaptive_avg_pool, avg_pool, global_avg_pool, max_pool, spatial_mean};
pub use resize::{resize_bilinear, resize_nearest};
pub use squeeze_excitation::{SqueezeExcitation, SqueezeExcitationConfig};
pub use summary::{Summary, SummaryConfig};

pub(crate) use convolution::{Convolution, Init, linear};
pub(crate) use summary::coarsest_map;
pub(crate) use width::{multiple_of_eight, scaled};
