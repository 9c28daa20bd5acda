//! Every check in one command, cheapest first.
//!
//! The expensive part is compiling Burn, so there is one build: `--workspace --all-features`, with
//! flex, ndarray and wgpu compiled in, serves clippy, tests, documentation and examples, and the device is
//! chosen at run time. Only three steps build anything else: `check-default` (each crate alone),
//! `readme` (what the README tells a user to type) and `wgpu-unfused` (asked for by `--no-fusion`).

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::report::{self, Counts};
use crate::shell::{self, Finished};
use crate::{examples, resumed, tidy};

/// The test that says whether there is a wgpu adapter: its name, and what it prints when there is none.
const PROBE: &str = "check::contract::tests::adapters_are_listed_or_the_skip_is_said_wgpu";
const NO_ADAPTER: &str = "skipped: no wgpu adapter";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Go on after a failed step
    #[arg(long)]
    keep_going: bool,
    /// Run only these steps
    #[arg(long, value_name = "STEP", num_args = 1..)]
    only: Vec<String>,
    /// Run the wgpu tests once more in a build without operator fusion (its own target folder)
    #[arg(long)]
    no_fusion: bool,
    /// List the steps
    #[arg(long)]
    list: bool,
}

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&Context) -> Result<Outcome, String>,
    /// Runs only when asked for.
    optional: bool,
}

const STEPS: [Step; 12] = [
    step("fmt", "rustfmt", fmt),
    step("tidy", "invariants of docs/architecture.md", tidy_step),
    step("clippy", "lints are errors", clippy),
    step("test-flex", "every test that names no other device", test_flex),
    step("test-ndarray", "tests ending in ndarray", test_ndarray),
    step("doctest", "samples in the documentation", doctest),
    step("test-wgpu", "tests ending in wgpu, if there is an adapter", test_wgpu),
    Step { optional: true, ..step("wgpu-unfused", "the same without operator fusion", test_wgpu_unfused) },
    step("docs", "rustdoc warnings are errors", docs),
    step("examples", "each with --quick, stopped and resumed too, the main ones with --check", run_examples),
    step("check-default", "each crate alone, with default and with no features", check_default),
    step("readme", "the commands README.md gives", readme),
];

const fn step(name: &'static str, what: &'static str, run: fn(&Context) -> Result<Outcome, String>) -> Step {
    Step { name, what, run, optional: false }
}

struct Context<'a> {
    root: &'a Path,
    log: PathBuf,
    has_nextest: bool,
}

/// How a step went, counted in tests where it has some and in commands where not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Outcome {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Outcome {
    fn of(success: bool) -> Self {
        if success { Self { passed: 1, ..Self::default() } } else { Self { failed: 1, ..Self::default() } }
    }

    /// Counts from the runner; a run that failed without a failed test (it did not build) is one failure,
    /// and so is a run without a single test.
    fn of_tests(success: bool, counts: Option<Counts>) -> Self {
        let Counts { passed, failed } = counts.unwrap_or_default();
        let broken = failed == 0 && (!success || passed == 0);
        Self { passed, failed: failed + usize::from(broken), skipped: 0 }
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

pub fn run(root: &Path, args: &Args) -> Result<bool, String> {
    let steps = select(args)?;
    if args.list {
        for step in &steps {
            println!("{:<14}{}", step.name, step.what);
        }
        return Ok(true);
    }
    let has_nextest = shell::capture(shell::cargo(root).args(["nextest", "--version"]).stderr_null())
        .is_ok_and(|finished| finished.success);
    if !has_nextest {
        println!("cargo-nextest is not installed: using `cargo test`");
    }

    let start = Instant::now();
    let mut total = Outcome::default();
    let mut rows = Vec::new();
    for step in steps {
        let row = |state: String, time: String| vec![step.name.to_owned(), state, time];
        if total.failed > 0 && !args.keep_going {
            rows.push(row("not run".to_owned(), "–".to_owned()));
            continue;
        }
        println!("\n==> {}: {}", step.name, step.what);
        let started = Instant::now();
        let log = shell::fresh_log(root, step.name).map_err(|error| error.to_string())?;
        let outcome = (step.run)(&Context { root, log, has_nextest }).unwrap_or_else(|error| {
            println!("error: {error}");
            Outcome::of(false)
        });
        let time = report::duration(started.elapsed().as_secs_f64());
        println!("==> {}: {outcome} in {time}", step.name);
        total.add(outcome);
        rows.push(row(outcome.to_string(), time));
    }
    rows.push(vec!["all".to_owned(), total.to_string(), report::duration(start.elapsed().as_secs_f64())]);
    println!("\n{}", report::table(&["step", "result", "time"], &rows));
    println!("logs: {}", shell::target_dir(root).join("xtask").display());
    println!("{total}");
    Ok(total.failed == 0)
}

fn select(args: &Args) -> Result<Vec<&'static Step>, String> {
    if let Some(unknown) = args.only.iter().find(|name| !STEPS.iter().any(|step| step.name == *name)) {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        return Err(format!("no step {unknown:?}; there are: {}", known.join(", ")));
    }
    let wanted = |step: &&Step| {
        if args.only.is_empty() {
            !step.optional || args.no_fusion
        } else {
            args.only.iter().any(|name| name == step.name)
        }
    };
    Ok(STEPS.iter().filter(wanted).collect())
}

