//! What the examples of the deep agents have in common: flags, figures, checkpoints, the last evaluation and the pictures.

mod flags;
mod pictures;

use std::process::ExitCode;
use std::time::Instant;

use fornax_nn_core::ConfigError;
use fornax_nn_core::train::checkpoint::Snapshot;
use fornax_nn_core::train::{Error, Run, Target, cli};
use fornax_rl::agent::{Agent, Parts, Report, within_pool};
use fornax_rl::env::make;
use fornax_rl::evaluate::evaluate_policy;
use serde::Serialize;
use serde_json::json;

pub(crate) use flags::Args;

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The example's `main`.
pub(crate) fn start(train: fn(Args) -> Outcome<()>) -> ExitCode {
    cli::main(|args| within_pool(|| train(args)).map_err(|error| -> Box<dyn std::error::Error> { error }))
}

/// The progress bar and the checkpoints go by parts of the run.
pub(crate) const PARTS: u64 = 20;
/// Where the episodes of the last evaluation begin: not a seed that was trained with.
const EVALUATION_SEED: u64 = 1 << 32;

/// A run of one agent: its directory, and when it began.
pub(crate) struct Session {
    pub(crate) run: Run,
    env: String,
    episodes: usize,
    began: Instant,
    first_step: u64,
    /// The best agent so far, if it is to be kept, and what it earned.
    best: Option<(f64, Vec<u8>)>,
    keep_best: bool,
}

impl Session {
    /// Opens the run directory and takes the agent to where a resumed run was.
    pub(crate) fn open(
        agent: &mut dyn Agent,
        env: &str,
        args: &Args,
        config: &impl Serialize,
    ) -> Outcome<Self> {
        let name = agent.name();
        let total_steps = agent.total_steps();
        let config =
            json!({"env": env, "steps": total_steps, "agent": config, "episodes": args.settings.episodes});
        let mut run = Run::open(name, &args.run, &config)?.log_every_steps(u64::MAX);
        let mut best = None;
        if let Some(saved) = run.resume() {
            agent.load(&Parts::from_bytes(saved.bytes("agent")?)?)?;
            if let Some(score) = saved.json("best-score")? {
                best = Some((score, saved.bytes("best")?.to_vec()));
            }
        }
        let episodes = if args.run.quick { args.settings.episodes.min(5) } else { args.settings.episodes };
        let (began, first_step, keep_best) = (Instant::now(), agent.steps(), args.settings.keep_best);
        Ok(Self { run, env: env.to_owned(), episodes, began, first_step, best, keep_best })
    }

    /// Records what a round brought, and saves the agent if asked to stop.
    pub(crate) fn round(&mut self, agent: &mut dyn Agent, report: &Report) -> Outcome<()> {
        let score = if report.mean_return.is_nan() { 0.0 } else { report.mean_return };
        self.run.step([("mean_return", score)])?;
        for episode in &report.episodes {
            let figures = [("step", episode.step as f64), ("return", episode.total_reward)];
            self.run.log("episode", figures)?;
        }
        if !report.episodes.is_empty() {
            for (name, value) in &report.figures {
                self.run.log("train", [(*name, *value)])?;
            }
        }
        Ok(self.run.checkpoint_if_due(|snapshot| put(snapshot, agent, &self.best))?)
    }

    /// Ends a part of the run: an evaluation where the best agent is to be kept, and a checkpoint.
    pub(crate) fn part(&mut self, agent: &mut dyn Agent) -> Outcome<()> {
        if self.keep_best {
            // Other episodes than those of the last evaluation, which must not choose.
            let score =
                evaluate_policy(agent, make(&self.env)?.as_mut(), 10, EVALUATION_SEED / 2)?.mean_return();
            self.run.log("validation", [("mean_return", score)])?;
            if self.best.as_ref().is_none_or(|(best, _)| score >= *best) {
                self.best = Some((score, agent.save()?.to_bytes()));
            }
        }
        Ok(self.run.finish_epoch(|snapshot| put(snapshot, agent, &self.best))?)
    }

    /// Evaluates, draws, and writes the summary. `target` is the mean return that is documented.
    pub(crate) fn finish(mut self, agent: &mut dyn Agent, target: Option<f64>) -> Outcome<()> {
        let seconds = self.began.elapsed().as_secs_f64();
        let speed = (agent.steps() - self.first_step) as f64 / seconds;
        let steps = agent.steps();
        if let Some((_, best)) = &self.best {
            agent.load(&Parts::from_bytes(best)?)?;
        }
        let evaluation = evaluate_policy(agent, make(&self.env)?.as_mut(), self.episodes, EVALUATION_SEED)?;
        let (mean, std) = (evaluation.mean_return(), evaluation.std_return());
        let returns = self.draw_returns(mean)?;
        let last = &returns[returns.len().saturating_sub(100)..];
        let training = (!last.is_empty()).then(|| last.iter().sum::<f64>() / last.len() as f64);
        let moving = self.draw_policy(agent)?;
        if let Some(target) = target {
            self.run.check("mean_return", mean, Target::at_least(target));
        }
        let picture = self.run.path(if moving { "policy.gif" } else { "returns.png" });
        let sentence = format!(
            "{} earns {mean:.1} ± {std:.1} an episode in {} after {} steps, {speed:.0} steps/s: {}",
            agent.name().to_uppercase(),
            self.env,
            steps,
            picture.display()
        );
        let figures = json!({
            "env": self.env, "mean_return": mean, "std_return": std, "episodes": self.episodes, "training_return": training,
            "env_steps": steps, "env_steps_per_second": speed,
        });
        Ok(self.run.finish(agent.num_params(), figures, sentence)?)
    }
}

fn put(snapshot: Snapshot, agent: &mut dyn Agent, best: &Option<(f64, Vec<u8>)>) -> Result<Snapshot, Error> {
    let parts = agent.save().map_err(|error| ConfigError::new("agent", error.to_string()))?;
    let snapshot =
        snapshot.bytes("agent", parts.to_bytes())?.json("best-score", &best.as_ref().map(|b| b.0))?;
    match best {
        Some((_, agent)) => snapshot.bytes("best", agent.clone()),
        None => Ok(snapshot),
    }
}
