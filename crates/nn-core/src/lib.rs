//! # fornax-nn-core
//!
//! What every Fornax family stands on, and usable alone: device choice, strict configuration,
//! finite gradients, checks against closed forms and finite differences, and (behind features) a
//! training kit and pictures. Layers that Burn already has are used from Burn directly.
#![doc = include_str!("../README.md")]

pub mod activation;
pub mod clip;
pub mod check;
pub mod config;
pub mod convergence;
pub mod device;
pub mod feed_forward;
pub mod gradient;
pub mod init;
pub mod loss;
pub mod health;
pub mod landscape;
pub mod lr_find;
pub mod metric;
mod noise;
#[cfg(feature = "plot")]
pub mod plot;
pub mod regularization;
#[cfg(feature = "train")]
pub mod train;
mod unit;

#[cfg(test)]
mod differences;
mod name;

pub use config::ConfigError;
pub use device::DeviceChoice;
