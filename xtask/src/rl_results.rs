//! `docs/results/rl.md`: every agent in every environment of the table, with several seeds, measured by running the examples.
//!
//! A cell is one agent in one environment. Each of its seeds is a run of an example in a directory of its own. What a finished run
//! came to is kept in `docs/results/rl.json`; the page is written from that file, and a run in it is not repeated.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
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
    /// Run the examples in this directory instead of building them
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
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

const OWN: &str = "own settings; what the zoo's give is below";

/// In the order of the page. Cheap ones come first within an environment.
const CELLS: [Cell; 12] = [
    cell("ppo", "CartPole-v1", "100,000", 495.0, 500.0, ""),
    cell("a2c", "CartPole-v1", "500,000", 490.0, 500.0, ""),
    cell("dqn", "CartPole-v1", "50,000", 490.0, 500.0, OWN),
    cell("ppo", "Acrobot-v1", "1,000,000", -85.0, -73.5, ""),
    cell("a2c", "Acrobot-v1", "500,000", -90.0, -83.4, ""),
    cell("dqn", "Acrobot-v1", "100,000", -90.0, -76.6, OWN),
    cell(
        "ppo",
        "MountainCar-v0",
        "1,000,000",
        -115.0,
        -110.4,
        "the learning rate falls from 1e-3 to zero, γ is 0.995; with the zoo's settings the same seeds earned −116.2 ± 3.4",
    ),
    cell("dqn", "MountainCar-v0", "120,000", -115.0, -100.8, OWN),
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
    note: "Ornstein–Uhlenbeck noise of σ = 1 instead of state-dependent exploration; half the batch, half as many gradient steps",
};

/// Worlds with a table, each with a method that knows only what it meets.
const TABLES: [(&str, &str); 4] = [
    ("q-learning", "FrozenLake-v1"),
    ("q-learning", "Taxi-v3"),
    ("q-learning", "CliffWalking-v1"),
    ("expected-sarsa", "Taxi-v3"),
];

/// What is read of a run's `summary.json`.
#[derive(Debug, Deserialize)]
struct Summary {
    mean_return: f64,
    training_return: Option<f64>,
    value: Option<f64>,
    optimal_value: Option<f64>,
    env_steps: u64,
    seconds: f64,
}

/// A finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Run {
    agent: String,
    env: String,
    seed: u64,
    steps: u64,
    mean_return: f64,
    /// Mean return of the last 100 training episodes.
    training_return: Option<f64>,
    /// Of tables: the policy's value and the highest there is.
    value: Option<f64>,
    optimal_value: Option<f64>,
    seconds: Option<f64>,
}

/// Figures of a cell whose runs' own were not kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Overall {
    /// Mean and deviation over the seeds.
    training_return: (f64, f64),
    seconds: f64,
}

/// All that is known: `docs/results/rl.json`.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Record {
    /// By `agent/environment`.
    overall: BTreeMap<String, Overall>,
    runs: Vec<Run>,
}

impl Record {
    fn read(path: &Path) -> Result<Self, String> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            text => text.map_err(|error| format!("{}: {error}", path.display()))?,
        };
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// As JSON with a run a line.
    fn to_json(&self) -> Result<String, serde_json::Error> {
        let runs = self.runs.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        let overall = self.overall.iter().map(|(cell, overall)| {
            Ok(format!("{}: {}", serde_json::to_string(cell)?, serde_json::to_string(overall)?))
        });
        let overall = overall.collect::<Result<Vec<_>, serde_json::Error>>()?;
        Ok(format!(
            "{{\n\"overall\": {{\n{}\n}},\n\"runs\": [\n{}\n]\n}}\n",
            overall.join(",\n"),
            runs.join(",\n")
        ))
    }

    fn write(&self, path: &Path) -> Result<(), String> {
        let text = self.to_json().map_err(|error| error.to_string())?;
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The runs of a cell by seed.
    fn of<'a>(&'a self, agent: &'a str, env: &'a str) -> impl Iterator<Item = &'a Run> {
        self.runs.iter().filter(move |run| (run.agent.as_str(), run.env.as_str()) == (agent, env))
    }

    /// Takes the place of an earlier run of the seed. Figures of the whole cell no longer are its.
    fn insert(&mut self, run: Run) {
        self.forget(&run.agent, &run.env, &[run.seed]);
        self.runs.push(run);
        self.runs.sort_by(|a, b| (&a.agent, &a.env, a.seed).cmp(&(&b.agent, &b.env, b.seed)));
    }

    fn forget(&mut self, agent: &str, env: &str, seeds: &[u64]) {
        self.runs.retain(|run| (&*run.agent, &*run.env) != (agent, env) || !seeds.contains(&run.seed));
        self.overall.remove(&format!("{agent}/{env}"));
    }
}

