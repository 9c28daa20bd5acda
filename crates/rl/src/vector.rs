//! # Many environments at once
//!
//! A network on a CPU spends most of its time being called, so one call should answer many environments. [`VecEnv`] steps `n` of
//! them together; observations are one slice `[n, len]` in a buffer that is made once.
//!
//! An environment that ended is reset within the same step (*autoreset*, as Stable-Baselines3 does it): `observations` already holds
//! the first observation of the next episode, and the final one of the episode that ended is in `final_observations`. After a
//! truncation that is what a value estimate has to look at:
//!
//! ```text
//! target = r + γ · V(final observation)     truncated, not terminated
//! target = r                                terminated
//! target = r + γ · V(observation)           otherwise
//! ```
//!
//! [`Pool`] takes any environments; [`Batch`] holds the classic ones as arrays, sixteen side by side in the processor's registers.
//!
//! Environment `i` is reset with seed + i, as Gymnasium's vectors are, and later goes on with its own generator: an episode is a
//! function of (seed, i, its number) and of the actions, never of threads or of the other environments.
//!
//! ```
//! use fornax_rl::env::{Pendulum, Env};
//! use fornax_rl::vector::{Actions, Pool, VecEnv};
//! use fornax_rl::wrapper::TimeLimit;
//!
//! let mut envs = Pool::build(3, |_| TimeLimit::new(Pendulum::new(), 200))?;
//! let mut step = envs.buffer();
//! envs.reset(7, &mut step)?;
//! assert_eq!(step.observation(1), Pendulum::new().reset(Some(8))?);
//! for _ in 0..200 {
//!     envs.step(Actions::Continuous(&[0.5, 0.0, -0.5]), &mut step)?;
//! }
//! assert_eq!(step.truncated, [true; 3]);
//! assert!(step.final_observation(0).is_some());
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

mod batch;
mod block;
mod physics;
mod pool;

pub use batch::{Batch, LANES, Lane, Physics};
pub use physics::{AcrobotBatch, CartPoleBatch, MountainCarBatch, PendulumBatch};
pub use pool::Pool;

use serde_json::Value;

use crate::env::Action;
use crate::error::EnvError;
use crate::space::Space;

/// An action for each environment, in one slice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Actions<'a> {
    /// `[n]`, a choice each.
    Discrete(&'a [usize]),
    /// `[n, len]`, row-major.
    Continuous(&'a [f32]),
    /// `[n, choices]`, row-major.
    MultiDiscrete(&'a [usize]),
}

impl<'a> Actions<'a> {
    /// How many numbers there are, over all environments.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        match self {
            Self::Discrete(choices) | Self::MultiDiscrete(choices) => choices.len(),
            Self::Continuous(values) => values.len(),
        }
    }

    /// The action of environment `index`, of `width` numbers.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn get(&self, index: usize, width: usize) -> Action<'a> {
        let row = width * index..width * (index + 1);
        match self {
            Self::Discrete(choices) => Action::Discrete(choices[index]),
            Self::Continuous(values) => Action::Continuous(&values[row]),
            Self::MultiDiscrete(choices) => Action::MultiDiscrete(&choices[row]),
        }
    }
}

/// What a step leaves, one array a quantity; made once by [`VecEnv::buffer`] and written over by every step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VecStep {
    /// `[n, len]`: what the agent acts on next.
    pub observations: Vec<f32>,
    /// `[n]`: the rewards rₜ₊₁.
    pub rewards: Vec<f32>,
    /// `[n]`: the task is over.
    pub terminated: Vec<bool>,
    /// `[n]`: the clock was stopped.
    pub truncated: Vec<bool>,
    /// `[n, len]`: the last observation of an episode, in the rows where one ended; other rows are left as they were.
    pub final_observations: Vec<f32>,
}

impl VecStep {
    /// Buffers for `n` environments with observations of `len` numbers.
    pub fn new(n: usize, len: usize) -> Self {
        Self {
            observations: vec![0.0; n * len],
            rewards: vec![0.0; n],
            terminated: vec![false; n],
            truncated: vec![false; n],
            final_observations: vec![0.0; n * len],
        }
    }

