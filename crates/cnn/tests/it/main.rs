//! The tests of fornax-cnn, one binary so that it links once.

mod backbones;
mod contract;
mod gradients;
mod heads;
mod parity;
mod torchvision;
