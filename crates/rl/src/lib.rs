#![doc = include_str!("../README.md")]

pub mod a2c;
pub mod agent;
pub mod bandit;
pub mod buffer;
pub mod callback;
pub mod check_env;
pub mod ddpg;
pub mod dqn;
pub mod env;
pub mod error;
pub mod evaluate;
pub mod policy;
pub mod ppo;
pub mod random;
pub mod recurrent_ppo;
pub mod reinforce;
pub mod render;
pub mod sac;
pub mod space;
pub mod tabular;
pub mod td3;
pub mod vector;
pub mod wrapper;

pub use env::{Action, Env, Outcome, OwnedAction, Step, make, make_batch, make_mdp, make_vec, registry};
pub use error::EnvError;
pub use space::Space;
pub use vector::{Actions, Pool, VecEnv, VecStep};
