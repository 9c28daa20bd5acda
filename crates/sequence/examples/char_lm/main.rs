//! A language model that learns the project's own documentation, or a text of yours, character by character, and writes on.

mod carry;
mod corpus;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use burn::module::Module;
use clap::Parser;
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::text::TextLanes;
use fornax_sequence::language::{Stretch, train_step};
use fornax_sequence::metric::bits_per_char;
use fornax_sequence::{Kind, LanguageConfig};
use serde::Serialize;
use serde_json::json;

use corpus::Corpus;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Teach a recurrent network to write, one character after the other
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
    #[arg(long, default_value = "lstm")]
    model: Kind,
    /// A text file of your own (UTF-8)
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Readings of the text
    #[arg(long, default_value_t = 40)]
    epochs: usize,
    /// Places of the text read at once
    #[arg(long, default_value_t = 16)]
    batch_size: usize,
    /// Characters of a stretch: how far back gradients reach
    #[arg(long, default_value_t = 48)]
    steps: usize,
    /// Units of the state
    #[arg(long, default_value_t = 160)]
    hidden: usize,
    /// Layers
    #[arg(long, default_value_t = 1)]
    layers: usize,
    /// Probability of dropping a unit
    #[arg(long, default_value_t = 0.2)]
    dropout: f64,
    /// Highest learning rate
    #[arg(long, default_value_t = 4e-3)]
    lr: f64,
    /// Longest gradient
    #[arg(long, default_value_t = 1.0)]
    clip: f64,
    /// Temperature of the samples
    #[arg(long, default_value_t = 0.7)]
    temperature: f64,
}

fn main() -> ExitCode {
    cli::main(|args: Args| train(args))
}

fn train(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.epochs, settings.hidden) = (settings.epochs.min(1), settings.hidden.min(48));
    }
    let flat = args.device.open()?;
    let corpus = Corpus::load(settings.data.as_deref())?;
    let lanes = TextLanes::new(corpus.train.clone(), settings.batch_size, settings.steps)?;
    let unseen = TextLanes::new(corpus.val.clone(), settings.batch_size.min(8), settings.steps)?;
    let config = LanguageConfig::new(settings.model, corpus.vocabulary.len())
        .with_hidden_size(settings.hidden)
        .with_num_layers(settings.layers)
        .with_dropout(settings.dropout);
    let mut run = Run::open(
        "char_lm",
        &args,
        &json!({"settings": settings, "epochs": settings.epochs, "model": config}),
    )?;
    let device = flat.clone().autodiff();
    device.seed(run.seed());
    let (mut model, mut optim) = (config.init(&device)?, AdamWConfig::new().init()?);
    let mut states = None;
    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
        states = carry::restore(saved.json("states")?, &device);
    }
    let total = settings.epochs * lanes.len();
    let schedule =
        ScheduleConfig::cosine(total.max(2) - 1).with_warm_up(total.clamp(1, 50)).init(settings.lr)?;
    for _epoch in run.epochs(settings.epochs) {
        // The order of the text, whatever the order of the pass: a state fits only what comes next.
        for _ in run.batches(lanes.len(), 1)? {
            let index = run.progress().step_in_epoch as usize;
            let carried = states.take().filter(|_| index > 0);
            let (inputs, targets) = lanes.batch(index, &device);
            device.seed(run.step_seed());
            let rates = (schedule.lr(run.progress().step as usize), settings.clip);
            let step = train_step(model, &mut optim, rates, Stretch { inputs, targets }, carried);
            let (trained, loss, after) = run.guard(step)?;
            (model, states) = (trained, Some(after));
            run.step([("loss", f64::from(loss))])?;
            run.checkpoint_if_due(|s| {
                let states = carry::save(states.as_deref());
                s.module("model", &model)?.optimizer("optimizer", &optim)?.json("states", &states)
            })?;
        }
        let loss = report::validate(&model.valid(), &unseen, &flat);
        run.log("train", [("mean_loss", run.epoch_mean("loss"))])?;
        run.log("val", [("loss", loss), ("bits_per_char", bits_per_char(loss, 1, 1))])?;
        report::sample(&model.valid(), &corpus, settings.temperature, &run)?;
        run.finish_epoch(|s| {
            s.module("model", &model)?.optimizer("optimizer", &optim)?.json("states", &carry::save(None))
        })?;
    }

    report::curves(&mut run, settings.model, corpus.train.len())?;
    let loss = report::validate(&model.valid(), &unseen, &flat);
    let bits = bits_per_char(loss, 1, 1);
    if settings.data.is_none() {
        run.check("bits_per_char", bits, Target::at_most(if args.quick { 5.5 } else { 3.0 }));
    }
    let written = run.path("samples.txt");
    let sentence =
        format!("{bits:.3} bits a character on text never seen; what it writes: {}", written.display());
    let figures = json!({"val_loss": loss, "bits_per_char": bits, "vocabulary": corpus.vocabulary.len()});
    Ok(run.finish(model.num_params(), figures, sentence)?)
}
