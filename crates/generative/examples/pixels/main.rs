//! Learns digits pixel by pixel: exactly how likely unseen ones are, new ones, and what could stand below the upper half of one.

#[path = "../shared/images.rs"]
mod images;
mod network;
mod pictures;

use std::process::ExitCode;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use clap::Parser;
use fornax_generative::evaluation::bits_per_dim;
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::image::ImageSet;
use serde::Serialize;
use serde_json::json;

use images::Source;
use network::{Kind, Network};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What both networks stay below with the defaults.
const BITS: f64 = 0.45;

/// Train an autoregressive model on 1,797 real handwritten digits or images of your own, each pixel black or white
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    #[command(flatten)]
    source: Source,
    /// Masked convolutions or masked layers
    #[arg(long, value_enum, default_value_t = Kind::PixelCnn)]
    model: Kind,
    /// Passes over the training images
    #[arg(long, default_value_t = 30)]
    epochs: usize,
    /// Images per step
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    /// Highest learning rate, reached after a tenth of the steps
    #[arg(long, default_value_t = 5e-3)]
    lr: f64,
    /// Decoupled weight decay of AdamW
    #[arg(long, default_value_t = 0.05)]
    weight_decay: f64,
}

fn main() -> ExitCode {
    cli::main(|args: Args| train(args))
}

fn train(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        settings.epochs = settings.epochs.min(3);
    }
    let device = args.device.open()?;
    let (set, split) = settings.source.load()?;
    let mut run = Run::open("pixels", &args, &settings)?;

    let learning = device.clone().autodiff();
    let mut model = Network::init(settings.model, settings.source.image_size, run.seed(), &learning)?;
    let mut optim = AdamWConfig::new().with_weight_decay(settings.weight_decay).init()?;
    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
    }
    let steps = settings.epochs * split.train.len().div_ceil(settings.batch_size.max(1));
    let (rising, falling) = ((steps / 10).max(1), (steps - steps / 10).max(1));
    let schedule = ScheduleConfig::cosine(falling).with_warm_up(rising).init(settings.lr)?;
    let (seen, unseen) = (bits(&set, &split.train, &device), bits(&set, &split.test, &device));
    let pixels = settings.source.image_size.pow(2);
    let cost = |model: &Network, x: &Tensor<3, Int>| {
        bits_per_dim(-model.log_prob(x.clone()).mean().into_scalar::<f64>(), pixels)
    };
    for _epoch in run.epochs(settings.epochs) {
        for batch in run.batches(split.train.len(), settings.batch_size)? {
            let indices: Vec<usize> = batch.iter().map(|&i| split.train[i]).collect();
            let lr = schedule.lr(run.progress().step as usize);
            let outcome = model.train_step(&mut optim, lr, bits(&set, &indices, &learning));
            let (trained, loss) = run.guard(outcome)?;
            model = trained;
            run.step([("loss", loss)])?;
            run.checkpoint_if_due(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
        }
        let model_now = model.valid();
        for (name, x) in [("train", &seen), ("test", &unseen)] {
            run.log(name, [("bits_per_dim", cost(&model_now, x))])?;
        }
        run.finish_epoch(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
    }

    let model = model.valid();
    let found = cost(&model, &unseen);
    let independent = each_on_its_own(&seen, &unseen);
    pictures::draw(&mut run, &model, unseen)?;
    let free = args.quick || settings.source.data.is_some();
    run.check("bits_per_dim", found, Target::at_most(if free { independent } else { BITS }));
    let sentence = format!(
        "An unseen image costs {found:.3} bits a pixel, exactly ({independent:.3} if pixels knew nothing of each other): {}",
        run.path("completions.png").display()
    );
    let figures = json!({ "bits_per_dim": found, "nll": found * pixels as f64 * 2f64.ln(), "independent": independent });
    Ok(run.finish(model.num_params(), figures, sentence)?)
}

/// Pixels as 0 or 1, more than half of the ink being 1.
fn bits(set: &ImageSet, indices: &[usize], device: &Device) -> Tensor<3, Int> {
    let [_, height, width] = set.shape();
    let ink = set.gather(indices).pixels.into_iter().map(|ink| i64::from(ink > 0.5));
    Tensor::from_data(TensorData::new(ink.collect::<Vec<_>>(), [indices.len(), height, width]), device)
}

/// Bits a pixel when each has the share of ones that `seen` has there, one image of each colour added.
fn each_on_its_own(seen: &Tensor<3, Int>, unseen: &Tensor<3, Int>) -> f64 {
    let count = seen.dims()[0] as f64;
    let p = (seen.clone().float().sum_dim(0) + 1.0) / (count + 2.0); // [1, H, W]
    let x = unseen.clone().float();
    let nats = x.clone() * p.clone().log() + (-x + 1.0) * (-p + 1.0).log();
    bits_per_dim(-nats.mean().into_scalar::<f64>(), 1)
}
