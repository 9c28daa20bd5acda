//! The training kit under test: resumed runs against uninterrupted ones, damage against detection, kills
//! against survival. One process a test, as cargo-nextest runs them.
#![cfg(feature = "train")]

mod checkpoints;
mod damage;
mod kill;
mod resume;
mod runs;
mod support;
