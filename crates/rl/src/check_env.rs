//! # Is this environment sound?
//!
//! Most of what makes an agent learn nothing is wrong in the environment. [`check_env`] plays it and names the first [`Flaw`].
//!
//! ```
//! use fornax_rl::check_env::check_env;
//!
//! for name in fornax_rl::registry() {
//!     check_env(&mut *fornax_rl::make(name)?)?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::env::{Action, Env, Outcome, OwnedAction};
use crate::error::EnvError;
use crate::random::Pcg64;
use crate::space::Space;

/// Steps played for each kind of check.
const STEPS: usize = 600;

/// What is wrong with an environment, and where it showed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// Messages would not say which environment.
    #[error("its name is empty")]
    NoName,
    /// Observations or actions cannot exist.
    #[error("its {what} space is impossible: {error}")]
    Space {
        /// `observation` or `action`.
        what: &'static str,
        /// Why.
        error: EnvError,
    },
    /// A space that is another one when asked again: networks are built once.
    #[error("its {what} space changed from {before} to {after}")]
    SpaceChanges {
        /// `observation` or `action`.
        what: &'static str,
        /// At first.
        before: String,
        /// After some steps.
        after: String,
    },
    /// Actions without bounds cannot be explored.
    #[error("action {index} lies between {low} and {high}: bounds must be finite")]
    UnboundedAction {
        /// Which number.
        index: usize,
        /// Lower bound.
        low: f32,
        /// Upper bound.
        high: f32,
    },
    /// An episode cannot begin.
    #[error("reset fails: {0}")]
    ResetFails(EnvError),
    /// A valid action is refused.
    #[error("step {step} refuses the valid action {action:?}: {error}")]
    StepFails {
        /// Which step.
        step: usize,
        /// What was asked.
        action: OwnedAction,
        /// What it said.
        error: EnvError,
    },
    /// The buffer was not, or not wholly, written.
    #[error("{call} leaves element {index} of the observation as it was")]
    NotWritten {
        /// `reset` or `step`.
        call: &'static str,
        /// Which element.
        index: usize,
    },
    /// NaN or infinity is shown.
    #[error("{call} shows {value} in element {index}")]
    NonFiniteObservation {
        /// `reset` or `step`.
        call: &'static str,
        /// Which element.
        index: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// What is shown is none of the space's elements.
    #[error("{call} shows {value} in element {index}, outside of {space}")]
    OutOfSpace {
        /// `reset` or `step`.
        call: &'static str,
        /// Which element.
        index: usize,
        /// What is shown.
        value: f32,
        /// The space.
        space: String,
    },
    /// NaN or infinity is paid.
    #[error("step {step} pays {reward}")]
    NonFiniteReward {
        /// Which step.
        step: usize,
        /// NaN or an infinity.
        reward: f64,
    },
    /// Two resets with the same seed begin differently.
    #[error("two resets with the same seed show different observations")]
    SeedIgnoredByReset,
    /// The same seed and actions lead elsewhere.
    #[error("the same seed and actions part at step {step}: {what}")]
    NotReproducible {
        /// Which step.
        step: usize,
        /// `observation`, `reward` or `end`.
        what: &'static str,
    },
    /// A reset without a seed begins the episode of the last seed again, although other seeds begin differently.
    #[error("resets without a seed repeat the first episode: the generator is restarted")]
    SameEpisodeAgain,
    /// An action that does not exist is accepted.
    #[error("the impossible action {0} is accepted")]
    AcceptsImpossible(String),
    /// An action of the wrong kind is accepted.
    #[error("an action of another kind, {0}, is accepted")]
    AcceptsOtherKind(String),
    /// NaN as an action is accepted.
    #[error("NaN is accepted as an action")]
    AcceptsNan,
    /// A refused action changed the state.
    #[error("a refused action moved the environment")]
    RefusedActionMoves,
    /// Steps before the first reset.
    #[error("step before the first reset is accepted")]
    StepBeforeReset,
    /// Steps after the end.
    #[error("step after the end of an episode is accepted")]
    StepAfterEnd,
    /// A buffer of the wrong length is accepted.
    #[error("{call} accepts a buffer of {len} values for {expected}")]
    WrongBuffer {
        /// `reset` or `step`.
        call: &'static str,
        /// What was given.
        len: usize,
        /// What the space says.
        expected: usize,
    },
    /// The saved state cannot be loaded.
    #[error("what save returned cannot be loaded: {0}")]
    LoadFails(EnvError),
    /// The saved state forgets something.
    #[error("after load the future is another one, from step {0} on")]
    LoadForgets(usize),
    /// Anything can be loaded.
    #[error("load accepts the state {0}")]
    LoadsNonsense(String),
    /// A reset that does not begin a new episode.
    #[error("the first step after a reset fails: {0}")]
    ResetDoesNotBegin(EnvError),
}

/// One episode's worth of answers.
type Trace = Vec<(Vec<f32>, Outcome)>;

