//! Digits without labels as a source: what SimCLR and a masked autoencoder know of them is worth with a few labels.

#[path = "../shared/digits.rs"]
mod digits;
#[path = "../shared/figures.rs"]
mod figures;
mod pretext;
mod reader;

use std::process::ExitCode;

use burn::module::Module;
use clap::Parser;
use fornax_cnn::LeNetConfig;
use fornax_nn_core::config;
use fornax_nn_core::train::{Run, RunArgs, Target, cli, rng};
use fornax_transfer::self_supervised::masked::{MaskedAutoencoder, MaskedAutoencoderConfig};
use serde::Serialize;

use digits::Digits16;
use figures::Fit;
use pretext::{conv_features, masked_autoencoder, sim_clr};
use reader::worth;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What is compared: two encoders with random weights and with learnt ones, whole and by a plane on their features.
const NAMES: [&str; 8] = [
    "conv_random_probe",
    "conv_scratch",
    "simclr_probe",
    "simclr_tuned",
    "vit_random_probe",
    "vit_scratch",
    "mae_probe",
    "mae_tuned",
];

/// Learn from digits without labels first, then from a few with
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
    /// Labelled images, as many of each digit
    #[arg(long, default_value_t = 50)]
    labels: usize,
    /// Steps of SimCLR
    #[arg(long, default_value_t = 300)]
    simclr_steps: usize,
    /// Steps of the masked autoencoder
    #[arg(long, default_value_t = 600)]
    mae_steps: usize,
    /// Images a step without labels
    #[arg(long, default_value_t = 128)]
    batch_size: usize,
    /// Learning rate without labels
    #[arg(long, default_value_t = 2e-3)]
    lr: f64,
    /// Temperature of SimCLR
    #[arg(long, default_value_t = 0.2)]
    temperature: f64,
    /// Steps with labels
    #[arg(long, default_value_t = 200)]
    steps: usize,
    /// Learning rate with labels
    #[arg(long, default_value_t = 1e-3)]
    tuning_lr: f64,
    /// Repetitions from other images and weights, each an epoch; an interruption waits for its end
    #[arg(long, default_value_t = 3)]
    seeds: usize,
}

fn main() -> ExitCode {
    cli::main(|args: Args| compare(args))
}

fn compare(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.simclr_steps, settings.mae_steps, settings.steps, settings.seeds) = (6, 6, 6, 1);
    }
    config::at_least_one(&[("seeds", settings.seeds), ("steps", settings.steps)])?;
    let device = args.device.open()?.autodiff();
    let conv = LeNetConfig::digits().with_channels([16, 32]).with_dropout(0.0);
    let vit = MaskedAutoencoderConfig::new(conv.image_size).with_patch(4);
    let mut run = Run::open("self_supervised", &args, &settings)?.log_every_steps(10);
    let mut fits: Vec<Fit> = run.resume().map_or(Ok(Vec::new()), |saved| saved.json("fits"))?;
    for repetition in run.epochs(settings.seeds) {
        let seed = rng::step_seed(run.seed(), repetition as u64);
        let data = Digits16::load(repetition)?;
        let few = data.labelled(settings.labels, 0..10, seed)?;
        device.seed(seed);
        let (random_conv, random_vit) = (conv.init(&device)?, vit.init(&device)?);
        // All training images, none of their labels.
        let learnt_conv = sim_clr(&mut run, random_conv.clone(), &data, &settings, seed, &device)?;
        let learnt_vit = masked_autoencoder(&mut run, random_vit.clone(), &data, &settings, seed, &device)?;
        if repetition == 0 {
            pretext::painted(&learnt_vit.valid(), &data)?.save(run.path("painted.png"))?;
        }
        let mut accuracies = Vec::new();
        for model in [random_conv, learnt_conv] {
            accuracies.extend(worth(&mut run, model, &data, &few, conv_features, &settings, seed)?);
        }
        for model in [random_vit, learnt_vit] {
            let encode = MaskedAutoencoder::encode;
            accuracies.extend(worth(&mut run, model, &data, &few, encode, &settings, seed)?);
        }
        for (name, accuracy) in NAMES.into_iter().zip(accuracies) {
            run.log("test", [(name, accuracy)])?;
            fits.push(Fit::new(name, accuracy));
        }
        run.finish_epoch(|s| s.json("fits", &fits))?;
    }

    figures::bars(&fits, &NAMES, &format!("{} labels, and all other digits without", settings.labels))
        .save(run.path("accuracies.png"))?;
    let of = |name: &str| figures::mean(&fits, name).0;
    // The better of plane and tuning on either side.
    let better = |[probe, tuned]: [&str; 2]| of(probe).max(of(tuned));
    let simclr = better(["simclr_probe", "simclr_tuned"]) - better(["conv_random_probe", "conv_scratch"]);
    let mae = better(["mae_probe", "mae_tuned"]) - better(["vit_random_probe", "vit_scratch"]);
    let mut summary = figures::summary(&fits, "accuracy", &NAMES);
    summary.insert("gain_simclr".to_owned(), simclr.into());
    summary.insert("gain_mae".to_owned(), mae.into());
    if !args.quick {
        run.check("gain_simclr", simclr, Target::at_least(0.0));
        run.check("gain_mae", mae, Target::at_least(0.0));
    }
    let sentence = format!(
        "{} labels: {:.1} % of unseen digits read correctly from random weights, {:+.1} points after SimCLR, {:+.1} by a \
         Transformer after masking: {}",
        settings.labels,
        100.0 * better(["conv_random_probe", "conv_scratch"]),
        100.0 * simclr,
        100.0 * mae,
        run.path("accuracies.png").display()
    );
    Ok(run.finish(conv.init(&device)?.num_params(), summary, sentence)?)
}
