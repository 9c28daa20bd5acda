//! What the learners share: their settings, and the loop around them.

use burn::config::Config;
use fornax_nn_core::ConfigError;
use serde::{Deserialize, Serialize};

use super::QTable;
use crate::env::{Action, Env};
use crate::error::EnvError;
use crate::random::Pcg64;
use crate::space::Space;

/// How fast and how curious to learn.
#[derive(Config, Debug, PartialEq)]
pub struct Learning {
    /// Discount γ in [0, 1]. Default: long-sighted, and still a contraction.
    #[config(default = 0.99)]
    pub gamma: f64,
    /// Size α of an update, in (0, 1]. Default: Sutton and Barto's cliff (example 6.6) uses 0.5; half of that is calmer.
    #[config(default = 0.2)]
    pub alpha: f64,
    /// α falls with the visits n of a pair as n^−power; 0 is a constant step, (0.5, 1] satisfies Robbins and Monro. Default: constant.
    #[config(default = 0.0)]
    pub power: f64,
    /// Exploration ε at the beginning. Default: everything is tried.
    #[config(default = 1.0)]
    pub epsilon_start: f64,
    /// Exploration at the end. Default: Sutton and Barto's.
    #[config(default = 0.1)]
    pub epsilon_end: f64,
    /// Share of the episodes over which ε falls in a straight line. Default: half.
    #[config(default = 0.5)]
    pub epsilon_part: f64,
}

impl Learning {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        super::check_gamma(self.gamma)?;
        if !(self.alpha > 0.0 && self.alpha <= 1.0) {
            return Err(ConfigError::new("alpha", format!("must lie in (0, 1], got {}", self.alpha)));
        }
        let parts = [
            ("power", self.power),
            ("epsilon_start", self.epsilon_start),
            ("epsilon_end", self.epsilon_end),
            ("epsilon_part", self.epsilon_part),
        ];
        match parts.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            Some((field, value)) => Err(ConfigError::new(field, format!("must lie in [0, 1], got {value}"))),
            None => Ok(()),
        }
    }

    /// ε in episode `episode` of `total`.
    pub fn epsilon(&self, episode: usize, total: usize) -> f64 {
        let part = episode as f64 / (total as f64 * self.epsilon_part).max(1.0);
        self.epsilon_start + (self.epsilon_end - self.epsilon_start) * part.min(1.0)
    }

    pub(crate) fn step(&self) -> (f64, f64) {
        (self.alpha, self.power)
    }
}

/// Something that learns a table from steps.
pub trait Learner {
    /// The action to take in `state`, exploring with probability `epsilon`.
    fn act(&mut self, state: usize, epsilon: f64, rng: &mut Pcg64) -> usize;

    /// Learns from a step; `terminated` means that `next` has no future.
    fn learn(&mut self, step: Transit, rng: &mut Pcg64);

    /// The episode is over, by its end or by the clock.
    fn end_episode(&mut self) {}

    /// What was learnt: the values to act on.
    fn q(&self) -> QTable;

    /// All that is kept from one episode to the next, to be saved and put back.
    fn tables(&mut self) -> &mut [QTable];
}

/// A step between numbered states.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transit {
    /// The state before.
    pub state: usize,
    /// What was done.
    pub action: usize,
    /// What it paid.
    pub reward: f64,
    /// The state after.
    pub next: usize,
    /// No future.
    pub terminated: bool,
    /// The clock was stopped.
    pub truncated: bool,
    /// Exploration now.
    pub epsilon: f64,
}

/// How an episode went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    /// Undiscounted sum of rewards.
    pub total_reward: f64,
    /// Steps.
    pub length: usize,
}

/// The number of the state that a flat observation shows; several choices count as digits.
///
/// # Panics
///
/// When the observation is none of `space`, or `space` is no choice.
pub(crate) fn state_of(space: &Space, observation: &[f32]) -> usize {
    match space {
        Space::Discrete(_) => observation[0] as usize,
        Space::MultiDiscrete(n) => n.iter().zip(observation).fold(0, |sum, (n, x)| sum * n + *x as usize),
        Space::Box { .. } | Space::Dict(_) => panic!("{space} has no numbered states"),
    }
}

/// How many states and actions an environment has.
pub(crate) fn sizes(env: &dyn Env) -> Result<(usize, usize), EnvError> {
    let states = match env.observation_space() {
        Space::Discrete(n) => n,
        Space::MultiDiscrete(n) => n.iter().product(),
        space => {
            let reason = format!("{} shows {space}; a table needs states that can be counted", env.name());
            return Err(ConfigError::new("env", reason).into());
        }
    };
    match env.action_space() {
        Space::Discrete(actions) => Ok((states, actions)),
        space => {
            let reason = format!("{} takes {space}; a table needs Discrete actions", env.name());
            Err(ConfigError::new("env", reason).into())
        }
    }
}

