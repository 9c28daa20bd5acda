//! The same seeds and actions as in Gymnasium: `xtask/reference/parity/rl_env.py` made the fixture, `cargo xtask parity rl_env` makes
//! it again. Fifty episodes each; every fifth is seeded, so the draws in between are compared as well.
//!
//! What counts is exact: lengths, ends, and everything the toy-text environments show. Numbers that went through sine and cosine
//! are compared to 1e-6: the last bit of those depends on the system's mathematics library, and so does, hundreds of steps later, more
//! than the last bit. With the glibc that the fixture was made beside, all of its 5,800 observed numbers are equal to the bit.

use fornax_nn_core::check::{Fixture, fill};
use fornax_rl::env::{Blackjack, CliffWalkingConfig, FrozenLakeConfig};
use fornax_rl::wrapper::TimeLimit;
use fornax_rl::{Action, Env, OwnedAction, make};

const EPISODES: usize = 50;

fn fixture() -> Fixture {
    Fixture::parse(include_str!("../fixtures/env.json")).unwrap()
}

type Policy = fn(f64, &[f32]) -> OwnedAction;

fn discrete<const N: usize>(u: f64, _: &[f32]) -> OwnedAction {
    OwnedAction::Discrete((((u + 1.0) / 2.0 * N as f64) as usize).min(N - 1))
}

fn number(value: f32) -> OwnedAction {
    OwnedAction::Continuous(vec![value])
}

fn stick_at_17(_: f64, observation: &[f32]) -> OwnedAction {
    OwnedAction::Discrete(usize::from(observation[0] < 17.0))
}

fn pushed_with(u: f64, velocity: f32) -> OwnedAction {
    OwnedAction::Discrete(match (u > 0.9, velocity >= 0.0) {
        (true, _) => 1,
        (false, true) => 2,
        (false, false) => 0,
    })
}

fn balance(u: f64, o: &[f32]) -> OwnedAction {
    OwnedAction::Discrete(usize::from(f64::from(o[2] + 0.3 * o[3]) + 0.05 * u > 0.0))
}

fn throttle(u: f64, o: &[f32]) -> OwnedAction {
    let size = if u > 0.0 { 1.2 } else { 0.9 };
    number(if o[1] >= 0.0 { size } else { -size })
}

/// What fifty episodes leave, as the script writes it.
#[derive(Default)]
struct Rows {
    lengths: Vec<f64>,
    returns: Vec<f64>,
    ends: Vec<f64>,
    sums: Vec<f64>,
    observations: Vec<f64>,
}

/// Neumaier's sum, as good as Python's `fsum` for these numbers.
fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    sum + lost
}

fn play(
    name: &str,
    env: &mut dyn Env,
    limit: Option<usize>,
    act: &mut dyn FnMut(usize, f64, &[f32]) -> OwnedAction,
) -> Rows {
    let mut rows = Rows::default();
    for episode in 0..EPISODES {
        let seed = episode.is_multiple_of(5).then_some(episode as u64);
        let mut seen = vec![env.reset(seed).unwrap()];
        let (mut rewards, mut end) = (Vec::new(), (false, false));
        while end == (false, false) && Some(rewards.len()) != limit {
            let u = fill::uniform(&format!("{name} {episode}"), rewards.len());
            let action = act(episode, u, &seen[seen.len() - 1]);
            let step = env.step(action.borrow()).unwrap();
            end = (step.terminated, step.truncated);
            rewards.push(step.reward);
            seen.push(step.observation);
        }
        let length = rewards.len();
        rows.lengths.push(length as f64);
        rows.returns.push(sum(rewards.iter().copied()));
        rows.ends.push(f64::from(u8::from(end.0)) + 2.0 * f64::from(u8::from(end.1)));
        rows.sums.push(sum(rewards.iter().enumerate().map(|(t, r)| (t % 7 + 1) as f64 * r)));
        let total = |o: &[f32]| o.iter().map(|&x| f64::from(x)).sum::<f64>();
        rows.sums.push(sum(seen.iter().enumerate().map(|(t, o)| (t % 5 + 1) as f64 * total(o))));
        for t in [0, 1, length / 2, length] {
            rows.observations.extend(seen[t].iter().map(|&x| f64::from(x)));
        }
    }
    rows
}

/// Compares with Gymnasium's: rewards and checksums to `rtol`, observations to `atol`, the rest exactly.
fn compare(name: &str, rows: &Rows, rtol: f64, atol: f64) {
    let expect = |key: &str, values: &[f64], rtol, atol| {
        let entry = fixture().entry(&format!("{name}.{key}")).unwrap().clone();
        assert_eq!(entry.values.len(), values.len(), "{name}.{key}");
        for (i, (found, expected)) in values.iter().zip(&entry.values).enumerate() {
            let bound = atol + rtol * expected.abs();
            assert!(
                (found - expected).abs() <= bound,
                "{name}.{key}[{i}]: {found}, Gymnasium has {expected}"
            );
        }
    };
    expect("lengths", &rows.lengths, 0.0, 0.0);
    expect("ends", &rows.ends, 0.0, 0.0);
    expect("returns", &rows.returns, rtol, 0.0);
    expect("sums", &rows.sums, rtol.max(1e-14), 1e3 * atol);
    expect("observations", &rows.observations, 1e-8, atol);
}

