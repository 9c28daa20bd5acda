//! The tests of fornax-rl, one binary so that it links once.

mod batch;
mod gymnasium;
