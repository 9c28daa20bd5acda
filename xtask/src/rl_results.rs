//! `docs/results/rl.md`: every agent in every environment of the table, with several seeds, measured by running the examples.
//!
//! A cell is one agent in one environment. Each of its seeds is a run of the release example in a directory of its own; a
//! run that is finished is not repeated. The page is written from whatever runs are there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{report, shell};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Cells such as ppo/CartPole-v1, or all of an agent: ppo
    #[arg(long, value_name = "AGENT[/ENV]")]
    only: Vec<String>,
    /// Seeds of each cell
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1, 2, 3, 4])]
    seeds: Vec<u64>,
    /// Runs at a time, each with one thread
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Run finished ones again
    #[arg(long)]
    fresh: bool,
    /// Write the page from the runs there are, without running anything
    #[arg(long)]
    page: bool,
}

/// One agent in one environment.
struct Cell {
    agent: &'static str,
    env: &'static str,
    steps: &'static str,
    /// The mean over seeds has to reach it.
    target: f64,
    /// The RL Zoo's figure: one run, no seed given.
    published: Option<f64>,
    /// Where the settings are not the published ones.
    note: &'static str,
}

const fn cell(
    agent: &'static str,
    env: &'static str,
    steps: &'static str,
    target: f64,
    published: f64,
    note: &'static str,
) -> Cell {
    Cell { agent, env, steps, target, published: Some(published), note }
}

/// In the order of the page. Cheap ones come first within an environment.
const CELLS: [Cell; 13] = [
    cell("ppo", "CartPole-v1", "100,000", 495.0, 500.0, ""),
    cell("a2c", "CartPole-v1", "500,000", 490.0, 500.0, ""),
    cell("dqn", "CartPole-v1", "50,000", 490.0, 500.0, ""),
    cell(
        "dqn-best",
        "CartPole-v1",
        "50,000",
        490.0,
        500.0,
        "the best of twenty evaluations on the way, of 10 episodes each, instead of the last agent: the zoo's `EvalCallback`, which by \
         default evaluates every 25,000 steps over 5 episodes, more often; the 100 episodes of *final* are others",
    ),
    cell("ppo", "Acrobot-v1", "1,000,000", -85.0, -73.5, ""),
    cell("a2c", "Acrobot-v1", "500,000", -90.0, -83.4, ""),
    cell("dqn", "Acrobot-v1", "100,000", -90.0, -76.6, ""),
    cell("ppo", "MountainCar-v0", "1,000,000", -115.0, -110.4, ""),
    cell("dqn", "MountainCar-v0", "120,000", -115.0, -100.8, ""),
    cell(
        "ppo",
        "Pendulum-v1",
        "100,000",
        -200.0,
        -172.2,
        "no state-dependent exploration; the learning rate falls to zero",
    ),
    cell("td3", "Pendulum-v1", "20,000", -165.0, -151.9, ""),
    cell("ddpg", "Pendulum-v1", "20,000", -165.0, -152.1, ""),
    cell("sac", "Pendulum-v1", "20,000", -165.0, -157.0, ""),
];

/// Not in the RL Zoo's table with these settings.
const CONTINUOUS: Cell = Cell {
    agent: "sac",
    env: "MountainCarContinuous-v0",
    steps: "50,000",
    target: 90.0,
    published: Some(94.7),
    note: "no state-dependent exploration",
};

/// Worlds with a table, each with a method that knows only what it meets.
const TABLES: [(&str, &str); 4] = [
    ("q-learning", "FrozenLake-v1"),
    ("q-learning", "Taxi-v3"),
    ("q-learning", "CliffWalking-v1"),
    ("expected-sarsa", "Taxi-v3"),
];

/// What is read of a run's `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Summary {
    mean_return: f64,
    /// Mean return of the last 100 training episodes.
    training_return: Option<f64>,
    /// Of tables: the policy's value and the highest there is.
    value: Option<f64>,
    optimal_value: Option<f64>,
    seconds: f64,
}

