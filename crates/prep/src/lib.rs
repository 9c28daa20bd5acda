//! # fornax-prep
//!
//! From files to tensors.
#![doc = include_str!("../README.md")]

pub mod digits;
pub mod error;
pub mod image;
pub mod limits;
pub mod partition;
pub mod random;
pub mod source;

pub use digits::Digits;
pub use error::{Error, Problem};
pub use limits::Limits;
pub use partition::{Folds, Split};
pub use random::Key;
