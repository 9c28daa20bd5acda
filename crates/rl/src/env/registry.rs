//! Environments by name.

use super::{
    Acrobot, Blackjack, CartPole, CatchConfig, CliffWalkingConfig, ContinuousMountainCar, Env,
    FrozenLakeConfig, GridWorldConfig, Lander, MdpEnv, MountainCar, Pendulum, taxi,
};
use crate::error::EnvError;
use crate::vector::{AcrobotBatch, CartPoleBatch, MountainCarBatch, PendulumBatch, Pool, VecEnv};
use crate::wrapper::{MaskObservation, TimeLimit};

/// A name and what it makes.
type Entry = (&'static str, fn() -> Result<Box<dyn Env>, EnvError>);

fn limited<E: Env + 'static>(env: E, limit: u32) -> Result<Box<dyn Env>, EnvError> {
    Ok(Box::new(TimeLimit::new(env, limit)?))
}

/// Step limits are those of Gymnasium's registration.
const REGISTRY: &[Entry] = &[
    ("CartPole-v1", || limited(CartPole::new(), 500)),
    ("MountainCar-v0", || limited(MountainCar::new(), 200)),
    ("MountainCarContinuous-v0", || limited(ContinuousMountainCar::new(), 999)),
    ("Acrobot-v1", || limited(Acrobot::new(), 500)),
    ("Pendulum-v1", || limited(Pendulum::new(), 200)),
    ("FrozenLake-v1", || limited(FrozenLakeConfig::lake4x4().init()?, 100)),
    ("FrozenLake8x8-v1", || limited(FrozenLakeConfig::lake8x8().init()?, 200)),
    ("CliffWalking-v1", || Ok(Box::new(CliffWalkingConfig::new().init()?))),
    ("Taxi-v3", || limited(taxi::init()?, 200)),
    ("Blackjack-v1", || Ok(Box::new(Blackjack::sutton_barto()))),
    ("GridWorld-v0", || limited(GridWorldConfig::russell_norvig().init()?, 100)),
    ("Lander-v0", || limited(Lander::discrete(), 600)),
    ("LanderContinuous-v0", || limited(Lander::continuous(), 600)),
    ("Catch-v0", || Ok(Box::new(CatchConfig::new().init()?))),
    ("CatchDict-v0", || Ok(Box::new(CatchConfig::new().with_dict(true).init()?))),
    ("CartPoleNoVel-v1", || {
        let masked = MaskObservation::new(CartPole::new(), "CartPoleNoVel-v1", &[1, 3])?;
        limited(masked, 500)
    }),
];

/// The environment called `name` with its whole table, if it has one: what the [`tabular`](crate::tabular) methods work on. It
/// has no step limit.
///
/// # Errors
///
/// [`EnvError::UnknownEnv`] with the names of those that have a table.
pub fn make_mdp(name: &str) -> Result<MdpEnv, EnvError> {
    match name {
        "FrozenLake-v1" => FrozenLakeConfig::lake4x4().init(),
        "FrozenLake8x8-v1" => FrozenLakeConfig::lake8x8().init(),
        "CliffWalking-v1" => CliffWalkingConfig::new().init(),
        "Taxi-v3" => taxi::init(),
        "GridWorld-v0" => GridWorldConfig::russell_norvig().init(),
        _ => Err(unknown(name, TABLES.iter().copied())),
    }
}

/// The names that [`make_mdp`] knows.
pub const TABLES: [&str; 5] =
    ["FrozenLake-v1", "FrozenLake8x8-v1", "CliffWalking-v1", "Taxi-v3", "GridWorld-v0"];

/// Every name that [`make`] knows.
pub fn registry() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().map(|(name, _)| *name)
}

/// The environment called `name`, with its step limit; see [`registry`].
///
/// # Errors
///
/// [`EnvError::UnknownEnv`] with every name there is.
pub fn make(name: &str) -> Result<Box<dyn Env>, EnvError> {
    match REGISTRY.iter().find(|(known, _)| *known == name) {
        Some((_, make)) => make(),
        None => Err(unknown(name, registry())),
    }
}

/// `n` environments called `name`, stepped together by the calling thread.
///
/// # Errors
///
/// As [`make`]; [`EnvError::Config`] when `n` is 0.
pub fn make_vec(name: &str, n: usize) -> Result<Box<dyn VecEnv>, EnvError> {
    Ok(Box::new(Pool::build(n, |_| make(name))?))
}

/// `n` environments called `name` as arrays, in f32 and as fast as the machine goes; see [`Batch`](crate::vector::Batch).
///
/// # Errors
///
/// [`EnvError::UnknownEnv`] with the names of those that have such a form; [`EnvError::Config`] when `n` is 0.
pub fn make_batch(name: &str, n: usize) -> Result<Box<dyn VecEnv>, EnvError> {
    match name {
        "CartPole-v1" => Ok(Box::new(CartPoleBatch::new(n)?)),
        "MountainCar-v0" => Ok(Box::new(MountainCarBatch::new(n)?)),
        "Pendulum-v1" => Ok(Box::new(PendulumBatch::new(n)?)),
        "Acrobot-v1" => Ok(Box::new(AcrobotBatch::new(n)?)),
        _ => Err(unknown(name, ["CartPole-v1", "MountainCar-v0", "Pendulum-v1", "Acrobot-v1"].into_iter())),
    }
}

fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> EnvError {
    let known: Vec<&str> = known.collect();
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    // A name of another case, with another or no version, is most of what people type.
    let bare = |text: &str| letters(text.split("-v").next().unwrap_or(text));
    let near = known.iter().find(|known| !bare(name).is_empty() && bare(known) == bare(name));
    EnvError::UnknownEnv {
        name: name.to_owned(),
        suggestion: near.map_or_else(String::new, |known| format!("; did you mean {known:?}?")),
        known: known.iter().map(|&name| name.to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_makes_an_environment_that_can_begin() {
        for name in registry() {
            let mut env = make(name).unwrap();
            assert_eq!(env.name(), name);
            assert!(env.reset(Some(0)).is_ok(), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_lists_all_and_suggests_the_near_one() {
        let error = make("cartpole").err().unwrap().to_string();
        assert!(error.contains("did you mean \"CartPole-v1\"?") && error.contains("Pendulum-v1"), "{error}");
        let error = make("").err().unwrap().to_string();
        assert!(!error.contains("did you mean"), "{error}");
    }

    #[test]
    fn a_vector_of_none_is_refused() {
        let error = make_vec("CartPole-v1", 0).err().unwrap().to_string();
        assert_eq!(error, "num_envs: must be at least 1, got 0");
    }
}
