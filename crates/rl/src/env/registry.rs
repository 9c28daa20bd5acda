//! Environments by name.

use super::{CartPole, Env, Pendulum};
use crate::error::EnvError;
use crate::vector::{Pool, VecEnv};
use crate::wrapper::TimeLimit;

/// A name and what it makes.
type Entry = (&'static str, fn() -> Result<Box<dyn Env>, EnvError>);

fn limited<E: Env + 'static>(env: E, limit: u32) -> Result<Box<dyn Env>, EnvError> {
    Ok(Box::new(TimeLimit::new(env, limit)?))
}

/// Step limits are those of Gymnasium's registration.
const REGISTRY: &[Entry] =
    &[("CartPole-v1", || limited(CartPole::new(), 500)), ("Pendulum-v1", || limited(Pendulum::new(), 200))];

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
        None => Err(unknown(name)),
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

fn unknown(name: &str) -> EnvError {
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    // A name of another case, with another or no version, is most of what people type.
    let bare = |text: &str| letters(text.split("-v").next().unwrap_or(text));
    let near = registry().find(|known| !bare(name).is_empty() && bare(known) == bare(name));
    EnvError::UnknownEnv {
        name: name.to_owned(),
        suggestion: near.map_or_else(String::new, |known| format!("; did you mean {known:?}?")),
        known: registry().map(str::to_owned).collect(),
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
