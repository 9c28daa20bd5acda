//! Trains DQN with settings for the environment, evaluates it without exploration, and films it.

#[path = "../shared/mod.rs"]
mod shared;

use std::process::ExitCode;

use fornax_rl::agent::Agent;
use fornax_rl::dqn::{Dqn, DqnConfig};
use fornax_rl::env::make_vec;
use shared::{Args, Outcome, PARTS, Session};

/// Settings and the documented mean return.
fn tuned(env: &str) -> (DqnConfig, Option<f64>) {
    match env {
        "CartPole-v1" => (DqnConfig::cart_pole(), Some(490.0)),
        "Acrobot-v1" => (DqnConfig::acrobot(), Some(-90.0)),
        "MountainCar-v0" => (DqnConfig::mountain_car(), Some(-115.0)),
        _ => (DqnConfig { total_steps: 100_000, buffer_size: 100_000, ..DqnConfig::default() }, None),
    }
}

fn main() -> ExitCode {
    shared::start(train)
}

/// Deep Q-learning on CartPole-v1 or another environment.
fn train(args: Args) -> Outcome<()> {
    let env = args.settings.env.as_deref().unwrap_or("CartPole-v1");
    let (mut config, target) = tuned(env);
    config.total_steps = args.settings.steps(config.total_steps, args.run.quick);
    config.learning_starts = config.learning_starts.min(config.total_steps / 2);
    let device = args.run.device.open()?;
    let mut agent = Dqn::new(config.clone(), make_vec(env, 1)?, args.run.seed, &device)?;
    let mut session = Session::open(&mut agent, env, &args, &config)?;

    for part in session.run.epochs(PARTS as usize) {
        while agent.steps() * PARTS < config.total_steps * (part as u64 + 1) {
            let report = agent.advance()?; // some steps into the replay, some gradient steps out of it
            session.round(&mut agent, &report)?;
        }
        session.part(&mut agent)?;
    }
    session.finish(&mut agent, target.filter(|_| !args.run.quick && args.settings.total_steps.is_none()))
}
