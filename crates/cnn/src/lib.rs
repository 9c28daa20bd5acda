#![doc = include_str!("../README.md")]

pub mod backbone;
pub mod lenet;

pub use backbone::{Backbone, FeatureInfo};
pub use lenet::{LeNet, LeNetConfig};
