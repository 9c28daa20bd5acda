//! Trains PPO with a memory where the velocities are hidden, evaluates it without exploration, and films it.

#[path = "../shared/mod.rs"]
mod shared;

use std::process::ExitCode;

use fornax_rl::agent::Agent;
use fornax_rl::env::make_vec;
use fornax_rl::ppo::PpoConfig;
use fornax_rl::recurrent_ppo::{RecurrentPpo, RecurrentPpoConfig};
use shared::{Args, Outcome, PARTS, Session};

/// Settings; no mean return is documented before it was measured with several seeds.
fn tuned(env: &str) -> RecurrentPpoConfig {
    let usual = RecurrentPpoConfig::cart_pole_no_vel();
    match env {
        "CartPoleNoVel-v1" => usual,
        _ => RecurrentPpoConfig { ppo: PpoConfig { total_steps: 200_000, ..usual.ppo }, ..usual },
    }
}

fn main() -> ExitCode {
    shared::start(train)
}

/// Recurrent proximal policy optimisation on CartPole without velocities or another environment.
fn train(args: Args) -> Outcome<()> {
    let env = args.settings.env.as_deref().unwrap_or("CartPoleNoVel-v1");
    let mut config = tuned(env);
    config.ppo.total_steps = args.settings.steps(config.ppo.total_steps, args.run.quick);
    let device = args.run.device.open()?;
    let mut agent = RecurrentPpo::new(config.clone(), make_vec(env, 8)?, args.run.seed, &device)?;
    let mut session = Session::open(&mut agent, env, &args, &config)?;

    for part in session.run.epochs(PARTS as usize) {
        while agent.steps() * PARTS < config.ppo.total_steps * (part as u64 + 1) {
            let report = agent.advance()?; // a rollout, and the passes over it
            session.round(&mut agent, &report)?;
        }
        session.part(&mut agent)?;
    }
    session.finish(&mut agent, None)
}
