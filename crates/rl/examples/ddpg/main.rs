//! Trains DDPG with the RL Zoo's settings, evaluates it without exploration, and films it.

#[path = "../shared/mod.rs"]
mod shared;

use std::process::ExitCode;

use fornax_rl::agent::Agent;
use fornax_rl::ddpg;
use fornax_rl::env::make_vec;
use fornax_rl::td3::{Td3, Td3Config};
use shared::{Args, Outcome, PARTS, Session};

/// Settings and the documented mean return.
fn tuned(env: &str) -> (Td3Config, Option<f64>) {
    match env {
        "Pendulum-v1" => (ddpg::pendulum(), Some(-165.0)),
        _ => (Td3Config { total_steps: 50_000, buffer_size: 50_000, ..ddpg::config() }, None),
    }
}

fn main() -> ExitCode {
    shared::start(train)
}

/// Deep deterministic policy gradient on Pendulum-v1 or another environment.
fn train(args: Args) -> Outcome<()> {
    let env = args.settings.env.as_deref().unwrap_or("Pendulum-v1");
    let (mut config, target) = tuned(env);
    config.total_steps = args.settings.steps(config.total_steps, args.run.quick);
    config.learning_starts = config.learning_starts.min(config.total_steps / 2);
    let device = args.run.device.open()?;
    let mut agent = Td3::new(config.clone(), make_vec(env, 1)?, args.run.seed, &device)?;
    let mut session = Session::open(&mut agent, env, &args, &config)?;

    for part in session.run.epochs(PARTS as usize) {
        while agent.steps() * PARTS < config.total_steps * (part as u64 + 1) {
            let report = agent.advance()?; // a step into the replay, a gradient step out of it
            session.round(&mut agent, &report)?;
        }
        session.part(&mut agent)?;
    }
    session.finish(&mut agent, target.filter(|_| !args.run.quick && args.settings.total_steps.is_none()))
}
