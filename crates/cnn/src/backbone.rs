//! What a backbone promises to the heads that stand on it.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

use crate::geometry::{Stage, map_sizes, smallest_side};

/// One of the maps [`Backbone::forward_features`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureInfo {
    /// Channels of the map.
    pub channels: usize,
    /// How many pixels of the image one step on the map is, in both directions.
    pub stride: usize,
}

/// A batch of images that a backbone cannot take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// Grey images for a network of colours, or the reverse.
    #[error("images of {actual} channels, expected {expected}")]
    Channels {
        /// Channels of the images.
        actual: usize,
        /// Channels the network was built for.
        expected: usize,
    },
    /// Some window of the network does not fit on what is left of the image.
    #[error(
        "images of {height} × {width} pixels, too small for the strides: each side must be at least {smallest}"
    )]
    TooSmall {
        /// Rows of the images.
        height: usize,
        /// Columns of the images.
        width: usize,
        /// The smallest side the network can take.
        smallest: usize,
    },
}

/// A network that turns images into maps of features.
///
/// Classification, segmentation, detection, regression and control differ only in what is put on top of these
/// maps.
pub trait Backbone: Module + ModuleDisplay {
    /// Channels of the images.
    fn in_channels(&self) -> usize;

    /// The maps and the windows between them, from the finest to the coarsest; known without running the network.
    fn stages(&self) -> Vec<Stage>;

    /// The maps, as [`stages`](Self::stages) lists them: the last one computed at each stride.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`
    /// - map i: `[batch, channels_i, height_i, width_i]`, sizes as [`map_sizes`] gives them; ⌈height / stride_i⌉
    ///   where every window is padded by half its size
    ///
    /// # Panics
    ///
    /// On images that [`check_images`](Self::check_images) refuses.
    fn forward_features(&self, images: Tensor<4>) -> Vec<Tensor<4>>;

    /// Channels and stride of each map.
    fn feature_info(&self) -> Vec<FeatureInfo> {
        let mut stride = 1;
        let info = |stage: &Stage| {
            stride *= stage.stride();
            FeatureInfo { channels: stage.channels, stride }
        };
        self.stages().iter().map(info).collect()
    }

    /// Whether the network can take images of this shape, `[batch, channels, height, width]`.
    ///
    /// # Errors
    ///
    /// [`ImageError`] on another number of channels, or images too small for the strides.
    fn check_images(&self, [_, channels, height, width]: [usize; 4]) -> Result<(), ImageError> {
        let expected = self.in_channels();
        if channels != expected {
            return Err(ImageError::Channels { actual: channels, expected });
        }
        let stages = self.stages();
        if [height, width].iter().any(|&side| map_sizes(&stages, side).is_none()) {
            return Err(ImageError::TooSmall { height, width, smallest: smallest_side(&stages) });
        }
        Ok(())
    }
}

/// Refuses images with a message that says what was expected.
#[track_caller]
pub(crate) fn assert_images<B: Backbone>(backbone: &B, images: &Tensor<4>) {
    if let Err(error) = backbone.check_images(images.dims()) {
        panic!("{error}");
    }
}
