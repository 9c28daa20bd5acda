#![doc = include_str!("../README.md")]

pub mod alexnet;
pub mod backbone;
pub mod block;
pub mod classification;
pub mod convnext;
pub mod densenet;
pub mod detection;
pub mod efficientnet;
pub mod explain;
pub mod fpn;
pub mod geometry;
pub mod googlenet;
pub mod lenet;
pub mod mobilenet_v2;
pub mod mobilenet_v3;
mod naming;
pub mod registry;
pub mod resnet;
pub mod segmentation;
pub mod squeezenet;
pub mod vgg;

pub use alexnet::{AlexNet, AlexNetConfig};
pub use backbone::{Backbone, FeatureInfo, ImageError};
pub use classification::Classifier;
pub use convnext::{ConvNext, ConvNextConfig};
pub use densenet::{DenseNet, DenseNetConfig};
pub use efficientnet::{EfficientNet, EfficientNetConfig};
pub use googlenet::{GoogLeNet, GoogLeNetConfig};
pub use lenet::{LeNet, LeNetConfig};
pub use mobilenet_v2::{MobileNetV2, MobileNetV2Config};
pub use mobilenet_v3::{MobileNetV3, MobileNetV3Config};
pub use naming::torchvision_name;
pub use registry::{Model, ModelConfig, Options, create, list};
pub use resnet::{ResNet, ResNetConfig};
pub use squeezenet::{SqueezeNet, SqueezeNetConfig};
pub use vgg::{Vgg, VggConfig};
