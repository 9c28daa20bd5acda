//! Squeezes 64 pixels into a few numbers, next to what principal components make of as many, and cleans noisy digits.

mod baseline;
#[path = "../shared/images.rs"]
mod images;
mod network;
mod pictures;
mod settings;

use std::process::ExitCode;

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use clap::Parser;
use fornax_generative::autoencoder::Batch;
use fornax_generative::evaluation::points;
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use serde_json::json;

use baseline::principal_components;
use network::Network;
use settings::Settings;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Train two autoencoders on 1,797 real handwritten digits or images of your own, one of them to remove noise
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

fn train(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        settings.epochs = settings.epochs.min(5);
    }
    let device = args.device.open()?;
    let (set, split) = settings.source.load()?;
    let side = settings.source.image_size;
    let pixels = |indices: &[usize], device: &Device| -> Tensor<2> {
        set.gather(indices).to_tensor(device).flatten::<2>(1, 3) // [B, side²]
    };
    let mut run = Run::open("autoencoder", &args, &settings)?;

    let learning = device.clone().autodiff();
    let init = |seed| Network::init(settings.model, side, settings.code, seed, &learning);
    let (mut plain, mut cleaner) = (init(run.seed())?, init(run.seed() + 1)?);
    let adam = AdamWConfig::new().with_weight_decay(settings.weight_decay);
    let (mut plain_optim, mut cleaner_optim) = (adam.init()?, adam.init()?);
    if let Some(saved) = run.resume() {
        plain = saved.module("plain", plain)?;
        plain_optim = saved.optimizer("plain_optim", plain_optim)?;
        cleaner = saved.module("cleaner", cleaner)?;
        cleaner_optim = saved.optimizer("cleaner_optim", cleaner_optim)?;
    }
    let steps = settings.epochs * split.train.len().div_ceil(settings.batch_size.max(1));
    let schedule = ScheduleConfig::cosine((steps - steps / 10).max(1))
        .with_warm_up((steps / 10).max(1))
        .init(settings.lr)?;
    let unseen = pixels(&split.test, &device); // [T, side²]
    for _epoch in run.epochs(settings.epochs) {
        for batch in run.batches(split.train.len(), settings.batch_size)? {
            let indices: Vec<usize> = batch.iter().map(|&i| split.train[i]).collect();
            let x = pixels(&indices, &learning); // [B, side²]
            learning.seed(run.step_seed());
            let noise = x.random_like(Distribution::Normal(0.0, 1.0));
            let lr = schedule.lr(run.progress().step as usize);
            let step = plain.train_step(&mut plain_optim, lr, Batch::clean(x.clone()));
            let (trained, loss) = run.guard(step)?;
            plain = trained;
            let noisy = Batch::noisy(x, noise, settings.noise);
            let step = cleaner.train_step(&mut cleaner_optim, lr, noisy);
            let (trained, denoising) = run.guard(step)?;
            cleaner = trained;
            run.step([("loss", loss), ("denoising_loss", denoising)])?;
            run.checkpoint_if_due(|s| {
                let s = s.module("plain", &plain)?.optimizer("plain_optim", &plain_optim)?;
                s.module("cleaner", &cleaner)?.optimizer("cleaner_optim", &cleaner_optim)
            })?;
        }
        run.log("train", [("mean_loss", run.epoch_mean("loss"))])?;
        run.log("test", [("mse", error(&plain.valid(), unseen.clone(), unseen.clone()))])?;
        run.finish_epoch(|s| {
            let s = s.module("plain", &plain)?.optimizer("plain_optim", &plain_optim)?;
            s.module("cleaner", &cleaner)?.optimizer("cleaner_optim", &cleaner_optim)
        })?;
    }

    let (plain, cleaner) = (plain.valid(), cleaner.valid());
    device.seed(run.seed());
    let noisy = unseen.clone() + unseen.random_like(Distribution::Normal(0.0, settings.noise));
    let test_mse = error(&plain, unseen.clone(), unseen.clone());
    let seen = points(pixels(&split.train, &device));
    let pca_mse = principal_components(&seen, &points(unseen.clone()), settings.code);
    let before = (noisy.clone() - unseen.clone()).square().mean().into_scalar::<f64>();
    let after = error(&cleaner, noisy.clone(), unseen.clone());
    pictures::draw(&mut run, side, [&plain, &cleaner], [&unseen, &noisy])?;
    let gain = 1.0 - test_mse / pca_mse;
    run.check(
        "gain over principal components",
        gain,
        Target::at_least(if args.quick || settings.source.data.is_some() { f64::NEG_INFINITY } else { 0.15 }),
    );
    let sentence = format!(
        "{} numbers rebuild an unseen image with a mean squared error of {test_mse:.4}, {:.0} % below as many principal components: {}",
        settings.code,
        100.0 * gain,
        run.path("reconstructions.png").display()
    );
    let figures = json!({
        "test_mse": test_mse, "pca_mse": pca_mse, "gain_over_pca": gain, "noisy_mse": before, "denoised_mse": after,
    });
    Ok(run.finish(plain.num_params() + cleaner.num_params(), figures, sentence)?)
}

/// Mean squared error a pixel.
fn error(model: &Network, inputs: Tensor<2>, targets: Tensor<2>) -> f64 {
    (model.forward(inputs) - targets).square().mean().into_scalar::<f64>()
}