    fn width(&self) -> usize {
        self.observations.len() / self.rewards.len().max(1)
    }

    /// The observation of environment `index`.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn observation(&self, index: usize) -> &[f32] {
        &self.observations[self.width() * index..self.width() * (index + 1)]
    }

    /// Whether an episode of environment `index` ended with this step.
    ///
    /// # Panics
    ///
    /// When there is no such environment.
    pub fn done(&self, index: usize) -> bool {
        self.terminated[index] || self.truncated[index]
    }

    /// The last observation of the episode that ended with this step, if one did.
    ///
    /// # Panics
    ///
    /// When there is no such environment.
    pub fn final_observation(&self, index: usize) -> Option<&[f32]> {
        let row = self.width() * index..self.width() * (index + 1);
        self.done(index).then(|| &self.final_observations[row])
    }

    pub(crate) fn check(&self, env: &str, n: usize, len: usize) -> Result<(), EnvError> {
        let lengths = [
            ("VecStep::observations", n * len, self.observations.len()),
            ("VecStep::rewards", n, self.rewards.len()),
            ("VecStep::terminated", n, self.terminated.len()),
            ("VecStep::truncated", n, self.truncated.len()),
            ("VecStep::final_observations", n * len, self.final_observations.len()),
        ];
        lengths
            .into_iter()
            .try_for_each(|(what, expected, found)| crate::env::check_len(env, what, expected, found))
    }

    pub(crate) fn begin(&mut self) {
        self.rewards.fill(0.0);
        self.terminated.fill(false);
        self.truncated.fill(false);
    }
}

/// Environments that are stepped together; see the [module page](self).
pub trait VecEnv: Send {
    /// What messages call the environments.
    fn name(&self) -> &str;

    /// How many there are, at least one.
    fn num_envs(&self) -> usize;

    /// What each observation looks like.
    fn observation_space(&self) -> Space;

    /// What actions each accepts.
    fn action_space(&self) -> Space;

    /// Begins an episode everywhere: environment i with seed + i. Writes the observations and clears the rest.
    ///
    /// # Errors
    ///
    /// [`EnvError`] naming the environment; `step` was made for other environments.
    fn reset(&mut self, seed: u64, step: &mut VecStep) -> Result<(), EnvError>;

    /// Takes an action everywhere. Episodes that end are begun again at once.
    ///
    /// # Errors
    ///
    /// [`EnvError`]: an action is none of the space's, there are too few or too many, an environment fails or gives NaN, or `step` was
    /// made for other environments.
    fn step(&mut self, actions: Actions<'_>, step: &mut VecStep) -> Result<(), EnvError>;

    /// Buffers for [`reset`](Self::reset) and [`step`](Self::step).
    fn buffer(&self) -> VecStep {
        VecStep::new(self.num_envs(), self.observation_space().len())
    }

    /// Everything the future depends on, for a checkpoint; `None` when an environment cannot be saved.
    fn save(&self) -> Option<Value>;

    /// Goes on from what [`save`](Self::save) returned.
    ///
    /// # Errors
    ///
    /// [`EnvError::State`] when `saved` is not these environments'.
    fn load(&mut self, saved: &Value) -> Result<(), EnvError>;
}

impl<V: VecEnv + ?Sized> VecEnv for Box<V> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn num_envs(&self) -> usize {
        (**self).num_envs()
    }

    fn observation_space(&self) -> Space {
        (**self).observation_space()
    }

    fn action_space(&self) -> Space {
        (**self).action_space()
    }

    fn reset(&mut self, seed: u64, step: &mut VecStep) -> Result<(), EnvError> {
        (**self).reset(seed, step)
    }

    fn step(&mut self, actions: Actions<'_>, step: &mut VecStep) -> Result<(), EnvError> {
        (**self).step(actions, step)
    }

    fn save(&self) -> Option<Value> {
        (**self).save()
    }

    fn load(&mut self, saved: &Value) -> Result<(), EnvError> {
        (**self).load(saved)
    }
}
