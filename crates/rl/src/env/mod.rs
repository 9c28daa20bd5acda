//! # Environments
//!
//! Reinforcement learning is told in two voices. The agent says an action aₜ, the environment answers with a reward rₜ₊₁ and the
//! next observation oₜ₊₁, and nobody else tells the agent what would have been right:
//!
//! ```text
//!              action aₜ
//!      ┌───────────────────────┐
//!      │                       ▼
//!  ┌───┴───┐            ┌─────────────┐
//!  │ agent │            │ environment │        return Gₜ = rₜ₊₁ + γ rₜ₊₂ + γ² rₜ₊₃ + …
//!  └───────┘            └──────┬──────┘
//!      ▲                       │
//!      └───────────────────────┘
//!       reward rₜ₊₁, observation oₜ₊₁
//! ```
//!
//! An episode ends in one of two ways, and an agent that confuses them learns wrong values:
//!
//! - **terminated**: the task is over (the pole fell). There is no future, the value of what follows is 0.
//! - **truncated**: somebody stopped the clock (500 steps). The future would have gone on, so its value is estimated from the
//!   final observation (*bootstrapping*).
//!
//! [`Env`] is one environment; it can be a trait object, and writes observations into a slice so that stepping allocates
//! nothing. [`VecEnv`](crate::vector::VecEnv) is many at once. [`make`] and [`registry`] find both by name.
//!
//! ```
//! use fornax_rl::env::{Action, Env, make};
//!
//! let mut env = make("CartPole-v1")?;
//! let observation = env.reset(Some(0))?;
//! assert_eq!(observation.len(), 4);
//! let mut steps = 0;
//! loop {
//!     let step = env.step(Action::Discrete(1))?; // always to the right: the pole soon falls
//!     steps += 1;
//!     if step.terminated || step.truncated {
//!         break;
//!     }
//! }
//! assert!((8..=11).contains(&steps));
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```
//!
//! The exact ones draw from [NumPy's generator](crate::random) and follow Gymnasium's arithmetic in f64 (or f32, where Gymnasium
//! does): same seed, same actions, same episode. Every environment says on its page where it differs.

pub mod acrobot;
mod action;
pub mod blackjack;
pub mod cart_pole;
pub mod catch;
pub mod cliff_walking;
pub mod continuous_mountain_car;
pub mod frozen_lake;
pub mod grid;
pub mod grid_world;
pub mod lander;
pub mod mdp;
pub mod mountain_car;
pub mod pendulum;
mod registry;
mod support;
pub mod taxi;

pub use acrobot::Acrobot;
pub use action::{Action, OwnedAction};
pub use blackjack::Blackjack;
pub use cart_pole::CartPole;
pub use catch::{Catch, CatchConfig};
pub use cliff_walking::CliffWalkingConfig;
pub use continuous_mountain_car::ContinuousMountainCar;
pub use frozen_lake::FrozenLakeConfig;
pub use grid_world::GridWorldConfig;
pub use lander::Lander;
pub use mdp::{Mdp, MdpEnv};
pub use mountain_car::MountainCar;
pub use pendulum::Pendulum;
pub use registry::{TABLES, make, make_batch, make_mdp, make_vec, registry};

pub(crate) use support::{check_len, choice, invalid, needs_reset, numbers, restored, saved_by_serde, write};

use serde_json::Value;

use crate::error::EnvError;
use crate::render::Frame;
use crate::space::Space;

/// The environment's answer to an action, without the observation.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outcome {
    /// The reward rₜ₊₁.
    pub reward: f64,
    /// The task is over: no future.
    pub terminated: bool,
    /// The clock was stopped: a future that nobody will see.
    pub truncated: bool,
}

impl Outcome {
    /// Whether the episode ended in either way.
    pub fn done(&self) -> bool {
        self.terminated || self.truncated
    }
}

/// The environment's whole answer to an action.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The observation oₜ₊₁, flat.
    pub observation: Vec<f32>,
    /// The reward rₜ₊₁.
    pub reward: f64,
    /// The task is over: no future.
    pub terminated: bool,
    /// The clock was stopped: a future that nobody will see.
    pub truncated: bool,
}

/// One environment; see the [module page](self).
///
/// To write one: implement the five required methods. [`check_env`](crate::check_env::check_env) then says what is wrong with it.
pub trait Env: Send {
    /// What messages call it, such as `CartPole-v1`.
    fn name(&self) -> &str;

    /// What observations look like.
    fn observation_space(&self) -> Space;

    /// What actions are accepted.
    fn action_space(&self) -> Space;

    /// Begins an episode and writes its first observation. `Some(seed)` restarts the environment's generator, so that the
    /// episodes from here on are a function of the seed; `None` goes on with the generator as it is.
    ///
    /// # Errors
    ///
    /// [`EnvError`]: `observation` has the wrong length, or the environment cannot begin.
    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError>;

    /// Takes `action` and writes the observation that follows; after the last step of an episode the final one.
    ///
    /// # Errors
    ///
    /// [`EnvError`]: the action is none of the space's, `observation` has the wrong length, or no episode is under way.
    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError>;

    /// [`reset_into`](Self::reset_into) with a new buffer.
    ///
    /// # Errors
    ///
    /// As there.
    fn reset(&mut self, seed: Option<u64>) -> Result<Vec<f32>, EnvError> {
        let mut observation = vec![0.0; self.observation_space().len()];
        self.reset_into(seed, &mut observation)?;
        Ok(observation)
    }

    /// [`step_into`](Self::step_into) with a new buffer.
    ///
    /// # Errors
    ///
    /// As there.
    fn step(&mut self, action: Action<'_>) -> Result<Step, EnvError> {
        let mut observation = vec![0.0; self.observation_space().len()];
        let Outcome { reward, terminated, truncated } = self.step_into(action, &mut observation)?;
        Ok(Step { observation, reward, terminated, truncated })
    }

    /// A picture of the present state, if the environment can draw itself.
    fn render(&self) -> Option<Frame> {
        None
    }

    /// The present state for a terminal, if the environment can write itself.
    fn text(&self) -> Option<String> {
        None
    }

    /// Everything the future depends on, generator included, for a checkpoint; `None` when it cannot be saved.
    fn save(&self) -> Option<Value> {
        None
    }

    /// Goes on from what [`save`](Self::save) returned.
    ///
    /// # Errors
    ///
    /// [`EnvError::State`] when `saved` is not this environment's; the state before the call is kept then.
    fn load(&mut self, saved: &Value) -> Result<(), EnvError> {
        let _ = saved;
        Err(EnvError::State {
            env: self.name().to_owned(),
            reason: "this environment cannot be saved".to_owned(),
        })
    }
}

impl<E: Env + ?Sized> Env for Box<E> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn observation_space(&self) -> Space {
        (**self).observation_space()
    }

    fn action_space(&self) -> Space {
        (**self).action_space()
    }

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        (**self).reset_into(seed, observation)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        (**self).step_into(action, observation)
    }

    fn render(&self) -> Option<Frame> {
        (**self).render()
    }

    fn text(&self) -> Option<String> {
        (**self).text()
    }

    fn save(&self) -> Option<Value> {
        (**self).save()
    }

    fn load(&mut self, saved: &Value) -> Result<(), EnvError> {
        (**self).load(saved)
    }
}
