#![doc = include_str!("../README.md")]

pub mod lenet;

pub use lenet::{LeNet, LeNetConfig};
