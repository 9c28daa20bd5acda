//! Environment steps a second with random actions: `cargo bench -p fornax-rl --bench env`.
//!
//! Drawing the actions is part of the time. Without `--bench` (as `cargo test` runs it) a moment of each, to see that it works.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use fornax_rl::random::Pcg64;
use fornax_rl::vector::{AcrobotBatch, CartPoleBatch, MountainCarBatch, PendulumBatch};
use fornax_rl::{Action, Actions, Env, EnvError, Space, VecEnv, make, make_vec};

/// Environments of a batch.
const N: usize = 4_096;

fn main() -> Result<(), EnvError> {
    let time = if std::env::args().any(|arg| arg == "--bench") { 1.5 } else { 0.01 };
    let time = Duration::from_secs_f64(time);
    println!("{:<26} {:>22} {:>14}", "environment", "form", "steps/s");
    type Pair = (&'static str, Box<dyn VecEnv>, Box<dyn VecEnv>);
    let batches: [Pair; 4] = [
        ("CartPole-v1", Box::new(CartPoleBatch::new(N)?), Box::new(CartPoleBatch::new(N)?.parallel())),
        (
            "MountainCar-v0",
            Box::new(MountainCarBatch::new(N)?),
            Box::new(MountainCarBatch::new(N)?.parallel()),
        ),
        ("Pendulum-v1", Box::new(PendulumBatch::new(N)?), Box::new(PendulumBatch::new(N)?.parallel())),
        ("Acrobot-v1", Box::new(AcrobotBatch::new(N)?), Box::new(AcrobotBatch::new(N)?.parallel())),
    ];
    for (name, mut one, mut all) in batches {
        report(name, "single", single(&mut *make(name)?, time)?);
        report(name, "Pool of 64", vector(&mut *make_vec(name, 64)?, time)?);
        report(name, "Batch, 1 thread", vector(&mut *one, time)?);
        report(name, "Batch, all threads", vector(&mut *all, time)?);
    }
    for name in ["FrozenLake-v1", "Taxi-v3", "Blackjack-v1", "Lander-v0", "Catch-v0"] {
        report(name, "single", single(&mut *make(name)?, time)?);
    }
    Ok(())
}

fn report(name: &str, form: &str, rate: f64) {
    println!("{name:<26} {form:>22} {:>12.3} M", rate / 1e6);
}

/// The best of five stretches, in steps a second.
fn best(time: Duration, mut step: impl FnMut() -> Result<usize, EnvError>) -> Result<f64, EnvError> {
    let mut best = 0.0_f64;
    for _ in 0..5 {
        let (start, mut steps) = (Instant::now(), 0);
        while start.elapsed() < time / 5 {
            steps += step()?;
        }
        best = best.max(steps as f64 / start.elapsed().as_secs_f64());
    }
    Ok(best)
}

fn single(env: &mut dyn Env, time: Duration) -> Result<f64, EnvError> {
    let mut rng = Pcg64::new(0);
    let space = env.action_space();
    let mut observation = vec![0.0; env.observation_space().len()];
    env.reset_into(Some(0), &mut observation)?;
    best(time, || {
        for _ in 0..1_000 {
            let outcome = match &space {
                Space::Discrete(n) => {
                    env.step_into(Action::Discrete(rng.below(*n as u64) as usize), &mut observation)?
                }
                _ => env.step_into(Action::Continuous(&[rng.uniform(-2.0, 2.0) as f32]), &mut observation)?,
            };
            if outcome.done() {
                env.reset_into(None, &mut observation)?;
            }
        }
        Ok(1_000)
    })
}

fn vector(envs: &mut dyn VecEnv, time: Duration) -> Result<f64, EnvError> {
    let n = envs.num_envs();
    let mut step = envs.buffer();
    envs.reset(0, &mut step)?;
    let space = envs.action_space();
    let (mut choices, mut numbers) = (vec![0_usize; n], vec![0.0_f32; n]);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    best(time, || {
        match &space {
            Space::Discrete(count) => {
                draw(&mut state, &mut choices, |bits| (bits as usize * count) >> 16);
                envs.step(Actions::Discrete(&choices), &mut step)?;
            }
            _ => {
                draw(&mut state, &mut numbers, |bits| f32::from(bits) * (4.0 / 65_536.0) - 2.0);
                envs.step(Actions::Continuous(&numbers), &mut step)?;
            }
        }
        Ok(n)
    })
}

/// Marsaglia's xorshift, 16 bits an action.
fn draw<T>(state: &mut u64, into: &mut [T], from: impl Fn(u16) -> T) {
    for four in into.chunks_mut(4) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        for (i, value) in four.iter_mut().enumerate() {
            *value = from((*state >> (16 * i)) as u16);
        }
    }
}