/// Plays `env` and names its first flaw. It is left in the middle of an episode.
///
/// # Errors
///
/// [`Flaw`].
pub fn check_env(env: &mut dyn Env) -> Result<(), Flaw> {
    if env.name().is_empty() {
        return Err(Flaw::NoName);
    }
    let (seen, done) = (env.observation_space(), env.action_space());
    seen.validate().map_err(|error| Flaw::Space { what: "observation", error })?;
    done.validate().map_err(|error| Flaw::Space { what: "action", error })?;
    if let Space::Box { low, high, .. } = &done {
        let open = |(low, high): (&f32, &f32)| !low.is_finite() || !high.is_finite();
        if let Some(index) = low.iter().zip(high).position(open) {
            return Err(Flaw::UnboundedAction { index, low: low[index], high: high[index] });
        }
    }
    let mut rng = Pcg64::new(1);
    let mut buffer = vec![0.0; seen.len()];
    // May already have been used: only an environment that refuses can be told from one that runs.
    let fresh = env.step_into(done.sample(&mut rng).borrow(), &mut buffer).is_ok();
    check_reset(env, &seen)?;
    check_buffers(env, &seen, &done)?;
    let actions: Vec<OwnedAction> = (0..STEPS).map(|_| done.sample(&mut rng)).collect();
    let trace = play(env, &seen, Some(7), &actions)?;
    compare(&trace, &play(env, &seen, Some(7), &actions)?)?;
    for (what, before, after) in
        [("observation", &seen, env.observation_space()), ("action", &done, env.action_space())]
    {
        if *before != after {
            return Err(Flaw::SpaceChanges { what, before: before.to_string(), after: after.to_string() });
        }
    }
    check_generator(env, &seen, &actions)?;
    check_actions(env, &seen, &done)?;
    check_end(env, &seen, &actions)?;
    check_memory(env, &seen, &actions)?;
    if fresh { Err(Flaw::StepBeforeReset) } else { Ok(()) }
}

/// A number that no environment shows, to see what was written.
const MARK: f32 = -1.234_567_9e30;

fn check_shown(space: &Space, call: &'static str, shown: &[f32]) -> Result<(), Flaw> {
    if let Some(index) = shown.iter().position(|&x| x == MARK) {
        return Err(Flaw::NotWritten { call, index });
    }
    if let Some(index) = shown.iter().position(|x| !x.is_finite()) {
        return Err(Flaw::NonFiniteObservation { call, index, value: shown[index] });
    }
    let one = |i: usize, x: f32| match space {
        Space::Box { low, high, .. } => low[i] <= x && x <= high[i],
        Space::Discrete(n) => Space::Discrete(*n).contains_observation(&[x]),
        Space::MultiDiscrete(n) => Space::Discrete(n[i]).contains_observation(&[x]),
    };
    match shown.iter().enumerate().position(|(i, &x)| !one(i, x)) {
        Some(index) => Err(Flaw::OutOfSpace { call, index, value: shown[index], space: space.to_string() }),
        None => Ok(()),
    }
}

fn reset(env: &mut dyn Env, space: &Space, seed: Option<u64>) -> Result<Vec<f32>, Flaw> {
    let mut shown = vec![MARK; space.len()];
    env.reset_into(seed, &mut shown).map_err(Flaw::ResetFails)?;
    check_shown(space, "reset", &shown)?;
    Ok(shown)
}

fn check_reset(env: &mut dyn Env, space: &Space) -> Result<(), Flaw> {
    let first = reset(env, space, Some(3))?;
    if reset(env, space, Some(3))? != first {
        return Err(Flaw::SeedIgnoredByReset);
    }
    Ok(())
}

/// Steps through `actions`, resetting without a seed where an episode ends.
fn play(env: &mut dyn Env, space: &Space, seed: Option<u64>, actions: &[OwnedAction]) -> Result<Trace, Flaw> {
    reset(env, space, seed)?;
    go_on(env, space, actions)
}

fn go_on(env: &mut dyn Env, space: &Space, actions: &[OwnedAction]) -> Result<Trace, Flaw> {
    let mut trace = Vec::with_capacity(actions.len());
    let mut fresh = false;
    for (step, action) in actions.iter().enumerate() {
        let mut shown = vec![MARK; space.len()];
        let outcome = env.step_into(action.borrow(), &mut shown).map_err(|error| match fresh {
            true => Flaw::ResetDoesNotBegin(error),
            false => Flaw::StepFails { step, action: action.clone(), error },
        })?;
        check_shown(space, "step", &shown)?;
        if !outcome.reward.is_finite() {
            return Err(Flaw::NonFiniteReward { step, reward: outcome.reward });
        }
        trace.push((shown, outcome));
        fresh = outcome.done();
        if fresh {
            reset(env, space, None)?;
        }
    }
    Ok(trace)
}

