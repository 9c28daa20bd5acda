//! The tests of fornax-cnn, one binary so that it links once.

mod backbones;
mod coco;
mod contract;
mod detection;
mod explain;
mod gradients;
mod heads;
mod parity;
mod registry;
mod segmentation;
mod torchvision;
