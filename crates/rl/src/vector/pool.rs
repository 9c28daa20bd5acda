//! Any environments side by side.

use fornax_nn_core::ConfigError;
use rayon::prelude::*;
use serde_json::Value;

use super::{Actions, VecEnv, VecStep};
use crate::env::Env;
use crate::error::EnvError;
use crate::space::Space;

/// Any environments side by side, one after the other or spread over the threads of rayon's pool.
#[derive(Debug, Clone)]
pub struct Pool<E> {
    slots: Vec<Slot<E>>,
    observation_space: Space,
    action_space: Space,
    parallel: bool,
}

#[derive(Debug, Clone)]
struct Slot<E> {
    env: E,
    /// Steps since the last reset with a seed.
    steps: u64,
}

impl<E: Env> Pool<E> {
    /// `envs` side by side, stepped by the calling thread.
    ///
    /// # Errors
    ///
    /// [`EnvError`] when there are none, or their spaces differ or contain nothing.
    pub fn new(envs: Vec<E>) -> Result<Self, EnvError> {
        let Some(first) = envs.first() else {
            return Err(ConfigError::new("num_envs", "must be at least 1, got 0").into());
        };
        let (observation_space, action_space) = (first.observation_space(), first.action_space());
        observation_space.validate()?;
        action_space.validate()?;
        for (index, env) in envs.iter().enumerate() {
            let pairs = [
                ("observation", &observation_space, env.observation_space()),
                ("action", &action_space, env.action_space()),
            ];
            for (what, expected, found) in pairs {
                if *expected != found {
                    let (expected, found) = (expected.to_string(), found.to_string());
                    return Err(EnvError::SpaceMismatch { index, what, expected, found });
                }
            }
        }
        let slots = envs.into_iter().map(|env| Slot { env, steps: 0 }).collect();
        Ok(Self { slots, observation_space, action_space, parallel: false })
    }

    /// `n` environments, each made by `make` from its index.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), or the first error of `make`.
    pub fn build(n: usize, make: impl FnMut(usize) -> Result<E, EnvError>) -> Result<Self, EnvError> {
        Self::new((0..n).map(make).collect::<Result<_, _>>()?)
    }

    /// Spreads the environments over the threads of the rayon pool that is current when stepping. Handing out the work takes some
    /// microseconds a step: it pays for environments that are slower than that, or for very many.
    #[must_use]
    pub fn parallel(mut self) -> Self {
        self.parallel = true;
        self
    }

    /// The environments, in order.
    pub fn envs(&self) -> impl Iterator<Item = &E> {
        self.slots.iter().map(|slot| &slot.env)
    }

    /// Runs `work` on each environment with its rows. The first error in the order of environments is returned, whatever thread
    /// was faster.
    fn each(
        &mut self,
        step: &mut VecStep,
        work: impl Fn(usize, &mut Slot<E>, Row<'_>) -> Result<(), EnvError> + Sync,
    ) -> Result<(), EnvError> {
        let len = self.observation_space.len();
        step.check(self.name(), self.slots.len(), len)?;
        let VecStep { observations, rewards, terminated, truncated, final_observations } = step;
        if !self.parallel {
            let rows = observations.chunks_exact_mut(len).zip(final_observations.chunks_exact_mut(len));
            let flags = rewards.iter_mut().zip(terminated.iter_mut().zip(truncated.iter_mut()));
            for (index, ((slot, (observation, last)), (reward, (terminated, truncated)))) in
                self.slots.iter_mut().zip(rows).zip(flags).enumerate()
            {
                work(index, slot, Row { observation, last, reward, terminated, truncated })?;
            }
            return Ok(());
        }
        let rows = observations.par_chunks_exact_mut(len).zip(final_observations.par_chunks_exact_mut(len));
        let flags = rewards.par_iter_mut().zip(terminated.par_iter_mut().zip(truncated.par_iter_mut()));
        let failed = self
            .slots
            .par_iter_mut()
            .zip(rows)
            .zip(flags)
            .enumerate()
            .filter_map(|(index, ((slot, (observation, last)), (reward, (terminated, truncated))))| {
                let row = Row { observation, last, reward, terminated, truncated };
                work(index, slot, row).err().map(|error| (index, error))
            })
            .min_by_key(|(index, _)| *index);
        failed.map_or(Ok(()), |(_, error)| Err(error))
    }
}

/// One environment's part of a [`VecStep`].
struct Row<'a> {
    observation: &'a mut [f32],
    last: &'a mut [f32],
    reward: &'a mut f32,
    terminated: &'a mut bool,
    truncated: &'a mut bool,
}

