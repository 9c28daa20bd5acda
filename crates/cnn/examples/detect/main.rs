//! Trains FCOS to find the digits of a scene and to read them, and draws what it finds.

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
use fornax_cnn::ResNetConfig;
use fornax_cnn::detection::{Batch, FcosConfig, train_step};
use fornax_cnn::fpn::FpnConfig;
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use serde::Serialize;
use serde_json::json;

use data::{evaluate, load, objects};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Train a detector on scenes of real handwritten digits, or on images and boxes of your own
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
    /// Your own: a folder with annotations.json, as COCO has it, and the files it names in images/
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Side in pixels of the scenes, or that images of your own are resized to
    #[arg(long, default_value_t = 64)]
    image_size: usize,
    /// Passes over the data
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Scenes a pass, new ones each time
    #[arg(long, default_value_t = 1024)]
    scenes: usize,
    /// Images per step
    #[arg(long, default_value_t = 16)]
    batch_size: usize,
    /// Highest learning rate
    #[arg(long, default_value_t = 4e-3)]
    lr: f64,
}

fn main() -> ExitCode {
    cli::main(train)
}

/// A backbone for images of some 64 pixels, a pyramid from stride 4 on, two convolutions a tower.
fn sizes(classes: usize, channels: usize) -> (ResNetConfig, FcosConfig) {
    let backbone = ResNetConfig { blocks: [2, 2, 1, 1], ..ResNetConfig::resnet18() }
        .with_channels([32, 64, 96, 96])
        .with_in_channels(channels);
    let fpn = FpnConfig::new().with_channels(48);
    let head = FcosConfig::new(classes).with_fpn(fpn).with_convs(2).with_groups(8).with_scale(4.0);
    (backbone, head)
}

fn train(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.epochs, settings.scenes) = (settings.epochs.min(2), settings.scenes.min(64));
    }
    let device = args.device.open()?;
    let ([train, test], names) = load(&settings, args.seed)?;
    let (backbone, head) = sizes(names.len(), train.channels().count());
    let config =
        json!({"settings": settings, "epochs": settings.epochs, "backbone": backbone, "model": head});
    let mut run = Run::open("detect", &args, &config)?;

    let learning = device.clone().autodiff();
    learning.seed(run.seed());
    let mut model = head.init(backbone.init(&learning)?, &learning)?;
    let mut optim = AdamWConfig::new().with_weight_decay(1e-4).init()?;
    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
    }
    let steps = settings.epochs * (train.len() / settings.batch_size.max(1));
    let schedule = ScheduleConfig::one_cycle(steps.max(1)).init(settings.lr)?;
    for epoch in run.epochs(settings.epochs) {
        for places in run.full_batches(train.len(), settings.batch_size)? {
            let batch = train.batch(&places, epoch)?;
            let batch = Batch::new(batch.to_images(&learning), objects(&batch), names.len())?;
            let lr = schedule.lr(run.progress().step as usize);
            let (trained, loss) = run.guard(train_step(model, &mut optim, lr, batch))?;
            model = trained;
            run.step([("loss", f64::from(loss)), ("lr", lr)])?;
            run.checkpoint_if_due(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
        }
        let judged = evaluate(&model, &test, &device)?.summary();
        run.log("train", [("mean_loss", run.epoch_mean("loss"))])?;
        run.log("test", [("map", judged.ap.unwrap_or(0.0)), ("map50", judged.ap50.unwrap_or(0.0))])?;
        run.finish_epoch(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
    }

    let judged = evaluate(&model, &test, &device)?;
    pictures::draw(&mut run, &model, &test, &names, &judged, &device)?;
    let judged = judged.summary();
    let [map, map50] = [judged.ap, judged.ap50].map(|figure| figure.unwrap_or(0.0));
    if settings.data.is_none() && !args.quick {
        run.check("map50", map50, Target::at_least(0.95));
        run.check("map", map, Target::at_least(0.70));
    }
    let picture = run.path("boxes.png");
    let sentence =
        format!("mAP {map:.3}, {map50:.3} at an IoU of 0.5, on unseen images: {}", picture.display());
    let figures = json!({"map": map, "map50": map50, "map75": judged.ap75, "ar": judged.ar100});
    Ok(run.finish(model.num_params(), figures, sentence)?)
}
