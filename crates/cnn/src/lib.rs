#![doc = include_str!("../README.md")]

pub mod backbone;
pub mod block;
pub mod classification;
pub mod control;
pub mod geometry;
pub mod lenet;
pub mod mobilenet_v2;
mod naming;
pub mod navigation;
pub mod regression;
pub mod resnet;

pub use backbone::{Backbone, FeatureInfo, ImageError};
pub use classification::Classifier;
pub use control::{Controller, ControllerConfig};
pub use lenet::{LeNet, LeNetConfig};
pub use mobilenet_v2::{MobileNetV2, MobileNetV2Config};
pub use naming::torchvision_name;
pub use navigation::{Navigator, NavigatorConfig};
pub use regression::{Regressor, RegressorConfig};
pub use resnet::{ResNet, ResNetConfig};
