//! Where an agent meets its environments: one step of all of them, with everything a learner has to know about it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::parts::state;
use super::{AgentError, Normalizer, Report, mean_return};
use crate::error::EnvError;
use crate::space::Space;
use crate::vector::{Actions, VecEnv, VecStep};

/// How many episodes the mean return is taken over.
const RECENT: usize = 100;

/// A finished episode.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// Environment steps of the whole run when it ended.
    pub step: u64,
    /// The sum of its rewards, as the environment gave them.
    pub total_reward: f64,
    /// Its steps.
    pub length: u64,
}

/// n environments side by side, each begun anew when its episode ends.
///
/// Observations are encoded for a network ([`Space::encode`]) and, if asked for, normalised. Actions are rows of `f32`: choices as
/// their index, numbers clipped to the space's bounds.
pub struct Stage {
    envs: Box<dyn VecEnv>,
    buffer: VecStep,
    observation_space: Space,
    action_space: Space,
    /// What to act on now, `[n, width]`.
    pub observations: Vec<f32>,
    /// What the last actions led to, `[n, width]`: the final observation where an episode ended.
    pub next_observations: Vec<f32>,
    /// Rewards of the last step, normalised if asked for.
    pub rewards: Vec<f32>,
    /// Episodes that ended with the last step and have no future.
    pub terminated: Vec<bool>,
    /// Episodes that were stopped with the last step.
    pub truncated: Vec<bool>,
    /// Environment steps so far, of all environments together.
    pub steps: u64,
    /// Episodes that ended since somebody took them.
    pub episodes: Vec<Episode>,
    recent: VecDeque<f64>,
    /// Return and length of each episode under way.
    under_way: Vec<(f64, u64)>,
    normalizer: Option<Normalizer>,
    /// Actions as the environments want them.
    clipped: Vec<f32>,
    choices: Vec<usize>,
    /// Without normalisation, as the environments showed them.
    encoded: Vec<f32>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    envs: Value,
    num_envs: usize,
    encoded: Vec<f32>,
    observations: Vec<f32>,
    steps: u64,
    recent: VecDeque<f64>,
    under_way: Vec<(f64, u64)>,
    normalizer: Option<Normalizer>,
}

impl Stage {
    /// Begins an episode in every environment, the i-th seeded with `seed + i`. `normalize` is γ when observations and rewards
    /// are to be normalised.
    ///
    /// # Errors
    ///
    /// [`EnvError`]: a space that contains nothing, or a reset that fails.
    pub fn new(mut envs: Box<dyn VecEnv>, seed: u64, normalize: Option<f64>) -> Result<Self, EnvError> {
        let (observation_space, action_space) = (envs.observation_space(), envs.action_space());
        observation_space.validate()?;
        action_space.validate()?;
        let (n, width) = (envs.num_envs(), observation_space.encoded_len());
        let mut buffer = envs.buffer();
        envs.reset(seed, &mut buffer)?;
        let mut stage = Self {
            clipped: Vec::new(),
            choices: Vec::new(),
            encoded: vec![0.0; n * width],
            observations: vec![0.0; n * width],
            next_observations: vec![0.0; n * width],
            rewards: vec![0.0; n],
            terminated: vec![false; n],
            truncated: vec![false; n],
            steps: 0,
            episodes: Vec::new(),
            recent: VecDeque::with_capacity(RECENT),
            under_way: vec![(0.0, 0); n],
            normalizer: normalize.map(|gamma| Normalizer::new(width, n, gamma)),
            envs,
            buffer,
            observation_space,
            action_space,
        };
        stage.show();
        Ok(stage)
    }

    /// How many environments.
    pub fn num_envs(&self) -> usize {
        self.envs.num_envs()
    }

    /// Width of an encoded observation.
    pub fn width(&self) -> usize {
        self.observation_space.encoded_len()
    }

    /// The environments' observation space.
    pub fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    /// The environments' action space.
    pub fn action_space(&self) -> &Space {
        &self.action_space
    }

    /// The environments' name.
    pub fn name(&self) -> &str {
        self.envs.name()
    }

    /// Scales encoded observations as the agent's own are.
    pub fn normalize(&self, rows: &mut [f32]) {
        if let Some(normalizer) = &self.normalizer {
            normalizer.observe(rows);
        }
    }

    /// Mean return of the last 100 episodes; NaN before the first.
    pub fn mean_return(&self) -> f64 {
        mean_return(&self.recent)
    }