pub fn run(root: &Path, args: &Args) -> Result<bool, String> {
    let path = root.join("docs/results/rl.json");
    let mut record = Record::read(&path)?;
    if !args.page {
        let runs = shell::target_dir(root).join("xtask/rl-results");
        let cells = chosen(&args.only)?;
        if args.fresh {
            // Now, not run by run: old and new settings must not stand beside each other if it is interrupted.
            cells.iter().for_each(|(agent, env)| record.forget(agent, env, &args.seeds));
        }
        let queue = queue(&cells, &args.seeds, &record);
        let programs = match &args.programs {
            Some(there) => std::path::absolute(there).map_err(|error| error.to_string())?,
            None => build(root, &runs)?,
        };
        let shared = Mutex::new(&mut record);
        let keep = |run| {
            let mut record = shared.lock().map_err(|_| "a worker panicked".to_owned())?;
            record.insert(run);
            record.write(&path)
        };
        work(root, &runs, &programs, queue, args.jobs, &keep)?;
    }
    let path = root.join("docs/results/rl.md");
    fs::write(&path, page(&args.seeds, &record)).map_err(|error| format!("{}: {error}", path.display()))?;
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

/// The release examples, copied aside: a build made meanwhile must not change the programs of a series.
fn build(root: &Path, runs: &Path) -> Result<PathBuf, String> {
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
        done.map_err(|error| format!("{}: {error}", path.display()))
    });
    copied.collect::<Result<(), String>>()?;
    Ok(aside)
}

/// The example's name and what it has to be told besides the environment.
fn command<'a>(agent: &'a str, env: &'a str) -> (&'a str, Vec<&'a str>) {
    if TABLES.contains(&(agent, env)) {
        ("tabular", vec!["--env", env, "--agent", agent])
    } else {
        (agent, vec!["--env", env])
    }
}

/// The work to do: seeds of cells that are not in the record.
fn queue(cells: &[(String, String)], seeds: &[u64], record: &Record) -> Vec<(String, String, u64)> {
    let all = cells.iter().flat_map(|(agent, env)| seeds.iter().map(move |&seed| (agent, env, seed)));
    let missing = all.filter(|(agent, env, seed)| record.of(agent, env).all(|run| run.seed != *seed));
    missing.map(|(agent, env, seed)| (agent.clone(), env.clone(), seed)).collect()
}

fn work(
    root: &Path,
    runs: &Path,
    programs: &Path,
    queue: Vec<(String, String, u64)>,
    jobs: usize,
    keep: &(dyn Fn(Run) -> Result<(), String> + Sync),
) -> Result<(), String> {
    let queue = Mutex::new(queue.into_iter());
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    let worker = || {
        while let Some((agent, env, seed)) = next() {
            let out = runs.join(&agent).join(&env).join(seed.to_string());
            let (example, words) = command(&agent, &env);
            let program = programs.join(example);
            fs::create_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
            let began = Instant::now();
            let mut command = Command::new(&program);
            command.args(&words).args(["--seed", &seed.to_string(), "--force", "--out"]).arg(&out);
            command.current_dir(root).env("RAYON_NUM_THREADS", "1").stdin(Stdio::null());
            let output = command.output().map_err(|error| format!("{}: {error}", program.display()))?;
            let failed =
                || format!("{agent}/{env}, seed {seed}:\n{}", String::from_utf8_lossy(&output.stderr));
            let summary =
                fs::read_to_string(out.join("summary.json")).ok().filter(|_| output.status.success());
            let Summary { mean_return, training_return, value, optimal_value, env_steps, seconds } =
                summary.and_then(|text| serde_json::from_str(&text).ok()).ok_or_else(failed)?;
            let time = report::duration(began.elapsed().as_secs_f64());
            println!("{agent}/{env}, seed {seed}: {mean_return:.1} in {time}");
            let (steps, seconds) = (env_steps, Some(seconds));
            keep(Run {
                agent,
                env,
                seed,
                steps,
                mean_return,
                training_return,
                value,
                optimal_value,
                seconds,
            })?;
        }
        Ok::<(), String>(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|one| one.join().map_err(|_| "a worker panicked".to_owned())?)
    })
}

