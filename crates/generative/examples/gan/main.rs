//! A generator learns handwritten digits from nothing but a critic's opinion; or eight Gaussians on a circle, where what it misses can
//! be counted.

mod album;
mod artists;
#[path = "../shared/images.rs"]
mod images;
mod judge;
mod pictures;
mod players;
mod ring;
mod settings;

use std::process::ExitCode;

use clap::Parser;
use fornax_nn_core::ConfigError;
use fornax_nn_core::train::{RunArgs, cli};

use settings::{Model, Settings};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Train a GAN on 1,797 real handwritten digits, on images of your own, or on eight Gaussians on a circle
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

fn main() -> ExitCode {
    cli::main(|Args { run, settings }: Args| {
        if !settings.ring() {
            return artists::train(run, settings);
        }
        if settings.model() == Model::Cgan {
            return Err(ConfigError::new("model", "cgan needs classes, which the ring has not").into());
        }
        ring::train(run, settings)
    })
}
