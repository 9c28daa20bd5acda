//! # fornax-nn-core
//!
//! What every Fornax family stands on, and usable alone: device choice, strict configuration,
//! finite gradients, checks against closed forms and finite differences, and (behind features) a
//! training kit and pictures. Layers that Burn already has are used from Burn directly.
#![doc = include_str!("../README.md")]

pub mod check;
pub mod clip;
pub mod config;
pub mod convergence;
pub mod device;
pub mod gradient;
pub mod health;
pub mod landscape;
pub mod lr_find;
pub mod metric;
mod noise;
#[cfg(feature = "plot")]
pub mod plot;
#[cfg(feature = "train")]
pub mod train;
mod unit;

pub use config::ConfigError;
pub use device::DeviceChoice;