/// NaN and infinity stop a run before they reach a network.
pub(crate) fn finite(
    env: &str,
    index: usize,
    step: u64,
    what: &'static str,
    values: impl IntoIterator<Item = f64>,
) -> Result<(), EnvError> {
    match values.into_iter().find(|value| !value.is_finite()) {
        Some(value) => Err(EnvError::NonFinite { env: env.to_owned(), index, what, value, step }),
        None => Ok(()),
    }
}

impl<E: Env> VecEnv for Pool<E> {
    fn name(&self) -> &str {
        self.slots.first().map_or("no environment", |slot| slot.env.name())
    }

    fn num_envs(&self) -> usize {
        self.slots.len()
    }

    fn observation_space(&self) -> Space {
        self.observation_space.clone()
    }

    fn action_space(&self) -> Space {
        self.action_space.clone()
    }

    fn reset(&mut self, seed: u64, step: &mut VecStep) -> Result<(), EnvError> {
        self.each(step, |index, slot, row| {
            slot.steps = 0;
            slot.env.reset_into(Some(seed.wrapping_add(index as u64)), row.observation)?;
            finite(slot.env.name(), index, 0, "observation", row.observation.iter().map(|&x| f64::from(x)))
        })?;
        step.begin();
        Ok(())
    }

    fn step(&mut self, actions: Actions<'_>, step: &mut VecStep) -> Result<(), EnvError> {
        let width = self.action_space.len();
        crate::env::check_len(self.name(), "actions", self.slots.len() * width, actions.len())?;
        self.each(step, |index, slot, row| {
            slot.steps += 1;
            let check = |env: &E, steps, observation: &[f32]| {
                finite(env.name(), index, steps, "observation", observation.iter().map(|&x| f64::from(x)))
            };
            let outcome = slot.env.step_into(actions.get(index, width), row.observation)?;
            check(&slot.env, slot.steps, row.observation)?;
            finite(slot.env.name(), index, slot.steps, "reward", [outcome.reward])?;
            *row.reward = outcome.reward as f32;
            *row.terminated = outcome.terminated;
            *row.truncated = outcome.truncated;
            if outcome.done() {
                row.last.copy_from_slice(row.observation);
                slot.env.reset_into(None, row.observation)?;
                check(&slot.env, slot.steps, row.observation)?;
            }
            Ok(())
        })
    }

    fn save(&self) -> Option<Value> {
        let one = |slot: &Slot<E>| Some(serde_json::json!({ "steps": slot.steps, "env": slot.env.save()? }));
        self.slots.iter().map(one).collect::<Option<Vec<_>>>().map(Value::from)
    }

    fn load(&mut self, saved: &Value) -> Result<(), EnvError> {
        let name = self.name().to_owned();
        let bad = |reason: String| EnvError::State { env: name.clone(), reason };
        let all = saved.as_array().ok_or_else(|| bad("expected a list of environments".to_owned()))?;
        if all.len() != self.slots.len() {
            return Err(bad(format!(
                "{} environments were saved, there are {}",
                all.len(),
                self.slots.len()
            )));
        }
        for (slot, saved) in self.slots.iter_mut().zip(all) {
            let part = |key: &str| saved.get(key).ok_or_else(|| bad(format!("no {key:?}")));
            slot.env.load(part("env")?)?;
            slot.steps = part("steps")?.as_u64().ok_or_else(|| bad("\"steps\" is no count".to_owned()))?;
        }
        Ok(())
    }
}
