//! Running mean and variance.

use fornax_nn_core::ConfigError;
use serde::{Deserialize, Serialize};

use super::{forward, loaded_with, saved_with};
use crate::env::{Action, Env, Outcome};
use crate::error::EnvError;
use crate::space::Space;

/// Mean and variance of everything seen so far, each number on its own, in f64.
///
/// Batches are joined by the parallel form of Welford's method (Chan, Golub, LeVeque, 1979):
///
/// ```text
/// δ = mean_b − mean_a,  n = n_a + n_b
/// mean = mean_a + δ n_b / n
/// M₂ = M₂_a + M₂_b + δ² n_a n_b / n             variance = M₂ / n
/// ```
///
/// As in Stable-Baselines3 it begins with mean 0, variance 1 and the weight of 10⁻⁴ samples.
///
/// ```
/// use fornax_rl::wrapper::RunningStats;
///
/// let mut stats = RunningStats::new(1);
/// stats.update(&[1.0, 2.0, 3.0, 6.0]); // four samples of one number
/// assert!((stats.mean()[0] - 3.0).abs() < 1e-3 && (stats.variance()[0] - 3.5).abs() < 1e-3);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningStats {
    mean: Vec<f64>,
    variance: Vec<f64>,
    count: f64,
}

impl RunningStats {
    /// Statistics of samples with `len` numbers each.
    pub fn new(len: usize) -> Self {
        Self { mean: vec![0.0; len], variance: vec![1.0; len], count: 1e-4 }
    }

    /// Mean of each number.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Variance of each number, by n.
    pub fn variance(&self) -> &[f64] {
        &self.variance
    }

    /// Adds a batch `[n, len]`.
    ///
    /// # Panics
    ///
    /// When `batch` is not a whole number of samples.
    pub fn update(&mut self, batch: &[f32]) {
        let len = self.mean.len();
        assert!(len > 0 && batch.len().is_multiple_of(len), "{} numbers for samples of {len}", batch.len());
        let n = (batch.len() / len) as f64;
        if n == 0.0 {
            return;
        }
        let total = self.count + n;
        for i in 0..len {
            let values = || batch.iter().skip(i).step_by(len).map(|&x| f64::from(x));
            let mean = values().sum::<f64>() / n;
            let squares: f64 = values().map(|x| (x - mean).powi(2)).sum();
            let delta = mean - self.mean[i];
            let joint = self.variance[i] * self.count + squares + delta * delta * self.count * n / total;
            self.mean[i] += delta * n / total;
            self.variance[i] = joint / total;
        }
        self.count = total;
    }

    /// (x − mean) / √(variance + 10⁻⁸), clipped to ± `clip`, in place; `values` is `[n, len]`.
    pub fn normalize(&self, values: &mut [f32], clip: f32) {
        for sample in values.chunks_mut(self.mean.len().max(1)) {
            for ((x, mean), variance) in sample.iter_mut().zip(&self.mean).zip(&self.variance) {
                *x = ((f64::from(*x) - mean) / (variance + 1e-8).sqrt()) as f32;
                *x = x.clamp(-clip, clip);
            }
        }
    }
}

fn check_clip(clip: f32) -> Result<f32, EnvError> {
    if clip > 0.0 {
        Ok(clip)
    } else {
        Err(ConfigError::new("clip", format!("must be positive, got {clip}")).into())
    }
}

/// Shows observations with mean 0 and variance 1, by statistics that belong to the agent: they are in [`Env::save`], and without them
/// its network is worth nothing. [`set_training`](Self::set_training) freezes them for evaluation.
///
/// ```
/// use fornax_rl::env::{Action, Env, MountainCar};
/// use fornax_rl::wrapper::NormalizeObservation;
///
/// let mut env = NormalizeObservation::new(MountainCar::new(), 10.0)?;
/// env.reset(Some(0))?;
/// let last = (0..100).map(|i| env.step(Action::Discrete(i % 3))).last().unwrap()?;
/// assert!(last.observation.iter().all(|x| x.abs() < 4.0));
/// assert!((env.stats().mean()[0] + 0.5).abs() < 0.15); // the valley
/// # Ok::<(), fornax_rl::EnvError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct NormalizeObservation<E> {
    env: E,
    stats: RunningStats,
    clip: f32,
    training: bool,
}

