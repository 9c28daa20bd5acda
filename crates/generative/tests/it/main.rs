//! The tests of fornax-generative, one binary so that it links once.

mod contract;
mod dcgan;
mod diffusion;
mod faults;
mod gradients;
mod images;
mod parity;
mod seeds;
mod soak;
mod support;