pub fn run(root: &Path, args: &Args) -> Result<bool, String> {
    let runs = shell::target_dir(root).join("xtask/rl-results");
    if !args.page {
        let chosen = chosen(&args.only)?;
        let programs = build(root, &runs)?;
        let queue: Vec<(String, String, u64)> = chosen
            .into_iter()
            .flat_map(|(agent, env)| args.seeds.iter().map(move |&seed| (agent.clone(), env.clone(), seed)))
            .collect();
        work(root, &runs, &programs, queue, args)?;
    }
    let page = page(args.seeds.len(), &|agent, env| {
        let all = args.seeds.iter();
        all.filter_map(|&seed| Some((seed, finished(&directory(&runs, agent, env, seed))?))).collect()
    });
    let path = root.join("docs/results/rl.md");
    fs::write(&path, page).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("wrote docs/results/rl.md");
    Ok(true)
}

fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    CELLS.iter().chain([&CONTINUOUS]).map(|cell| (cell.agent, cell.env)).chain(TABLES)
}

/// The cells that `only` names; all of them when it names none.
fn chosen(only: &[String]) -> Result<Vec<(String, String)>, String> {
    let matches = |name: &str, (agent, env): (&str, &str)| match name.split_once('/') {
        Some((a, e)) => (a, e) == (agent, env),
        None => name == agent,
    };
    if let Some(unknown) = only.iter().find(|name| !all().any(|cell| matches(name, cell))) {
        let known: Vec<String> = all().map(|(agent, env)| format!("{agent}/{env}")).collect();
        return Err(format!("no cell is called {unknown}; there are {}", known.join(", ")));
    }
    let wanted = |cell: &(&str, &str)| only.is_empty() || only.iter().any(|name| matches(name, *cell));
    Ok(all().filter(wanted).map(|(agent, env)| (agent.to_owned(), env.to_owned())).collect())
}

/// The release examples by name, copied aside: a build made meanwhile must not change the programs of a series.
fn build(root: &Path, runs: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    let mut cargo = shell::cargo(root);
    cargo.args(["build", "--release", "-p", "fornax-rl", "--examples", "--message-format=json"]);
    let built = shell::capture(&mut cargo).map_err(|error| format!("cargo: {error}"))?;
    if !built.success {
        return Err("the examples of fornax-rl do not build".to_owned());
    }
    let aside = runs.join("bin");
    fs::create_dir_all(&aside).map_err(|error| format!("{}: {error}", aside.display()))?;
    let copied = shell::programs(&built.output).into_iter().map(|(_, path)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let copy = aside.join(&name);
        // A running program cannot be written to, but another can take its name.
        let fresh = aside.join(format!("{name}.new"));
        let done = fs::copy(&path, &fresh).and_then(|_| fs::rename(&fresh, &copy));
        done.map(|()| (name, copy)).map_err(|error| format!("{}: {error}", path.display()))
    });
    copied.collect()
}

fn directory(runs: &Path, agent: &str, env: &str, seed: u64) -> PathBuf {
    runs.join(agent).join(env).join(seed.to_string())
}

fn finished(directory: &Path) -> Option<Summary> {
    serde_json::from_str(&fs::read_to_string(directory.join("summary.json")).ok()?).ok()
}

/// The example's name and what it has to be told besides the environment.
fn command(agent: &str, env: &str) -> (&'static str, Vec<String>) {
    let named = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    match all().find(|cell| *cell == (agent, env)) {
        Some(cell) if TABLES.contains(&cell) => ("tabular", named(&["--env", env, "--agent", agent])),
        Some((agent, _)) => match agent.strip_suffix("-best") {
            Some(agent) => (agent, named(&["--env", env, "--keep-best"])),
            None => (agent, named(&["--env", env])),
        },
        None => unreachable!("{agent}/{env} comes from the list"),
    }
}

fn work(
    root: &Path,
    runs: &Path,
    programs: &BTreeMap<String, PathBuf>,
    queue: Vec<(String, String, u64)>,
    args: &Args,
) -> Result<(), String> {
    let queue = Mutex::new(queue.into_iter());
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    let worker = || {
        while let Some((agent, env, seed)) = next() {
            let out = directory(runs, &agent, &env, seed);
            if finished(&out).is_some() && !args.fresh {
                continue;
            }
            let (example, words) = command(&agent, &env);
            let program = programs.get(example).ok_or_else(|| format!("cargo built no {example}"))?;
            fs::create_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
            let began = Instant::now();
            let mut command = Command::new(program);
            command.args(&words).args(["--seed", &seed.to_string(), "--force", "--out"]).arg(&out);
            command.current_dir(root).env("RAYON_NUM_THREADS", "1").stdin(Stdio::null());
            let output = command.output().map_err(|error| format!("{}: {error}", program.display()))?;
            let summary = finished(&out).filter(|_| output.status.success()).ok_or_else(|| {
                format!("{agent}/{env}, seed {seed}:\n{}", String::from_utf8_lossy(&output.stderr))
            })?;
            let time = report::duration(began.elapsed().as_secs_f64());
            println!("{agent}/{env}, seed {seed}: {:.1} in {time}", summary.mean_return);
        }
        Ok::<(), String>(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..args.jobs.max(1)).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|one| one.join().map_err(|_| "a worker panicked".to_owned())?)
    })
}

