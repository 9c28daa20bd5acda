//! Digits 0 to 4 first, 5 to 9 after them: what is left of the first, and what keeps it.

#[path = "../shared/digits.rs"]
mod digits;
mod learn;
mod pictures;

use std::process::ExitCode;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use clap::Parser;
use fornax_cnn::classification::Batch;
use fornax_cnn::{Classifier, LeNet, LeNetConfig};
use fornax_nn_core::config;
use fornax_nn_core::train::{Run, RunArgs, Target, cli, rng};
use fornax_transfer::continual::{Ewc, Reservoir, TaskMatrix, fisher};
use serde::Serialize;

use digits::{Digits16, Passes};
use learn::learn;
use pictures::{Fit, curves, mean, summary};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// How the second task is learnt; the last sees both tasks at once, as nothing that comes in turn can.
const NAMES: [&str; 5] = ["plain", "ewc", "rehearsal", "both", "together"];

/// Learn five digits, then five others, and see what is left of the first
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
    /// Steps of each task
    #[arg(long, default_value_t = 240)]
    steps: usize,
    /// Images a step
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Learning rate
    #[arg(long, default_value_t = 1e-3)]
    lr: f64,
    /// Weight of EWC's penalty
    #[arg(long, default_value_t = 1000.0)]
    ewc: f64,
    /// Images of the first task the Fisher information is averaged over
    #[arg(long, default_value_t = 200)]
    samples: usize,
    /// Images of the first task that rehearsal keeps
    #[arg(long, default_value_t = 50)]
    memory: usize,
    /// Repetitions from other images and weights, each an epoch; an interruption waits for its end
    #[arg(long, default_value_t = 3)]
    seeds: usize,
}

fn main() -> ExitCode {
    cli::main(|args: Args| compare(args))
}

fn compare(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.steps, settings.samples, settings.seeds) = (settings.steps.min(16), 4, 1);
    }
    config::at_least_one(&[("seeds", settings.seeds), ("steps", settings.steps)])?;
    let device = args.device.open()?.autodiff();
    let lenet = LeNetConfig::digits().with_channels([16, 32]).with_hidden([64, 48]).with_dropout(0.0);
    let mut run = Run::open("forgetting", &args, &settings)?.log_every_steps(10);
    let mut fits: Vec<Fit> = run.resume().map_or(Ok(Vec::new()), |saved| saved.json("fits"))?;
    for repetition in run.epochs(settings.seeds) {
        let seed = rng::step_seed(run.seed(), repetition as u64);
        let data = Digits16::load(repetition)?;
        let [old, new] = [0..5, 5..10].map(|classes| data.of(&data.split.train, classes));
        device.seed(seed);
        let (first, before) = learn(&mut run, lenet.init(&device)?, &data, &[&old], None, &settings, seed)?;
        // What the old answers depend on, and a few of the old images themselves.
        let sampled = Passes::new(&old, !seed).next(settings.samples);
        let answers = |model: &LeNet, i: usize| -> Tensor<1> {
            let Batch { images, .. } = data.plain(&sampled[i..=i], &device);
            log_softmax(model.forward(images), 1).squeeze_dim(0)
        };
        let ewc = Ewc::new(&first, fisher(&first, sampled.len(), answers)?);
        let mut memory = Reservoir::new(settings.memory, seed)?;
        old.iter().for_each(|&index| memory.push(index));
        let kept = memory.items();
        for name in NAMES {
            let (images, ewc): (&[&[usize]], _) = match name {
                "plain" => (&[&new], None),
                "ewc" => (&[&new], Some(&ewc)),
                "rehearsal" => (&[&new, kept], None),
                "both" => (&[&new, kept], Some(&ewc)),
                _ => (&[&new, &old], None),
            };
            let (_, looks) = learn(&mut run, first.clone(), &data, images, ewc, &settings, seed)?;
            let (then, now) = (before[before.len() - 1], looks[looks.len() - 1]);
            let mut matrix = TaskMatrix::default();
            matrix.push(vec![then.old]);
            matrix.push(vec![now.old, now.new]);
            fits.push(Fit { name: name.to_owned(), forgetting: matrix.forgetting(), looks });
            run.log("test", [("old", now.old), ("old_told", now.old_told), ("new", now.new)])?;
        }
        run.finish_epoch(|s| s.json("fits", &fits))?;
    }

    curves(&fits, &NAMES).save(run.path("forgetting.png"))?;
    let of = |name: &str| mean(&fits, name);
    let (plain, rehearsal) = (of("plain").old, of("rehearsal").old);
    if !args.quick {
        run.check("old digits kept by rehearsal", rehearsal - plain, Target::at_least(0.3));
        let told = of("ewc").old_told - of("plain").old_told;
        run.check("old digits kept by EWC, told which task", told, Target::at_least(0.1));
    }
    let sentence = format!(
        "{:.1} % of the old digits read correctly after the new ones, {:.1} % with {} old images rehearsed: {}",
        100.0 * plain,
        100.0 * rehearsal,
        settings.memory,
        run.path("forgetting.png").display()
    );
    let params = lenet.init(&device)?.num_params();
    Ok(run.finish(params, summary(&fits, &NAMES), sentence)?)
}
