//! Our models and PyTorch's, timed in turn in one run.
//!
//! A crate's side is `benches/reference.rs`, a program with plain timing (`harness = false`) rather
//! than one under a benchmark harness: both sides must count the same thing, a whole step between two
//! clock readings, and print it in the same form, `{"ms": {case: [samples]}, "peak_kib": n}`.
//! The sides alternate (A B A B …), so that what slows the machine down slows both.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::{reference, report, shell};

const THREADS: &str = "2";
/// Names the folder of files for both sides.
const DATA: &str = "FORNAX_BENCH_DATA";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The crate under crates/, such as cnn; all that have benches/reference.rs without
    name: Option<String>,
    /// Also write the table as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Turns of either side
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// Timed repetitions a turn
    #[arg(long, default_value_t = 10)]
    repetitions: usize,
}

/// What one side prints in one turn.
#[derive(Debug, Default, Deserialize)]
struct Turn {
    ms: BTreeMap<String, Vec<f64>>,
    peak_kib: Option<u64>,
}

/// One side over all turns.
#[derive(Debug, Default)]
struct Side {
    ms: BTreeMap<String, Vec<f64>>,
    peak_kib: Option<u64>,
}

impl Side {
    fn add(&mut self, turn: Turn) {
        for (case, samples) in turn.ms {
            self.ms.entry(case).or_default().extend(samples);
        }
        self.peak_kib = self.peak_kib.max(turn.peak_kib);
    }
}

/// A row of the table. Times are medians in milliseconds, memory is the process's, not the case's.
#[derive(Debug, PartialEq, Serialize)]
struct Row {
    case: String,
    ours_ms: Option<f64>,
    pytorch_ms: Option<f64>,
    /// Ours over PyTorch's: below 1 is faster.
    ratio: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Summary {
    name: String,
    threads: String,
    rows: Vec<Row>,
    ours_peak_mib: Option<f64>,
    pytorch_peak_mib: Option<f64>,
}

pub fn run(root: &Path, args: &Args) -> Result<bool, String> {
    let names = match &args.name {
        Some(name) => vec![name.trim_start_matches("fornax-").to_owned()],
        None => benched(root)?,
    };
    let python = torch(root);
    let mut summaries = Vec::new();
    for name in names {
        if !bench_source(root, &name).exists() {
            return Err(format!("{} does not exist", bench_source(root, &name).display()));
        }
        let program = build(root, &name)?;
        let (mut ours, mut theirs) = (Side::default(), Side::default());
        for round in 1..=args.rounds {
            println!("fornax-{name}: turn {round} of {}", args.rounds);
            let repetitions = args.repetitions.to_string();
            // Files that both sides read; whichever side makes them, the other finds them.
            let data = shell::target_dir(root).join("xtask/bench").join(&name);
            fs::create_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
            let mut command = Command::new(&program);
            command.current_dir(root).arg(&repetitions).env("RAYON_NUM_THREADS", THREADS).env(DATA, &data);
            ours.add(turn(&mut command)?);
            if let Some(python) = &python {
                let mut command = reference::script(root, python, &reference::folder(root).join("bench.py"));
                theirs.add(turn(command.args([&name, &repetitions]).env(DATA, &data))?);
            }
        }
        let summary = summarise(&name, &ours, &theirs);
        print_table(&summary, python.is_some());
        summaries.push(summary);
    }
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&summaries).map_err(|error| error.to_string())?;
        fs::write(path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(true)
}

fn bench_source(root: &Path, name: &str) -> PathBuf {
    root.join("crates").join(name).join("benches/reference.rs")
}

fn benched(root: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(root.join("crates")).map_err(|error| format!("crates: {error}"))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| bench_source(root, name).exists()).collect();
    names.sort();
    Ok(names)
}

/// A Python that can import torch; says so when there is none.
fn torch(root: &Path) -> Option<PathBuf> {
    let python = reference::python(root);
    let usable = python.filter(|python| {
        let output = Command::new(python).args(["-c", "import torch, numpy"]).output();
        output.is_ok_and(|output| output.status.success())
    });
    if usable.is_none() {
        println!("PyTorch is absent: ours alone. `cargo xtask parity` installs it, or set FORNAX_PYTHON.");
    }
    usable
}

