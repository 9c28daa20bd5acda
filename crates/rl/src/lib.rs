#![doc = include_str!("../README.md")]

pub mod bandit;
pub mod check_env;
pub mod env;
pub mod error;
pub mod random;
pub mod render;
pub mod space;
pub mod tabular;
pub mod vector;
pub mod wrapper;

pub use env::{Action, Env, Outcome, OwnedAction, Step, make, make_batch, make_mdp, make_vec, registry};
pub use error::EnvError;
pub use space::Space;
pub use vector::{Actions, Pool, VecEnv, VecStep};
