//! What agents decide with: networks, distributions over actions, and the optimiser for small networks.

pub mod actor_critic;
pub mod adam;
pub mod distribution;
pub mod host;
pub mod mlp;
pub mod squashed;

pub use actor_critic::{ActorCritic, ActorCriticConfig, ActorCriticTrace, HostActorCritic};
pub use distribution::{Actions, Distribution};
pub use host::HostMlp;
pub use mlp::{Activation, Mlp, MlpConfig, Weights, leaf};
