//! Ten thousand updates leave the memory of the process as it was.

#![cfg(target_os = "linux")]

use burn::tensor::Device;
use fornax_rl::agent::{Agent, within_pool};
use fornax_rl::env::CatchConfig;
use fornax_rl::policy::{ActorCriticConfig, ConvolutionConfig};
use fornax_rl::ppo::{Ppo, PpoConfig};
use fornax_rl::vector::Pool;

use crate::support::{Task, agent, choice, number};

/// Resident memory in kB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Trains for `updates` updates; memory after the last is at most 2 % above that after a fifth of them.
fn soak(name: &str, agent: &mut dyn Agent, updates: u64) {
    let mut first = None;
    loop {
        let done = agent.advance().unwrap().updates;
        if done >= updates / 5 && first.is_none() {
            first = Some(resident());
        }
        if done >= updates {
            break;
        }
    }
    let (first, last) = (first.unwrap(), resident());
    assert!(
        last <= 1.02 * first,
        "{name}: {first} kB after {} updates, {last} kB after {updates}",
        updates / 5
    );
}

#[test]
fn ten_thousand_updates_leave_no_memory_behind() {
    for (kind, actions) in [("ppo", choice()), ("recurrent", choice()), ("dqn", choice()), ("sac", number())]
    {
        within_pool(|| soak(kind, agent(kind, &Task::Both, &actions, 0.9, 1 << 40, 0).as_mut(), 10_000));
    }
}

#[test]
fn neither_do_convolutions_that_autodiff_records() {
    let game = CatchConfig::new().with_rows(5).with_columns(5).with_balls(2);
    let convolution = Some(ConvolutionConfig { units: 16, ..ConvolutionConfig::small() });
    let network = ActorCriticConfig { hidden: vec![], convolution, ..ActorCriticConfig::default() };
    let config =
        PpoConfig { total_steps: 1 << 40, n_steps: 8, batch_size: 16, network, ..PpoConfig::default() };
    let envs = Pool::build(4, |_| game.init()).unwrap();
    let mut ppo = Ppo::new(config, Box::new(envs), 0, &Device::flex()).unwrap();
    within_pool(|| soak("pictures", &mut ppo, 10_000));
}
