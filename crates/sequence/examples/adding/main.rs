//! The adding problem: remember two numbers over a hundred steps. Which of three networks can, and how far back its gradient reaches.

mod learner;
mod pictures;

use std::process::ExitCode;

use burn::module::Module;
use clap::Parser;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::Key;
use fornax_prep::worlds::tasks::AddingTask;
use fornax_sequence::Kind;
use serde::Serialize;
use serde_json::json;

use learner::{Learner, batch};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Sequences of the test.
const UNSEEN: u64 = 512;
/// Networks side by side.
const KINDS: [Kind; 3] = [Kind::Rnn, Kind::Lstm, Kind::Gru];

/// See which network remembers two numbers over a long time, and how far back each one's gradient reaches
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    /// Steps of a sequence
    #[arg(long, default_value_t = 100)]
    length: usize,
    /// Updates, in epochs of a hundred
    #[arg(long, default_value_t = 15)]
    epochs: usize,
    /// Sequences per update
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Units of each network
    #[arg(long, default_value_t = 48)]
    hidden: usize,
    /// Highest learning rate of Adam
    #[arg(long, default_value_t = 1e-2)]
    lr: f64,
    /// Longest gradient
    #[arg(long, default_value_t = 1.0)]
    clip: f64,
}

fn main() -> ExitCode {
    cli::main(|args: Args| train(args))
}

fn train(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.epochs, settings.length) = (settings.epochs.min(1), settings.length.min(10));
    }
    let device = args.device.open()?.autodiff();
    let mut run = Run::open("adding", &args, &settings)?;
    let task = AddingTask::new(settings.length)?;
    let (key, unseen) = (Key::new(run.seed()).fold(0), Key::new(run.seed()).fold(1));
    device.seed(run.seed());
    let mut learners = Vec::new();
    for kind in KINDS {
        learners.push(Learner::new(kind, settings.hidden, settings.length, &device)?);
    }
    let fresh = batch(task, unseen, 16, &device).0;
    let before: Vec<Vec<f64>> =
        learners.iter_mut().map(|learner| learner.look_back(0, fresh.clone())).collect();
    let total = settings.epochs * 100;
    let schedule =
        ScheduleConfig::cosine(total.max(2) - 1).with_warm_up(total.clamp(1, 50)).init(settings.lr)?;
    if let Some(saved) = run.resume() {
        learners = learners.into_iter().map(|learner| learner.restored(&saved)).collect::<Result<_, _>>()?;
    }
    for _epoch in run.epochs(settings.epochs) {
        for _ in run.batches(100, 1)? {
            let step = run.progress().step;
            let (x, y) = batch(task, key.fold(step), settings.batch_size as u64, &device);
            let rates = (schedule.lr(step as usize), settings.clip);
            learners = learners
                .into_iter()
                .map(|learner| learner.step(step as usize, rates, x.clone(), y.clone()))
                .collect();
            run.step(std::array::from_fn::<_, 3, _>(|i| (KINDS[i].name(), learners[i].loss)))?;
            run.checkpoint_if_due(|s| learners.iter().try_fold(s, |s, learner| learner.save(s)))?;
        }
        let (x, y) = batch(task, unseen, UNSEEN, &device.clone().inner());
        let errors: [f64; 3] = std::array::from_fn(|i| learners[i].error(x.clone(), y.clone()));
        for learner in &mut learners {
            learner.look_back(run.progress().step as usize, fresh.clone());
        }
        run.log("test", std::array::from_fn::<_, 3, _>(|i| (KINDS[i].name(), errors[i])))?;
        run.finish_epoch(|s| learners.iter().try_fold(s, |s, learner| learner.save(s)))?;
    }

    let (x, y) = batch(task, unseen, UNSEEN, &device.clone().inner());
    let errors: Vec<f64> = learners.iter().map(|learner| learner.error(x.clone(), y.clone())).collect();
    let steps = run.progress().step as usize;
    let after: Vec<Vec<f64>> =
        learners.iter_mut().map(|learner| learner.look_back(steps, fresh.clone())).collect();
    pictures::draw(&mut run, &before, &after)?;
    let verdicts: Vec<_> = learners.iter().map(|learner| learner.monitor.verdict()).collect();
    let text: Vec<String> =
        KINDS.iter().zip(&verdicts).map(|(kind, verdict)| format!("{}: {verdict}", kind.name())).collect();
    std::fs::write(run.path("verdicts.txt"), text.join("\n") + "\n")?;
    if !args.quick {
        run.check("mse_lstm", errors[1], Target::at_most(0.005));
        run.check("mse_gru", errors[2], Target::at_most(0.005));
        run.check("mse_rnn", errors[0], Target::at_least(0.5 * AddingTask::BASELINE));
        let vanishes = f64::from(u8::from(verdicts[0].name() == "vanishing"));
        run.check("verdict_rnn is vanishing", vanishes, Target::at_least(1.0));
    }
    // How much of the gradient is left at the far end, as a share of that at the near one.
    let left = |norms: &[f64]| norms[norms.len() - 1] / norms[0];
    let sentence = format!(
        "Squared error over {} steps: LSTM {:.4}, GRU {:.4}, plain network {:.4} (always saying 1: {:.4}; its gradients: {}); by lag: {}",
        settings.length,
        errors[1],
        errors[2],
        errors[0],
        AddingTask::BASELINE,
        verdicts[0].name(),
        run.path("gradient_by_lag.png").display()
    );
    let figures = json!({
        "mse_rnn": errors[0], "mse_lstm": errors[1], "mse_gru": errors[2], "mse_baseline": AddingTask::BASELINE,
        "gradient_left_rnn": left(&before[0]), "gradient_left_lstm": left(&before[1]), "gradient_left_gru": left(&before[2]),
        "verdict_rnn": verdicts[0].name(), "verdict_lstm": verdicts[1].name(), "verdict_gru": verdicts[2].name(),
    });
    let params = learners.iter().map(|learner| learner.model.num_params()).sum();
    Ok(run.finish(params, figures, sentence)?)
}
