//! What all agents can be told.

use fornax_nn_core::train::RunArgs;
use serde::Serialize;

#[derive(clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// What all agents can be told.
#[derive(clap::Args, Serialize)]
pub(crate) struct Settings {
    /// The environment, such as CartPole-v1; an unknown one lists all
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Environment steps of the run, by default the tuned settings'
    #[arg(long, value_name = "N")]
    pub(crate) total_steps: Option<u64>,
    /// Episodes of the last evaluation, without exploration
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) episodes: usize,
    /// Evaluate twenty times along the way, 10 episodes each, and end with the agent that was best
    #[arg(long)]
    pub(crate) keep_best: bool,
}

impl Settings {
    /// Steps of the run: asked for, or `tuned`; few in a smoke run.
    pub(crate) fn steps(&self, tuned: u64, quick: bool) -> u64 {
        let steps = self.total_steps.unwrap_or(tuned);
        // Agents tuned for few steps take a costly update in each.
        let few = if tuned > 20_000 { 2_000 } else { 300 };
        if quick { steps.min(few) } else { steps }
    }
}