fn compare(one: &Trace, other: &Trace) -> Result<(), Flaw> {
    for (step, (a, b)) in one.iter().zip(other).enumerate() {
        let what = match (a, b) {
            _ if (a.1.terminated, a.1.truncated) != (b.1.terminated, b.1.truncated) => "end",
            _ if a.1.reward != b.1.reward => "reward",
            _ if a.0 != b.0 => "observation",
            _ => continue,
        };
        return Err(Flaw::NotReproducible { step, what });
    }
    Ok(())
}

/// Where seeds make a difference, episodes without one must differ as well.
fn check_generator(env: &mut dyn Env, space: &Space, actions: &[OwnedAction]) -> Result<(), Flaw> {
    let actions = &actions[..20];
    let first = play(env, space, Some(11), actions)?;
    let others = [12, 13, 14].map(|seed| play(env, space, Some(seed), actions));
    let seeds_matter = others.into_iter().collect::<Result<Vec<_>, _>>()?.iter().any(|trace| *trace != first);
    reset(env, space, Some(11))?;
    let mut same = true;
    for _ in 0..4 {
        same &= play(env, space, None, actions)? == first;
    }
    if seeds_matter && same { Err(Flaw::SameEpisodeAgain) } else { Ok(()) }
}

fn check_buffers(env: &mut dyn Env, seen: &Space, done: &Space) -> Result<(), Flaw> {
    let expected = seen.len();
    let action = done.sample(&mut Pcg64::new(0));
    for len in [expected - 1, expected + 1] {
        let mut wrong = vec![0.0; len];
        if env.reset_into(Some(0), &mut wrong).is_ok() {
            return Err(Flaw::WrongBuffer { call: "reset", len, expected });
        }
        reset(env, seen, Some(0))?;
        if env.step_into(action.borrow(), &mut wrong).is_ok() {
            return Err(Flaw::WrongBuffer { call: "step", len, expected });
        }
    }
    Ok(())
}

fn check_actions(env: &mut dyn Env, seen: &Space, done: &Space) -> Result<(), Flaw> {
    let (beyond, kind) = match done {
        Space::Discrete(n) => (OwnedAction::Discrete(*n), OwnedAction::Continuous(vec![0.0])),
        Space::Box { low, .. } => {
            (OwnedAction::Continuous(vec![0.0; low.len() + 1]), OwnedAction::Discrete(0))
        }
        Space::MultiDiscrete(n) => (OwnedAction::MultiDiscrete(n.clone()), OwnedAction::Discrete(0)),
    };
    let action = done.sample(&mut Pcg64::new(5));
    let mut buffer = vec![0.0; seen.len()];
    reset(env, seen, Some(9))?;
    let untouched = env.step_into(action.borrow(), &mut buffer).map(|outcome| (buffer.clone(), outcome));
    reset(env, seen, Some(9))?;
    if env.step_into(beyond.borrow(), &mut buffer).is_ok() {
        return Err(Flaw::AcceptsImpossible(format!("{beyond:?}")));
    }
    if env.step_into(kind.borrow(), &mut buffer).is_ok() {
        return Err(Flaw::AcceptsOtherKind(format!("{kind:?}")));
    }
    if let Space::Box { low, .. } = done
        && env.step_into(Action::Continuous(&vec![f32::NAN; low.len()]), &mut buffer).is_ok()
    {
        return Err(Flaw::AcceptsNan);
    }
    let after = env.step_into(action.borrow(), &mut buffer).map(|outcome| (buffer.clone(), outcome));
    if untouched == after { Ok(()) } else { Err(Flaw::RefusedActionMoves) }
}

fn check_end(env: &mut dyn Env, seen: &Space, actions: &[OwnedAction]) -> Result<(), Flaw> {
    let mut buffer = reset(env, seen, Some(2))?;
    for action in actions {
        match env.step_into(action.borrow(), &mut buffer) {
            Ok(outcome) if !outcome.done() => {}
            Ok(_) if env.step_into(action.borrow(), &mut buffer).is_ok() => return Err(Flaw::StepAfterEnd),
            _ => break,
        }
    }
    Ok(())
}

/// Saving is optional; what is saved has to be complete.
fn check_memory(env: &mut dyn Env, seen: &Space, actions: &[OwnedAction]) -> Result<(), Flaw> {
    let (before, after) = actions.split_at(STEPS / 4);
    play(env, seen, Some(21), before)?;
    let Some(saved) = env.save() else { return Ok(()) };
    let future = go_on(env, seen, after)?;
    reset(env, seen, Some(22))?;
    env.load(&saved).map_err(Flaw::LoadFails)?;
    let again = go_on(env, seen, after).map_err(|_| Flaw::LoadForgets(0))?;
    if let Some(step) = future.iter().zip(&again).position(|(a, b)| a != b) {
        return Err(Flaw::LoadForgets(step));
    }
    let nonsense = serde_json::json!({ "nothing": ["of", "this"] });
    if env.load(&nonsense).is_ok() {
        return Err(Flaw::LoadsNonsense(nonsense.to_string()));
    }
    reset(env, seen, Some(0)).map(drop)
}