/// Builds the bench program and returns its path.
fn build(root: &Path, name: &str) -> Result<PathBuf, String> {
    let package = format!("fornax-{name}");
    let mut cargo = shell::cargo(root);
    cargo.args(["bench", "-p", &package, "--bench", "reference", "--no-run", "--message-format=json"]);
    let built = shell::capture(&mut cargo).map_err(|error| format!("cargo: {error}"))?;
    if !built.success {
        return Err(format!("the bench of {package} does not build"));
    }
    shell::program(&built.output, &bench_source(root, name))
        .ok_or_else(|| format!("cargo built no bench for {package}"))
}

fn turn(command: &mut Command) -> Result<Turn, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let finished = shell::capture(command).map_err(|error| format!("{name}: {error}"))?;
    if !finished.success {
        return Err(format!("{name} failed\n{}", finished.output));
    }
    let json = finished.output.lines().last().unwrap_or_default();
    serde_json::from_str(json).map_err(|error| format!("{name}: {error}: {json}"))
}

fn summarise(name: &str, ours: &Side, theirs: &Side) -> Summary {
    let mut cases: Vec<&String> = ours.ms.keys().chain(theirs.ms.keys()).collect();
    cases.sort();
    cases.dedup();
    let median = |side: &Side, case: &String| side.ms.get(case).and_then(|samples| report::median(samples));
    let rows = cases.into_iter().map(|case| {
        let (ours_ms, pytorch_ms) = (median(ours, case), median(theirs, case));
        let ratio = ours_ms.zip(pytorch_ms).map(|(ours, theirs)| ours / theirs);
        Row { case: case.clone(), ours_ms, pytorch_ms, ratio }
    });
    let mib = |kib: Option<u64>| kib.map(|kib| kib as f64 / 1024.0);
    Summary {
        name: format!("fornax-{name}"),
        threads: THREADS.to_owned(),
        rows: rows.collect(),
        ours_peak_mib: mib(ours.peak_kib),
        pytorch_peak_mib: mib(theirs.peak_kib),
    }
}

fn print_table(summary: &Summary, with_pytorch: bool) {
    let number =
        |value: Option<f64>, digits| value.map_or("–".to_owned(), |value| format!("{value:.digits$}"));
    let row = |name: &str, ours, theirs, ratio, digits| {
        let mut row = vec![name.to_owned(), number(ours, digits)];
        if with_pytorch {
            row.extend([number(theirs, digits), number(ratio, 2)]);
        }
        row
    };
    let mut rows: Vec<Vec<String>> =
        summary.rows.iter().map(|r| row(&r.case, r.ours_ms, r.pytorch_ms, r.ratio, 2)).collect();
    let (ours, theirs) = (summary.ours_peak_mib, summary.pytorch_peak_mib);
    let ratio = ours.zip(theirs).map(|(ours, theirs)| ours / theirs);
    rows.push(row("peak memory of the process, MiB", ours, theirs, ratio, 0));
    let head: &[&str] = if with_pytorch {
        &["median ms", "fornax flex", "PyTorch", "ratio"]
    } else {
        &["median ms", "fornax flex"]
    };
    println!("\n{}, {} threads", summary.name, summary.threads);
    print!("{}", report::table(head, &rows));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(samples: &[f64], peak_kib: u64) -> Side {
        let mut side = Side::default();
        for sample in samples {
            let ms = BTreeMap::from([("train".to_owned(), vec![*sample])]);
            side.add(Turn { ms, peak_kib: Some(peak_kib) });
        }
        side
    }

    #[test]
    fn medians_and_ratios_are_taken_over_all_turns() {
        let summary = summarise("cnn", &side(&[1.0, 9.0, 2.0], 2048), &side(&[4.0, 4.0, 5.0], 4096));
        let expected =
            Row { case: "train".to_owned(), ours_ms: Some(2.0), pytorch_ms: Some(4.0), ratio: Some(0.5) };
        assert_eq!(summary.rows, [expected]);
        assert_eq!((summary.ours_peak_mib, summary.pytorch_peak_mib), (Some(2.0), Some(4.0)));
    }

    #[test]
    fn without_pytorch_ours_stands_alone() {
        let summary = summarise("cnn", &side(&[1.0], 1024), &Side::default());
        assert_eq!((summary.rows[0].pytorch_ms, summary.rows[0].ratio), (None, None));
    }
}
