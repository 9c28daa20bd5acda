//! Trains PPO with the RL Zoo's settings, evaluates it without exploration, and films it.

#[path = "../shared/mod.rs"]
mod shared;

use std::process::ExitCode;

use fornax_rl::agent::Agent;
use fornax_rl::env::make_vec;
use fornax_rl::ppo::{Ppo, PpoConfig};
use shared::{Args, Outcome, PARTS, Session};

/// Settings, environments and the documented mean return.
fn tuned(env: &str) -> (PpoConfig, usize, Option<f64>) {
    match env {
        "CartPole-v1" => (PpoConfig::cart_pole(), 8, Some(495.0)),
        "Acrobot-v1" => (PpoConfig::acrobot(), 16, Some(-85.0)),
        "MountainCar-v0" => (PpoConfig::mountain_car(), 16, Some(-115.0)),
        "Pendulum-v1" => (PpoConfig::pendulum(), 4, Some(-200.0)),
        "Catch-v0" | "CatchDict-v0" => (PpoConfig::catch(), 16, None),
        "Lander-v0" => (PpoConfig::lander(), 16, None),
        _ => (PpoConfig { total_steps: 200_000, ..PpoConfig::default() }, 8, None),
    }
}

fn main() -> ExitCode {
    shared::start(train)
}

/// Proximal policy optimisation on CartPole-v1 or another environment.
fn train(args: Args) -> Outcome<()> {
    let env = args.settings.env.as_deref().unwrap_or("CartPole-v1");
    let (mut config, num_envs, target) = tuned(env);
    config.total_steps = args.settings.steps(config.total_steps, args.run.quick);
    let device = args.run.device.open()?;
    let mut agent = Ppo::new(config.clone(), make_vec(env, num_envs)?, args.run.seed, &device)?;
    let mut session = Session::open(&mut agent, env, &args, &config)?;

    for part in session.run.epochs(PARTS as usize) {
        while agent.steps() * PARTS < config.total_steps * (part as u64 + 1) {
            let report = agent.advance()?; // a rollout, and the passes over it
            session.round(&mut agent, &report)?;
        }
        session.part(&mut agent)?;
    }
    session.finish(&mut agent, target.filter(|_| !args.run.quick && args.settings.total_steps.is_none()))
}
