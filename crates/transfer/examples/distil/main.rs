//! A small network learns from 200 labels: alone, and with a large network's beliefs about the same images or about all.

#[path = "../shared/digits.rs"]
mod digits;
#[path = "../shared/figures.rs"]
mod figures;
mod student;

use std::process::ExitCode;

use burn::module::Module;
use clap::Parser;
use fornax_cnn::LeNetConfig;
use fornax_nn_core::config;
use fornax_nn_core::train::{Run, RunArgs, Target, cli, rng};
use fornax_transfer::distillation::DistillationConfig;
use serde::Serialize;

use digits::Digits16;
use figures::Fit;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What is compared, the baseline first.
const NAMES: [&str; 5] = ["alone", "distilled", "born_again", "unlabelled", "teacher"];

/// Distil a large network into a small one that has 200 labels
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
    /// Labels the student has
    #[arg(long, default_value_t = 200)]
    labels: usize,
    /// Steps of each training
    #[arg(long, default_value_t = 800)]
    steps: usize,
    /// Images a step
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Highest learning rate
    #[arg(long, default_value_t = 3e-3)]
    lr: f64,
    /// Temperature of the soft targets
    #[arg(long, default_value_t = 4.0)]
    temperature: f64,
    /// Share of the soft targets in the loss
    #[arg(long, default_value_t = 0.9)]
    alpha: f64,
    /// Repetitions from other images and weights, each an epoch; an interruption waits for its end
    #[arg(long, default_value_t = 3)]
    seeds: usize,
}

fn main() -> ExitCode {
    cli::main(|args: Args| compare(args))
}

fn compare(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.steps, settings.seeds) = (settings.steps.min(20), 1);
    }
    config::at_least_one(&[("seeds", settings.seeds), ("steps", settings.steps)])?;
    let device = args.device.open()?.autodiff();
    let (large, small) = (
        LeNetConfig::digits(),
        LeNetConfig::digits().with_channels([4, 8]).with_hidden([32, 24]).with_dropout(0.0),
    );
    let soft = DistillationConfig::new().with_temperature(settings.temperature).with_alpha(settings.alpha);
    soft.validate()?;
    let only_soft = soft.clone().with_alpha(1.0);
    let mut run = Run::open("distil", &args, &settings)?.log_every_steps(10);
    let mut fits: Vec<Fit> = run.resume().map_or(Ok(Vec::new()), |saved| saved.json("fits"))?;

    for repetition in run.epochs(settings.seeds) {
        let seed = rng::step_seed(run.seed(), repetition as u64);
        let data = Digits16::load(repetition)?;
        let few = data.labelled(settings.labels, 0..10, seed)?;
        let mut fit = |config, indices: &[usize], guide| {
            student::fit(&mut run, config, &data, indices, &settings, seed, guide, &device)
        };
        // The teacher had all labels of the training images; what it has learnt is all the students get of it.
        let teacher = fit(&large, &data.split.train, None)?.valid();
        let alone = fit(&small, &few, None)?.valid();
        let distilled = fit(&small, &few, Some((&teacher, &soft)))?.valid();
        let born_again = fit(&small, &few, Some((&alone, &soft)))?.valid();
        // No label at all, but the teacher's beliefs about all training images.
        let unlabelled = fit(&small, &data.split.train, Some((&teacher, &only_soft)))?.valid();
        let models = [&alone, &distilled, &born_again, &unlabelled, &teacher];
        for (name, model) in NAMES.into_iter().zip(models) {
            let accuracy = student::accuracy(model, &data);
            run.log("test", [(name, accuracy)])?;
            fits.push(Fit::new(name, accuracy));
        }
        run.finish_epoch(|s| s.json("fits", &fits))?;
    }

    figures::bars(&fits, &NAMES, &format!("A small network and {} labels", settings.labels))
        .save(run.path("accuracies.png"))?;
    let [alone, distilled, unlabelled] =
        ["alone", "distilled", "unlabelled"].map(|name| figures::mean(&fits, name).0);
    let mut summary = figures::summary(&fits, "accuracy", &NAMES);
    summary.insert("gain".to_owned(), (unlabelled - alone).into());
    summary.insert("gain_same_images".to_owned(), (distilled - alone).into());
    summary.insert("params_teacher".to_owned(), large.init(&device)?.num_params().into());
    if !args.quick {
        run.check("gain", unlabelled - alone, Target::at_least(0.01));
    }
    let sentence = format!(
        "{:.1} % of unseen digits read correctly from {} labels alone, {:.1} % with a teacher's beliefs about the same images, {:.1} % about all: {}",
        100.0 * alone,
        settings.labels,
        100.0 * distilled,
        100.0 * unlabelled,
        run.path("accuracies.png").display()
    );
    Ok(run.finish(small.init(&device)?.num_params(), summary, sentence)?)
}