/// Training that can be stopped between two episodes and gone on with: save it together with the environment
/// ([`Env::save`]) and the learner's [`tables`](Learner::tables).
///
/// ```
/// use fornax_rl::env::{CliffWalkingConfig, Env};
/// use fornax_rl::tabular::{Course, Learner, Learning, q_learning::QLearning};
///
/// let (mut cliff, settings) = (CliffWalkingConfig::new().init()?, Learning::new());
/// let (mut agent, mut course) = (QLearning::new(48, 4, &settings), Course::new(50, 0));
/// while let Some(episode) = course.episode(&mut cliff, &mut agent, &settings)? {
///     assert!(episode.total_reward <= -13.0); // the shortest way
/// }
/// assert_eq!(course.played(), 50);
/// # Ok::<(), fornax_rl::EnvError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Course {
    episodes: usize,
    played: usize,
    seed: u64,
    rng: Pcg64,
}

impl Course {
    /// `episodes` episodes, the first seeded with `seed`.
    pub fn new(episodes: usize, seed: u64) -> Self {
        Self { episodes, played: 0, seed, rng: Pcg64::new(seed ^ 0x7ab1_e000) }
    }

    /// Episodes so far.
    pub fn played(&self) -> usize {
        self.played
    }

    /// Plays and learns from the next episode; `None` when all were played.
    ///
    /// # Errors
    ///
    /// [`EnvError`] of the environment, or when its states or actions cannot be counted.
    pub fn episode(
        &mut self,
        env: &mut dyn Env,
        learner: &mut dyn Learner,
        settings: &Learning,
    ) -> Result<Option<Episode>, EnvError> {
        settings.validate()?;
        sizes(env)?;
        if self.played >= self.episodes {
            return Ok(None);
        }
        let space = env.observation_space();
        let mut observation = vec![0.0; space.len()];
        let epsilon = settings.epsilon(self.played, self.episodes);
        env.reset_into((self.played == 0).then_some(self.seed), &mut observation)?;
        let mut state = state_of(&space, &observation);
        let mut result = Episode { total_reward: 0.0, length: 0 };
        loop {
            let action = learner.act(state, epsilon, &mut self.rng);
            let outcome = env.step_into(Action::Discrete(action), &mut observation)?;
            let next = state_of(&space, &observation);
            let (reward, terminated, truncated) = (outcome.reward, outcome.terminated, outcome.truncated);
            learner.learn(
                Transit { state, action, reward, next, terminated, truncated, epsilon },
                &mut self.rng,
            );
            result.total_reward += reward;
            result.length += 1;
            state = next;
            if outcome.done() {
                break;
            }
        }
        learner.end_episode();
        self.played += 1;
        Ok(Some(result))
    }
}

/// Trains `learner` for `episodes` episodes, the first seeded with `seed`, each reported to `each` with its number.
///
/// # Errors
///
/// As for [`Course::episode`].
pub fn train(
    env: &mut dyn Env,
    learner: &mut dyn Learner,
    settings: &Learning,
    episodes: usize,
    seed: u64,
    mut each: impl FnMut(usize, Episode),
) -> Result<(), EnvError> {
    let mut course = Course::new(episodes, seed);
    while let Some(episode) = course.episode(env, learner, settings)? {
        each(course.played() - 1, episode);
    }
    Ok(())
}

/// Plays `policy` for `episodes` episodes; environments without a step limit of their own are stopped after `limit` steps.
///
/// # Errors
///
/// [`EnvError`] of the environment.
pub fn evaluate(
    env: &mut dyn Env,
    policy: &[usize],
    episodes: usize,
    limit: usize,
    seed: u64,
) -> Result<Vec<Episode>, EnvError> {
    let (states, _) = sizes(env)?;
    if policy.len() != states {
        let reason = format!("has {} states, {} has {states}", policy.len(), env.name());
        return Err(ConfigError::new("policy", reason).into());
    }
    let space = env.observation_space();
    let mut observation = vec![0.0; space.len()];
    let mut results = Vec::with_capacity(episodes);
    for episode in 0..episodes {
        env.reset_into((episode == 0).then_some(seed), &mut observation)?;
        let mut result = Episode { total_reward: 0.0, length: 0 };
        while result.length < limit {
            let action = policy[state_of(&space, &observation)];
            let outcome = env.step_into(Action::Discrete(action), &mut observation)?;
            result.total_reward += outcome.reward;
            result.length += 1;
            if outcome.done() {
                break;
            }
        }
        results.push(result);
    }
    Ok(results)
}
