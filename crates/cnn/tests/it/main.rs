//! The tests of fornax-cnn, one binary so that it links once.

mod backbones;
mod contract;
mod explain;
mod gradients;
mod parity;
mod registry;
mod torchvision;
