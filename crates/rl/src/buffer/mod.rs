//! Where experience waits to be learnt from: rollouts of the present policy, replay of old ones.

pub mod n_step;
pub mod replay;
pub mod returns;
mod rollout;
mod sum_tree;

pub use n_step::NStep;
pub use replay::{Priority, Replay, ReplayBatch, Transition};
pub use returns::{Steps, gae, normalize};
pub use rollout::Rollout;
pub use sum_tree::SumTree;