    /// What a round brought, after `updates` gradient steps; the episodes that ended in it are handed over.
    pub(crate) fn report(&mut self, updates: u64, figures: Vec<(&'static str, f64)>) -> Report {
        let episodes = std::mem::take(&mut self.episodes);
        Report { steps: self.steps, updates, episodes, mean_return: self.mean_return(), figures }
    }

    /// Takes an action in every environment.
    ///
    /// # Shapes
    ///
    /// - actions: `[n, len]` of the action space
    ///
    /// # Errors
    ///
    /// [`EnvError`]: an action that is none of the space's, or NaN or infinity from an environment, named with its step.
    pub fn step(&mut self, actions: &[f32]) -> Result<(), EnvError> {
        let n = self.num_envs();
        let actions = match &self.action_space {
            Space::Box { low, high, .. } => {
                self.clipped.clear();
                let bounds = low.iter().zip(high).cycle();
                self.clipped.extend(actions.iter().zip(bounds).map(|(a, (low, high))| a.clamp(*low, *high)));
                Actions::Continuous(&self.clipped)
            }
            choices => {
                self.choices.clear();
                self.choices.extend(actions.iter().map(|choice| *choice as usize));
                if matches!(choices, Space::Discrete(_)) {
                    Actions::Discrete(&self.choices)
                } else {
                    Actions::MultiDiscrete(&self.choices)
                }
            }
        };
        self.envs.step(actions, &mut self.buffer)?;
        self.steps += n as u64;
        self.rewards.copy_from_slice(&self.buffer.rewards);
        let width = self.width();
        for i in 0..n {
            self.terminated[i] = self.buffer.terminated[i];
            self.truncated[i] = self.buffer.truncated[i] && !self.terminated[i];
            let (sum, length) = &mut self.under_way[i];
            *sum += f64::from(self.rewards[i]);
            *length += 1;
            let after = self.buffer.final_observation(i);
            let ended = after.is_some();
            let after = after.unwrap_or_else(|| self.buffer.observation(i));
            self.observation_space.encode(after, &mut self.next_observations[i * width..(i + 1) * width]);
            if ended {
                let (total_reward, length) = std::mem::take(&mut self.under_way[i]);
                self.episodes.push(Episode { step: self.steps, total_reward, length });
                if self.recent.len() == RECENT {
                    self.recent.pop_front();
                }
                self.recent.push_back(total_reward);
            }
        }
        self.show();
        if let Some(normalizer) = &mut self.normalizer {
            normalizer.observe(&mut self.next_observations);
            let ended: Vec<bool> =
                self.terminated.iter().zip(&self.truncated).map(|(a, b)| *a || *b).collect();
            normalizer.reward(&mut self.rewards, &ended);
        }
        Ok(())
    }

    /// `self.observations` from what the environments show.
    fn show(&mut self) {
        let width = self.width();
        for (i, row) in self.encoded.chunks_exact_mut(width).enumerate() {
            self.observation_space.encode(self.buffer.observation(i), row);
        }
        self.observations.copy_from_slice(&self.encoded);
        if let Some(normalizer) = &mut self.normalizer {
            normalizer.see(&self.encoded);
            normalizer.observe(&mut self.observations);
        }
    }

    /// Everything the next step depends on.
    ///
    /// # Errors
    ///
    /// [`AgentError::State`] when an environment cannot be saved.
    pub fn save(&self) -> Result<Value, AgentError> {
        let unable = || state("stage", &format!("{} cannot be saved", self.name()));
        let saved = Saved {
            envs: self.envs.save().ok_or_else(unable)?,
            num_envs: self.num_envs(),
            encoded: self.encoded.clone(),
            observations: self.observations.clone(),
            steps: self.steps,
            recent: self.recent.clone(),
            under_way: self.under_way.clone(),
            normalizer: self.normalizer.clone(),
        };
        serde_json::to_value(saved).map_err(|e| state("stage", &e))
    }

    /// Goes on from what [`save`](Self::save) returned.
    ///
    /// # Errors
    ///
    /// [`AgentError::State`] when it is of other environments.
    pub fn load(&mut self, saved: Value) -> Result<(), AgentError> {
        let saved: Saved = serde_json::from_value(saved).map_err(|e| state("stage", &e))?;
        let (found, expected) =
            ((saved.num_envs, saved.encoded.len()), (self.envs.num_envs(), self.encoded.len()));
        if found != expected || saved.normalizer.is_some() != self.normalizer.is_some() {
            let reason = format!(
                "{} environments with {} numbers in all, expected {} with {}; or one is normalised and the other is not",
                found.0, found.1, expected.0, expected.1
            );
            return Err(state("stage", &reason));
        }
        self.envs.load(&saved.envs)?;
        self.encoded = saved.encoded;
        self.observations = saved.observations;
        self.steps = saved.steps;
        self.recent = saved.recent;
        self.under_way = saved.under_way;
        self.normalizer = saved.normalizer;
        self.episodes.clear();
        Ok(())
    }
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage")
            .field("env", &self.name())
            .field("num_envs", &self.num_envs())
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