impl<E: Env> NormalizeObservation<E> {
    /// Normalises and clips to ± `clip` (Stable-Baselines3's default is 10).
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when observations are categories, or `clip` is not positive.
    pub fn new(env: E, clip: f32) -> Result<Self, EnvError> {
        let Space::Box { low, .. } = env.observation_space() else {
            let reason =
                format!("{} shows {}; only a Box can be normalised", env.name(), env.observation_space());
            return Err(ConfigError::new("env", reason).into());
        };
        Ok(Self { env, stats: RunningStats::new(low.len()), clip: check_clip(clip)?, training: true })
    }

    /// The statistics so far.
    pub fn stats(&self) -> &RunningStats {
        &self.stats
    }

    /// Whether new observations change the statistics.
    pub fn set_training(&mut self, training: bool) {
        self.training = training;
    }

    fn apply(&mut self, observation: &mut [f32]) {
        if self.training {
            self.stats.update(observation);
        }
        self.stats.normalize(observation, self.clip);
    }
}

impl<E: Env> Env for NormalizeObservation<E> {
    forward!(name, action_space, view);

    fn observation_space(&self) -> Space {
        Space::interval(-self.clip, self.clip, &self.env.observation_space().shape())
    }

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        self.env.reset_into(seed, observation)?;
        self.apply(observation);
        Ok(())
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let outcome = self.env.step_into(action, observation)?;
        self.apply(observation);
        Ok(outcome)
    }

    fn save(&self) -> Option<serde_json::Value> {
        saved_with(&self.stats, self.env.save())
    }

    fn load(&mut self, saved: &serde_json::Value) -> Result<(), EnvError> {
        let (stats, inner): (RunningStats, _) = loaded_with(self.env.name(), saved)?;
        let (expected, found) = (self.stats.mean.len(), stats.mean.len().max(stats.variance.len()));
        crate::env::check_len(self.env.name(), "observation statistics", expected, found)?;
        self.env.load(inner)?;
        self.stats = stats;
        Ok(())
    }
}

/// Divides rewards by the deviation of the discounted return, so that values are of the order of 1. Rewards are not centred: that would
/// change which policy is best.
///
/// ```text
/// R ← γ R + r,   r ← clip(r / √(Var R + 10⁻⁸), ± clip)
/// ```
///
/// [`Monitor`](super::Monitor) belongs inside it, where rewards are the true ones.
#[derive(Debug, Clone, PartialEq)]
pub struct NormalizeReward<E> {
    env: E,
    inner: RewardScale,
    gamma: f64,
    clip: f32,
    training: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RewardScale {
    stats: RunningStats,
    discounted: f64,
}

impl<E: Env> NormalizeReward<E> {
    /// Scales by the return discounted with `gamma` and clips to ± `clip` (Stable-Baselines3's defaults are 0.99 and 10).
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when `gamma` is no discount or `clip` is not positive.
    pub fn new(env: E, gamma: f64, clip: f32) -> Result<Self, EnvError> {
        if !(0.0..=1.0).contains(&gamma) {
            return Err(ConfigError::new("gamma", format!("must lie in [0, 1], got {gamma}")).into());
        }
        let inner = RewardScale { stats: RunningStats::new(1), discounted: 0.0 };
        Ok(Self { env, inner, gamma, clip: check_clip(clip)?, training: true })
    }

    /// Whether new rewards change the scale.
    pub fn set_training(&mut self, training: bool) {
        self.training = training;
    }
}

impl<E: Env> Env for NormalizeReward<E> {
    forward!(name, observation_space, action_space, view);

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        self.inner.discounted = 0.0;
        self.env.reset_into(seed, observation)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let mut outcome = self.env.step_into(action, observation)?;
        if self.training {
            self.inner.discounted = self.gamma * self.inner.discounted + outcome.reward;
            self.inner.stats.update(&[self.inner.discounted as f32]);
        }
        let clip = f64::from(self.clip);
        outcome.reward = (outcome.reward / (self.inner.stats.variance[0] + 1e-8).sqrt()).clamp(-clip, clip);
        Ok(outcome)
    }

    fn save(&self) -> Option<serde_json::Value> {
        saved_with(&self.inner, self.env.save())
    }

    fn load(&mut self, saved: &serde_json::Value) -> Result<(), EnvError> {
        let (inner, env): (RewardScale, _) = loaded_with(self.env.name(), saved)?;
        crate::env::check_len(self.env.name(), "reward statistics", 1, inner.stats.variance.len())?;
        self.env.load(env)?;
        self.inner = inner;
        Ok(())
    }
}
