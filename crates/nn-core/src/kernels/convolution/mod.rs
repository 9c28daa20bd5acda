//! # Convolution on the processor
//!
//! A convolution sees an image through a small window, the same at every place:
//!
//! ```text
//! y[o, i, j] = b[o] + Σ_c Σ_u Σ_v  w[o, c, u, v] · x[c, s·i + d·u − p, s·j + d·v − p]      stride s, dilation d, padding p
//! ```
//!
//! Read as columns, one for each place of the window, the image is a matrix X, and everything is a product of matrices: Y = W·X
//! forward; back, dX = Wᵀ·G and dW = G·Xᵀ with the gradient G of Y. Burn's flex backend lays the image out anew for each of the
//! three, and writes dW as a convolution whose window is as large as the image. Here X is built a block at a time, in rows that are
//! copied whole, and never stands in memory as one; a window for each channel by itself (*depthwise*) is summed directly.
//!
//! [`Convolve::convolve`] is what the layers' `forward` is: faster on flex in single precision, forward and back, and `forward`
//! itself everywhere else. K. Chellapilla, S. Puri, P. Simard, *High performance convolutional neural networks for
//! document processing*, 2006, is where the columns come from.

#[cfg(feature = "flex")]
mod columns;
#[cfg(feature = "flex")]
mod dense;
#[cfg(feature = "flex")]
mod depthwise;
#[cfg(feature = "flex")]
mod geometry;
#[cfg(feature = "flex")]
mod node;
#[cfg(all(test, feature = "flex"))]
mod tests;

use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Tensor, module};

/// A layer that convolves; see the [page](self).
pub trait Convolve {
    /// The layer's `forward`.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, channels_in, height, width]`
    /// - output: `[batch, channels_out, height′, width′]`
    ///
    /// # Panics
    ///
    /// As `forward` does, when the channels do not agree or the window is larger than the padded image.
    fn convolve(&self, x: Tensor<4>) -> Tensor<4>;
}

impl Convolve for Conv2d {
    fn convolve(&self, x: Tensor<4>) -> Tensor<4> {
        let padding = match self.padding {
            PaddingConfig2d::Valid => [(0, 0); 2],
            PaddingConfig2d::Explicit(top, left, bottom, right) => [(top, bottom), (left, right)],
            // Depends on the image, as the layer knows.
            PaddingConfig2d::Same => return self.forward(x),
        };
        let options = ConvOptions::new_with_padding(self.stride, padding, self.dilation, self.groups);
        conv2d(x, self.weight.val(), self.bias.as_ref().map(|bias| bias.val()), options)
    }
}

impl Convolve for ConvTranspose2d {
    fn convolve(&self, x: Tensor<4>) -> Tensor<4> {
        let Self { stride, padding, padding_out, dilation, groups, .. } = *self;
        let options = ConvTransposeOptions::new(stride, padding, padding_out, dilation, groups);
        conv_transpose2d(x, self.weight.val(), self.bias.as_ref().map(|bias| bias.val()), options)
    }
}

/// Burn's [`conv2d`](module::conv2d), for weights that are no layer's own.
///
/// # Shapes
///
/// - x: `[batch, channels_in, height, width]`
/// - weight: `[channels_out, channels_in / groups, kernel_height, kernel_width]`; bias: `[channels_out]`
/// - output: `[batch, channels_out, height′, width′]`
///
/// # Panics
///
/// When the channels do not agree or the window is larger than the padded image.
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvOptions<2>,
) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(y) = node::conv2d(&x, &weight, bias.as_ref(), &options) {
        return y;
    }
    module::conv2d(x, weight, bias, options)
}

/// Burn's [`conv_transpose2d`](module::conv_transpose2d), for weights that are no layer's own.
///
/// # Shapes
///
/// - x: `[batch, channels_in, height, width]`
/// - weight: `[channels_in, channels_out / groups, kernel_height, kernel_width]`; bias: `[channels_out]`
/// - output: `[batch, channels_out, height′, width′]`
///
/// # Panics
///
/// When the channels do not agree.
pub fn conv_transpose2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvTransposeOptions<2>,
) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(y) = node::conv_transpose2d(&x, &weight, bias.as_ref(), &options) {
        return y;
    }
    module::conv_transpose2d(x, weight, bias, options)
}