fn agrees(
    name: &str,
    env: &mut dyn Env,
    limit: Option<usize>,
    even: Policy,
    odd: Policy,
    tolerance: (f64, f64),
) {
    let rows =
        play(name, env, limit, &mut |episode, u, o| if episode % 2 == 1 { odd(u, o) } else { even(u, o) });
    compare(name, &rows, tolerance.0, tolerance.1);
}

/// Sine and cosine on the way.
const CLOSE: (f64, f64) = (1e-9, 1e-6);
/// Only additions and tables.
const EXACT: (f64, f64) = (0.0, 0.0);

#[test]
fn cart_pole() {
    agrees("CartPole-v1", &mut make("CartPole-v1").unwrap(), None, discrete::<2>, balance, CLOSE);
}

#[test]
fn mountain_car() {
    let odd = |u: f64, o: &[f32]| pushed_with(u, o[1]);
    agrees("MountainCar-v0", &mut make("MountainCar-v0").unwrap(), None, discrete::<3>, odd, CLOSE);
}

#[test]
fn continuous_mountain_car() {
    let name = "MountainCarContinuous-v0";
    agrees(name, &mut make(name).unwrap(), None, |u, _| number(u as f32 * 1.5), throttle, CLOSE);
}

#[test]
fn acrobot() {
    let odd = |u: f64, o: &[f32]| pushed_with(u, o[4]);
    agrees("Acrobot-v1", &mut make("Acrobot-v1").unwrap(), None, discrete::<3>, odd, CLOSE);
}

#[test]
fn pendulum() {
    let (even, odd): (Policy, Policy) = (|u, _| number(u as f32), |u, _| number(u as f32 * 2.5));
    agrees("Pendulum-v1", &mut make("Pendulum-v1").unwrap(), None, even, odd, CLOSE);
}

#[test]
fn frozen_lakes() {
    for name in ["FrozenLake-v1", "FrozenLake8x8-v1"] {
        agrees(name, &mut make(name).unwrap(), None, discrete::<4>, discrete::<4>, EXACT);
    }
    let dry = FrozenLakeConfig::lake4x4().with_slippery(false).init().unwrap();
    let mut dry = TimeLimit::new(dry, 100).unwrap();
    agrees("FrozenLake-v1 dry", &mut dry, None, discrete::<4>, discrete::<4>, EXACT);
}

#[test]
fn cliffs() {
    for (name, slippery) in [("CliffWalking-v1", false), ("CliffWalking-v1 slippery", true)] {
        let mut cliff = CliffWalkingConfig::new().with_slippery(slippery).init().unwrap();
        agrees(name, &mut cliff, Some(300), discrete::<4>, discrete::<4>, EXACT);
    }
}

#[test]
fn taxi() {
    // Even episodes are random; in odd ones Gymnasium's side took the shortest ride and wrote it down.
    let rides = fixture().entry("Taxi-v3.rides").unwrap().values.clone();
    let mut rides = rides.into_iter();
    let rows = play("Taxi-v3", &mut make("Taxi-v3").unwrap(), None, &mut |episode, u, o| match episode % 2 {
        1 => OwnedAction::Discrete(rides.next().unwrap() as usize),
        _ => discrete::<6>(u, o),
    });
    compare("Taxi-v3", &rows, 0.0, 0.0);
    assert_eq!(rides.next(), None);
}

#[test]
fn blackjack() {
    let mut book = Blackjack::sutton_barto();
    agrees("Blackjack-v1", &mut book, None, discrete::<2>, stick_at_17, EXACT);
    agrees("Blackjack-v1 casino", &mut Blackjack::casino(true), None, stick_at_17, stick_at_17, EXACT);
}

#[test]
fn a_state_and_a_draw_can_be_given() {
    // The draw that an environment would have made itself, handed in: the same trajectory.
    let (mut own, mut given) =
        (FrozenLakeConfig::lake8x8().init().unwrap(), FrozenLakeConfig::lake8x8().init().unwrap());
    own.reset(Some(3)).unwrap();
    let mut rng = fornax_rl::random::Pcg64::new(3);
    rng.unit(); // the reset's
    given.reset_to(0);
    for t in 0..40 {
        let action = (t * t + t / 3) % 4;
        let step = own.step(Action::Discrete(action)).unwrap();
        let outcome = given.step_drawn(action, rng.unit()).unwrap();
        assert_eq!((step.observation[0] as usize, step.terminated), (given.state(), outcome.terminated));
        if step.terminated {
            break;
        }
    }
}
