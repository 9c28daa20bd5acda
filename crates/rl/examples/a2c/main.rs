//! Trains A2C with the RL Zoo's settings, evaluates it without exploration, and films it.

#[path = "../shared/mod.rs"]
mod shared;

use std::process::ExitCode;

use fornax_rl::a2c::{A2c, A2cConfig};
use fornax_rl::agent::Agent;
use fornax_rl::env::make_vec;
use shared::{Args, Outcome, PARTS, Session};

/// Settings, environments and the documented mean return.
fn tuned(env: &str) -> (A2cConfig, usize, Option<f64>) {
    match env {
        "CartPole-v1" => (A2cConfig::default(), 8, Some(490.0)),
        "Acrobot-v1" => (A2cConfig::acrobot(), 16, Some(-90.0)),
        _ => (A2cConfig { total_steps: 200_000, ..A2cConfig::default() }, 8, None),
    }
}

fn main() -> ExitCode {
    shared::start(train)
}

/// Advantage actor-critic on CartPole-v1 or another environment.
fn train(args: Args) -> Outcome<()> {
    let env = args.settings.env.as_deref().unwrap_or("CartPole-v1");
    let (mut config, num_envs, target) = tuned(env);
    config.total_steps = args.settings.steps(config.total_steps, args.run.quick);
    let device = args.run.device.open()?;
    let mut agent = A2c::new(config.clone(), make_vec(env, num_envs)?, args.run.seed, &device)?;
    let mut session = Session::open(&mut agent, env, &args, &config)?;

    for part in session.run.epochs(PARTS as usize) {
        while agent.steps() * PARTS < config.total_steps * (part as u64 + 1) {
            let report = agent.advance()?; // five steps of every environment, one gradient step
            session.round(&mut agent, &report)?;
        }
        session.part(&mut agent)?;
    }
    session.finish(&mut agent, target.filter(|_| !args.run.quick && args.settings.total_steps.is_none()))
}
