//! Clean digits with labels, faded and noisy ones without: four ways of reading the second after learning from the first.

#[path = "../shared/figures.rs"]
mod figures;
mod scans;
mod training;

use std::process::ExitCode;

use burn::module::Module;
use clap::Parser;
use fornax_cnn::{LeNetConfig, ResNetConfig};
use fornax_nn_core::config;
use fornax_nn_core::train::{Run, RunArgs, Target, cli, rng};
use serde::Serialize;

use figures::Fit;
use scans::Scans;
use training::{Method, adapted_statistics, fit};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What is compared; the last two are a network with batch normalisation, without and with the target's statistics.
const NAMES: [&str; 6] = ["source_only", "coral", "mmd", "dann", "normalised", "adabn"];

/// Read faded, noisy digits with labels of clean ones only
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

/// Everything that shapes the result, besides seed and device.
#[derive(clap::Args, Serialize)]
struct Settings {
    /// Steps of each training
    #[arg(long, default_value_t = 200)]
    steps: usize,
    /// Images of each domain a step
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    /// Learning rate
    #[arg(long, default_value_t = 2e-3)]
    lr: f64,
    /// Weight of the distance of covariances
    #[arg(long, default_value_t = 3000.0)]
    coral: f64,
    /// Weight of the maximum mean discrepancy
    #[arg(long, default_value_t = 1.0)]
    mmd: f64,
    /// Largest weight of the reversed gradient
    #[arg(long, default_value_t = 0.05)]
    dann: f64,
    /// Repetitions from other noise and weights, each an epoch; an interruption waits for its end
    #[arg(long, default_value_t = 3)]
    seeds: usize,
}

fn main() -> ExitCode {
    cli::main(|args: Args| compare(args))
}

fn compare(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.steps, settings.seeds) = (settings.steps.min(10), 1);
    }
    config::at_least_one(&[("seeds", settings.seeds), ("steps", settings.steps)])?;
    let device = args.device.open()?.autodiff();
    let lenet = LeNetConfig::digits().with_channels([16, 32]).with_hidden([64, 48]).with_dropout(0.0);
    let resnet = ResNetConfig { blocks: [1; 4], ..ResNetConfig::resnet18_digits() }
        .with_channels([8, 16, 24, 32])
        .with_in_channels(1)
        .with_num_classes(10);
    let mut run = Run::open("domain", &args, &settings)?.log_every_steps(10);
    let mut fits: Vec<Fit> = run.resume().map_or(Ok(Vec::new()), |saved| saved.json("fits"))?;
    for repetition in run.epochs(settings.seeds) {
        let seed = rng::step_seed(run.seed(), repetition as u64);
        let scans = Scans::draw(repetition, seed)?;
        scans.picture().save(run.path("domains.png"))?;
        let methods = [
            Method::SourceOnly,
            Method::Coral(settings.coral),
            Method::Mmd(settings.mmd),
            Method::Dann(settings.dann),
        ];
        let mut measured = Vec::new();
        for method in methods {
            device.seed(seed);
            let model = fit(&mut run, lenet.init(&device)?, method, &scans, &settings, seed, &device)?;
            measured.push(scans.accuracies(&model.valid()));
        }
        device.seed(seed);
        let model =
            fit(&mut run, resnet.init(&device)?, Method::SourceOnly, &scans, &settings, seed, &device)?;
        measured.push(scans.accuracies(&model.valid()));
        measured.push(scans.accuracies(&adapted_statistics(model, &scans, &device)?.valid()));
        for (name, [source, target]) in NAMES.into_iter().zip(measured) {
            run.log("target", [(name, target)])?;
            run.log("source", [(name, source)])?;
            fits.push(Fit::new(name, target));
            fits.push(Fit::new(&format!("{name}_on_source"), source));
        }
        run.finish_epoch(|s| s.json("fits", &fits))?;
    }

    figures::bars(&fits, &NAMES, "Faded, noisy digits, learnt from clean ones")
        .save(run.path("accuracies.png"))?;
    let of = |name: &str| figures::mean(&fits, name).0;
    let source_only = of("source_only");
    let (name, best) = if of("coral") > of("dann") { ("CORAL", of("coral")) } else { ("DANN", of("dann")) };
    let mut summary = figures::summary(&fits, "accuracy", &NAMES);
    summary.insert("gain".to_owned(), (best - source_only).into());
    for name in NAMES {
        summary.insert(format!("source_accuracy_{name}"), of(&format!("{name}_on_source")).into());
    }
    if !args.quick {
        run.check("gain", best - source_only, Target::at_least(0.10));
    }
    let sentence = format!(
        "{:.1} % of the target's digits read correctly without adaptation, {:.1} % with {name}: {}",
        100.0 * source_only,
        100.0 * best,
        run.path("accuracies.png").display()
    );
    Ok(run.finish(lenet.init(&device)?.num_params(), summary, sentence)?)
}
