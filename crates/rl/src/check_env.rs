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

mod flaw;

pub use flaw::Flaw;

use crate::env::{Action, Env, Outcome, OwnedAction};
use crate::random::Pcg64;
use crate::space::Space;

/// Steps played for each kind of check.
const STEPS: usize = 600;

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
    match outside(space, shown) {
        Some(index) => Err(Flaw::OutOfSpace { call, index, value: shown[index], space: space.to_string() }),
        None => Ok(()),
    }
}

/// The first number of a flat observation that lies outside its space.
fn outside(space: &Space, shown: &[f32]) -> Option<usize> {
    let one = |i: usize, x: f32| match space {
        Space::Box { low, high, .. } => low[i] <= x && x <= high[i],
        Space::MultiDiscrete(n) => Space::Discrete(n[i]).contains_observation(&[x]),
        _ => space.contains_observation(&[x]),
    };
    if let Space::Dict(parts) = space {
        let mut start = 0;
        return parts.iter().find_map(|(_, part)| {
            let found = outside(part, &shown[start..start + part.len()]).map(|index| start + index);
            start += part.len();
            found
        });
    }
    shown.iter().enumerate().position(|(i, &x)| !one(i, x))
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
        Space::Box { .. } | Space::Dict(_) => {
            (OwnedAction::Continuous(vec![0.0; done.len() + 1]), OwnedAction::Discrete(0))
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
