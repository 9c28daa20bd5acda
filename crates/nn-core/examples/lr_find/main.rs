//! A learning rate range test on real digits, then the training at the rate it suggests.

mod network;

use std::process::ExitCode;

use burn::module::Module;
use burn::optim::AdamConfig;
use clap::Parser;
use fornax_nn_core::lr_find::{LrFindConfig, RangePoint, lr_find};
use fornax_nn_core::plot::{Curves, Line, Panel};
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::image::Normalisation;
use fornax_prep::{Digits, Key};
use serde::Serialize;
use serde_json::json;

use network::{Network, accuracy, train_step};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Find the learning rate of a small network on real digits, and train with it
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    /// Passes over the training images, after the range test
    #[arg(long, default_value_t = 30)]
    epochs: usize,
    /// Images per step
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    /// Steps of the range test
    #[arg(long, default_value_t = 200)]
    range_steps: usize,
    /// Lowest learning rate tested
    #[arg(long, default_value_t = 1e-5)]
    min_lr: f64,
    /// Highest learning rate tested
    #[arg(long, default_value_t = 100.0)]
    max_lr: f64,
    /// Learning rate to train with, whatever the test says
    #[arg(long)]
    lr: Option<f64>,
}

fn main() -> ExitCode {
    cli::main(|args: Args| train(args))
}

fn train(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        settings.epochs = settings.epochs.min(3);
    }
    let device = args.device.open()?.autodiff();
    let mut run = Run::open("lr_find", &args, &settings)?;
    let (set, split) = (Digits::load().to_set(), Digits::load().folds().split(0));
    let normalisation = Normalisation::fit(&set, &split.train);
    let batch = |indices: &[usize]| {
        let (images, labels) = normalisation.apply(set.gather(indices)).to_tensors(&device);
        (images.flatten::<2>(1, 3), labels) // [B, 64], [B]
    };
    device.seed(run.seed());
    let mut model = Network::new(&device);
    let mut optim = AdamConfig::new().init();

    // The test spends a copy of the model on batches of its own order, and is the same after a resume.
    let config = LrFindConfig::new()
        .with_min_lr(settings.min_lr)
        .with_max_lr(settings.max_lr)
        .with_steps(settings.range_steps);
    let order = Key::new(run.seed()).permutation(split.train.len());
    let mut draws = order.iter().map(|&i| split.train[i]).cycle();
    let (mut copy, mut spent) = (Some(model.clone()), AdamConfig::new().init());
    let found = lr_find(&config, |lr| {
        let indices: Vec<usize> = draws.by_ref().take(settings.batch_size).collect();
        let Some(model) = copy.take() else { return Ok(f32::NAN) };
        let (model, loss) = train_step(model, &mut spent, lr, batch(&indices))?;
        copy = Some(model);
        Ok(loss)
    })?;
    let Some(suggestion) = found.suggestion() else {
        return Err("the loss never fell: widen --min-lr and --max-lr, or raise --range-steps".into());
    };
    let lr = settings.lr.unwrap_or(suggestion);
    let points = |value: fn(&RangePoint) -> f64| {
        found.points.iter().map(move |point| (point.lr, value(point))).collect::<Vec<_>>()
    };
    let nearest = found.points.iter().take_while(|point| point.lr < suggestion).count();
    let steepest = found.points.iter().take_while(|point| Some(point.lr) < found.steepest).count();
    let smoothed = Line::new("smoothed", points(|point| point.smoothed))
        .mark(nearest, format!("suggested {suggestion:.2e}"))
        .mark(steepest, "steepest")
        .mark_lowest();
    let panel = Panel::new("Learning rate range test").x_label("learning rate").y_label("loss").log_x();
    let raw = Line::new("each batch", points(|point| point.loss)).faint();
    let top = 1.5 * found.points.first().map_or(1.0, |point| point.loss);
    Curves::new().panel(panel.y_range(0.0, top).line(raw).line(smoothed)).save(run.path("range.png"))?;

    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
    }
    let (test, _) = batch(&split.test);
    for _epoch in run.epochs(settings.epochs) {
        for indices in run.batches(split.train.len(), settings.batch_size)? {
            let indices: Vec<usize> = indices.iter().map(|&i| split.train[i]).collect();
            let (trained, loss) = run.guard(train_step(model, &mut optim, lr, batch(&indices)))?;
            model = trained;
            run.step([("loss", loss)])?;
            run.checkpoint_if_due(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
        }
        run.log("test", [("accuracy", accuracy(&model, &test, set.labels(), &split.test))])?;
        run.finish_epoch(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
    }
    let test_accuracy = accuracy(&model, &test, set.labels(), &split.test);
    run.check("test_accuracy", test_accuracy, Target::at_least(if args.quick { 0.5 } else { 0.97 }));
    let sentence = format!(
        "At the suggested rate of {suggestion:.2e}, {:.1} % of unseen digits are read right: {}",
        100.0 * test_accuracy,
        run.path("range.png").display()
    );
    let figures = json!({
        "suggestion": suggestion, "minimum": found.minimum, "steepest": found.steepest,
        "range_steps_made": found.points.len(), "lr": lr, "test_accuracy": test_accuracy,
    });
    Ok(run.finish(model.num_params(), figures, sentence)?)
}
