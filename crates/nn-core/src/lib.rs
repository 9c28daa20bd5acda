//! # fornax-nn-core
//!
//! What every Fornax family stands on, and usable alone: device choice, strict configuration,
//! finite gradients, checks against closed forms and finite differences, and (behind features) a
//! training kit and pictures. Layers that Burn already has are used from Burn directly.
#![doc = include_str!("../README.md")]

pub mod activation;
pub mod check;
pub mod config;
pub mod device;
pub mod feed_forward;
pub mod gradient;
pub mod init;
pub mod loss;
pub mod metric;
#[cfg(feature = "plot")]
pub mod plot;
pub mod regularization;
#[cfg(feature = "train")]
pub mod train;

#[cfg(test)]
#[path = "tests/differences.rs"]
mod differences;
mod name;

pub use config::ConfigError;
pub use device::DeviceChoice;
