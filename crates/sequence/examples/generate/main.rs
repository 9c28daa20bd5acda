//! A small GPT learns letters and writes on; or a trained one does.

#[path = "../common/corpus.rs"]
mod corpus;
#[path = "../common/model.rs"]
mod model;
mod pictures;
mod source;
mod writing;

use std::path::PathBuf;
use std::process::ExitCode;

use burn::module::Module;
use clap::Parser;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_sequence::gpt::{Batch, Gpt, GptConfig, loss, optimizer, train_step};
use serde::Serialize;
use serde_json::json;

use corpus::Corpus;
use model::{Model, ModelConfig};
use writing::Sampling;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Train a small GPT on text, or load one, and have it write on from a prompt
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    sampling: Sampling,
    /// Write with the model in DIR instead of training: a run of this example or of char_lm, or config.json,
    /// model.safetensors and tokenizer.json of a GPT-2
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    /// Text to learn from, the documentation of this project by default
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Steps of training
    #[arg(long, default_value_t = 1_000)]
    iterations: usize,
    /// Windows per step
    #[arg(long, default_value_t = 12)]
    batch_size: usize,
    /// Highest learning rate
    #[arg(long, default_value_t = 1e-3)]
    lr: f64,
    /// Steps of warm-up
    #[arg(long, default_value_t = 100)]
    warm_up: usize,
}

fn main() -> ExitCode {
    cli::main(|args: Args| match &args.from {
        Some(folder) => {
            let device = args.run.device.open()?;
            let (model, tokenizer) = source::load(folder, &device)?;
            let (sampling, seed) = (&args.sampling, args.run.seed);
            let text = match &model {
                Model::Gpt(model) => writing::write(model, &tokenizer, sampling, seed, true)?,
                Model::Recurrent(model) => writing::write(model, &tokenizer, sampling, seed, true)?,
            };
            if text.is_empty() { Err("nothing was written: raise --max-tokens".into()) } else { Ok(()) }
        }
        None => train(args),
    })
}

fn train(Args { run: args, mut settings, sampling, .. }: Args) -> Outcome<()> {
    if args.quick {
        settings.iterations = settings.iterations.min(20);
        settings.warm_up = settings.warm_up.min(5);
    }
    let device = args.device.open()?.autodiff();
    let corpus = Corpus::load(settings.data.as_deref())?;
    let config = GptConfig::nano(corpus.tokenizer.vocab_size());
    corpus.enough_for(config.context)?;
    let mut run = Run::open("generate", &args, &settings)?.log_every_steps(10);
    ModelConfig::Gpt(config.clone()).save(run.dir(), &corpus.tokenizer)?;

    device.seed(run.seed());
    let mut model = config.init(&device)?;
    let mut optim = optimizer(&model)?;
    let (warm_up, steps) = (settings.warm_up, settings.iterations.saturating_sub(settings.warm_up).max(1));
    let schedule = ScheduleConfig::Cosine { steps, min_lr: settings.lr / 10.0 };
    let schedule = if warm_up > 0 { schedule.with_warm_up(warm_up) } else { schedule }.init(settings.lr)?;
    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
    }
    for _epoch in run.epochs(1) {
        // One pass over as many windows as there are steps to fill, each at a random place.
        for windows in run.batches(settings.iterations * settings.batch_size, settings.batch_size)? {
            let lr = schedule.lr(run.progress().step as usize);
            let (inputs, targets) = corpus.random(windows, config.context, run.seed(), &device);
            let batch = Batch { inputs, targets, real: None };
            let (trained, loss) = run.guard(train_step(model, &mut optim, lr, batch))?;
            model = trained;
            run.step([("loss", loss), ("lr", lr as f32)])?;
            run.checkpoint_if_due(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
        }
        run.log("validation", [("loss", validation_loss(&model.valid(), &corpus))])?;
        run.finish_epoch(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
    }
    let model = model.valid();
    let val_loss = validation_loss(&model, &corpus);
    let default = settings.data.is_none();
    let bound = if args.quick { 5.0 } else { 3.0 };
    if default {
        run.check("val_loss", val_loss, Target::at_most(bound));
    }
    let text = writing::write(&model, &corpus.tokenizer, &sampling, run.seed(), false)?;
    std::fs::write(run.path("text.txt"), &text)?;
    pictures::attention(&model, &corpus.tokenizer, &text, &run.path("attention.png"))?;
    pictures::next_token(&model, &corpus, &run.path("next_token.png"))?;
    let sentence = format!(
        "Unseen letters cost {val_loss:.3} nats each; what it writes: {}; what it looks at: {}",
        run.path("text.txt").display(),
        run.path("attention.png").display()
    );
    let figures = json!({
        "val_loss": val_loss, "vocab_size": config.vocab_size, "train_tokens": corpus.train.len(),
        "written_tokens": text.chars().count(),
    });
    Ok(run.finish(model.num_params(), figures, sentence)?)
}

/// Mean cross-entropy over all of the held-out text, in windows of the context.
fn validation_loss(model: &Gpt, corpus: &Corpus) -> f64 {
    let device = model.tokens.weight.device();
    let (mut sum, mut count) = (0.0, 0);
    for (inputs, targets) in corpus.validation_batches(model.config.context, usize::MAX, &device) {
        let windows = inputs.dims()[0];
        sum += windows as f64 * loss(model, Batch { inputs, targets, real: None }).into_scalar::<f64>();
        count += windows;
    }
    sum / count as f64
}
