//! Which language is this word of? Words of different lengths, read in both directions, by class.

mod pictures;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use clap::Parser;
use fornax_nn_core::metric::Classification;
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::Key;
use fornax_sequence::many_to_one::classification_loss;
use fornax_sequence::training::train_step;
use fornax_sequence::{Kind, ManyToOne, ManyToOneConfig, SequenceConfig};
use serde::Serialize;
use serde_json::json;

use words::Words;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Sort words or sentences into classes: six invented languages, or a table of your own
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
    /// A CSV file of your own, with a header
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Its column of texts
    #[arg(long, default_value = "text")]
    text_column: String,
    /// Its column of classes
    #[arg(long, default_value = "label")]
    label_column: String,
    /// Passes over the words
    #[arg(long, default_value_t = 12)]
    epochs: usize,
    /// Words per step
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Units of each direction
    #[arg(long, default_value_t = 64)]
    hidden: usize,
    /// Highest learning rate
    #[arg(long, default_value_t = 4e-3)]
    lr: f64,
}

fn main() -> ExitCode {
    cli::main(|args: Args| train(args))
}

fn train(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        settings.epochs = settings.epochs.min(1);
    }
    let flat = args.device.open()?;
    let words = match &settings.data {
        Some(path) => Words::read(path, &settings.text_column, &settings.label_column)?,
        None => Words::invented(args.seed, if args.quick { 100 } else { 600 }),
    };
    let order = Key::new(args.seed).fold(1).permutation(words.words.len());
    let (test, training) = order.split_at((order.len() / 5).max(1));
    let body = SequenceConfig::new(settings.model, words.alphabet.len(), settings.hidden)
        .with_bidirectional(settings.model != Kind::Ssm);
    let config = ManyToOneConfig::new(body, words.names.len());
    let mut run = Run::open(
        "classify",
        &args,
        &json!({"settings": settings, "epochs": settings.epochs, "model": config}),
    )?;
    let device = flat.clone().autodiff();
    device.seed(run.seed());
    let (mut model, mut optim) = (config.init(&device)?, AdamWConfig::new().init()?);
    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
    }
    let total = settings.epochs * training.len().div_ceil(settings.batch_size.max(1));
    let schedule = ScheduleConfig::cosine(total.max(2) - 1).with_warm_up(10).init(settings.lr)?;
    for _epoch in run.epochs(settings.epochs) {
        for batch in run.batches(training.len(), settings.batch_size)? {
            let indices: Vec<usize> = batch.iter().map(|&i| training[i]).collect();
            let (x, lengths, labels) = words.batch(&indices, &device);
            let loss = classification_loss(model.forward(x, Some(&lengths)), labels);
            let lr = schedule.lr(run.progress().step as usize);
            let (trained, loss) = run.guard(train_step(model, &mut optim, lr, 1.0, loss))?;
            model = trained;
            run.step([("loss", loss)])?;
            run.checkpoint_if_due(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
        }
        let outcome = classify(&model.valid(), &words, test, &flat);
        run.log("train", [("mean_loss", run.epoch_mean("loss"))])?;
        run.log("test", [("loss", outcome.loss()), ("accuracy", outcome.accuracy())])?;
        run.finish_epoch(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
    }

    let outcome = classify(&model.valid(), &words, test, &flat);
    pictures::draw(&mut run, &words, &outcome)?;
    let accuracy = outcome.accuracy();
    if settings.data.is_none() {
        run.check("test_accuracy", accuracy, Target::at_least(if args.quick { 0.3 } else { 0.95 }));
    }
    let mistakes = outcome.mistakes();
    let lines = mistakes.iter().map(|mistake| {
        let word: String = words.words[test[mistake.sample]].iter().collect();
        let [is, read] = [mistake.target, mistake.predicted].map(|class| &words.names[class]);
        format!("{word}: is {is}, read as {read} ({:.0} %)\n", 100.0 * mistake.belief)
    });
    std::fs::write(run.path("mistakes.txt"), lines.collect::<String>())?;
    let sentence = format!(
        "{:.1} % of {} unseen words named right: {}",
        100.0 * accuracy,
        test.len(),
        run.path("confusion.png").display()
    );
    let figures = json!({"test_accuracy": accuracy, "test_loss": outcome.loss(), "errors": mistakes.len(), "classes": words.names.len()});
    Ok(run.finish(model.num_params(), figures, sentence)?)
}

fn classify(model: &ManyToOne, words: &Words, indices: &[usize], device: &Device) -> Classification {
    let mut all: Option<Classification> = None;
    for indices in indices.chunks(256) {
        let (x, lengths, _) = words.batch(indices, device);
        let labels: Vec<usize> = indices.iter().map(|&index| words.labels[index]).collect();
        let part = Classification::new(softmax(model.forward(x, Some(&lengths)), 1), &labels);
        match &mut all {
            Some(all) => all.extend(part),
            None => all = Some(part),
        }
    }
    all.unwrap_or_else(|| Classification::new(Tensor::zeros([0, words.names.len()], device), &[]))
}
