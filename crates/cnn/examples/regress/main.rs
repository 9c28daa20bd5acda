//! An ensemble of small residual networks finds how far digits were turned and moved, and how sure that is.

mod members;
mod pictures;
mod turned;
mod verdict;

use std::process::ExitCode;

use burn::module::Module;
use clap::Parser;
use fornax_cnn::ResNetConfig;
use fornax_cnn::block::SummaryConfig;
use fornax_cnn::regression::{self, RegressorConfig};
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::{Digits, Key};
use serde::Serialize;
use serde_json::json;

use turned::{NAMES, Turned};
use verdict::Verdict;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Find how far digits were turned and moved, with honest intervals
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
    /// Networks in the ensemble
    #[arg(long, default_value_t = 3)]
    members: usize,
    /// Passes over the training digits, turned anew each time
    #[arg(long, default_value_t = 80)]
    epochs: usize,
    /// Images per step
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    /// Highest learning rate, reached after a tenth of the steps
    #[arg(long, default_value_t = 4e-3)]
    lr: f64,
    /// Weight of the likelihood against the squared error: 0 is all likelihood, 1 gives the mean the squared error's
    /// gradient
    #[arg(long, default_value_t = 0.5)]
    beta: f64,
    /// Probability of dropping a unit before the last layer
    #[arg(long, default_value_t = 0.1)]
    dropout: f64,
}

fn main() -> ExitCode {
    cli::main(train)
}

fn train(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        settings.epochs = settings.epochs.min(2);
    }
    let device = args.device.open()?;
    let folds = Digits::load().folds();
    // Three fifths to train on, one to fit the width of the intervals, one to judge them.
    let (test, validation) = (folds.split(0).test, folds.split(1).test);
    let train: Vec<usize> = folds.split(0).train.into_iter().filter(|i| !validation.contains(i)).collect();
    let backbone = ResNetConfig { blocks: [1; 4], ..ResNetConfig::resnet18() }
        .with_channels([8, 16, 32, 64])
        .with_in_channels(1)
        .with_num_classes(1);
    let head = RegressorConfig::new(NAMES.len())
        .with_beta(settings.beta)
        .with_summary(SummaryConfig::new().with_dropout(settings.dropout));
    let config = json!({"settings": settings, "epochs": settings.epochs, "backbone": backbone, "head": head});
    let mut run = Run::open("regress", &args, &config)?;
    let key = Key::new(run.seed());

    let learning = device.clone().autodiff();
    learning.seed(run.seed());
    let mut members = Vec::new();
    for _ in 0..settings.members.max(1) {
        let model = head.init(backbone.init(&learning)?, &learning)?;
        members.push((model, AdamWConfig::new().init()?));
    }
    if let Some(saved) = run.resume() {
        members = members::restored(&saved, members)?;
    }
    let steps = settings.epochs * train.len().div_ceil(settings.batch_size.max(1));
    let (rising, falling) = (steps / 10, steps - steps / 10);
    let schedule = ScheduleConfig::cosine(falling.max(1)).with_warm_up(rising.max(1)).init(settings.lr)?;
    for _epoch in run.epochs(settings.epochs) {
        for batch in run.full_batches(train.len(), settings.batch_size)? {
            let digits: Vec<usize> = batch.iter().map(|&i| train[i]).collect();
            let step = run.progress().step;
            let lr = schedule.lr(step as usize);
            learning.seed(run.step_seed());
            let mut mean = 0.0;
            for (i, (model, optim)) in members.iter_mut().enumerate() {
                let batch = Turned::draw(&digits, key.fold(step).fold(i as u64)).batch(&learning);
                let (trained, loss) = run.guard(regression::train_step(model.clone(), optim, lr, batch))?;
                *model = trained;
                mean += f64::from(loss) / settings.members.max(1) as f64;
            }
            run.step([("loss", mean), ("lr", lr)])?;
            run.checkpoint_if_due(|s| members::save(s, &members))?;
        }
        run.finish_epoch(|s| members::save(s, &members))?;
    }

    let members: Vec<_> = members.into_iter().map(|(model, _)| model.valid()).collect();
    let params = members.iter().map(Module::num_params).sum();
    let four = |digits: &[usize]| digits.repeat(if args.quick { 1 } else { 4 });
    let fitted_on = Turned::draw(&four(&validation), Key::new(u64::MAX).fold(run.seed()));
    let unseen = Turned::draw(&four(&test), Key::new(u64::MAX - 1).fold(run.seed()));
    device.seed(run.seed()); // for the masks of dropout
    let verdict = Verdict::new(&members, &fitted_on, &unseen, &device)?;
    pictures::draw(&run, &unseen, &verdict)?;
    let covered = verdict.widened.calibration()?.coverage(0.9);
    if !args.quick {
        run.check("coverage90", covered, Target::at_least(0.87));
        run.check("coverage90", covered, Target::at_most(0.93));
    }
    let sentence = format!(
        "Angles are found to {:.1}°, and {:.0} % of them lie in the intervals of 90 %: {}",
        verdict.widened.rmse(0),
        100.0 * covered,
        run.path("intervals.png").display()
    );
    Ok(run.finish(params, verdict.figures()?, sentence)?)
}
