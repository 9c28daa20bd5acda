//! Checks that a model is what it claims to be.
//!
//! Five questions, a tool for each, meant for the tests of this project and of any other:
//!
//! | question | tool |
//! |---|---|
//! | is the backward pass the derivative of the forward pass? | [`GradCheck`]: central differences in f64 |
//! | does it compute what PyTorch computes? | [`Fixture`], on weights both sides fill with [`fill`] |
//! | does it keep the promises every model makes? | [`contract!`](crate::contract), one line a model, on every device |
//! | how fast is it beside PyTorch? | [`bench::Bench`], read by `cargo xtask bench` |
//! | are these two sets of numbers the same? | [`assert_close`], tolerances always stated |
//!
//! Nothing here picks a device or draws a random number: the same call gives the same verdict on
//! every machine.

pub mod bench;
mod close;
pub mod contract;
pub mod fill;
mod fixture;
mod gradcheck;
pub(crate) mod torch;

pub use close::{Mismatch, Values, assert_close, compare};
pub use fixture::{Entry, Fixture, FixtureError};
pub use gradcheck::{GradCheck, GradCheckError, Inputs, Report};
pub use torch::Place;
