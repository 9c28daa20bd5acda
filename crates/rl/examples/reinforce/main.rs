//! Trains REINFORCE with a baseline, evaluates it without exploration, and films it.

#[path = "../shared/mod.rs"]
mod shared;

use std::process::ExitCode;

use fornax_rl::agent::Agent;
use fornax_rl::env::make_vec;
use fornax_rl::reinforce::{Reinforce, ReinforceConfig};
use shared::{Args, Outcome, PARTS, Session};

/// Settings and the documented mean return.
fn tuned(env: &str) -> (ReinforceConfig, Option<f64>) {
    match env {
        "CartPole-v1" => (ReinforceConfig::default(), Some(400.0)),
        _ => (ReinforceConfig::default(), None),
    }
}

fn main() -> ExitCode {
    shared::start(train)
}

/// The oldest policy gradient on CartPole-v1 or another environment.
fn train(args: Args) -> Outcome<()> {
    let env = args.settings.env.as_deref().unwrap_or("CartPole-v1");
    let (mut config, target) = tuned(env);
    config.total_steps = args.settings.steps(config.total_steps, args.run.quick);
    let device = args.run.device.open()?;
    let mut agent = Reinforce::new(config.clone(), make_vec(env, 1)?, args.run.seed, &device)?;
    let mut session = Session::open(&mut agent, env, &args, &config)?;

    for part in session.run.epochs(PARTS as usize) {
        while agent.steps() * PARTS < config.total_steps * (part as u64 + 1) {
            let report = agent.advance()?; // eight whole episodes, one gradient step
            session.round(&mut agent, &report)?;
        }
        session.part(&mut agent)?;
    }
    session.finish(&mut agent, target.filter(|_| !args.run.quick && args.settings.total_steps.is_none()))
}
