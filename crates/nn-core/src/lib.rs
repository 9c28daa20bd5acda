#![doc = include_str!("../README.md")]

pub mod activation;
pub mod calibration;
pub mod check;
pub mod clip;
pub mod config;
pub mod convergence;
pub mod device;
pub mod feed_forward;
pub mod gradient;
pub mod health;
pub mod host;
pub mod init;
pub mod kernels;
pub mod landscape;
pub mod loss;
pub mod lr_find;
pub mod metric;
pub mod name;
pub mod operation;
pub mod optim;
#[cfg(feature = "plot")]
pub mod plot;
pub mod regularization;
pub mod schedule;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "weights")]
pub mod weights;

#[cfg(test)]
#[path = "tests/devices.rs"]
mod devices;
#[cfg(test)]
#[path = "tests/differences.rs"]
mod differences;
mod noise;
mod unit;

pub use config::ConfigError;
pub use device::DeviceChoice;
