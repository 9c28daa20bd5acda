//! A GPT that learnt prose is adapted to code: all of its weights, or a low-rank correction of a hundredth of them.

mod adaptation;
mod corpus;

use std::path::PathBuf;
use std::process::ExitCode;

use burn::module::Module;
use clap::Parser;
use fornax_nn_core::config;
use fornax_nn_core::train::{Run, RunArgs, Target, cli, rng};
use fornax_sequence::gpt::{GptConfig, optimizer, train_step};
use fornax_transfer::adapter::{self, Adapter};
use fornax_transfer::lora::LoraConfig;
use serde::Serialize;
use serde_json::json;

use adaptation::{Fit, adapt, curves, held_out_loss, losses, schedule};
use corpus::{CONTEXT, Corpus};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Adapt a small GPT from one text to another, whole and with LoRA
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
    /// The text to adapt to, code of this project by default
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Letters of it that may be learnt from
    #[arg(long, default_value_t = 5_000)]
    letters: usize,
    /// Steps of learning the first text
    #[arg(long, default_value_t = 1_000)]
    pretraining: usize,
    /// Steps of each adaptation
    #[arg(long, default_value_t = 200)]
    steps: usize,
    /// Windows a step
    #[arg(long, default_value_t = 12)]
    batch_size: usize,
    /// Highest learning rate of the first text
    #[arg(long, default_value_t = 3e-3)]
    pretraining_lr: f64,
    /// Highest learning rate of all weights, adapted to the second text
    #[arg(long, default_value_t = 1e-3)]
    lr: f64,
    /// Highest learning rate of the adapter
    #[arg(long, default_value_t = 3e-2)]
    lora_lr: f64,
    /// Rank of the adapter
    #[arg(long, default_value_t = 1)]
    rank: usize,
    /// Repetitions of both adaptations, from other windows and adapters, each an epoch; an interruption waits for its end
    #[arg(long, default_value_t = 3)]
    seeds: usize,
}

fn main() -> ExitCode {
    cli::main(|args: Args| compare(args))
}

fn compare(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.pretraining, settings.steps, settings.seeds) = (8, 4, 1);
    }
    config::at_least_one(&[("seeds", settings.seeds), ("steps", settings.steps)])?;
    let device = args.device.open()?.autodiff();
    let corpus = Corpus::load(settings.data.as_deref(), settings.letters)?;
    let sizes = GptConfig::nano(corpus.tokenizer.vocab_size()).with_layers(2).with_context(CONTEXT);
    // All linear layers, and the table of the letters, which is the output layer too.
    let method = LoraConfig::new(settings.rank).with_names(vec!["blocks".to_owned(), "tokens".to_owned()]);
    let mut run = Run::open("lora", &args, &settings)?.log_every_steps(10);
    device.seed(run.seed());
    let (mut base, mut fits) = (sizes.init(&device)?, Vec::<Fit>::new());
    if let Some(saved) = run.resume() {
        (base, fits) = (saved.module("base", base)?, saved.json("fits")?);
    }
    for epoch in run.epochs(1 + settings.seeds) {
        let Some(repetition) = epoch.checked_sub(1) else {
            let mut optim = optimizer(&base)?;
            let schedule = schedule(settings.pretraining, settings.pretraining_lr)?;
            for step in 0..settings.pretraining {
                let batch = corpus.first.batch(step, settings.batch_size, sizes.context, run.seed(), &device);
                let trained = train_step(base, &mut optim, schedule.lr(step), batch);
                let loss;
                (base, loss) = run.guard(trained)?;
                run.step([("loss", loss)])?;
            }
            run.log("validation", [("first_text", held_out_loss(&base.valid(), &corpus.first))])?;
            run.finish_epoch(|s| s.module("base", &base)?.json("fits", &fits))?;
            continue;
        };
        let seed = rng::step_seed(run.seed(), 1 + repetition as u64);
        let (_, full) = adapt(&mut run, base.clone(), "full", settings.lr, &corpus, &settings, seed)?;
        let adapted = adapter::attach(base.clone(), &method, seed)?;
        let size = adapter::size(&adapted);
        let (adapted, lora) = adapt(&mut run, adapted, "lora", settings.lora_lr, &corpus, &settings, seed)?;
        let file = run.path("adapter.safetensors");
        Adapter::of(&adapted, method.clone())?.save(&file)?;
        // What was written is what was learnt, beside this base and no other.
        let restored = Adapter::open(&file)?.attach(base.clone())?;
        let again = held_out_loss(&restored.valid().materialize(), &corpus.second);
        if (again - lora.last()).abs() > 1e-4 {
            return Err(format!("{}: {again} after loading, {} before", file.display(), lora.last()).into());
        }
        run.log("adapter", [("share", size.share()), ("full", full.last()), ("lora", lora.last())])?;
        fits.extend([full, lora]);
        run.finish_epoch(|s| s.module("base", &base)?.json("fits", &fits))?;
    }

    curves(&fits).save(run.path("curves.png"))?;
    let size = adapter::size(&adapter::attach(base.clone(), &method, 0)?);
    let [[before, full, best], [_, lora, _]] = ["full", "lora"].map(|name| losses(&fits, name));
    let recovered = (before - lora) / (before - full);
    // Against all weights stopped where the held-out text was read best, which takes a held-out text to know.
    let of_best = (before - lora) / (before - best);
    if settings.data.is_none() && !args.quick {
        run.check("recovered", recovered, Target::at_least(0.9));
        run.check("trainable_share", size.share(), Target::at_most(0.02));
    }
    let bytes = std::fs::metadata(run.path("adapter.safetensors"))?.len();
    let figures = json!({
        "loss_before": before, "loss_full": full, "loss_lora": lora, "recovered": recovered,
        "recovered_of_best": of_best,
        "trainable_share": size.share(), "adapter_params": size.adapter, "adapter_bytes": bytes,
        "model_bytes": 4 * base.num_params(),
    });
    let sentence = format!(
        "{:.2} % of the weights, a file of {} kB, reach {:.0} % of what tuning all of them does: {}",
        100.0 * size.share(),
        bytes / 1000,
        100.0 * recovered,
        run.path("curves.png").display()
    );
    Ok(run.finish(base.num_params(), figures, sentence)?)
}
