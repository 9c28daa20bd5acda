//! How good an agent is: its mean return without exploration.
//!
//! The returns an agent meets while it learns are those of a policy that explores and changes all the time. What is published, and
//! what a user gets, is the fixed policy's: `episodes` episodes, each the agent's first choice in every step, of an environment that
//! was not used for learning, rewards as the environment gives them.

use crate::agent::Policy;
use crate::env::{Action, Env};
use crate::error::EnvError;
use crate::space::Space;

/// Returns and lengths of the episodes played.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evaluation {
    /// Sum of the rewards of each episode.
    pub returns: Vec<f64>,
    /// Steps of each episode.
    pub lengths: Vec<u64>,
}

impl Evaluation {
    /// Mean return; NaN of no episodes.
    pub fn mean_return(&self) -> f64 {
        self.returns.iter().sum::<f64>() / self.returns.len() as f64
    }

    /// Standard deviation of the returns over the episodes (divided by n, as `numpy.std`).
    pub fn std_return(&self) -> f64 {
        let mean = self.mean_return();
        let squares: f64 = self.returns.iter().map(|r| (r - mean).powi(2)).sum();
        (squares / self.returns.len() as f64).sqrt()
    }

    /// Mean number of steps of an episode.
    pub fn mean_length(&self) -> f64 {
        self.lengths.iter().sum::<u64>() as f64 / self.lengths.len() as f64
    }
}

/// Plays `episodes` episodes with the policy's first choices. The environment's generator starts from `seed`.
///
/// # Errors
///
/// [`EnvError`] from the environment; NaN or infinity in an observation or a reward.
pub fn evaluate_policy<P: Policy + ?Sized>(
    policy: &mut P,
    env: &mut dyn Env,
    episodes: usize,
    seed: u64,
) -> Result<Evaluation, EnvError> {
    let mut evaluation = Evaluation::default();
    for episode in 0..episodes {
        let (mut sum, mut length) = (0.0, 0);
        play(policy, env, (episode == 0).then_some(seed), |_, outcome| {
            sum += outcome.reward;
            length += 1;
            true
        })?;
        evaluation.returns.push(sum);
        evaluation.lengths.push(length);
    }
    Ok(evaluation)
}

/// Plays one episode; `watch` sees the environment after every step and says whether to go on.
///
/// # Errors
///
/// As for [`evaluate_policy`].
pub fn play<P: Policy + ?Sized>(
    policy: &mut P,
    env: &mut dyn Env,
    seed: Option<u64>,
    mut watch: impl FnMut(&dyn Env, crate::env::Outcome) -> bool,
) -> Result<(), EnvError> {
    let (space, actions) = (env.observation_space(), env.action_space());
    let mut observation = env.reset(seed)?;
    policy.begin();
    let mut encoded = vec![0.0; space.encoded_len()];
    let mut row = Vec::new();
    let mut choices = Vec::new();
    for step in 0.. {
        let not_finite =
            |what, value| EnvError::NonFinite { env: env.name().to_owned(), index: 0, what, value, step };
        if let Some(value) = observation.iter().find(|value| !value.is_finite()) {
            return Err(not_finite("observation", f64::from(*value)));
        }
        space.encode(&observation, &mut encoded);
        policy.act(&encoded, &mut row);
        let action = match &actions {
            Space::Discrete(_) => Action::Discrete(row[0] as usize),
            Space::MultiDiscrete(_) => {
                choices.clear();
                choices.extend(row.iter().map(|choice| *choice as usize));
                Action::MultiDiscrete(&choices)
            }
            Space::Box { low, high, .. } => {
                row.iter_mut()
                    .zip(low.iter().zip(high))
                    .for_each(|(a, (low, high))| *a = a.clamp(*low, *high));
                Action::Continuous(&row)
            }
            Space::Dict(_) => Action::Continuous(&row),
        };
        let outcome = env.step_into(action, &mut observation)?;
        if !outcome.reward.is_finite() {
            return Err(EnvError::NonFinite {
                env: env.name().to_owned(),
                index: 0,
                what: "reward",
                value: outcome.reward,
                step: step + 1,
            });
        }
        if !watch(env, outcome) || outcome.done() {
            return Ok(());
        }
    }
    Ok(())
}
