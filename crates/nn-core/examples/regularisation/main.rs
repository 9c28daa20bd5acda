//! An over-sized network on 100 digits of which some bear a wrong label, once for every regulariser.
//!
//! 1,098 of the 1,797 digits are the test and are always the same. A seed draws the 100 training digits, ten a
//! class, from the other 699, and says which get a wrong label. What is left of the 699 serves to choose the strengths
//! in `method.rs`: `--tune` measures on those digits, with other seeds, so that no strength was chosen by what
//! the figures are reported on.

mod data;
mod method;
mod regulariser;
mod results;

use std::process::ExitCode;

use burn::optim::AdamConfig;
use clap::Parser;
use fornax_nn_core::activation::Activation;
use fornax_nn_core::feed_forward::FeedForwardConfig;
use fornax_nn_core::gradient::gradients;
use fornax_nn_core::regularization::{EarlyStoppingConfig, Mode, Progress, RestoreBest};
use fornax_nn_core::train::{Run, RunArgs, Target, cli, rng};
use serde::{Deserialize, Serialize};

use data::Data;
use method::chosen;
use regulariser::Regulariser;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Compare regularisers on an over-sized network and 100 digits, some of them mislabelled
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    /// Passes over the 100 images, which are one batch; an interruption waits for their end
    #[arg(long, default_value_t = 150)]
    epochs: usize,
    /// Units of each of the two hidden layers
    #[arg(long, default_value_t = 256)]
    width: usize,
    /// Learning rate of Adam
    #[arg(long, default_value_t = 1e-3)]
    lr: f64,
    /// How many of the 100 labels are wrong
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u8).range(0..=100))]
    wrong: u8,
    /// Networks trained for each regulariser, from different images and weights
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    seeds: u8,
    /// Multiply every strength by this: see too little and too much
    #[arg(long, default_value_t = 1.0)]
    strength: f64,
    /// Some of the regularisers only, by name, with commas between
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// Measure on the digits kept for choosing strengths instead of the test
    #[arg(long)]
    tune: bool,
}

/// What became of one network.
#[derive(Serialize, Deserialize)]
struct Fit {
    name: String,
    /// Epoch and test accuracy.
    curve: Vec<(f64, f64)>,
    /// On the labels it was trained with, right or wrong.
    train_accuracy: f64,
    test_accuracy: f64,
}

fn main() -> ExitCode {
    cli::main(|args: Args| compare(args))
}

fn compare(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.epochs, settings.seeds) = (settings.epochs.min(20), 1);
    }
    let device = args.device.open()?.autodiff();
    let methods = chosen(&settings.only)?;
    let mut run = Run::open("regularisation", &args, &settings)?;
    let seeds = usize::from(settings.seeds);
    let mut fits: Vec<Fit> = run.resume().map_or(Ok(Vec::new()), |saved| saved.json("fits"))?;
    let config =
        FeedForwardConfig::new(64, vec![settings.width; 2], 10).with_output_activation(Activation::Softmax);
    for fit in run.epochs(methods.len() * seeds) {
        let (method, k) = (methods[fit / seeds].scaled(settings.strength), (fit % seeds) as u64);
        let seed = rng::step_seed(run.seed(), if settings.tune { k + data::TUNING } else { k });
        let data =
            Data::draw(seed, usize::from(settings.wrong), method.holds_back(), settings.tune, &device)?;
        let config = config.clone().with_dropout(method.dropout()).with_seed(seed);
        let regulariser = Regulariser::new(method, seed)?;
        let mut model = regulariser.attach(config.init(&device)?, seed);
        let mut optim = AdamConfig::new().with_epsilon(1e-8).init();
        // Accuracy, because wrong labels raise the loss of whoever is right about the image.
        let stopping = EarlyStoppingConfig::new().with_patience(method.patience()).with_mode(Mode::Max);
        let mut best = RestoreBest::new(stopping.init()?);
        let mut curve = Vec::new();
        for epoch in 0..settings.epochs {
            device.seed(run.step_seed());
            let loss = regulariser.loss(&model, &data.train, run.step_seed())?;
            let (loss, gradients) = run.guard(gradients(loss, &model))?;
            model = regulariser.update(model, &mut optim, settings.lr, gradients, epoch as u64);
            run.step([("loss", loss)])?;
            if epoch % 5 == 4 && epoch + 1 < settings.epochs {
                curve.push((epoch as f64 + 1.0, data.test.accuracy(&model)));
            }
            let Some(held_back) = &data.held_back else { continue };
            if best.observe(epoch as u64, held_back.accuracy(&model), &model) == Progress::Stop {
                break;
            }
        }
        model = best.restore(model);
        let (train_accuracy, test_accuracy) = (data.train.accuracy(&model), data.test.accuracy(&model));
        let ends = [5 * (curve.len() + 1), settings.epochs].map(|epoch| epoch.min(settings.epochs) as f64);
        curve.extend(ends.map(|epoch| (epoch, test_accuracy)));
        run.log("test", [(method.name(), test_accuracy)])?;
        fits.push(Fit { name: method.name().to_owned(), curve, train_accuracy, test_accuracy });
        run.finish_epoch(|s| s.json("fits", &fits))?;
    }

    let results = results::results(&methods, &fits);
    results::curves(&results).save(run.path("curves.png"))?;
    results::bars(&results, settings.wrong).save(run.path("accuracies.png"))?;
    let none = results.iter().find(|result| result.name == "none").map_or(f64::NAN, |result| result.mean);
    let better = results.iter().filter(|result| result.mean >= none + 0.03).count();
    let mut figures = results::figures(&results);
    figures.insert("three_points_better".to_owned(), better.into());
    let wanted = if args.quick { 0.0 } else { 4.0 };
    run.check("regularisers 3 points above none", better as f64, Target::at_least(wanted));
    let first = results.iter().max_by(|a, b| a.mean.total_cmp(&b.mean)).ok_or("nothing was trained")?;
    let sentence = format!(
        "{better} regularisers beat none ({:.1} % of unseen digits) by 3 points or more, {} most ({:.1} %): {}",
        100.0 * none,
        first.name,
        100.0 * first.mean,
        run.path("accuracies.png").display()
    );
    Ok(run.finish(config.num_params(), figures, sentence)?)
}
