//! # Wrappers
//!
//! An environment inside an environment: each changes one thing about what is inside and passes on the rest. Order matters and is
//! the order of writing: `TimeLimit::new(CartPole::new(), 500)` is the clock around the cart.

mod action;
mod frame_stack;
mod mask;
mod monitor;
mod normalize;
mod time_limit;

pub use action::{ClipAction, RescaleAction};
pub use frame_stack::FrameStack;
pub use mask::MaskObservation;
pub use monitor::{EpisodeRecord, Monitor};
pub use normalize::{NormalizeObservation, NormalizeReward, RunningStats};
pub use time_limit::TimeLimit;

/// The parts of [`Env`](crate::env::Env) that a wrapper leaves to the environment inside.
macro_rules! forward {
    ($($what:ident),*) => { $(forward!(@ $what);)* };
    (@ name) => {
        fn name(&self) -> &str {
            self.env.name()
        }
    };
    (@ observation_space) => {
        fn observation_space(&self) -> crate::space::Space {
            self.env.observation_space()
        }
    };
    (@ action_space) => {
        fn action_space(&self) -> crate::space::Space {
            self.env.action_space()
        }
    };
    (@ reset) => {
        fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), crate::error::EnvError> {
            self.env.reset_into(seed, observation)
        }
    };
    (@ view) => {
        fn render(&self) -> Option<crate::render::Frame> {
            self.env.render()
        }

        fn text(&self) -> Option<String> {
            self.env.text()
        }
    };
    (@ memory) => {
        fn save(&self) -> Option<serde_json::Value> {
            self.env.save()
        }

        fn load(&mut self, saved: &serde_json::Value) -> Result<(), crate::error::EnvError> {
            self.env.load(saved)
        }
    };
}
use forward;

/// A wrapper's own state beside that of the environment inside: `{"own": …, "env": …}`.
pub(crate) fn saved_with(
    own: &impl serde::Serialize,
    env: Option<serde_json::Value>,
) -> Option<serde_json::Value> {
    let own = serde_json::to_value(own).ok()?;
    Some(serde_json::json!({ "own": own, "env": env? }))
}

/// Reads what [`saved_with`] wrote: the own state, and the inner environment's still to be loaded.
pub(crate) fn loaded_with<'v, T: serde::de::DeserializeOwned>(
    env: &str,
    saved: &'v serde_json::Value,
) -> Result<(T, &'v serde_json::Value), crate::error::EnvError> {
    let part = |key: &str| {
        saved.get(key).ok_or_else(|| crate::error::EnvError::State {
            env: env.to_owned(),
            reason: format!("no {key:?} of a wrapper"),
        })
    };
    Ok((crate::env::restored(env, part("own")?)?, part("env")?))
}