trait Quiet {
    fn stderr_null(&mut self) -> &mut Self;
}

impl Quiet for Command {
    fn stderr_null(&mut self) -> &mut Self {
        self.stderr(std::process::Stdio::null())
    }
}

impl Context<'_> {
    fn cargo(&self) -> Command {
        shell::cargo(self.root)
    }

    fn stream(&self, command: &mut Command) -> Result<Finished, String> {
        shell::stream(command, &self.log).map_err(|error| error.to_string())
    }

    fn command(&self, command: &mut Command) -> Result<Outcome, String> {
        self.stream(command).map(|finished| Outcome::of(finished.success))
    }

    fn tests(&self, command: &mut Command) -> Result<Outcome, String> {
        let finished = self.stream(command)?;
        Ok(Outcome::of_tests(finished.success, report::test_counts(&finished.output)))
    }

    /// The test runner over the one build, told which tests by a nextest filter and, where nextest
    /// is missing, by arguments to the test binaries.
    fn runner(&self, filter: &str, arguments: &[&str]) -> Command {
        if !self.has_nextest {
            return self.shared_processes(arguments);
        }
        let mut command = self.cargo();
        command.args(["nextest", "run", "--workspace", "--all-features", "--no-fail-fast", "-E", filter]);
        command
    }

    /// The same with one process a test binary instead of one a test.
    fn shared_processes(&self, arguments: &[&str]) -> Command {
        let mut command = self.cargo();
        command.args(["test", "--workspace", "--all-features", "--lib", "--bins", "--tests"]);
        command.args(["--no-fail-fast", "--"]).args(arguments);
        command
    }
}

fn fmt(context: &Context) -> Result<Outcome, String> {
    context.command(context.cargo().args(["fmt", "--all", "--check"]))
}

fn tidy_step(context: &Context) -> Result<Outcome, String> {
    tidy::run(context.root).map(Outcome::of)
}

fn clippy(context: &Context) -> Result<Outcome, String> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    context.command(context.cargo().args(arguments))
}

fn test_flex(context: &Context) -> Result<Outcome, String> {
    // Without nextest, `--skip` goes by substring: it may leave out a test that has the word inside.
    let skipped = ["--skip", "ndarray", "--skip", "wgpu"];
    context.tests(&mut context.runner("not test(/(ndarray|wgpu)$/)", &skipped))
}

fn test_ndarray(context: &Context) -> Result<Outcome, String> {
    context.tests(&mut context.runner("test(/ndarray$/)", &["ndarray"]))
}

fn doctest(context: &Context) -> Result<Outcome, String> {
    context.tests(context.cargo().args(["test", "--workspace", "--all-features", "--doc", "--no-fail-fast"]))
}

fn test_wgpu(context: &Context) -> Result<Outcome, String> {
    let filter = format!("test(={PROBE})");
    let mut probe = context.runner(&filter, &["--nocapture", "--exact", PROBE]);
    if context.has_nextest {
        probe.arg("--no-capture");
    }
    let probe = context.stream(&mut probe)?;
    if !probe.success {
        return Err("the probe for wgpu adapters failed".to_owned());
    }
    if probe.output.contains(NO_ADAPTER) {
        println!("{NO_ADAPTER}");
        return Ok(Outcome { skipped: 1, ..Outcome::default() });
    }
    // Compiling its kernels is most of what a wgpu test does, and a process keeps them: one for all.
    context.tests(on_wgpu(&mut context.shared_processes(&["wgpu"]), &probe.output))
}

