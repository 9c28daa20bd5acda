//! # Batch normalisation on the processor
//!
//! Each channel is brought to mean 0 and variance 1 over the batch and all places, and then given a scale and a place of its own:
//!
//! ```text
//! x̂ = (x − μ) / √(σ² + ε)      y = γ·x̂ + β
//!
//! dβ = Σ g      dγ = Σ g·x̂      dx = γ / √(σ² + ε) · (g − (dβ + x̂·dγ) / n)         n numbers a channel
//! ```
//!
//! [`Normalise::normalise`] is what the layer's `forward` is: on flex in single precision in two walks over memory, forward and back,
//! where the tensor library takes a dozen, and `forward` itself everywhere else. S. Ioffe, C. Szegedy, *Batch normalization*, ICML
//! 2015, <https://arxiv.org/abs/1502.03167>.

use burn::nn::BatchNorm;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
mod node;

/// A layer that normalises; see the [page](self).
pub trait Normalise {
    /// The layer's `forward`.
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, channels, height, width]`
    ///
    /// # Panics
    ///
    /// As `forward` does, when the channels do not agree.
    fn normalise(&self, x: Tensor<4>) -> Tensor<4>;
}

impl Normalise for BatchNorm {
    fn normalise(&self, x: Tensor<4>) -> Tensor<4> {
        #[cfg(feature = "flex")]
        if let Some(y) = node::batch_norm(self, &x) {
            return y;
        }
        self.forward(x)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests;
