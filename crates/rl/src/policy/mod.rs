//! What agents decide with: networks, distributions over actions, and the optimiser for small networks.

pub mod actor_critic;
pub mod adam;
pub mod distribution;
pub mod features;
pub mod host;
pub mod lstm;
pub mod mlp;
pub mod recurrent;
pub mod squashed;

pub use actor_critic::{ActorCritic, ActorCriticConfig, ActorCriticTrace, HostActorCritic};
pub use distribution::{Actions, Distribution};
pub use features::{ConvolutionConfig, Features, HostFeatures};
pub use host::HostMlp;
pub use lstm::{HostLstm, Lstm, LstmState};
pub use mlp::{Activation, Mlp, MlpConfig, Weights, leaf};
pub use recurrent::{HostRecurrent, Memories, RecurrentActorCritic};

/// A network's stand-in while its weights are with the optimiser, which writes to them in place when nobody else holds them.
pub(crate) trait StandIn {
    fn empty(&self) -> Self;
}
