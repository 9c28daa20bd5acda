//! The tests of fornax-generative, one binary so that it links once.

mod contract;
mod gradients;
mod parity;
