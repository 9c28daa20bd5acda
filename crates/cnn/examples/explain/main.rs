//! Shows what a network looks at: feature maps, Grad-CAM and occlusion, of digits or of an image of your own (`--data FILE`).

mod pictures;
#[path = "../shared/reader.rs"]
mod reader;
mod views;

use std::path::PathBuf;
use std::process::ExitCode;

use burn::module::Module;
use burn::tensor::Device;
use clap::Parser;
use fornax_cnn::classification::{Batch, train_step};
use fornax_cnn::registry::Model;
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::Key;
use serde::Serialize;
use serde_json::json;

use reader::{Data, Outcome, Reader, Source};

/// Images explained.
const SHOWN: usize = 8;

/// Show what a network looks at when it reads a digit, or an image of your own (--data with an image file)
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
    /// Explain the network in this run directory of `classify` or `explain` instead of training one
    #[arg(long = "run", value_name = "DIR")]
    from: Option<PathBuf>,
    /// Factor on the network's width; 1 is the published one
    #[arg(long, default_value_t = 0.125)]
    width: f64,
    /// Passes over the training images
    #[arg(long, default_value_t = 6)]
    epochs: usize,
    /// Images per step
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Highest learning rate, reached after a tenth of the steps
    #[arg(long, default_value_t = 5e-3)]
    lr: f64,
}

fn main() -> ExitCode {
    cli::main(run)
}

fn run(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        settings.epochs = settings.epochs.min(1);
    }
    let device = args.device.open()?;
    let config = json!({"settings": settings, "epochs": settings.epochs});
    let of_digits = settings.from.is_none() && settings.source.data.is_none();
    let image = settings.source.data.take_if(|path| views::is_image(path));
    let trained = settings.from.as_ref().map(|from| views::load(from, &device)).transpose()?;
    if let Some((reader, _)) = &trained {
        (settings.source.image_size, settings.source.rgb) = (reader.shape[1], reader.shape[0] == 3);
    }
    let data = Data::load(&settings.source)?;
    let mut run = Run::open("explain", &args, &config)?;
    let (reader, model) = match trained {
        Some(trained) => trained,
        None => train(&mut run, &settings, &data, &device)?,
    };

    let same_classes = reader.class_names == data.set.class_names();
    let (images, names) = match &image {
        Some(path) => views::read(path, &reader)?,
        None if !same_classes => {
            return Err("the network knows other classes: give its images with --data".into());
        }
        None => {
            let shown: Vec<usize> = data.test.iter().copied().take(SHOWN).collect();
            let name = |&i: &usize| format!("is {}", data.set.class_names()[data.set.labels()[i]]);
            (data.set.gather(&shown), shown.iter().map(name).collect())
        }
    };
    let explained = views::explain(&reader, &model, images, names, &device)?;
    pictures::draw(&run, &explained, &reader)?;

    let accuracy = same_classes.then(|| reader.classify(&model, &data, &data.test, &device).accuracy());
    let judged =
        if image.is_some() { explained.looks } else { views::judged(&reader, &model, &data, &device)? };
    let (at_cam, mean) = judged.falls();
    if of_digits && !args.quick {
        run.check("test_accuracy", accuracy.unwrap_or(f64::NAN), Target::at_least(0.95));
        run.check("fall_at_cam / fall_mean", at_cam / mean, Target::at_least(1.0));
    }
    let figures = json!({"test_accuracy": accuracy, "fall_at_cam": at_cam, "fall_mean": mean});
    let sentence = format!(
        "Covering what Grad-CAM points at costs {at_cam:.3} of belief, covering anything {mean:.3}: {}",
        run.path("looks_at.png").display()
    );
    Ok(run.finish(model.num_params(), figures, sentence)?)
}

fn train(run: &mut Run, settings: &Settings, data: &Data, device: &Device) -> Outcome<(Reader, Model)> {
    let reader = Reader::fit(data, &settings.source.model, settings.width)?;
    let (augment, learning) = (reader::augmentation(settings.source.image_size), device.clone().autodiff());
    learning.seed(run.seed());
    let mut model = reader.model.init(&learning)?;
    let mut optim = AdamWConfig::new().init()?;
    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
    }
    let steps = settings.epochs * (data.train.len() / settings.batch_size.max(1));
    let schedule =
        ScheduleConfig::cosine(steps.max(1)).with_warm_up((steps / 10).max(1)).init(settings.lr)?;
    for epoch in run.epochs(settings.epochs) {
        let key = Key::new(run.seed()).fold(epoch as u64);
        for batch in run.full_batches(data.train.len(), settings.batch_size)? {
            let indices: Vec<usize> = batch.iter().map(|&i| data.train[i]).collect();
            let images = reader.normalisation.apply(augment.apply(data.set.gather(&indices), key));
            let (images, targets) = images.to_tensors(&learning);
            learning.seed(run.step_seed());
            let lr = schedule.lr(run.progress().step as usize);
            let (trained, loss) = run.guard(train_step(model, &mut optim, lr, Batch { images, targets }))?;
            model = trained;
            run.step([("loss", loss)])?;
            run.checkpoint_if_due(|s| {
                s.module("model", &model)?.optimizer("optimizer", &optim)?.json("reader", &reader)
            })?;
        }
        let validation = reader.classify(&model, data, &data.validation, device);
        run.log("validation", [("loss", validation.loss()), ("accuracy", validation.accuracy())])?;
        run.finish_epoch(|s| {
            s.module("model", &model)?.optimizer("optimizer", &optim)?.json("reader", &reader)
        })?;
    }
    Ok((reader, model))
}
