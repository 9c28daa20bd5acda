//! The tests of fornax-rl, one binary so that it links once.

mod bandit;
mod batch;
mod gymnasium;
mod tabular;