fn test_wgpu_unfused(context: &Context) -> Result<Outcome, String> {
    let mut command = context.cargo();
    command.args(["test", "--workspace", "--exclude", "xtask", "--tests", "--features", "wgpu-unfused"]);
    command.arg("--no-fail-fast").arg("--target-dir").arg(shell::target_dir(context.root).join("unfused"));
    command.args(["--", "--nocapture", "wgpu"]);
    let finished = context.stream(on_wgpu(&mut command, ""))?;
    if finished.success && finished.output.contains(NO_ADAPTER) {
        println!("{NO_ADAPTER}");
        return Ok(Outcome { skipped: 1, ..Outcome::default() });
    }
    Ok(Outcome::of_tests(finished.success, report::test_counts(&finished.output)))
}

/// Autotune at its lowest level, and the software adapter by name where `adapters` lists no other.
fn on_wgpu<'a>(command: &'a mut Command, adapters: &str) -> &'a mut Command {
    const DEFAULT_DEVICE: &str = "CUBECL_WGPU_DEFAULT_DEVICE";
    command.env("CUBECL_AUTOTUNE_LEVEL", "minimal");
    if only_software(adapters) && std::env::var_os(DEFAULT_DEVICE).is_none() {
        command.env(DEFAULT_DEVICE, "Cpu");
    }
    command
}

/// Whether the probe lists adapters, and all are software ones.
fn only_software(output: &str) -> bool {
    let mut adapters = output.lines().filter_map(|line| line.split_once("wgpu adapter: ")).peekable();
    adapters.peek().is_some() && adapters.all(|(_, name)| name.contains("Cpu"))
}

