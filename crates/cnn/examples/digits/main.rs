//! Trains LeNet to read handwritten digits, draws what it learnt and where it errs, and reads image files.

mod pictures;
mod reader;

use std::path::PathBuf;
use std::process::ExitCode;

use burn::module::Module;
use clap::Parser;
use fornax_cnn::lenet::{self, Batch};
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::Key;
use fornax_prep::image::RandomAffine;
use serde::Serialize;
use serde_json::json;

use reader::{Reader, load};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Train LeNet on 1,797 real handwritten digits, or on images of your own
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
    /// Say what these image files show, with the model trained in the run directory
    #[arg(long, num_args = 1.., value_name = "FILE")]
    predict: Vec<PathBuf>,
    /// The files to predict are dark on light, unlike the training images
    #[arg(long, requires = "predict")]
    invert: bool,
}

/// Everything that shapes the result, besides seed and device.
#[derive(clap::Args, Serialize)]
struct Settings {
    /// Images of your own: a folder per class, an IDX pair (plain or .gz) or a CSV file of pixels
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Side in pixels that images of your own are resized to
    #[arg(long, default_value_t = 28)]
    image_size: usize,
    /// Keep the colours of images of your own
    #[arg(long)]
    rgb: bool,
    /// Which fifth of the images is held out (IDX data: its own test part, or the last fifth)
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..5))]
    fold: u8,
    /// Passes over the training images
    #[arg(long, default_value_t = 30)]
    epochs: usize,
    /// Images per step
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    /// Highest learning rate, reached after a tenth of the steps
    #[arg(long, default_value_t = 3e-3)]
    lr: f64,
    /// Decoupled weight decay of AdamW
    #[arg(long, default_value_t = 0.01)]
    weight_decay: f64,
}

fn main() -> ExitCode {
    cli::main(|args: Args| if args.predict.is_empty() { train(args) } else { reader::predict(&args) })
}

fn train(Args { run: args, mut settings, .. }: Args) -> Outcome<()> {
    if args.quick {
        settings.epochs = settings.epochs.min(4);
    }
    let device = args.device.open()?;
    let (set, split) = load(&settings)?;
    let reader = Reader::fit(&set, &split, &settings)?;
    let augment =
        RandomAffine::none().with_rotation(12.0).with_translation(1.0).with_scale(0.9, 1.15).with_shear(6.0);
    let config =
        json!({"settings": settings, "epochs": settings.epochs, "reader": reader, "augment": augment});
    let mut run = Run::open("digits", &args, &config)?;

    let learning = device.clone().autodiff();
    learning.seed(run.seed());
    let mut model = reader.model.init(&learning)?;
    let mut optim = AdamWConfig::new().with_weight_decay(settings.weight_decay).init()?;
    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
    }
    let steps = settings.epochs * split.train.len().div_ceil(settings.batch_size.max(1));
    let (rising, falling) = (steps / 10, steps - steps / 10);
    let schedule = ScheduleConfig::cosine(falling.max(1)).with_warm_up(rising.max(1)).init(settings.lr)?;
    for epoch in run.epochs(settings.epochs) {
        let key = Key::new(run.seed()).fold(epoch as u64);
        for batch in run.batches(split.train.len(), settings.batch_size)? {
            let indices: Vec<usize> = batch.iter().map(|&i| split.train[i]).collect();
            let images = reader.normalisation.apply(augment.apply(set.gather(&indices), key));
            let (images, targets) = images.to_tensors(&learning);
            let lr = schedule.lr(run.progress().step as usize);
            learning.seed(run.step_seed());
            let step = lenet::train_step(model, &mut optim, lr, Batch { images, targets });
            let (trained, loss) = run.guard(step)?;
            model = trained;
            run.step([("loss", f64::from(loss)), ("lr", lr)])?;
            run.checkpoint_if_due(|s| {
                s.module("model", &model)?.optimizer("optimizer", &optim)?.json("reader", &reader)
            })?;
        }
        let test = reader.classify(&model, &set, &split.test, &device);
        run.log("train", [("mean_loss", run.epoch_mean("loss"))])?;
        run.log("test", [("loss", test.loss()), ("accuracy", test.accuracy())])?;
        run.finish_epoch(|s| {
            s.module("model", &model)?.optimizer("optimizer", &optim)?.json("reader", &reader)
        })?;
    }

    let train = reader.classify(&model, &set, &split.train, &device);
    let test = reader.classify(&model, &set, &split.test, &device);
    pictures::draw(&mut run, &model, &set, &split, &test)?;
    let (accuracy, errors) = (test.accuracy(), test.mistakes().len());
    if settings.data.is_none() {
        // The README's figure is a mean over the folds; the hardest fold stays above this.
        run.check("test_accuracy", accuracy, Target::at_least(if args.quick { 0.85 } else { 0.985 }));
    }
    let sentence = format!(
        "{:.2} % of {} unseen images read correctly, {errors} misread: {}",
        100.0 * accuracy,
        split.test.len(),
        run.path("mistakes.png").display()
    );
    let figures = json!({
        "test_accuracy": accuracy, "test_loss": test.loss(), "train_accuracy": train.accuracy(), "errors": errors,
    });
    Ok(run.finish(model.num_params(), figures, sentence)?)
}
