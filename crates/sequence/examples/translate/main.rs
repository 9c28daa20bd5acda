//! Dates in eighteen written forms, translated into ISO 8601 character by character, with a picture of where the decoder looks.

mod data;

use std::process::ExitCode;

use burn::module::Module;
use burn::tensor::Device;
use clap::{Parser, ValueEnum};
use fornax_nn_core::optim::AdamConfig;
use fornax_nn_core::plot::Matrix;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::Key;
use fornax_prep::worlds::tasks::Pair;
use fornax_sequence::metric::exact_match;
use fornax_sequence::seq2seq::{Attention, Sampling, train_step};
use fornax_sequence::{Seq2Seq, Seq2SeqConfig};
use serde::Serialize;
use serde_json::json;

use data::{Dates, text};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Updates of an epoch.
const STEPS: usize = 100;
/// The longest an answer may be.
const LONGEST: usize = 12;

/// Which model translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Model {
    /// Recurrent encoder and decoder with attention
    Seq2seq,
}

/// How the recurrent decoder looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Look {
    Bahdanau,
    Luong,
}

/// Translate dates, and see where the model looks while it writes
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    /// Which model translates
    #[arg(long, value_enum, default_value_t = Model::Seq2seq)]
    model: Model,
    /// How it looks back
    #[arg(long, value_enum, default_value_t = Look::Bahdanau)]
    attention: Look,
    /// Also "day 209 of 1999", which takes more than looking
    #[arg(long)]
    day_of_year: bool,
    /// Epochs of a hundred updates
    #[arg(long, default_value_t = 12)]
    epochs: usize,
    /// Dates per update
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    /// Units of each direction of the encoder and of the decoder
    #[arg(long, default_value_t = 64)]
    hidden: usize,
    /// Highest learning rate
    #[arg(long, default_value_t = 5e-3)]
    lr: f64,
    /// Longest gradient
    #[arg(long, default_value_t = 1.0)]
    clip: f64,
    /// Probability, at the end of training, of giving the decoder its own last character instead of the right one
    #[arg(long, default_value_t = 0.0)]
    sampling: f64,
}

fn main() -> ExitCode {
    cli::main(|args: Args| train(args))
}

fn train(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.epochs, settings.hidden) = (settings.epochs.min(1), settings.hidden.min(16));
    }
    let flat = args.device.open()?;
    let dates = Dates::new(settings.day_of_year)?;
    let (source, target) = dates.vocabularies();
    let attention = match settings.attention {
        Look::Bahdanau => Attention::Bahdanau,
        Look::Luong => Attention::Luong,
    };
    let config = Seq2SeqConfig::new(source, target)
        .with_attention(attention)
        .with_embedding_size(32)
        .with_hidden_size(settings.hidden);
    let mut run = Run::open("translate", &args, &json!({"settings": settings, "epochs": settings.epochs, "model": config}))?;
    let device = flat.clone().autodiff();
    device.seed(run.seed());
    let (mut model, mut optim) = (config.init(&device)?, AdamConfig::new().init()?);
    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
    }
    let (key, unseen) = (Key::new(run.seed()).fold(0), Key::new(run.seed()).fold(1));
    let unseen = dates.pairs(unseen, if args.quick { 100 } else { 1000 });
    let total = settings.epochs * STEPS;
    let schedule = ScheduleConfig::cosine(total.max(2) - 1).with_warm_up(50.min(total).max(1)).init(settings.lr)?;
    for _epoch in run.epochs(settings.epochs) {
        for _ in run.batches(STEPS, 1)? {
            let step = run.progress().step;
            let batch = dates.batch(&dates.pairs(key.fold(step), settings.batch_size), &device);
            let mut stream = key.fold(step).fold(u64::MAX).stream();
            let noise: Vec<f32> = (0..settings.batch_size * (LONGEST + 1)).map(|_| stream.uniform()).collect();
            let rate = settings.sampling * step as f64 / total as f64;
            let sampling = (rate > 0.0).then_some(Sampling { rate, noise: &noise });
            let rates = (schedule.lr(step as usize), settings.clip);
            let (trained, loss) = run.guard(train_step(model, &mut optim, rates, batch, sampling))?;
            model = trained;
            run.step([("loss", loss)])?;
            run.checkpoint_if_due(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
        }
        let exact = exact_match(&translate(&model.valid(), &dates, &unseen[..100], &flat), &right(&unseen[..100]));
        run.log("test", [("exact_match", exact)])?;
        run.finish_epoch(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
    }

    let model = model.valid();
    let exact = exact_match(&translate(&model, &dates, &unseen, &flat), &right(&unseen));
    draw(&run, &model, &dates, &unseen[..6], &flat)?;
    let target = if args.quick { 0.0 } else { 0.98 };
    run.check("exact_match", exact, Target::at_least(target));
    let picture = run.path("attention_0.png");
    let sentence = format!("{:.1} % of {} dates exactly right; where it looks: {}", 100.0 * exact, unseen.len(), picture.display());
    Ok(run.finish(model.num_params(), json!({"exact_match": exact}), sentence)?)
}

fn right(pairs: &[Pair]) -> Vec<String> {
    pairs.iter().map(|pair| pair.target.clone()).collect()
}

fn translate(model: &Seq2Seq, dates: &Dates, pairs: &[Pair], device: &Device) -> Vec<String> {
    let batch = dates.batch(pairs, device);
    let (written, _) = model.greedy(batch.sources, &batch.lengths, LONGEST);
    written.iter().map(|tokens| text(tokens)).collect()
}

/// Where the decoder looks while it writes, a picture a date.
fn draw(run: &Run, model: &Seq2Seq, dates: &Dates, pairs: &[Pair], device: &Device) -> Outcome<()> {
    for (index, pair) in pairs.iter().enumerate() {
        let batch = dates.batch(std::slice::from_ref(pair), device);
        let (written, looks) = model.greedy(batch.sources, &batch.lengths, LONGEST);
        let [_, _, width] = looks.dims();
        let weights: Vec<f64> = looks.into_data().iter::<f64>().collect();
        let answer = text(&written[0]);
        let rows: Vec<Vec<f64>> =
            weights.chunks(width).take(answer.chars().count()).map(<[f64]>::to_vec).collect();
        Matrix::heat_map(&rows)
            .title(format!("{} → {answer}", pair.input))
            .row_names(answer.chars().map(String::from))
            .column_names(pair.input.chars().map(|c| if c == ' ' { "␣".to_owned() } else { c.to_string() }))
            .range(0.0, 1.0)
            .bar_label("attention")
            .save(run.path(&format!("attention_{index}.png")))?;
    }
    Ok(())
}
