//! The tests of fornax-cnn, one binary so that it links once.

mod backbones;
mod coco;
mod contract;
mod detection;
mod gradients;
mod parity;
mod segmentation;
mod torchvision;
