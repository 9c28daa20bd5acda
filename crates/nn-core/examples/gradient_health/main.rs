//! Four networks of 20 hidden layers on real digits, side by side: one vanishes, one explodes, two are remedied.

mod network;
mod pictures;
mod recipe;

use std::process::ExitCode;

use burn::module::Module;
use burn::tensor::Tensor;
use clap::Parser;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::Digits;
use fornax_prep::image::{ImageBatch, Normalisation};
use serde::Serialize;
use serde_json::json;

use network::Network;
use recipe::RECIPES;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Watch the gradient vanish and explode in networks of 20 hidden layers, and what remedies it
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    /// Passes over the training images
    #[arg(long, default_value_t = 30)]
    epochs: usize,
    /// Images per step
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Learning rate of gradient descent
    #[arg(long, default_value_t = 0.05)]
    lr: f64,
    /// Hidden layers
    #[arg(long, default_value_t = 20)]
    depth: usize,
    /// Units of each
    #[arg(long, default_value_t = 128)]
    width: usize,
}

fn main() -> ExitCode {
    cli::main(|args: Args| train(args))
}

fn train(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        settings.epochs = settings.epochs.min(1);
    }
    let device = args.device.open()?.autodiff();
    let mut run = Run::open("gradient_health", &args, &settings)?;
    let (set, split) = (Digits::load().to_set(), Digits::load().folds().split(0));
    let normalisation = Normalisation::fit(&set, &split.train);
    let pixels = |batch: ImageBatch| {
        let (images, labels) = normalisation.apply(batch).to_tensors(&device);
        (images.flatten::<2>(1, 3), labels) // [B, 64], [B]
    };

    device.seed(run.seed());
    let mut networks = Vec::new();
    for recipe in RECIPES {
        networks.push(Network::new(recipe, settings.width, settings.depth, &device)?);
    }
    if let Some(saved) = run.resume() {
        networks = networks.into_iter().map(|network| network.restored(&saved)).collect::<Result<_, _>>()?;
    }
    for _epoch in run.epochs(settings.epochs) {
        for batch in run.batches(split.train.len(), settings.batch_size)? {
            let indices: Vec<usize> = batch.iter().map(|&i| split.train[i]).collect();
            let (x, y) = pixels(set.gather(&indices));
            let step = run.progress().step as usize;
            networks = networks
                .into_iter()
                .map(|network| network.step(step, settings.lr, x.clone(), y.clone()))
                .collect();
            run.step(std::array::from_fn::<_, 4, _>(|i| (networks[i].name(), networks[i].loss)))?;
            run.checkpoint_if_due(|s| networks.iter().try_fold(s, |s, network| network.save(s)))?;
        }
        run.finish_epoch(|s| networks.iter().try_fold(s, |s, network| network.save(s)))?;
    }

    pictures::draw_losses(&run, &networks)?;
    for network in &networks {
        pictures::draw_gradients(&run, network)?;
    }

    let (test_x, _): (Tensor<2>, _) = pixels(set.gather(&split.test));
    let labels: Vec<usize> = split.test.iter().map(|&i| set.labels()[i]).collect();
    let accuracy: Vec<f64> =
        networks.iter().map(|network| network.accuracy(test_x.clone().inner(), &labels)).collect();
    let verdicts: Vec<_> = networks.iter().map(|network| network.monitor.verdict()).collect();
    let text: Vec<String> =
        networks.iter().zip(&verdicts).map(|(n, v)| format!("{}: {v}", n.name())).collect();
    std::fs::write(run.path("verdicts.txt"), text.join("\n") + "\n")?;

    let remedied = verdicts[2..].iter().find(|verdict| verdict.name() != "healthy").unwrap_or(&verdicts[2]);
    let accuracy_remedied = accuracy[2].min(accuracy[3]);
    let expected = [(&verdicts[0], "vanishing"), (&verdicts[1], "exploding"), (remedied, "healthy")];
    for (verdict, name) in expected {
        let found = f64::from(u8::from(verdict.name() == name));
        run.check(&format!("a network found {name}"), found, Target::at_least(1.0));
    }
    run.check("accuracy_remedied", accuracy_remedied, Target::at_least(if args.quick { 0.3 } else { 0.95 }));
    let sentence = format!(
        "Sigmoid is {}, bad initialisation {}; remedied, {:.1} % of unseen digits are named right: {}",
        verdicts[0].name(),
        verdicts[1].name(),
        100.0 * accuracy_remedied,
        run.path("gradient_sigmoid.png").display()
    );
    let figures = json!({
        "verdict_sigmoid": verdicts[0].name(), "verdict_exploding": verdicts[1].name(),
        "verdict_remedied": remedied.name(), "accuracy_sigmoid": accuracy[0],
        "accuracy_relu_he": accuracy[2], "accuracy_residual": accuracy[3], "accuracy_remedied": accuracy_remedied,
    });
    let params = networks.iter().map(|network| network.model.num_params()).sum();
    Ok(run.finish(params, figures, sentence)?)
}