/// Mean, and deviation over seeds (divided by n − 1); none of nothing.
fn mean_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((mean, if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 }))
}

/// Nothing but a dash of nothing.
fn or_dash<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or("–".to_owned(), show)
}

fn spread((mean, deviation): (f64, f64)) -> String {
    format!("{} ± {deviation:.1}", number(mean))
}

/// With a true minus sign.
fn number(value: f64) -> String {
    format!("{value:.1}").replace('-', "−")
}

const HEAD: &str = "\
# Reinforcement learning: results

Written by `cargo xtask rl-results`, which runs the examples with the seeds 0 to 4 and keeps what they came to in [`rl.json`](rl.json); never by
hand. What is there is not run again.

```sh
cargo xtask rl-results                                # everything; hours on two cores
cargo xtask rl-results --only dqn/CartPole-v1 --fresh # one cell, again
cargo run --release -p fornax-rl --example ppo -- --env Acrobot-v1 --seed 3
```

**Final** is the RL Zoo's protocol: the agent as it is after its last step plays 100 episodes without exploration, in an environment
seeded differently from those it learnt in; here the mean over the seeds ± the deviation between seeds. **Training** is CleanRL's: the mean
return of the last 100 episodes met while learning, exploration included (20,000 steps of Pendulum are 100 episodes: the whole run). **Zoo** is the figure that the
[RL Zoo](https://github.com/DLR-RM/rl-baselines3-zoo/blob/master/benchmark.md) publishes for one run of one unnamed seed. A cell is
*met* when the mean of *final* over all seeds reaches the target; no seed is left out. Settings are the RL Zoo's but where a note says
otherwise. Seconds are a run's, on one thread of a shared machine with other work on it: an order of magnitude.

";

/// Measured once: Fornax with `DqnConfig::zoo_cart_pole` and its like, Stable-Baselines3 2.9 with `xtask/reference/sb3_seeds.py`.
const ZOO: &str = "
## DQN with the zoo's settings

With the RL Zoo's settings (`DqnConfig::zoo_cart_pole()` and its like) the last agent of a run is perfect or poor by chance. The same seeds and 100 episodes each:

| environment | each seed's final | mean | s a run |
|---|---|---|---|
| CartPole-v1 | 500.0, 27.7, 500.0, 500.0, 125.2 | 330.6 | 22 |
| CartPole-v1, Stable-Baselines3 | 18.7, 500.0, 500.0, 192.6, 500.0 | 342.3 | – |
| CartPole-v1, the best of twenty evaluations on the way | 500.0, 500.0, 500.0, 500.0, 240.5 | 448.1 | 54 |
| Acrobot-v1 | −71.9, −74.2, −73.4, −212.0, −94.7 | −105.2 | 711 |
| MountainCar-v0 | −118.4, −133.6, −120.5, −200.0, −100.0 | −134.5 | 72 |

Stable-Baselines3's figures are from `python xtask/reference/sb3_seeds.py CartPole-v1 0 1 2 3 4`. The third row keeps the agent that was best in
one of twenty evaluations of 10 episodes (`--keep-best`), as the zoo's `EvalCallback` does less often.

Our own settings are double DQN with the distribution of three or five rewards' return (C51), a target that follows a tenth of the way after every
eight gradient steps, and a learning rate that falls to zero. They were found with the seeds 10 to 12, but for MountainCar's random actions that are kept
for a while: those were added after seed 4 had ended at −200. What did not help is in the [log](../log.md).
";

fn page(seeds: &[u64], record: &Record) -> String {
    let mut text = HEAD.to_owned();
    text +=
        "| agent | environment | steps | final | target | | zoo | training | each seed's final | s a run |\n";
    text += "|---|---|---|---|---|---|---|---|---|---|\n";
    let mut notes = Vec::new();
    for cell in CELLS.iter().chain([&CONTINUOUS]) {
        let runs: Vec<&Run> =
            record.of(cell.agent, cell.env).filter(|run| seeds.contains(&run.seed)).collect();
        let finals: Vec<f64> = runs.iter().map(|run| run.mean_return).collect();
        let spread_of_finals = mean_and_deviation(&finals);
        let verdict = match (finals.len(), spread_of_finals) {
            (0, _) | (_, None) => "not run".to_owned(),
            (n, _) if n < seeds.len() => format!("{n} of {} runs", seeds.len()),
            (_, Some((mean, _))) if mean >= cell.target => "met".to_owned(),
            _ => "**missed**".to_owned(),
        };
        let each: Vec<String> = finals.iter().map(|&value| number(value)).collect();
        let overall = record.overall.get(&format!("{}/{}", cell.agent, cell.env));
        let training: Option<Vec<f64>> = runs.iter().map(|run| run.training_return).collect();
        let training = overall
            .map(|overall| overall.training_return)
            .or_else(|| training.as_deref().and_then(mean_and_deviation));
        let seconds: Option<Vec<f64>> = runs.iter().map(|run| run.seconds).collect();
        let seconds = overall
            .map(|overall| overall.seconds)
            .or_else(|| seconds.as_deref().and_then(mean_and_deviation).map(|(mean, _)| mean));
        let agent = cell.agent.to_uppercase();
        let note = if cell.note.is_empty() { "" } else { " (note)" };
        if !note.is_empty() {
            notes.push(format!("- {agent}, {}: {}.\n", cell.env, cell.note));
        }
        text += &format!(
            "| {agent}{note} | {} | {} | {} | ≥ {} | {verdict} | {} | {} | {} | {} |\n",
            cell.env,
            cell.steps,
            or_dash(spread_of_finals, spread),
            number(cell.target),
            or_dash(cell.published, number),
            or_dash(training, spread),
            or_dash((!each.is_empty()).then_some(each), |each| each.join(", ")),
            or_dash(seconds, |seconds| format!("{seconds:.0}")),
        );
    }
    text += "\nNotes, where settings or protocol are not the published ones:\n\n";
    text += &notes.concat();
    text += ZOO;
    text += "\n## Tables\n\nThe value of the learnt policy in the first state, by the true model, and the highest there is by policy iteration.\n\n";
    text += "| method | world | value, each seed | optimum | |\n|---|---|---|---|---|\n";
    for (agent, env) in TABLES {
        let runs = record.of(agent, env).filter(|run| seeds.contains(&run.seed));
        let pairs: Vec<(f64, f64)> = runs.filter_map(|run| Some((run.value?, run.optimal_value?))).collect();
        let reached =
            !pairs.is_empty() && pairs.iter().all(|(value, best)| best - value <= 0.01 * best.abs());
        let values: Vec<String> = pairs.iter().map(|(value, _)| format!("{value:.4}")).collect();
        text += &format!(
            "| {agent} | {env} | {} | {} | {} |\n",
            values.join(", ").replace('-', "−"),
            or_dash(pairs.first(), |(_, best)| format!("{best:.4}").replace('-', "−")),
            if pairs.len() < seeds.len() {
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

    fn run(agent: &str, env: &str, seed: u64, mean_return: f64) -> Run {
        let (training_return, seconds) = (Some(1.0), Some(2.0));
        let (agent, env) = (agent.to_owned(), env.to_owned());
        Run {
            agent,
            env,
            seed,
            steps: 10,
            mean_return,
            training_return,
            value: None,
            optimal_value: None,
            seconds,
        }
    }

    fn record(runs: &[(&str, &str, u64, f64)]) -> Record {
        let mut record = Record::default();
        runs.iter().for_each(|&(agent, env, seed, mean)| record.insert(run(agent, env, seed, mean)));
        record
    }

    #[test]
    fn the_deviation_is_the_samples() {
        assert_eq!(mean_and_deviation(&[1.0, 3.0]), Some((2.0, 2.0_f64.sqrt())));
        assert_eq!(mean_and_deviation(&[5.0]), Some((5.0, 0.0)));
        assert_eq!(mean_and_deviation(&[]), None);
    }

    #[test]
    fn a_miss_is_shown_as_one_and_a_run_that_is_not_there_too() {
        let record = record(&[
            ("ppo", "CartPole-v1", 0, 500.0),
            ("ppo", "CartPole-v1", 1, 498.0),
            ("dqn", "CartPole-v1", 0, 500.0),
            ("dqn", "CartPole-v1", 1, 30.0),
            ("dqn", "Acrobot-v1", 0, -70.0),
        ]);
        let page = page(&[0, 1], &record);
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
    fn a_run_takes_the_place_of_an_earlier_one_and_the_rest_stays() {
        let mut record = record(&[("ppo", "CartPole-v1", 1, 498.0), ("ppo", "CartPole-v1", 0, 500.0)]);
        record.insert(run("ppo", "CartPole-v1", 1, 7.0));
        let kept: Vec<_> = record.of("ppo", "CartPole-v1").map(|run| (run.seed, run.mean_return)).collect();
        assert_eq!(kept, [(0, 500.0), (1, 7.0)]);
    }

    #[test]
    fn figures_of_a_cell_stand_until_one_of_its_runs_is_another() {
        let bare =
            |seed| Run { training_return: None, seconds: None, ..run("a2c", "CartPole-v1", seed, 500.0) };
        let mut record = Record { runs: vec![bare(0), bare(1)], ..Record::default() };
        let overall = Overall { training_return: (400.0, 5.0), seconds: 9.0 };
        record.overall.insert("a2c/CartPole-v1".to_owned(), overall);
        let row = "| A2C | CartPole-v1 | 500,000 | 500.0 ± 0.0 | ≥ 490.0 | met | 500.0 |";
        assert!(page(&[0, 1], &record).contains(&format!("{row} 400.0 ± 5.0 | 500.0, 500.0 | 9 |")));
        record.insert(run("a2c", "CartPole-v1", 0, 500.0));
        assert!(page(&[0, 1], &record).contains(&format!("{row} – | 500.0, 500.0 | – |")));
        record.insert(run("a2c", "CartPole-v1", 1, 500.0));
        assert!(page(&[0, 1], &record).contains(&format!("{row} 1.0 ± 0.0 | 500.0, 500.0 | 2 |")));
    }

    #[test]
    fn the_record_is_read_as_it_was_written() {
        let mut record = record(&[("ppo", "CartPole-v1", 0, 499.5), ("sac", "Pendulum-v1", 3, -150.25)]);
        record.overall.insert("a/b".to_owned(), Overall { training_return: (1.0, 2.0), seconds: 3.0 });
        let text = record.to_json().unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        assert_eq!(text.lines().filter(|line| line.contains("\"seed\"")).count(), 2, "a run a line");
    }

    #[test]
    fn what_is_in_the_record_is_run_again_only_once_forgotten() {
        let mut record = record(&[
            ("ppo", "CartPole-v1", 0, 500.0),
            ("ppo", "CartPole-v1", 2, 500.0),
            ("sac", "b", 0, 1.0),
        ]);
        let cells = [("ppo".to_owned(), "CartPole-v1".to_owned())];
        let seeds =
            |record: &Record| queue(&cells, &[0, 1], record).iter().map(|job| job.2).collect::<Vec<_>>();
        assert_eq!(seeds(&record), [1]);
        record.forget("ppo", "CartPole-v1", &[0, 1]);
        assert_eq!(seeds(&record), [0, 1]);
        assert_eq!(record.runs.len(), 2, "of other seeds and cells nothing is forgotten");
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
