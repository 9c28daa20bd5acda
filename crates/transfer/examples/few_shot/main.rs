//! Learns to compare digits on five classes, then tells five others apart from one or five examples of each.

mod episodes;
#[path = "../shared/figures.rs"]
mod figures;

use std::process::ExitCode;

use burn::module::Module;
use clap::Parser;
use fornax_cnn::LeNetConfig;
use fornax_nn_core::config::{self, ConfigError};
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli, rng};
use fornax_transfer::few_shot::{EpisodeConfig, Interval, train_step};
use serde::Serialize;

use episodes::{Turned, embed};
use figures::Fit;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What is measured: untrained pixels and the learnt embedding, with one and five examples.
const NAMES: [&str; 4] = ["pixels_1_shot", "1_shot", "pixels_5_shot", "5_shot"];

/// Tell digits apart that training never showed, from one or five examples of each
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
    /// Episodes of training
    #[arg(long, default_value_t = 300)]
    episodes: usize,
    /// Episodes of the test, for each number of examples
    #[arg(long, default_value_t = 400)]
    tests: usize,
    /// Examples of a class in an episode of training
    #[arg(long, default_value_t = 3)]
    shots: usize,
    /// Examples asked about, of a class
    #[arg(long, default_value_t = 7)]
    queries: usize,
    /// Learning rate
    #[arg(long, default_value_t = 1e-3)]
    lr: f64,
    /// Repetitions, each an epoch, which hold out other classes; an interruption waits for its end
    #[arg(long, default_value_t = 3)]
    seeds: usize,
}

fn main() -> ExitCode {
    cli::main(|args: Args| learn(args))
}

fn learn(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.episodes, settings.tests, settings.seeds) = (settings.episodes.min(10), 50, 1);
    }
    config::at_least_one(&[("seeds", settings.seeds), ("tests", settings.tests)])?;
    let flat = args.device.open()?;
    let device = flat.clone().autodiff();
    let config = LeNetConfig::digits().with_channels([16, 32]).with_dropout(0.0);
    let mut run = Run::open("few_shot", &args, &settings)?.log_every_steps(10);
    let mut fits: Vec<Fit> = run.resume().map_or(Ok(Vec::new()), |saved| saved.json("fits"))?;
    let digits = Turned::load()?;
    for repetition in run.epochs(settings.seeds) {
        let seed = rng::step_seed(run.seed(), repetition as u64);
        let order = rng::permutation(seed, 0, 10);
        let (known, held_out) = order.split_at(5);
        // A digit turned by 90, 180 or 270 degrees is a class of its own: 20 instead of 5.
        let classes: Vec<usize> = (0..4).flat_map(|turn| known.iter().map(move |c| 10 * turn + c)).collect();
        device.seed(seed);
        let (mut model, mut optim) = (config.init(&device)?, AdamWConfig::new().init()?);
        let episode = EpisodeConfig::new(5, settings.shots).with_queries(settings.queries);
        for index in 0..settings.episodes {
            let drawn = episode.draw(digits.labels(), &classes, seed, index as u64)?;
            let batch = digits.batch(&drawn, &device);
            let step = train_step(model, &mut optim, settings.lr, &batch, embed);
            let loss;
            (model, loss) = run.guard(step)?;
            run.step([("loss", loss)])?;
        }
        // Every digit is embedded once; episodes are then drawn from the rows.
        let model = model.valid();
        let (learnt, pixels) = (digits.embedded(|images| embed(&model, images), &flat), digits.pixels(&flat));
        for (shots, names) in [(1, &NAMES[..2]), (5, &NAMES[2..])] {
            let config = EpisodeConfig::new(5, shots);
            let test = |index: usize| config.draw(digits.upright(), held_out, !seed, index as u64);
            let drawn = (0..settings.tests).map(test).collect::<Result<Vec<_>, ConfigError>>()?;
            for (name, rows) in names.iter().zip([&pixels, &learnt]) {
                let accuracies: Vec<f64> =
                    drawn.iter().map(|episode| episodes::accuracy(episode, rows)).collect();
                fits.extend(accuracies.iter().map(|&accuracy| Fit::new(name, accuracy)));
                let mean = accuracies.iter().sum::<f64>() / accuracies.len() as f64;
                run.log("test", [(*name, mean)])?;
            }
        }
        run.finish_epoch(|s| s.json("fits", &fits))?;
    }

    let of = |name: &str| {
        let values: Vec<f64> = fits.iter().filter(|fit| fit.name == name).map(|fit| fit.value).collect();
        Interval::of(&values).ok_or("--tests: at least 2 are needed")
    };
    let mut summary = figures::summary(&fits, "accuracy", &NAMES);
    for name in NAMES {
        summary.insert(format!("half_width_{name}"), of(name)?.half_width.into());
    }
    figures::bars(&fits, &NAMES, "Five digits never seen in training").save(run.path("accuracies.png"))?;
    let (one, five, pixels) = (of("1_shot")?, of("5_shot")?, of("pixels_5_shot")?);
    if !args.quick {
        run.check("accuracy_5_shot above pixels", five.mean - pixels.mean, Target::at_least(0.0));
        run.check("accuracy_5_shot above 1_shot", five.mean - one.mean, Target::at_least(0.0));
    }
    let percent = |i: Interval| format!("{:.1} ± {:.1} %", 100.0 * i.mean, 100.0 * i.half_width);
    let sentence = format!(
        "Five unknown digits told apart: {} with one example of each, {} with five ({} by pixels): {}",
        percent(one),
        percent(five),
        percent(pixels),
        run.path("accuracies.png").display()
    );
    Ok(run.finish(config.init(&flat)?.num_params(), summary, sentence)?)
}
