//! Attention, Transformers, generation, weights of other libraries.

mod contract;
mod generation;
mod gradients;
mod parity;
mod pretrained;
mod sight;
