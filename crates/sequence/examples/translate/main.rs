//! Dates in eighteen written forms, translated into ISO 8601 character by character, with a picture of where the decoder looks.

mod choice;
mod data;
mod report;
mod translator;

use std::process::ExitCode;

use clap::Parser;
use fornax_nn_core::optim::AdamConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::Key;
use fornax_sequence::metric::exact_match;
use fornax_sequence::seq2seq::Sampling;
use serde_json::json;

use choice::Settings;
use data::Dates;
use report::{draw, right, translate};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Updates of an epoch, and the longest an answer may be.
const STEPS: usize = 100;
const LONGEST: usize = 12;

/// Translate dates, and see where the model looks while it writes
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
        settings.hidden = settings.hidden.min(16);
    }
    let epochs = if args.quick { 1 } else { settings.epochs() };
    let flat = args.device.open()?;
    let dates = Dates::new(settings.day_of_year)?;
    let (source, target) = dates.vocabularies();
    let config = settings.model(source, target);
    let recorded = json!({"settings": settings, "epochs": epochs, "model": config});
    let mut run = Run::open("translate", &args, &recorded)?;
    let device = flat.clone().autodiff();
    device.seed(run.seed());
    let (mut model, mut optim) = (config.init(&device)?, AdamConfig::new().init()?);
    if let Some(saved) = run.resume() {
        (model, optim) = (model.restored(&saved)?, saved.optimizer("optimizer", optim)?);
    }
    let (key, unseen) = (Key::new(run.seed()).fold(0), Key::new(run.seed()).fold(1));
    let unseen = dates.pairs(unseen, if args.quick { 100 } else { 1000 });
    let total = epochs * STEPS;
    let schedule =
        ScheduleConfig::cosine(total.max(2) - 1).with_warm_up(50.min(total).max(1)).init(settings.lr())?;
    for _epoch in run.epochs(epochs) {
        for _ in run.batches(STEPS, 1)? {
            let step = run.progress().step;
            let batch = dates.batch(&dates.pairs(key.fold(step), settings.batch_size), &device);
            let mut stream = key.fold(step).fold(u64::MAX).stream();
            let noise: Vec<f32> =
                (0..settings.batch_size * (LONGEST + 1)).map(|_| stream.uniform()).collect();
            let rate = settings.sampling * step as f64 / total as f64;
            let sampling = (rate > 0.0).then_some(Sampling { rate, noise: &noise });
            let rates = (schedule.lr(step as usize), settings.clip);
            let loss;
            (model, loss) = run.guard(model.learn(&mut optim, rates, batch, sampling))?;
            run.step([("loss", loss)])?;
            run.checkpoint_if_due(|s| model.save(s)?.optimizer("optimizer", &optim))?;
        }
        let exact =
            exact_match(&translate(&model.valid(), &dates, &unseen[..100], &flat)?, &right(&unseen[..100]));
        run.log("test", [("exact_match", exact)])?;
        run.finish_epoch(|s| model.save(s)?.optimizer("optimizer", &optim))?;
    }

    let model = model.valid();
    let exact = exact_match(&translate(&model, &dates, &unseen, &flat)?, &right(&unseen));
    draw(&run, &model, &dates, &unseen[..6], &flat)?;
    run.check("exact_match", exact, Target::at_least(if args.quick { 0.0 } else { 0.98 }));
    let picture = run.path("attention_0.png");
    let sentence = format!(
        "{:.1} % of {} dates exactly right; where it looks: {}",
        100.0 * exact,
        unseen.len(),
        picture.display()
    );
    Ok(run.finish(model.num_params(), json!({"exact_match": exact}), sentence)?)
}
