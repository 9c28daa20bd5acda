//! Learns worlds that fit in a table, and draws what was learnt: returns, values with the policy's arrows, and the policy at work.

mod pictures;
mod settings;

use std::process::ExitCode;

use clap::Parser;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_rl::env::{Env, make, make_mdp};
use fornax_rl::tabular::policy_iteration::{evaluate_policy, policy_iteration};
use fornax_rl::tabular::value_iteration::value_iteration;
use fornax_rl::tabular::{Course, Episode, Learning, QTable, Solution, evaluate};
use fornax_rl::wrapper::TimeLimit;
use serde_json::json;
use settings::{Settings, learner};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The progress bar and the checkpoints go by parts of the run.
const PARTS: usize = 20;

/// Solve or learn FrozenLake, CliffWalking, Taxi or GridWorld with a table
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

fn main() -> ExitCode {
    cli::main(learn)
}

fn learn(Args { run: args, mut settings }: Args) -> Outcome<()> {
    let world = make_mdp(&settings.env)?;
    let mdp = world.mdp();
    let usual = match settings.env.as_str() {
        "FrozenLake8x8-v1" => 60_000,
        "Taxi-v3" => 40_000,
        _ => 20_000,
    };
    let episodes = settings.episodes.unwrap_or(if args.quick { 500 } else { usual });
    settings.episodes = Some(episodes);
    let mut run = Run::open("tabular", &args, &settings)?;

    let best = policy_iteration(mdp, settings.gamma)?;
    let learning = Learning::new()
        .with_gamma(settings.gamma)
        .with_alpha(settings.alpha)
        .with_power(settings.power)
        .with_epsilon_end(settings.epsilon)
        .with_epsilon_part(0.8);
    let mut history: Vec<Episode> = Vec::new();
    let sizes = (mdp.num_states(), mdp.num_actions());
    let policy =
        match learner(&settings.agent, sizes, &learning) {
            Some(mut agent) => {
                // A clock for worlds without one: the first walks along the cliff are long.
                let mut env = TimeLimit::new(make(&settings.env)?, 1_000)?;
                let mut course = Course::new(episodes, run.seed());
                if let Some(saved) = run.resume() {
                    course = saved.json("course")?;
                    env.load(&saved.json("env")?)?;
                    let tables: Vec<QTable> = saved.json("tables")?;
                    agent.tables().clone_from_slice(&tables);
                }
                for part in run.epochs(PARTS) {
                    while course.played() * PARTS < episodes * (part + 1) {
                        let Some(episode) = course.episode(&mut env, &mut *agent, &learning)? else { break };
                        run.step([("return", episode.total_reward), ("length", episode.length as f64)])?;
                    }
                    let env = env.save();
                    run.finish_epoch(|snapshot| {
                        snapshot.json("course", &course)?.json("env", &env)?.json("tables", &agent.tables())
                    })?;
                }
                let lengths = run.history("train", "length")?.into_iter();
                let returns = run.history("train", "return")?.into_iter();
                history.extend(returns.zip(lengths).map(|((_, total_reward), (_, length))| Episode {
                    total_reward,
                    length: length as usize,
                }));
                agent.q().policy()
            }
            None if settings.agent == "value-iteration" => {
                value_iteration(mdp, settings.gamma, 1e-12, 100_000)?.policy
            }
            None => best.policy.clone(),
        };

    let values = evaluate_policy(mdp, settings.gamma, &policy)?;
    let found = Solution { values, policy, rounds: 0 };
    let (reached, optimum) = (found.expected_return(mdp), best.expected_return(mdp));
    let played =
        evaluate(&mut TimeLimit::new(make(&settings.env)?, 1_000)?, &found.policy, 1_000, 1_000, run.seed())?;
    let mean = played.iter().map(|e| e.total_reward).sum::<f64>() / 1_000.0;
    let variance = played.iter().map(|e| (e.total_reward - mean).powi(2)).sum::<f64>() / 1_000.0;
    run.log("test", [("mean_return", mean), ("value", reached), ("optimal_value", optimum)])?;
    pictures::draw(&run, &world, &found, &history)?;
    if !args.quick && settings.env != "FrozenLake8x8-v1" {
        // On-policy methods learn the value of their exploration too: along the cliff they take the safe way of 17 steps, elsewhere they
        // stop a little short. Two tables share what one would have learnt from.
        let on_policy = settings.agent.contains("sarsa") || settings.agent == "monte-carlo";
        let short = match settings.agent.as_str() {
            _ if on_policy && settings.env == "CliffWalking-v1" => 0.3,
            _ if on_policy || settings.agent == "double-q" => 0.05,
            _ => 0.01,
        };
        run.check("optimality_gap", (optimum - reached) / optimum.abs(), Target::at_most(short));
    }
    let env_steps: usize = history.iter().map(|episode| episode.length).sum();
    let picture = run.path(pictures::main_picture(&world));
    let (agent, env, picture) = (&settings.agent, &settings.env, picture.display());
    let sentence =
        format!("{agent} on {env}: value {reached:.4} of at most {optimum:.4}, return {mean:.2}: {picture}");
    let figures = json!({
        "env": settings.env, "agent": settings.agent, "mean_return": mean, "std_return": variance.sqrt(), "episodes": 1_000,
        "env_steps": env_steps, "env_steps_per_second": env_steps as f64 / run.seconds(), "value": reached,
        "optimal_value": optimum,
    });
    Ok(run.finish(found.values.len() * mdp.num_actions(), figures, sentence)?)
}
