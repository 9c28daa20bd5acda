//! Generated data of which the truth is known: endless, and a function of (seed, index).

pub mod moving_digits;
