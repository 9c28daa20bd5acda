//! Pulls levers with four strategies and draws what exploring costs each of them.

use std::process::ExitCode;

use clap::Parser;
use fornax_nn_core::plot::{Curves, Line, Panel};
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_rl::bandit::epsilon_greedy::EpsilonGreedy;
use fornax_rl::bandit::lin_ucb::LinUcb;
use fornax_rl::bandit::thompson::Thompson;
use fornax_rl::bandit::ucb::{Ucb1, bound};
use fornax_rl::bandit::{Bandit, Contextual, Levers, Player, run};
use serde::Serialize;
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Play Bernoulli, Gaussian or contextual bandits and compare the regret of four strategies
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

/// Everything that shapes the result, besides the seed.
#[derive(clap::Args, Serialize)]
struct Settings {
    /// Which levers
    #[arg(long, default_value = "bernoulli", value_parser = ["bernoulli", "gaussian", "contextual"])]
    env: String,
    /// One strategy instead of all that fit: epsilon-greedy, ucb1, thompson, lin-ucb
    #[arg(long, value_parser = ["epsilon-greedy", "ucb1", "thompson", "lin-ucb"])]
    agent: Option<String>,
    /// Mean pay of each lever
    #[arg(long, value_delimiter = ',', default_values_t = [0.9, 0.7, 0.6, 0.3])]
    means: Vec<f64>,
    /// Exploration of ε-greedy
    #[arg(long, default_value_t = 0.1)]
    epsilon: f64,
    /// Pulls of a run
    #[arg(long, default_value_t = 10_000)]
    pulls: usize,
    /// Runs that the curves are means of
    #[arg(long, default_value_t = 100)]
    runs: u64,
}

fn main() -> ExitCode {
    cli::main(play)
}

impl Settings {
    fn levers(&self) -> Outcome<Box<dyn Bandit>> {
        Ok(match self.env.as_str() {
            "gaussian" => Box::new(Levers::gaussian(self.means.clone(), 1.0)?),
            "contextual" => Box::new(Contextual::new(vec![0.5, -0.5, 0.5, -0.5], 8, 0.2)?),
            _ => Box::new(Levers::bernoulli(self.means.clone())?),
        })
    }

    fn player(&self, name: &str, arms: usize) -> Outcome<Box<dyn Player>> {
        Ok(match (name, self.env.as_str()) {
            ("ucb1", _) => Box::new(Ucb1::new(arms)?),
            ("thompson", "bernoulli") => Box::new(Thompson::bernoulli(arms)?),
            ("thompson", _) => Box::new(Thompson::gaussian(arms, 1.0, 1.0)?),
            ("lin-ucb", "contextual") => Box::new(LinUcb::new(4, 1.0)?),
            ("lin-ucb", _) => return Err("lin-ucb needs something to look at: --env contextual".into()),
            _ => Box::new(EpsilonGreedy::new(arms, self.epsilon)?),
        })
    }

    fn names(&self) -> Vec<&str> {
        match (&self.agent, self.env.as_str()) {
            (Some(name), _) => vec![name],
            (None, "contextual") => vec!["epsilon-greedy", "ucb1", "thompson", "lin-ucb"],
            (None, _) => vec!["epsilon-greedy", "ucb1", "thompson"],
        }
    }
}

fn play(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.pulls, settings.runs) = (settings.pulls.min(2_000), settings.runs.min(5));
    }
    let mut record = Run::open("bandits", &args, &settings)?.checkpoint_every_epochs(25);
    let mut panel = Panel::new(format!("Mean of {} runs", settings.runs)).x_label("pulls").y_label("regret");
    let names = settings.names();
    let every = (settings.pulls / 200).max(1);
    let shown: Vec<usize> =
        (0..settings.pulls).filter(|t| t % every == 0 || t + 1 == settings.pulls).collect();
    // Sums of the regret after those pulls, strategy by strategy.
    let mut sums = vec![vec![0.0; shown.len()]; names.len()];
    if let Some(saved) = record.resume() {
        sums = saved.json("sums")?;
    }
    let runs = settings.runs as usize;
    for part in record.epochs(names.len() * runs) {
        let (strategy, repeat) = (part / runs, part % runs);
        let mut levers = settings.levers()?;
        let mut player = settings.player(names[strategy], levers.arms())?;
        let seed = record.seed().wrapping_mul(10_000).wrapping_add(repeat as u64);
        let curve = run(&mut *levers, &mut *player, settings.pulls, seed);
        sums[strategy].iter_mut().zip(&shown).for_each(|(sum, &t)| *sum += curve[t]);
        record.step([("regret", curve.last().copied().unwrap_or(0.0))])?;
        record.finish_epoch(|snapshot| snapshot.json("sums", &sums))?;
    }
    let mut final_regret = serde_json::Map::new();
    for (name, sums) in names.iter().zip(&sums) {
        let mean = |sum: &f64| sum / settings.runs as f64;
        panel =
            panel.line(Line::new(*name, shown.iter().zip(sums).map(|(&t, sum)| ((t + 1) as f64, mean(sum)))));
        let last = sums.last().map_or(0.0, mean);
        record.log(name, [("regret", last)])?;
        final_regret.insert(format!("regret_{}", name.replace('-', "_")), last.into());
    }
    if settings.env == "bernoulli" {
        let levers = Levers::bernoulli(settings.means.clone())?;
        let slope = levers.lai_robbins();
        let least = (1..=200).map(|i| (settings.pulls * i / 200).max(1) as f64).map(|t| (t, slope * t.ln()));
        panel = panel.line(Line::new("Lai and Robbins, asymptotic", least).dashed());
        let regret = |key: &str| final_regret.get(key).and_then(serde_json::Value::as_f64);
        if let (Some(ucb), false) = (regret("regret_ucb1"), args.quick) {
            record.check("regret_ucb1", ucb, Target::at_most(bound(&settings.means, settings.pulls)));
        }
        if let (Some(thompson), false) = (regret("regret_thompson"), args.quick) {
            record.check(
                "regret_thompson",
                thompson,
                Target::at_most(2.0 * slope * (settings.pulls as f64).ln()),
            );
        }
    }
    let picture = record.path("regret.png");
    Curves::new().panel(panel).panel_size(520.0, 320.0).save(&picture)?;
    let best = final_regret.iter().filter_map(|(name, value)| Some((name, value.as_f64()?)));
    let (name, least) = best.min_by(|a, b| a.1.total_cmp(&b.1)).ok_or("no strategy was played")?;
    let name = name.trim_start_matches("regret_").replace('_', "-");
    let (pulls, shown) = (settings.pulls, picture.display());
    let sentence =
        format!("{name} loses least: {least:.0} in {pulls} pulls, the mean of {}: {shown}", settings.runs);
    let mut figures = json!({ "env": settings.env, "env_steps": pulls, "episodes": settings.runs });
    if let Some(figures) = figures.as_object_mut() {
        figures.extend(final_regret);
    }
    Ok(record.finish(0, figures, sentence)?)
}
