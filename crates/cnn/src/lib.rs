//! # fornax-cnn
//!
//! Convolutional networks for Burn, trainable, one readable page each.
#![doc = include_str!("../README.md")]

pub mod lenet;

pub use lenet::{LeNet, LeNetConfig};
