//! What a backbone promises to the heads that stand on it.

use burn::module::Module;
use burn::tensor::Tensor;

/// One of the maps [`Backbone::forward_features`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureInfo {
    /// Channels of the map.
    pub channels: usize,
    /// How many pixels of the image one step on the map is, in both directions: a map of an image of height h has
    /// ⌈h / stride⌉ rows.
    pub stride: usize,
}

/// A network that turns images into maps of features.
///
/// Classification, segmentation, detection, regression and control differ only in what is put on top of these
/// maps.
pub trait Backbone: Module {
    /// Channels and stride of each map, from the finest to the coarsest; known without running the network.
    fn feature_info(&self) -> Vec<FeatureInfo>;

    /// The maps, as [`feature_info`](Self::feature_info) lists them.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`
    /// - map i: `[batch, channels_i, ⌈height / stride_i⌉, ⌈width / stride_i⌉]`
    fn forward_features(&self, images: Tensor<4>) -> Vec<Tensor<4>>;
}
