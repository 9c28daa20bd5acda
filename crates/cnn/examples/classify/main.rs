//! Trains any network of the registry on images in classes, and asks how far its confidence can be trusted.

mod distorted;
mod pictures;
#[path = "../shared/reader.rs"]
mod reader;

use std::process::ExitCode;

use burn::module::Module;
use clap::Parser;
use fornax_cnn::classification::{Batch, train_step};
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::Key;
use serde::Serialize;
use serde_json::json;

use distorted::Calibrated;
use reader::{Data, Outcome, Reader, Source};

/// Bins of the reliability diagram: 144 distorted test digits in each, were they spread evenly.
const BINS: usize = 10;

/// Train any network of the registry on 1,797 real handwritten digits, or on images of your own
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
    #[command(flatten)]
    source: Source,
    /// Factor on the network's width; 1 is the published one
    #[arg(long, default_value_t = 0.25)]
    width: f64,
    /// Passes over the training images
    #[arg(long, default_value_t = 12)]
    epochs: usize,
    /// Images per step
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Highest learning rate, reached after a tenth of the steps
    #[arg(long, default_value_t = 3e-3)]
    lr: f64,
    /// Decoupled weight decay of AdamW
    #[arg(long, default_value_t = 0.01)]
    weight_decay: f64,
}

fn main() -> ExitCode {
    cli::main(run)
}

fn run(Args { run: args, mut settings }: Args) -> Outcome<()> {
    let data = Data::load(&settings.source)?;
    if args.quick {
        (settings.epochs, settings.width) = (settings.epochs.min(2), settings.width.min(0.0625));
    }
    let device = args.device.open()?;
    let reader = Reader::fit(&data, &settings.source.model, settings.width)?;
    let augment = reader::augmentation(settings.source.image_size);
    let config =
        json!({"settings": settings, "epochs": settings.epochs, "reader": reader, "augment": augment});
    let mut run = Run::open("classify", &args, &config)?;

    let learning = device.clone().autodiff();
    learning.seed(run.seed());
    let mut model = reader.model.init(&learning)?;
    let mut optim = AdamWConfig::new().with_weight_decay(settings.weight_decay).init()?;
    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
    }
    let steps = settings.epochs * (data.train.len() / settings.batch_size.max(1));
    let (rising, falling) = (steps / 10, steps - steps / 10);
    let schedule = ScheduleConfig::cosine(falling.max(1)).with_warm_up(rising.max(1)).init(settings.lr)?;
    for epoch in run.epochs(settings.epochs) {
        let key = Key::new(run.seed()).fold(epoch as u64);
        for batch in run.full_batches(data.train.len(), settings.batch_size)? {
            let indices: Vec<usize> = batch.iter().map(|&i| data.train[i]).collect();
            let images = reader.normalisation.apply(augment.apply(data.set.gather(&indices), key));
            let (images, targets) = images.to_tensors(&learning);
            let lr = schedule.lr(run.progress().step as usize);
            learning.seed(run.step_seed());
            let step = train_step(model, &mut optim, lr, Batch { images, targets });
            let (trained, loss) = run.guard(step)?;
            model = trained;
            run.step([("loss", f64::from(loss)), ("lr", lr)])?;
            run.checkpoint_if_due(|s| {
                s.module("model", &model)?.optimizer("optimizer", &optim)?.json("reader", &reader)
            })?;
        }
        let validation = reader.classify(&model, &data, &data.validation, &device);
        run.log("train", [("mean_loss", run.epoch_mean("loss"))])?;
        run.log("validation", [("loss", validation.loss()), ("accuracy", validation.accuracy())])?;
        run.finish_epoch(|s| {
            s.module("model", &model)?.optimizer("optimizer", &optim)?.json("reader", &reader)
        })?;
    }

    // The temperature is fitted on images that taught the network nothing, and judged on others still.
    let test = reader.classify(&model, &data, &data.test, &device);
    let calibrated = Calibrated::new(&reader, &model, &data, run.seed(), &device)?;
    let [before, after] = [&calibrated.before, &calibrated.after].map(|outcome| outcome.reliability(BINS));
    pictures::draw(&mut run, &data, &test, [&before, &after])?;

    let accuracy = test.accuracy();
    if settings.source.data.is_none() {
        run.check("test_accuracy", accuracy, Target::at_least(if args.quick { 0.2 } else { 0.985 }));
    }
    let figures = json!({
        "model": settings.source.model, "test_accuracy": accuracy, "test_top3": test.top_k_accuracy(3), "test_loss": test.loss(),
        "distorted_accuracy": calibrated.before.accuracy(), "ece": before.ece(), "ece_scaled": after.ece(),
        "temperature": calibrated.fitted.map_or(1.0, |fitted| fitted.temperature),
        "temperature_fitted": calibrated.fitted.is_some(),
        "distorted_loss": calibrated.before.loss(), "distorted_loss_scaled": calibrated.after.loss(),
    });
    let sentence = format!(
        "{} reads {:.2} % of {} unseen images; on distorted ones its confidence is off by {:.2} %: {}",
        settings.source.model,
        100.0 * accuracy,
        data.test.len(),
        100.0 * before.ece(),
        run.path("reliability.png").display()
    );
    Ok(run.finish(model.num_params(), figures, sentence)?)
}
