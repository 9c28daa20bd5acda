//! The project's own commands: `cargo xtask <command>`.

mod bench;
mod examples;
mod parity;
mod reference;
mod report;
mod resumed;
mod rl_results;
mod shell;
mod source;
mod test_all;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Checks, generated pages, parity with PyTorch and benchmarks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every check, cheapest first; ends in the line `N passed, N failed`
    TestAll(test_all::Args),
    /// Check the invariants of docs/architecture.md
    Tidy,
    /// Write docs/examples.md from the metadata in the crates' manifests
    Examples,
    /// Make the fixtures again with PyTorch and show how far they drifted
    Parity(parity::Args),
    /// Time our models and PyTorch's in turn
    Bench(bench::Args),
    /// Run the agents of fornax-rl with several seeds and write docs/results/rl.md
    RlResults(rl_results::Args),
}

fn main() -> ExitCode {
    let root = root();
    let done = match Args::parse().command {
        Command::TestAll(args) => test_all::run(&root, &args),
        Command::Tidy => tidy::run(&root),
        Command::Examples => examples::run(&root),
        Command::Parity(args) => parity::run(&root, &args),
        Command::Bench(args) => bench::run(&root, &args),
        Command::RlResults(args) => rl_results::run(&root, &args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's root: the folder above this package.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
