//! Our side of `cargo xtask bench rl`; `xtask/reference/bench.py` is Stable-Baselines3's and Gymnasium's.
//!
//! The only argument is the number of timed repetitions. The whole training run is timed once a turn: it takes seconds.

use std::error::Error;
use std::time::Instant;

use burn::tensor::Device;
use fornax_nn_core::DeviceChoice;
use fornax_nn_core::check::bench::Bench;
use fornax_rl::agent::{Agent, within_pool};
use fornax_rl::dqn::{Dqn, DqnConfig};
use fornax_rl::ppo::{Ppo, PpoConfig};
use fornax_rl::random::Pcg64;
use fornax_rl::{Actions, make_batch, make_vec};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let repetitions = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(10);
    println!("{}", within_pool(|| measure(repetitions)).map_err(|error| -> Box<dyn Error> { error })?);
    Ok(())
}

fn measure(repetitions: usize) -> Outcome<String> {
    let device = DeviceChoice::Flex.open()?;
    let mut bench = Bench::new(repetitions);
    steps(&mut bench, repetitions)?;
    dqn(&mut bench, repetitions, &device)?;
    ppo(&mut bench, &device)?;
    Ok(bench.to_json()?)
}

/// Samples in milliseconds of a call that may fail; the first two are not counted.
fn time(repetitions: usize, mut call: impl FnMut() -> Outcome<()>) -> Outcome<Vec<f64>> {
    let mut samples = Vec::new();
    for i in 0..repetitions + 2 {
        let start = Instant::now();
        call()?;
        if i > 1 {
            samples.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(samples)
}

/// 102,400 steps of CartPole with random actions, resets and drawing included.
fn steps(bench: &mut Bench, repetitions: usize) -> Outcome<()> {
    const N: usize = 4_096;
    let mut envs = make_batch("CartPole-v1", N)?;
    let mut step = envs.buffer();
    envs.reset(0, &mut step)?;
    let mut rng = Pcg64::new(0);
    let mut actions = vec![0_usize; N];
    let samples = time(repetitions, || {
        for _ in 0..102_400 / N {
            for some in actions.chunks_mut(64) {
                let bits = rng.next_u64();
                some.iter_mut().enumerate().for_each(|(i, action)| *action = (bits >> i & 1) as usize);
            }
            envs.step(Actions::Discrete(&actions), &mut step)?;
        }
        Ok(())
    })?;
    bench.add("CartPole-v1, 102,400 random steps", samples);
    Ok(())
}

/// DQN with the RL Zoo's settings once it learns: 1,024 environment steps and 512 gradient steps of 64 samples.
fn dqn(bench: &mut Bench, repetitions: usize, device: &Device) -> Outcome<()> {
    let mut agent = Dqn::new(DqnConfig::zoo_cart_pole(), make_vec("CartPole-v1", 1)?, 0, device)?;
    while agent.steps() < 2_048 {
        agent.advance()?;
    }
    let samples = time(repetitions, || {
        for _ in 0..4 {
            agent.advance()?;
        }
        Ok(())
    })?;
    bench.add("DQN CartPole-v1, 1,024 steps", samples);
    Ok(())
}

/// PPO with the RL Zoo's settings from the first step to the last.
fn ppo(bench: &mut Bench, device: &Device) -> Outcome<()> {
    let start = Instant::now();
    let mut agent = Ppo::new(PpoConfig::cart_pole(), make_vec("CartPole-v1", 8)?, 0, device)?;
    agent.learn(&mut ())?;
    bench.add("PPO CartPole-v1, 100,000 steps", vec![start.elapsed().as_secs_f64() * 1e3]);
    Ok(())
}
