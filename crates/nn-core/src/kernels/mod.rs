//! # Kernels: layers as one operation each
//!
//! What the tensor library composes of many operations, each a walk over memory with a note for the way back, and what it computes
//! by a detour, can be one operation with its own way back. Each page here has one: on flex, in single precision, recorded or not;
//! for every other device the layer's own `forward` answers, with the same numbers but for rounding.
//!
//! | what | page |
//! |---|---|
//! | [`Convolve`]: convolution and its transpose, of whole images and of each channel by itself | [`convolution`] |
//! | [`Normalise`]: batch normalisation | [`normalisation`] |
//!
//! How much they gain is timed by `cargo bench -p fornax-nn-core --bench convolution`, and for whole networks by `cargo xtask bench
//! cnn`.

pub mod convolution;
pub mod normalisation;

#[cfg(feature = "flex")]
mod memory;
#[cfg(feature = "flex")]
mod product;

pub use convolution::{Convolve, conv_transpose2d, conv2d};
pub use normalisation::Normalise;

/// The numbers of a tensor that is contiguous and of single precision.
#[cfg(feature = "flex")]
fn numbers(tensor: &burn::backend::tensor::FloatTensor<burn::backend::Flex>) -> &[f32] {
    tensor.as_slice().unwrap_or_else(|| panic!("single precision in order: {:?}", tensor.dtype()))
}
