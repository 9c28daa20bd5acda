//! # fornax-prep
//!
//! From files to tensors.
#![doc = include_str!("../README.md")]
