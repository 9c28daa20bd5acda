//! The tests of fornax-cnn, one binary so that it links once.

mod contract;
mod gradients;
mod parity;
