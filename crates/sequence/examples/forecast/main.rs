//! The next day of a noisy series with two seasons, as a middle and an interval, against repeating the last day or week.

mod report;
mod series;

use std::process::ExitCode;

use burn::module::Module;
use burn::tensor::Tensor;
use clap::Parser;
use fornax_nn_core::optim::AdamConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::Key;
use fornax_sequence::many_to_one::quantile_loss;
use fornax_sequence::training::train_step;
use fornax_sequence::{Kind, ManyToOne, ManyToOneConfig, SequenceConfig};
use serde::Serialize;
use serde_json::json;

use series::{DAY, FEATURES, WEEK, seasonal_naive, series, windows};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Ends and middle of an interval that should hold 80 % of the outcomes.
const QUANTILES: [f64; 3] = [0.1, 0.5, 0.9];
/// Steps of the series: two years and a half; the last half year is unseen.
const STEPS: usize = 130 * WEEK;
const UNSEEN: usize = 26 * WEEK;
/// Updates of an epoch.
const UPDATES: usize = 100;

/// Forecast a day, hour by hour, with the uncertainty that goes with it
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    /// Network: rnn, lstm, gru or ssm
    #[arg(long, default_value = "gru")]
    model: Kind,
    /// Hours that are seen
    #[arg(long, default_value_t = 72)]
    past: usize,
    /// Hours that are forecast
    #[arg(long, default_value_t = 24)]
    horizon: usize,
    /// Epochs of a hundred updates
    #[arg(long, default_value_t = 12)]
    epochs: usize,
    /// Windows per update
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Units
    #[arg(long, default_value_t = 48)]
    hidden: usize,
    /// Highest learning rate
    #[arg(long, default_value_t = 5e-3)]
    lr: f64,
}

fn main() -> ExitCode {
    cli::main(|args: Args| train(args))
}

fn train(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.epochs, settings.past) = (settings.epochs.min(1), settings.past.min(24));
    }
    let flat = args.device.open()?;
    let size = [settings.past, settings.horizon];
    let body = SequenceConfig::new(settings.model, FEATURES, settings.hidden);
    let config = ManyToOneConfig::new(body, settings.horizon * QUANTILES.len());
    let mut run = Run::open(
        "forecast",
        &args,
        &json!({"settings": settings, "epochs": settings.epochs, "model": config}),
    )?;
    let values = series(run.seed(), STEPS);
    let device = flat.clone().autodiff();
    device.seed(run.seed());
    let (mut model, mut optim) = (config.init(&device)?, AdamConfig::new().init()?);
    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
    }
    let total = settings.epochs * UPDATES;
    let schedule = ScheduleConfig::cosine(total.max(2) - 1).with_warm_up(20).init(settings.lr)?;
    let last = (STEPS - UNSEEN)
        .checked_sub(settings.past + settings.horizon)
        .ok_or("the window is longer than the series")?;
    // Windows of the unseen part, a day apart, with the week before them at hand for the comparison.
    let unseen: Vec<usize> =
        (STEPS - UNSEEN + WEEK..STEPS - settings.past - settings.horizon).step_by(DAY).collect();
    for _epoch in run.epochs(settings.epochs) {
        for _ in run.batches(UPDATES, 1)? {
            let step = run.progress().step;
            let mut stream = Key::new(run.seed()).fold(step).stream();
            let starts: Vec<usize> =
                (0..settings.batch_size).map(|_| stream.below(last as u64) as usize).collect();
            let (x, y) = windows(&values, &starts, size, &device);
            let loss = quantile_loss(forecast(&model, x, settings.horizon), y, &QUANTILES);
            let step = train_step(model, &mut optim, schedule.lr(step as usize), 1.0, loss);
            let (trained, loss) = run.guard(step)?;
            model = trained;
            run.step([("loss", loss)])?;
            run.checkpoint_if_due(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
        }
        let (error, coverage, _) = report::judge(&model.valid(), &values, &unseen, size, &flat);
        run.log("test", [("mae", error), ("coverage", coverage)])?;
        run.finish_epoch(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
    }

    let (error, coverage, shown) = report::judge(&model.valid(), &values, &unseen, size, &flat);
    let naive = [DAY, WEEK].map(|period| seasonal_naive(&values, &unseen, size, period));
    let best = naive[0].min(naive[1]);
    let better = 1.0 - error / best;
    report::draw(&run, &values, &unseen, size, &shown)?;
    run.check("improvement", better, Target::at_least(if args.quick { -2.0 } else { 0.30 }));
    let sentence = format!(
        "Error {error:.3}, {:.0} % below the best of repeating the last day ({:.3}) or week ({:.3}); {:.0} % of outcomes within the 80 % interval: {}",
        100.0 * better,
        naive[0],
        naive[1],
        100.0 * coverage,
        run.path("forecast.png").display()
    );
    let figures = json!({"mae": error, "mae_last_day": naive[0], "mae_last_week": naive[1], "improvement": better, "coverage": coverage});
    Ok(run.finish(model.num_params(), figures, sentence)?)
}

/// `[batch, horizon, quantiles]`
fn forecast(model: &ManyToOne, x: Tensor<3>, horizon: usize) -> Tensor<3> {
    let [batch, ..] = x.dims();
    model.forward(x, None).reshape([batch, horizon, QUANTILES.len()])
}
