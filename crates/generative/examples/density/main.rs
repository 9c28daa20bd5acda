//! Fits a normalising flow to a planar distribution whose density is known, and measures the divergence that is left.

mod choices;
mod pictures;

use std::process::ExitCode;

use burn::tensor::{Device, Tensor, TensorData};
use clap::Parser;
use fornax_generative::flow::{self, Flow};
use fornax_generative::{MafConfig, PlanarFlowConfig, RealNvpConfig, SplineFlowConfig};
use fornax_nn_core::clip;
use fornax_nn_core::gradient::gradients;
use fornax_nn_core::optim::AdamConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::Key;
use fornax_prep::worlds::Density;
use serde::Serialize;
use serde_json::json;

use choices::{Layer, Shape};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Steps between two measurements.
const LAP: u64 = 100;
/// Fresh points that the gap is measured on.
const TEST: usize = 20_000;

/// Fit a flow to a planar distribution of known density
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    /// The flow's layers
    #[arg(long, value_enum, default_value_t = Layer::Spline)]
    flow: Layer,
    /// The distribution
    #[arg(long, value_enum, default_value_t = Shape::EightGaussians)]
    density: Shape,
    /// Laps of 100 steps
    #[arg(long, default_value_t = 100)]
    epochs: usize,
    /// Points per step, fresh ones every time
    #[arg(long, default_value_t = 512)]
    batch_size: usize,
    /// Highest learning rate of Adam, reached after a tenth of the steps
    #[arg(long, default_value_t = 5e-3)]
    lr: f64,
}

fn main() -> ExitCode {
    cli::main(|args: Args| {
        let device = args.run.device.open()?.autodiff();
        let seed = args.run.seed;
        match args.settings.flow {
            Layer::Planar => fit(PlanarFlowConfig::new(2).with_seed(seed).init(&device)?, args, &device),
            Layer::RealNvp => fit(RealNvpConfig::new(2).with_seed(seed).init(&device)?, args, &device),
            Layer::Maf => fit(MafConfig::new(2).with_seed(seed).init(&device)?, args, &device),
            // The Gaussians reach 2.8 at four deviations.
            Layer::Spline => {
                fit(SplineFlowConfig::new(2).with_bound(3.5).with_seed(seed).init(&device)?, args, &device)
            }
        }
    })
}

fn fit<F: Flow>(mut model: F, Args { run: args, mut settings }: Args, device: &Device) -> Outcome<()> {
    if args.quick {
        settings.epochs = settings.epochs.min(2);
    }
    let density = Density::new(settings.density.kind());
    let mut run = Run::open("density", &args, &settings)?;
    let mut optim = AdamConfig::new().init()?;
    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
    }
    let steps = settings.epochs * LAP as usize;
    let (rising, falling) = ((steps / 10).max(1), (steps - steps / 10).max(1));
    let schedule = ScheduleConfig::cosine(falling).with_warm_up(rising).init(settings.lr)?;
    let (training, test) = (Key::new(run.seed()).fold(0), Key::new(run.seed()).fold(1));
    let unseen = density.samples(test, TEST);
    for _lap in run.epochs(settings.epochs) {
        for _ in run.progress().step_in_epoch..LAP {
            let step = run.progress().step;
            let x = tensor(&density.samples(training.fold(step), settings.batch_size), device);
            let (loss, gradients) = run.guard(gradients(flow::loss(&model, x), &model))?;
            let (_, gradients) = clip::global_norm(&model, gradients, 5.0);
            model = optim.step(schedule.lr(step as usize), model, gradients);
            run.step([("loss", loss)])?;
            run.checkpoint_if_due(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
        }
        run.log("test", [("nll_gap", gap(&model.valid(), &density, &unseen[..TEST / 10]))])?;
        run.finish_epoch(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
    }

    let model = model.valid();
    let nll_gap = gap(&model, &density, &unseen);
    let entropy = -unseen.iter().map(|&x| density.log_density(x)).sum::<f64>() / TEST as f64;
    pictures::draw(&mut run, &model, &density)?;
    let target = match (settings.flow, settings.density) {
        _ if args.quick => 9.0,
        (Layer::Spline, Shape::EightGaussians) => 0.03,
        (Layer::Spline, Shape::Checkerboard) => 0.08,
        _ => f64::INFINITY,
    };
    run.check("nll_gap", nll_gap, Target::at_most(target));
    let sentence = format!(
        "The flow needs {nll_gap:.4} nats a point more than the truth's {entropy:.3}: {}",
        run.path("density.png").display()
    );
    let figures = json!({ "nll_gap": nll_gap, "nll": entropy + nll_gap, "entropy": entropy });
    Ok(run.finish(model.num_params(), figures, sentence)?)
}

fn tensor(points: &[[f64; 2]], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(points.as_flattened().to_vec(), [points.len(), 2]), device)
}

/// The mean of ln p − ln q over points of p: the divergence KL(p ‖ q), up to the error of the sample.
fn gap<F: Flow>(model: &F, density: &Density, points: &[[f64; 2]]) -> f64 {
    let found = pictures::log_prob(model, points).into_iter();
    points.iter().zip(found).map(|(&x, found)| density.log_density(x) - found).sum::<f64>()
        / points.len() as f64
}
