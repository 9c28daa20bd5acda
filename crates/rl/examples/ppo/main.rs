//! Trains PPO with the RL Zoo's settings, evaluates it without exploration, and films it.

#[path = "../shared/mod.rs"]
mod shared;

use std::process::ExitCode;

use clap::Parser;
use fornax_nn_core::train::cli;
use fornax_rl::agent::Agent;
use fornax_rl::env::make_vec;
use fornax_rl::ppo::{Ppo, PpoConfig};
use shared::{Outcome, PARTS, Session, Settings};

/// Train proximal policy optimisation on CartPole-v1 or another environment
#[derive(Parser)]
#[command(about)]
struct Args {
    #[command(flatten)]
    shared: shared::Args,
    /// Environments side by side, by default the tuned settings'
    #[arg(long, value_name = "N")]
    num_envs: Option<usize>,
}

/// Settings, environments and the documented mean return.
fn tuned(env: &str) -> (PpoConfig, usize, Option<f64>) {
    match env {
        "CartPole-v1" => (PpoConfig::cart_pole(), 8, Some(495.0)),
        "Acrobot-v1" => (PpoConfig::acrobot(), 16, Some(-85.0)),
        "MountainCar-v0" => (PpoConfig::mountain_car(), 16, Some(-115.0)),
        "Pendulum-v1" => (PpoConfig::pendulum(), 4, Some(-200.0)),
        _ => (PpoConfig { total_steps: 200_000, ..PpoConfig::default() }, 8, None),
    }
}

fn main() -> ExitCode {
    cli::main(train)
}

fn train(Args { shared: args, num_envs }: Args) -> Outcome<()> {
    let Settings { env, .. } = &args.settings;
    let env = env.as_deref().unwrap_or("CartPole-v1");
    let (mut config, tuned_envs, target) = tuned(env);
    config.total_steps = args.settings.steps(config.total_steps, args.run.quick);
    let device = args.run.device.open()?;
    let envs = make_vec(env, num_envs.unwrap_or(tuned_envs))?;
    let mut ppo = Ppo::new(config.clone(), envs, args.run.seed, &device)?;
    let mut session = Session::open(&mut ppo, env, &args, &config)?;

    for part in session.run.epochs(PARTS as usize) {
        while ppo.steps() * PARTS < config.total_steps * (part as u64 + 1) {
            let report = ppo.advance()?; // a rollout, and the passes over it
            session.round(&mut ppo, &report)?;
        }
        session.part(&mut ppo)?;
    }
    session.finish(&mut ppo, target.filter(|_| !args.run.quick && args.settings.total_steps.is_none()))
}
