//! Pooling by [`Window`].

use burn::tensor::Tensor;
use burn::tensor::module::{adaptive_avg_pool2d, avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

use crate::geometry::Window;

/// The maximum of each window, channel by channel.
///
/// # Shapes
///
/// - x: `[batch, channels, height, width]`
/// - output: `[batch, channels, height′, width′]`, sizes as [`Window::output`] gives them
pub fn max_pool(x: Tensor<4>, window: Window) -> Tensor<4> {
    let Window { kernel, stride, padding, dilation, ceil_mode } = window;
    let options = MaxPoolOptions::new([kernel, kernel])
        .with_stride([stride, stride])
        .with_padding_pairs([(padding, padding), (padding, padding)])
        .with_dilation([dilation, dilation])
        .with_ceil_mode(ceil_mode);
    max_pool2d(x, options)
}

/// The mean of each undilated window, channel by channel; padding counts as zeros.
///
/// # Shapes
///
/// - x: `[batch, channels, height, width]`
/// - output: `[batch, channels, height′, width′]`, sizes as [`Window::output`] gives them
pub fn avg_pool(x: Tensor<4>, window: Window) -> Tensor<4> {
    let Window { kernel, stride, padding, ceil_mode, .. } = window;
    let options = AvgPoolOptions::new([kernel, kernel])
        .with_stride([stride, stride])
        .with_padding([padding, padding])
        .with_ceil_mode(ceil_mode);
    avg_pool2d(x, options)
}

/// Means over a grid of side × side cells, whatever the size of the map.
///
/// # Shapes
///
/// - x: `[batch, channels, height, width]`
/// - output: `[batch, channels, side, side]`
pub fn adaptive_avg_pool(x: Tensor<4>, side: usize) -> Tensor<4> {
    adaptive_avg_pool2d(x, [side, side])
}

/// The mean of each channel over the whole map.
///
/// # Shapes
///
/// - x: `[batch, channels, height, width]`
/// - output: `[batch, channels]`
pub fn global_avg_pool(x: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height * width]).mean_dim(2).reshape([batch, channels])
}

/// As [`global_avg_pool`], but a map of one pixel.
///
/// # Shapes
///
/// - x: `[batch, channels, height, width]`
/// - output: `[batch, channels, 1, 1]`
pub fn spatial_mean(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, ..] = x.dims();
    global_avg_pool(x).reshape([batch, channels, 1, 1])
}
