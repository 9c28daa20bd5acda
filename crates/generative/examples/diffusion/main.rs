//! Draws digits on demand: a U-Net learns to take noise away, and is asked for one class after the other. How many does a
//! classifier take for what was ordered, and how much is lost in a quarter of the steps?

#[path = "../shared/images.rs"]
mod images;
#[path = "../gan/judge.rs"]
mod judge;
mod learner;
mod pictures;
mod process;
mod settings;

use std::process::ExitCode;

use burn::module::Module;
use burn::tensor::Tensor;
use clap::Parser;
use fornax_generative::evaluation::frechet_distance;
use fornax_generative::unet::UNetConfig;
use fornax_nn_core::ConfigError;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use serde_json::json;

use judge::{Judge, labels};
use learner::Learner;
use process::{Order, Process, normal};
use settings::{Model, Settings};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Samples drawn at once.
const CHUNK: usize = 100;

/// Train a diffusion model or a flow on 1,797 real handwritten digits, and order new ones by class
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

fn main() -> ExitCode {
    cli::main(|args: Args| train(args))
}

fn train(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        settings.epochs = settings.epochs.min(1);
        settings.samples = settings.samples.min(50);
        settings.steps = settings.steps.min(10);
    }
    let side = settings.source.image_size;
    UNetConfig::new(settings.channels.clone()).validate_side(side)?;
    if !side.is_multiple_of(4) {
        return Err(ConfigError::new("image_size", format!("must be a multiple of 4, got {side}")).into());
    }
    let device = args.device.open()?;
    let (set, split) = settings.source.load()?;
    let process = Process::new(&settings)?;
    let mut run = Run::open("diffusion", &args, &settings)?;

    let learning = device.clone().autodiff();
    let classes = set.num_classes();
    let config = UNetConfig::new(settings.channels.clone()).with_classes(classes).with_dropout(0.0);
    let config = config.with_seed(run.seed());
    let mut learner = Learner::new(&config, &learning)?;
    if let Some(saved) = run.resume() {
        learner = learner.restored(&saved)?;
    }
    let steps = settings.epochs * split.train.len().div_ceil(settings.batch_size.max(1));
    let (rising, falling) = ((steps / 10).max(1), (steps - steps / 10).max(1));
    let schedule = ScheduleConfig::cosine(falling).with_warm_up(rising).init(settings.lr)?;
    for _epoch in run.epochs(settings.epochs) {
        for batch in run.batches(split.train.len(), settings.batch_size)? {
            let indices: Vec<usize> = batch.iter().map(|&i| split.train[i]).collect();
            let x = set.gather(&indices).to_tensor(&learning) * 2.0 - 1.0; // [B, 1, S, S]
            let told = labels(indices.iter().map(|&i| set.labels()[i]).collect(), &learning);
            learning.seed(run.step_seed());
            let lr = schedule.lr(run.progress().step as usize);
            let dropped = (settings.label_dropout, classes);
            let Learner { model, mut optim, ema } = learner;
            let outcome = process.train_step(model, &mut optim, lr, (x, told), dropped);
            let (model, loss) = run.guard(outcome)?;
            learner = Learner { ema: ema.update(&model), model, optim };
            run.step([("loss", loss)])?;
            run.checkpoint_if_due(|s| learner.save(s))?;
        }
        run.log("train", [("loss", run.epoch_mean("loss"))])?;
        run.finish_epoch(|s| learner.save(s))?;
    }

    let judge = Judge::train(&set, &split.train, run.seed(), &device)?;
    let model = learner.ema.model();
    let order: Vec<usize> = (0..settings.samples).map(|i| i % classes).collect();
    let (mut slow, mut fast, mut path) = (Vec::new(), Vec::new(), Vec::new());
    for (number, chunk) in order.chunks(CHUNK).enumerate() {
        // Both samplers start from the same noise.
        device.seed(run.seed().wrapping_add(number as u64));
        let order = Order { model, labels: labels(chunk.to_vec(), &device), guidance: settings.guidance };
        let start = normal([chunk.len(), 1, side, side], &device);
        let steps = process.fast(&order, start.clone())?;
        fast.extend(steps.last().cloned());
        path = if number == 0 { steps } else { path };
        slow.push(process.slow(&order, start)?);
    }
    let (slow, fast) = (Tensor::cat(slow, 0), Tensor::cat(fast, 0)); // [N, 1, S, S]
    let (seen, slow_seen, fast_seen) = (
        judge.look(set.gather(&split.train).to_tensor(&device) * 2.0 - 1.0),
        judge.look(slow.clone()),
        judge.look(fast),
    );
    let agreed = slow_seen.beliefs.iter().zip(&order).filter(|((found, _), class)| found == *class).count();
    let agreement = agreed as f64 / order.len() as f64;
    let slow_distance = frechet_distance(&seen.features, &slow_seen.features)?;
    let fast_distance = frechet_distance(&seen.features, &fast_seen.features)?;
    let loss = fast_distance / slow_distance - 1.0;
    let [slow_name, fast_name] = process.names();
    pictures::draw(&mut run, &slow, &path, slow_name)?;
    let bound = |target: f64, open: f64| {
        if args.quick || settings.source.data.is_some() { open } else { target }
    };
    run.check("classifier_agreement", agreement, Target::at_least(bound(0.95, 0.0)));
    if settings.model == Model::Ddpm {
        run.check("frechet_ddim / frechet_ddpm − 1", loss, Target::at_most(bound(0.1, f64::INFINITY)));
    }
    let sentence = format!(
        "{:.1} % of the samples are taken for the class that was ordered; Fréchet distance {slow_distance:.2} by {slow_name}, \
         {fast_distance:.2} by {fast_name} in {} steps: {}",
        100.0 * agreement,
        process::FAST,
        run.path("samples.png").display()
    );
    let figures = json!({
        "classifier_agreement": agreement, "classes_covered": slow_seen.covered(classes),
        "confidence": slow_seen.confidence(), "classifier_accuracy": judge.accuracy(&set, &split.test, &device),
        "frechet_slow": slow_distance, "frechet_fast": fast_distance,
        "fast_over_slow": loss + 1.0,
    });
    Ok(run.finish(learner.model.num_params(), figures, sentence)?)
}
