//! What the example can be told.

use fornax_rl::tabular::double_q::DoubleQ;
use fornax_rl::tabular::expected_sarsa::ExpectedSarsa;
use fornax_rl::tabular::monte_carlo::MonteCarlo;
use fornax_rl::tabular::q_learning::QLearning;
use fornax_rl::tabular::sarsa::Sarsa;
use fornax_rl::tabular::{Learner, Learning};
use serde::Serialize;

const ENVS: [&str; 5] = fornax_rl::env::TABLES;
const AGENTS: [&str; 8] = [
    "policy-iteration",
    "value-iteration",
    "monte-carlo",
    "sarsa",
    "sarsa-4",
    "expected-sarsa",
    "q-learning",
    "double-q",
];

/// Everything that shapes the result, besides the seed.
#[derive(clap::Args, Serialize)]
pub(crate) struct Settings {
    /// The world
    #[arg(long, default_value = "FrozenLake-v1", value_parser = ENVS)]
    pub(crate) env: String,
    /// The method
    #[arg(long, default_value = "q-learning", value_parser = AGENTS)]
    pub(crate) agent: String,
    /// Episodes to learn from; 20,000, for the taxi 40,000, for the large lake 60,000
    #[arg(long)]
    pub(crate) episodes: Option<usize>,
    /// Discount
    #[arg(long, default_value_t = 0.99)]
    pub(crate) gamma: f64,
    /// Step size of the first update of a pair
    #[arg(long, default_value_t = 1.0)]
    pub(crate) alpha: f64,
    /// The step falls with a pair's visits n as n^-power
    #[arg(long, default_value_t = 0.6)]
    pub(crate) power: f64,
    /// Exploration at the end; it begins with 1
    #[arg(long, default_value_t = 0.1)]
    pub(crate) epsilon: f64,
}

/// The method called `name`; none for those that need the world's laws.
pub(crate) fn learner(
    name: &str,
    (states, actions): (usize, usize),
    settings: &Learning,
) -> Option<Box<dyn Learner>> {
    Some(match name {
        "monte-carlo" => Box::new(MonteCarlo::new(states, actions, settings)),
        "sarsa" => Box::new(Sarsa::new(states, actions, settings)),
        "sarsa-4" => Box::new(Sarsa::new(states, actions, settings).with_n_steps(4)),
        "expected-sarsa" => Box::new(ExpectedSarsa::new(states, actions, settings)),
        "q-learning" => Box::new(QLearning::new(states, actions, settings)),
        "double-q" => Box::new(DoubleQ::new(states, actions, settings)),
        _ => return None,
    })
}
