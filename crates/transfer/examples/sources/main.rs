//! Five sources for one task with few labels: which helps, which hurts, and whether that can be seen beforehand.

#[path = "../shared/digits.rs"]
mod digits;
#[path = "../shared/figures.rs"]
mod figures;
mod learn;
mod pictures;
mod source;

use std::process::ExitCode;

use burn::module::Module;
use clap::Parser;
use fornax_cnn::{Classifier, LeNetConfig};
use fornax_nn_core::config;
use fornax_nn_core::train::{Run, RunArgs, Target, cli, rng};
use fornax_transfer::similarity::{leep, linear_cka, log_me};
use serde::Serialize;

use digits::Digits16;
use figures::Fit;
use learn::{accuracy, fine_tuned, hidden, pretrained};
use source::Source;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Choose among sources by their features alone, then see what each is worth
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
    /// Labelled images of the new task, as many of each of five digits
    #[arg(long, default_value_t = 50)]
    labels: usize,
    /// Steps of learning each source
    #[arg(long, default_value_t = 300)]
    source_steps: usize,
    /// Passes over the labelled images of the new task
    #[arg(long, default_value_t = 60)]
    epochs: usize,
    /// Images a step
    #[arg(long, default_value_t = 25)]
    batch_size: usize,
    /// Learning rate
    #[arg(long, default_value_t = 3e-3)]
    lr: f64,
    /// Repetitions from other images and weights, each an epoch; an interruption waits for its end
    #[arg(long, default_value_t = 3)]
    seeds: usize,
}

fn main() -> ExitCode {
    cli::main(|args: Args| compare(args))
}

fn compare(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.source_steps, settings.epochs, settings.seeds) = (8, 3, 1);
    }
    let Settings { seeds, epochs, batch_size, .. } = settings;
    config::at_least_one(&[("seeds", seeds), ("epochs", epochs), ("batch_size", batch_size)])?;
    let device = args.device.open()?.autodiff();
    let lenet = LeNetConfig { num_classes: 5, ..LeNetConfig::digits() };
    let lenet = lenet.with_channels([16, 32]).with_hidden([64, 48]).with_dropout(0.0);
    let mut run = Run::open("sources", &args, &settings)?.log_every_steps(10);
    let mut fits: Vec<Fit> = run.resume().map_or(Ok(Vec::new()), |saved| saved.json("fits"))?;
    for repetition in run.epochs(settings.seeds) {
        let seed = rng::step_seed(run.seed(), repetition as u64);
        let data = Digits16::load(repetition)?;
        let few = data.labelled(settings.labels, 5..10, seed)?;
        let labels: Vec<usize> = data.labels(&few).into_iter().map(|label| label - 5).collect();
        let images = data.plain(&few, &device).images.inner();
        for source in Source::ALL {
            device.seed(seed);
            let random = lenet.init(&device)?;
            let before = pretrained(&mut run, random, source, &data, &settings, seed, &device)?;
            // What can be known before anything is trained on the new task.
            let frozen = before.valid();
            let features = hidden(&frozen, images.clone());
            let mut add =
                |figure: &str, value: f64| fits.push(Fit::new(&format!("{figure}_{}", source.name()), value));
            add("log_me", log_me(features.clone(), &labels)?);
            add("leep", leep(frozen.predict(images.clone()), &labels)?);

            let (probe, tuned) = fine_tuned(&mut run, before, &data, &few, &settings, seed, &device)?;
            add("frozen", accuracy(&probe, &data));
            add("accuracy", accuracy(&tuned, &data));
            add("cka", linear_cka(features, hidden(&tuned.valid(), images.clone()))?);
            run.log("test", [(source.name(), accuracy(&tuned, &data))])?;
        }
        run.finish_epoch(|s| s.json("fits", &fits))?;
    }

    let of = |figure: &str, source: Source| figures::mean(&fits, &format!("{figure}_{}", source.name())).0;
    pictures::bars(&fits).save(run.path("sources.png"))?;
    let scratch = of("accuracy", Source::None);
    let gains = Source::ALL[1..].iter().map(|&source| (source, of("accuracy", source) - scratch));
    let gains: Vec<(Source, f64)> = gains.collect();
    let by = |worse: f64| {
        let best = gains.iter().max_by(|a, b| (worse * a.1).total_cmp(&(worse * b.1)));
        best.copied().unwrap_or((Source::None, f64::NAN))
    };
    let ((best, gain), (worst, loss)) = (by(1.0), by(-1.0));
    let mut summary = pictures::summary(&fits);
    summary.insert("best".to_owned(), best.name().into());
    summary.insert("worst".to_owned(), worst.name().into());
    summary.insert("gain_best".to_owned(), gain.into());
    summary.insert("gain_worst".to_owned(), loss.into());
    let chosen =
        Source::ALL[1..].iter().copied().max_by(|&a, &b| of("log_me", a).total_cmp(&of("log_me", b)));
    let chosen = chosen.unwrap_or(Source::None);
    summary.insert("chosen_by_log_me".to_owned(), chosen.name().into());
    if !args.quick {
        run.check("gain of the worst source", loss, Target::at_most(-0.02));
        run.check(
            "LogME's choice behind the best",
            gain - (of("accuracy", chosen) - scratch),
            Target::at_most(0.01),
        );
    }
    let sentence = format!(
        "{:.1} % of unseen digits read correctly from random weights, {:+.1} points from {}, {:+.1} from {}: {}",
        100.0 * scratch,
        100.0 * gain,
        best.name(),
        100.0 * loss,
        worst.name(),
        run.path("sources.png").display()
    );
    Ok(run.finish(lenet.init(&device)?.num_params(), summary, sentence)?)
}
