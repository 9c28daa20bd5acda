#![doc = include_str!("../README.md")]

pub mod backbone;
pub mod block;
pub mod classification;
pub mod detection;
pub mod fpn;
pub mod geometry;
pub mod lenet;
pub mod mobilenet_v2;
mod naming;
pub mod resnet;
pub mod segmentation;

pub use backbone::{Backbone, FeatureInfo, ImageError};
pub use classification::Classifier;
pub use lenet::{LeNet, LeNetConfig};
pub use mobilenet_v2::{MobileNetV2, MobileNetV2Config};
pub use naming::torchvision_name;
pub use resnet::{ResNet, ResNetConfig};
