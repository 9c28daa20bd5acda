//! The tests of fornax-rl, one binary so that it links once.

mod bandit;
mod batch;
mod check_env;
mod gymnasium;
mod tabular;
