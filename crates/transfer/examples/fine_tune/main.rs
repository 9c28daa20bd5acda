//! Ten labelled images a class: what a network is worth that learnt other digits before.
//!
//! A narrow ResNet-18 learns the digits 0 to 4, of which there are plenty, in four orientations. Then 5 to 9 are asked for, with ten images of each: from
//! scratch, with the features frozen, fine-tuned as fastai does, and unfrozen by and by. All see the same images as often.

mod data;
mod own;
mod pictures;
mod ways;

use std::path::PathBuf;
use std::process::ExitCode;

use burn::module::Module;
use clap::Parser;
use fornax_cnn::registry::{self, Model};
use fornax_cnn::{Classifier, Options};
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli, rng};
use fornax_transfer::fine_tune::train_step;
use fornax_transfer::groups::Groups;
use serde::{Deserialize, Serialize};

use data::{SOURCE_CLASSES, TARGET_CLASSES, Task};
use ways::{JOBS, plan};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Adapt a network to digits it never saw, with ten labels a class; or your own weights to your own images
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    /// Passes over the labelled images of the new task, in every way of learning it
    #[arg(long)]
    epochs: Option<usize>,
    /// Passes over the old task's images
    #[arg(long, default_value_t = 12)]
    source_epochs: usize,
    /// Labelled images of each new class
    #[arg(long, default_value_t = 10)]
    labels: usize,
    /// Images per step
    #[arg(long, default_value_t = 25)]
    batch_size: usize,
    /// Highest learning rate
    #[arg(long)]
    lr: Option<f64>,
    /// Times the whole comparison is made, from other weights and images
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    seeds: u8,
    /// Fine-tune these weights instead: .pth or .safetensors with torchvision's names
    #[arg(long, value_name = "FILE", requires = "data")]
    weights: Option<PathBuf>,
    /// Whose weights they are
    #[arg(long, default_value = "resnet18")]
    model: String,
    /// Images of your own, a folder per class
    #[arg(long, value_name = "DIR", requires = "weights")]
    data: Option<PathBuf>,
}

/// Epochs from one look at the unseen images to the next, which takes longer than an epoch.
const EVERY: usize = 2;

/// What became of one of them.
#[derive(Serialize, Deserialize)]
struct Fit {
    name: String,
    /// Epoch, and accuracy on unseen images of the task.
    curve: Vec<(f64, f64)>,
}

fn main() -> ExitCode {
    cli::main(|args: Args| match &args.settings.weights {
        Some(weights) => own::adapt(weights.clone(), args),
        None => compare(args),
    })
}

fn compare(Args { run: args, mut settings }: Args) -> Outcome<()> {
    let (mut epochs, lr) = (settings.epochs.unwrap_or(6), settings.lr.unwrap_or(5e-3));
    if args.quick {
        (epochs, settings.source_epochs, settings.seeds) = (epochs.min(4), 1, 1);
    }
    let device = args.device.open()?.autodiff();
    let mut run = Run::open("fine_tune", &args, &settings)?;
    let options = Options::new(SOURCE_CLASSES).with_in_channels(1).with_width(0.25).with_small_images(true);
    let config = registry::config("resnet18", &options)?;
    let mut source: Model = config.init(&device)?;
    let mut fits: Vec<Fit> = Vec::new();
    if let Some(saved) = run.resume() {
        (source, fits) = (saved.module("source", source)?, saved.json("fits")?);
    }
    for done in run.epochs(JOBS.len() * usize::from(settings.seeds)) {
        let (job, seed) = (JOBS[done % JOBS.len()], rng::step_seed(run.seed(), (done / JOBS.len()) as u64));
        device.seed(seed);
        let is_source = job == "source";
        let task = if is_source { Task::source(seed) } else { Task::target(seed, settings.labels) };
        let epochs = if is_source { settings.source_epochs } else { epochs };
        let fresh = is_source || job == "scratch";
        let start = if fresh { config.init(&device)? } else { source.clone() };
        let mut model = if is_source { start } else { start.reset_classifier(TARGET_CLASSES)? };
        let groups = Groups::by_stages(&model);
        let mut optim = AdamWConfig::new().init()?;
        let (mut pass, mut curve) = (0, Vec::new());
        for phase in plan(job, &groups, epochs, lr)? {
            let (begun, mut rates) = phase.begin(model, &groups, task.steps(settings.batch_size), 0)?;
            model = begun;
            for _ in 0..phase.epochs {
                for batch in task.batches(pass, settings.batch_size, &device) {
                    let (trained, loss) = run.guard(train_step(model, &mut optim, rates.step(), batch))?;
                    model = trained;
                    run.step([("loss", loss)])?;
                }
                pass += 1;
                if pass % EVERY == 0 || pass == epochs {
                    curve.push((pass as f64, task.accuracy(&model)));
                }
            }
        }
        run.log("test", [(job, curve.last().map_or(f64::NAN, |point: &(f64, f64)| point.1))])?;
        fits.push(Fit { name: job.to_owned(), curve });
        if is_source {
            source = model;
        }
        run.finish_epoch(|s| s.module("source", &source)?.json("fits", &fits))?;
    }

    let results = pictures::results(&fits, settings.seeds.into());
    let figures = pictures::draw(&run, &results)?;
    let of = |name: &str| results.iter().find(|result| result.name == name).map_or(f64::NAN, |r| r.mean);
    let best = JOBS[2..].iter().copied().max_by(|a, b| of(a).total_cmp(&of(b))).unwrap_or("frozen");
    let gain = 100.0 * (of(best) - of("scratch"));
    run.check("points gained over scratch", gain, Target::at_least(if args.quick { -100.0 } else { 8.0 }));
    let sentence = format!(
        "{:.1} % of unseen digits from scratch, {:.1} % {}: {}",
        100.0 * of("scratch"),
        100.0 * of(best),
        best.replace('_', " "),
        run.path("accuracy.png").display()
    );
    Ok(run.finish(source.num_params(), figures, sentence)?)
}
