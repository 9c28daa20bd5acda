//! A language model that learns the project's own documentation, or a text of yours, character by character, and writes on.

mod carry;
#[path = "../common/corpus.rs"]
mod corpus;
mod learning;
#[path = "../common/model.rs"]
mod model;
mod report;
mod settings;
mod text;

use std::process::ExitCode;

use clap::Parser;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_sequence::language::Stretch;
use fornax_sequence::metric::bits_per_char;
use serde_json::json;

use corpus::Corpus;
use settings::{PERIOD, Settings};
use text::Text;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Batches of unseen text after every epoch; at the end it is all.
const GLANCE: usize = 10;

/// Teach a network to write, one character after the other
///
/// Recurrent networks read the text in order and carry their state along; --model gpt looks through windows at random places,
/// with the sizes of nanoGPT's example for a CPU. The generate example writes on with a finished run (--from DIR).
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

fn train(Args { run: args, settings }: Args) -> Outcome<()> {
    let sizes = settings.sizes(args.quick);
    let flat = args.device.open()?;
    let corpus = Corpus::load(settings.data.as_deref())?;
    let text = Text::new(&corpus, &sizes)?;
    let config = sizes.model(corpus.tokenizer.vocab_size());
    let recorded = json!({"settings": settings, "sizes": sizes, "epochs": sizes.epochs, "model": config});
    let mut run = Run::open("char_lm", &args, &recorded)?;
    config.save(run.dir(), &corpus.tokenizer)?;
    let device = flat.clone().autodiff();
    device.seed(run.seed());
    let mut model = config.init(&device)?;
    let mut optim = model.optimizer()?;
    let mut states = None;
    if let Some(saved) = run.resume() {
        (model, optim) = (model.restored(&saved)?, saved.optimizer("optimizer", optim)?);
        states = carry::restore(saved.json("states")?, &device);
    }
    let schedule = sizes.schedule()?;
    for _epoch in run.epochs(sizes.epochs) {
        for _ in run.batches(PERIOD, 1)? {
            let at = run.progress().step as usize;
            let ((inputs, targets), goes_on) = text.batch(&corpus, at, run.seed(), &device);
            let carried = states.take().filter(|_| goes_on);
            device.seed(run.step_seed());
            let rates = (schedule.lr(at), settings.clip);
            let step = model.learn(&mut optim, rates, Stretch { inputs, targets }, carried);
            let loss;
            (model, loss, states) = run.guard(step)?;
            run.step([("loss", f64::from(loss))])?;
            run.checkpoint_if_due(|s| {
                let states = carry::save(states.as_deref());
                model.save(s)?.optimizer("optimizer", &optim)?.json("states", &states)
            })?;
        }
        let trained = model.valid();
        let loss = trained.loss(text.unseen(&corpus, GLANCE, &flat));
        run.log("train", [("mean_loss", run.epoch_mean("loss"))])?;
        run.log("val", [("loss", loss), ("bits_per_char", bits_per_char(loss, 1, 1))])?;
        report::sample(&trained, &corpus, settings.temperature, &run)?;
        run.finish_epoch(|s| {
            let states = carry::save(states.as_deref());
            model.save(s)?.optimizer("optimizer", &optim)?.json("states", &states)
        })?;
    }

    report::curves(&mut run, settings.model, corpus.train.len())?;
    let loss = model.valid().loss(text.unseen(&corpus, usize::MAX, &flat));
    let bits = bits_per_char(loss, 1, 1);
    if settings.data.is_none() {
        run.check("bits_per_char", bits, Target::at_most(if args.quick { 5.5 } else { 3.0 }));
    }
    if let Some(target) = settings.target {
        run.check("val_loss", loss, Target::at_most(target));
    }
    let written = run.path("samples.txt");
    let sentence =
        format!("{bits:.3} bits a character on text never seen; what it writes: {}", written.display());
    let figures = json!({
        "val_loss": loss, "bits_per_char": bits, "vocabulary": corpus.tokenizer.vocab_size(),
        "characters": corpus.train.len(),
    });
    Ok(run.finish(model.num_params(), figures, sentence)?)
}
