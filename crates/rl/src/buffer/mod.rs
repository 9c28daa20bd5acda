//! Where experience waits to be learnt from: rollouts of the present policy, replay of old ones.

pub mod n_step;
mod priority;
pub mod replay;
pub mod returns;
mod rollout;
mod sum_tree;

pub use n_step::NStep;
pub use priority::Priority;
pub use replay::{Replay, ReplayBatch, Transition};
pub use returns::{Steps, gae, normalize};
pub use rollout::Rollout;
pub use sum_tree::SumTree;