/// Mean, and deviation over seeds (divided by n − 1).
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 })
}

fn spread(values: &[f64]) -> String {
    if values.is_empty() {
        return "–".to_owned();
    }
    let (mean, deviation) = mean_and_deviation(values);
    format!("{} ± {deviation:.1}", number(mean))
}

/// With a true minus sign.
fn number(value: f64) -> String {
    format!("{value:.1}").replace('-', "−")
}

const HEAD: &str = "\
# Reinforcement learning: results

Written by `cargo xtask rl-results`, which runs the release examples with the seeds 0 to 4 and keeps what is finished; never by hand.

```sh
cargo xtask rl-results                                # everything; hours on two cores
cargo xtask rl-results --only dqn/CartPole-v1         # one cell
cargo run --release -p fornax-rl --example ppo -- --env Acrobot-v1 --seed 3
```

**Final** is the RL Zoo's protocol: the agent as it is after its last step plays 100 episodes without exploration, in an environment
seeded differently from those it learnt in; here the mean over the seeds ± the deviation between seeds. **Training** is CleanRL's: the mean
return of the last 100 episodes met while learning, exploration included (20,000 steps of Pendulum are 100 episodes: the whole run). **Zoo** is the figure that the
[RL Zoo](https://github.com/DLR-RM/rl-baselines3-zoo/blob/master/benchmark.md) publishes for one run of one unnamed seed. A cell is
*met* when the mean of *final* over all seeds reaches the target; no seed is left out. Settings are the RL Zoo's but where a note says
otherwise. Seconds are a run's, on one thread of a shared machine with other work on it: an order of magnitude.

";

/// Measured once with `xtask/reference/sb3_seeds.py`, Stable-Baselines3 2.9, one thread.
const SB3: &str = "
## DQN in CartPole, beside Stable-Baselines3

The last agent of a run with the zoo's settings is perfect or poor by chance, in both libraries. Stable-Baselines3 with the same settings and
seeds (`python xtask/reference/sb3_seeds.py CartPole-v1 0 1 2 3 4`, 100 episodes each): 18.7, 500.0, 500.0, 192.6, 500.0, a mean of 342.3.
Of Fornax's twenty evaluations on the way, with 10 episodes each, four runs of five have several of 500; that of seed 4 has none above 240.
";

/// The finished runs of an agent in an environment, with their seeds.
type Runs<'a> = dyn Fn(&str, &str) -> Vec<(u64, Summary)> + 'a;

fn page(seeds: usize, summaries: &Runs) -> String {
    let mut text = HEAD.to_owned();
    text +=
        "| agent | environment | steps | final | target | | zoo | training | each seed's final | s a run |\n";
    text += "|---|---|---|---|---|---|---|---|---|---|\n";
    let mut notes = Vec::new();
    for cell in CELLS.iter().chain([&CONTINUOUS]) {
        let runs = summaries(cell.agent, cell.env);
        let pick = |f: &dyn Fn(&Summary) -> Option<f64>| -> Vec<f64> {
            runs.iter().filter_map(|(_, summary)| f(summary)).collect()
        };
        let finals = pick(&|summary| Some(summary.mean_return));
        let mean = mean_and_deviation(&finals).0;
        let verdict = match finals.len() {
            0 => "not run".to_owned(),
            n if n < seeds => format!("{n} of {seeds} runs"),
            _ if mean >= cell.target => "met".to_owned(),
            _ => "**missed**".to_owned(),
        };
        let each: Vec<String> = finals.iter().map(|&value| number(value)).collect();
        let seconds = mean_and_deviation(&pick(&|summary| Some(summary.seconds))).0;
        let agent = match cell.agent.strip_suffix("-best") {
            Some(agent) => format!("{}, best", agent.to_uppercase()),
            None => cell.agent.to_uppercase(),
        };
        let note = if cell.note.is_empty() { "" } else { " (note)" };
        if !note.is_empty() {
            notes.push(format!("- {agent}, {}: {}.\n", cell.env, cell.note));
        }
        text += &format!(
            "| {agent}{note} | {} | {} | {} | ≥ {} | {verdict} | {} | {} | {} | {} |\n",
            cell.env,
            cell.steps,
            spread(&finals),
            number(cell.target),
            cell.published.map_or("–".to_owned(), number),
            spread(&pick(&|summary| summary.training_return)),
            if each.is_empty() { "–".to_owned() } else { each.join(", ") },
            if seconds.is_nan() { "–".to_owned() } else { format!("{seconds:.0}") },
        );
    }
    text += "\nNotes, where settings or protocol are not the published ones:\n\n";
    text += &notes.concat();
    text += SB3;
    text += "\n## Tables\n\nThe value of the learnt policy in the first state, by the true model, and the highest there is by policy iteration.\n\n";
    text += "| method | world | value, each seed | optimum | |\n|---|---|---|---|---|\n";
    for (agent, env) in TABLES {
        let runs = summaries(agent, env);
        let pairs: Vec<(f64, f64)> =
            runs.iter().filter_map(|(_, s)| Some((s.value?, s.optimal_value?))).collect();
        let reached =
            !pairs.is_empty() && pairs.iter().all(|(value, best)| best - value <= 0.01 * best.abs());
        let values: Vec<String> = pairs.iter().map(|(value, _)| format!("{value:.4}")).collect();
        text += &format!(
            "| {agent} | {env} | {} | {} | {} |\n",
            values.join(", ").replace('-', "−"),
            pairs.first().map_or("–".to_owned(), |(_, best)| format!("{best:.4}").replace('-', "−")),
            if pairs.is_empty() {
                "not run"
            } else if reached {
                "within 1 %"
            } else {
                "**missed**"
            },
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(mean_return: f64) -> Summary {
        Summary { mean_return, training_return: Some(1.0), value: None, optimal_value: None, seconds: 2.0 }
    }

    #[test]
    fn the_deviation_is_the_samples() {
        assert_eq!(mean_and_deviation(&[1.0, 3.0]), (2.0, 2.0_f64.sqrt()));
        assert_eq!(mean_and_deviation(&[5.0]), (5.0, 0.0));
    }

    #[test]
    fn a_miss_is_shown_as_one_and_a_run_that_is_not_there_too() {
        let page = page(2, &|agent, env| match (agent, env) {
            ("ppo", "CartPole-v1") => vec![(0, summary(500.0)), (1, summary(498.0))],
            ("dqn", "CartPole-v1") => vec![(0, summary(500.0)), (1, summary(30.0))],
            ("dqn", "Acrobot-v1") => vec![(0, summary(-70.0))],
            _ => Vec::new(),
        });
        assert!(
            page.contains(
                "| PPO | CartPole-v1 | 100,000 | 499.0 ± 1.4 | ≥ 495.0 | met | 500.0 | 1.0 ± 0.0 |"
            )
        );
        assert!(page.contains("265.0 ± 332.3 | ≥ 490.0 | **missed** |"), "{page}");
        assert!(page.contains("| A2C | CartPole-v1 | 500,000 | – | ≥ 490.0 | not run |"));
        assert!(page.contains("≥ −85.0"));
        assert!(page.contains("≥ −90.0 | 1 of 2 runs |"), "one good run of two meets nothing: {page}");
    }

    #[test]
    fn cells_are_chosen_by_name_and_strangers_are_named() {
        let names = |only: &[&str]| chosen(&only.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&["sac"]).unwrap().len(), 2);
        assert_eq!(names(&["dqn/Acrobot-v1"]).unwrap(), [("dqn".to_owned(), "Acrobot-v1".to_owned())]);
        assert_eq!(names(&[]).unwrap().len(), CELLS.len() + 1 + TABLES.len());
        assert!(names(&["dqn/Pendulum-v1"]).unwrap_err().contains("dqn/MountainCar-v0"));
    }
}