fn docs(context: &Context) -> Result<Outcome, String> {
    let mut command = context.cargo();
    command.args(["doc", "--workspace", "--all-features", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    context.command(&mut command)
}

fn run_examples(context: &Context) -> Result<Outcome, String> {
    let listed = examples::read(context.root)?;
    let (there, absent): (Vec<_>, Vec<_>) =
        listed.into_iter().partition(|listed| context.root.join(&listed.source).exists());
    let mut outcome = Outcome { skipped: absent.len(), ..Outcome::default() };
    for listed in absent {
        println!("skipped: {} does not exist yet", listed.source);
    }
    if there.is_empty() {
        return Ok(outcome);
    }
    let mut build = context.cargo();
    build.args(["build", "--workspace", "--all-features", "--examples", "--message-format=json"]);
    let built = shell::capture(&mut build).map_err(|error| error.to_string())?;
    if !built.success {
        return Err("the examples do not build".to_owned());
    }
    for listed in there {
        let name = &listed.example.name;
        let Some(program) = shell::program(&built.output, &context.root.join(&listed.source)) else {
            println!("error: cargo built no {}", listed.source);
            outcome.failed += 1;
            continue;
        };
        let modes: &[&str] = if listed.example.main { &["--quick", "--check"] } else { &["--quick"] };
        let run = |mode: &str| {
            let runs = shell::target_dir(context.root).join("xtask/runs");
            runs.join(format!("{}-{name}{mode}", listed.package))
        };
        let command = |mode: &str, out: &Path| {
            let mut command = Command::new(&program);
            command.current_dir(context.root).arg(mode).arg("--out").arg(out).env("BURN_DEVICE", "flex");
            command
        };
        for mode in modes {
            let out = run(mode);
            let success = context.stream(command(mode, &out).arg("--force"))?.success;
            let missing = missing_files(&out, &listed.example.picture);
            for file in &missing {
                println!("error: {name} {mode} left no {file} in {}", out.display());
            }
            outcome.add(Outcome::of(success && missing.is_empty()));
        }
        let again = run("--resume");
        let differences = resumed::differences(|| command("--quick", &again), &again, &run("--quick"))
            .unwrap_or_else(|error| vec![error]);
        for difference in &differences {
            println!("error: {name}, stopped and resumed: {difference}");
        }
        outcome.add(Outcome::of(differences.is_empty()));
    }
    Ok(outcome)
}

/// Files every run promises and this one did not leave.
fn missing_files(run: &Path, picture: &str) -> Vec<String> {
    let promised = ["config.json", "metrics.csv", "summary.json", picture];
    let left = |file: &&str| fs::metadata(run.join(file)).is_ok_and(|metadata| metadata.len() > 0);
    promised.into_iter().filter(|file| !left(file)).map(str::to_owned).collect()
}

fn check_default(context: &Context) -> Result<Outcome, String> {
    let folders = fs::read_dir(context.root.join("crates")).map_err(|error| format!("crates: {error}"))?;
    let mut names: Vec<String> =
        folders.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    let mut outcome = Outcome::default();
    // All with the same features in a row: what they share is built once.
    for features in [&[][..], &["--no-default-features"]] {
        for name in &names {
            let mut command = context.cargo();
            command.args(["check", "--package", &format!("fornax-{name}")]).args(features);
            outcome.add(context.command(&mut command)?);
        }
    }
    Ok(outcome)
}

fn readme(context: &Context) -> Result<Outcome, String> {
    let path = context.root.join("README.md");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut outcome = Outcome::default();
    for command in shell_commands(&text) {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words[..] {
            // Other backends: a build of their own for what the examples step has just run.
            ["cargo", "run", ..] if words.contains(&"--features") => {}
            ["cargo", "run", ..] => {
                let out = shell::target_dir(context.root).join("xtask/runs/readme");
                let mut cargo = context.cargo();
                cargo.args(&words[1..]);
                if !words.contains(&"--") {
                    cargo.arg("--");
                }
                cargo.args(["--quick", "--force", "--out"]).arg(out);
                outcome.add(context.command(&mut cargo)?);
            }
            // Not run again from within itself: that the command exists is what can be told cheaply.
            ["cargo", "xtask", name, ..] => {
                outcome.add(context.command(context.cargo().args(["xtask", name, "--help"]))?);
            }
            _ => {}
        }
    }
    if outcome == Outcome::default() {
        return Err("README.md has no `cargo run` in a ```sh block".to_owned());
    }
    Ok(outcome)
}

/// The lines of the ```sh blocks, without comments and prompts, each once. Flags a user is to fill in
/// (`--data DIR`, `FILE…`) cannot be run and are left out with their command.
fn shell_commands(markdown: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut inside = false;
    for line in markdown.lines() {
        let line = line.trim();
        if let Some(info) = line.strip_prefix("```") {
            inside = !inside && info == "sh";
        } else if inside {
            let command = line.strip_prefix("$ ").unwrap_or(line);
            let command = command.split(" #").next().unwrap_or_default().trim();
            let placeholder = command.split_whitespace().any(|word| {
                let letters = word.trim_end_matches('…');
                letters.len() > 1 && letters.chars().all(|c| c.is_ascii_uppercase())
            });
            if !command.is_empty() && !command.starts_with('#') && !placeholder {
                commands.push(command.to_owned());
            }
        }
    }
    let mut once = Vec::new();
    for command in commands {
        if !once.contains(&command) {
            once.push(command);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(only: &[&str], no_fusion: bool) -> Args {
        let only = only.iter().map(|name| (*name).to_owned()).collect();
        Args { keep_going: false, only, no_fusion, list: false }
    }

    fn names(args: &Args) -> Vec<&'static str> {
        select(args).unwrap().iter().map(|step| step.name).collect()
    }

    #[test]
    fn steps_are_chosen_by_name() {
        assert_eq!(names(&args(&["tidy", "fmt"], false)), ["fmt", "tidy"]);
        assert!(!names(&args(&[], false)).contains(&"wgpu-unfused"));
        assert!(names(&args(&[], true)).contains(&"wgpu-unfused"));
        let error = select(&args(&["clipy"], false)).err().unwrap();
        assert!(error.contains("no step \"clipy\"; there are: fmt, tidy"), "{error}");
    }

    #[test]
    fn a_run_that_builds_nothing_or_finds_no_test_has_failed() {
        let counts = |passed, failed| Some(Counts { passed, failed });
        assert_eq!(Outcome::of_tests(true, counts(3, 0)), Outcome { passed: 3, ..Outcome::default() });
        assert_eq!(Outcome::of_tests(false, counts(3, 2)).failed, 2);
        assert_eq!(Outcome::of_tests(false, None).failed, 1);
        assert_eq!(Outcome::of_tests(true, counts(0, 0)).failed, 1);
    }

    #[test]
    fn the_last_line_counts_and_mentions_skips_only_when_there_are_some() {
        assert_eq!(Outcome { passed: 5, failed: 0, skipped: 0 }.to_string(), "5 passed, 0 failed");
        assert_eq!(Outcome { passed: 5, failed: 1, skipped: 2 }.to_string(), "5 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn software_adapters_are_told_from_gpus() {
        assert!(only_software("wgpu adapter: Wgpu(Cpu)\n"));
        assert!(!only_software("wgpu adapter: Wgpu(Cpu)\nwgpu adapter: Wgpu(DiscreteGpu(0))\n"));
        assert!(!only_software(""));
    }

    #[test]
    fn commands_are_read_from_shell_blocks_only() {
        let readme = "```sh\n# train\n$ cargo run --example digits   # 30 s\ncargo xtask test-all\n\
                      cargo run --example digits -- --data DIR\n```\n```rust\nlet a;\n```\n```sh\ncargo xtask test-all\n```\n";
        assert_eq!(shell_commands(readme), ["cargo run --example digits", "cargo xtask test-all"]);
    }
}
