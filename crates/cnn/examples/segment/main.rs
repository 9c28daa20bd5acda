//! Trains a U-Net to give every pixel of a scene its digit, and draws what it sees.

#[path = "../shared/canvas.rs"]
mod canvas;
mod data;
mod pictures;
#[path = "../shared/scenes.rs"]
mod scenes;

use std::path::PathBuf;
use std::process::ExitCode;

use burn::module::Module;
use clap::Parser;
use fornax_cnn::segmentation::{PixelLossConfig, UNetConfig, train_step};
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use serde::Serialize;
use serde_json::json;

use data::{IGNORE, batch, evaluate, load};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Train a U-Net on scenes of real handwritten digits, or on images and masks of your own
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
    /// Your own: a folder with images/ and masks/, png masks of the images' names whose numbers are classes
    #[arg(long, value_name = "DIR", requires = "classes")]
    data: Option<PathBuf>,
    /// Names of the classes of your masks, background first, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    classes: Vec<String>,
    /// Side in pixels of the scenes, or that images of your own are resized to
    #[arg(long, default_value_t = 40)]
    image_size: usize,
    /// Passes over the data
    #[arg(long, default_value_t = 16)]
    epochs: usize,
    /// Scenes a pass, new ones each time
    #[arg(long, default_value_t = 1024)]
    scenes: usize,
    /// Images per step
    #[arg(long, default_value_t = 8)]
    batch_size: usize,
    /// Highest learning rate
    #[arg(long, default_value_t = 2e-3)]
    lr: f64,
}

fn main() -> ExitCode {
    cli::main(train)
}

fn train(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.epochs, settings.scenes) = (settings.epochs.min(2), settings.scenes.min(64));
    }
    let device = args.device.open()?;
    let ([train, test], names) = load(&settings, args.seed)?;
    let sizes = UNetConfig::small(names.len()).with_in_channels(train.channels().count());
    let objective = PixelLossConfig::cross_entropy_and_dice().with_ignore_index(IGNORE);
    let config = json!({"settings": settings, "epochs": settings.epochs, "model": sizes, "loss": objective});
    let mut run = Run::open("segment", &args, &config)?;

    let learning = device.clone().autodiff();
    learning.seed(run.seed());
    let mut model = sizes.init(&learning)?;
    let objective = objective.init(names.len())?;
    let mut optim = AdamWConfig::new().with_weight_decay(1e-4).init()?;
    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
    }
    let steps = settings.epochs * (train.len() / settings.batch_size.max(1));
    let schedule = ScheduleConfig::one_cycle(steps.max(1)).init(settings.lr)?;
    for epoch in run.epochs(settings.epochs) {
        for places in run.full_batches(train.len(), settings.batch_size)? {
            let batch = batch(&train, &places, epoch, names.len(), &learning)?;
            let lr = schedule.lr(run.progress().step as usize);
            let (trained, loss) = run.guard(train_step(model, &objective, &mut optim, lr, batch))?;
            model = trained;
            run.step([("loss", f64::from(loss)), ("lr", lr)])?;
            run.checkpoint_if_due(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
        }
        let seen = evaluate(&model, &test, names.len(), &device)?;
        run.log("train", [("mean_loss", run.epoch_mean("loss"))])?;
        run.log("test", [("miou", seen.mean_iou()), ("pixel_accuracy", seen.pixel_accuracy())])?;
        run.finish_epoch(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
    }

    let seen = evaluate(&model, &test, names.len(), &device)?;
    pictures::draw(&mut run, &model, &test, &names, &seen, &device)?;
    if settings.data.is_none() && !args.quick {
        run.check("miou", seen.mean_iou(), Target::at_least(0.85));
    }
    let (miou, picture) = (seen.mean_iou(), run.path("overlay.png"));
    let sentence =
        format!("mIoU {miou:.3} over {} classes on unseen images: {}", names.len(), picture.display());
    let figures =
        json!({"miou": miou, "pixel_accuracy": seen.pixel_accuracy(), "mean_dice": seen.mean_dice()});
    Ok(run.finish(model.num_params(), figures, sentence)?)
}
