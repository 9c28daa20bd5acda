//! Several observations as one.

use fornax_nn_core::ConfigError;

use super::{forward, loaded_with, saved_with};
use crate::env::{Action, Env, Outcome};
use crate::error::EnvError;
use crate::space::Space;

/// Shows the last `k` observations, the newest last, stacked along the first dimension: `[C, H, W]` becomes `[k·C, H, W]`, `[n]` becomes
/// `[k·n]`. What one frame does not say (where is it going?) the difference of two does. After a reset the first observation stands for
/// those that are missing.
///
/// ```
/// use fornax_rl::env::{Action, Env, MountainCar};
/// use fornax_rl::wrapper::FrameStack;
///
/// let mut env = FrameStack::new(MountainCar::new(), 2)?;
/// let first = env.reset(Some(0))?;
/// assert_eq!(first[..2], first[2..]);
/// let step = env.step(Action::Discrete(2))?;
/// assert_eq!(step.observation[..2], first[2..]);
/// # Ok::<(), fornax_rl::EnvError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FrameStack<E> {
    env: E,
    k: usize,
    frames: Vec<f32>,
}

impl<E: Env> FrameStack<E> {
    /// Stacks `k` observations.
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when `k` is 0 or observations are categories.
    pub fn new(env: E, k: usize) -> Result<Self, EnvError> {
        let space = env.observation_space();
        if k == 0 {
            return Err(ConfigError::new("k", "must be at least 1 frame, got 0").into());
        }
        if !matches!(space, Space::Box { .. }) {
            let reason = format!("{} shows {space}; only a Box can be stacked", env.name());
            return Err(ConfigError::new("env", reason).into());
        }
        let frames = vec![0.0; k * space.len()];
        Ok(Self { env, k, frames })
    }
}

impl<E: Env> Env for FrameStack<E> {
    forward!(name, action_space, view);

    fn observation_space(&self) -> Space {
        match self.env.observation_space() {
            Space::Box { low, high, mut shape } => {
                if let Some(first) = shape.first_mut() {
                    *first *= self.k;
                }
                Space::Box { low: low.repeat(self.k), high: high.repeat(self.k), shape }
            }
            other => other,
        }
    }

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        let len = self.frames.len() / self.k;
        let (first, rest) = self.frames.split_at_mut(len);
        self.env.reset_into(seed, first)?;
        rest.chunks_mut(len).for_each(|frame| frame.copy_from_slice(first));
        crate::env::write(self.env.name(), &self.frames, observation)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let len = self.frames.len() / self.k;
        self.frames.rotate_left(len);
        let newest = self.frames.len() - len;
        let outcome = match self.env.step_into(action, &mut self.frames[newest..]) {
            Ok(outcome) => outcome,
            Err(error) => {
                self.frames.rotate_right(len);
                return Err(error);
            }
        };
        crate::env::write(self.env.name(), &self.frames, observation)?;
        Ok(outcome)
    }

    fn save(&self) -> Option<serde_json::Value> {
        saved_with(&self.frames, self.env.save())
    }

    fn load(&mut self, saved: &serde_json::Value) -> Result<(), EnvError> {
        let (frames, inner): (Vec<f32>, _) = loaded_with(self.env.name(), saved)?;
        crate::env::check_len(self.env.name(), "saved frames", self.frames.len(), frames.len())?;
        self.env.load(inner)?;
        self.frames = frames;
        Ok(())
    }
}
