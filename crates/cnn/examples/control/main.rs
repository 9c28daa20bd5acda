//! What do drivers do here? A mixture density answers "left or right" where one normal distribution says "between".

#[path = "../shared/driving.rs"]
mod driving;
mod judged;
mod pictures;

use std::process::ExitCode;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use clap::Parser;
use fornax_cnn::ResNet;
use fornax_cnn::block::SummaryConfig;
use fornax_cnn::control::{self, Batch, Controller, ControllerConfig};
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, checkpoint::Snapshot, cli};
use serde::Serialize;
use serde_json::json;

use driving::{Outcome, Series, World, backbone};
use judged::Judged;

/// Learn the distribution of a driver's commands where roads fork
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
    /// Roads of two forks that are recorded; a third as many are held out
    #[arg(long, default_value_t = 40)]
    roads: usize,
    /// Numbers in a command: 1 for steering, 2 for steering and speed
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    commands: u8,
    /// Components of the mixture
    #[arg(long, default_value_t = 5)]
    components: usize,
    /// Passes over the recorded frames
    #[arg(long, default_value_t = 6)]
    epochs: usize,
    /// Frames per step
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    /// Highest learning rate, reached after a tenth of the steps
    #[arg(long, default_value_t = 3e-3)]
    lr: f64,
    /// Decoupled weight decay of AdamW
    #[arg(long, default_value_t = 0.01)]
    weight_decay: f64,
}

/// The mixture and the single normal distribution, each with its optimiser.
type Models = [(Controller<ResNet>, ModuleOptimizer); 2];

fn main() -> ExitCode {
    cli::main(train)
}

fn train(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.epochs, settings.roads) = (settings.epochs.min(1), settings.roads.min(9));
    }
    let device = args.device.open()?;
    let columns = usize::from(settings.commands);
    let summary = SummaryConfig::new().with_grid([1, 2]);
    let head = ControllerConfig::new(columns).with_summary(summary).with_components(settings.components);
    let config =
        json!({"settings": settings, "epochs": settings.epochs, "backbone": backbone(), "head": head});
    let mut run = Run::open("control", &args, &config)?;
    let world = World::new(run.seed())?;
    let recorded = world.record(Series::Learn, 0..settings.roads)?;
    let unseen = world.record(Series::Unseen, 0..settings.roads.div_ceil(3))?;

    let learning = device.clone().autodiff();
    learning.seed(run.seed());
    let optim = || AdamWConfig::new().with_weight_decay(settings.weight_decay).init();
    let single = head.clone().with_components(1);
    let mut models: Models = [
        (head.init(backbone().init(&learning)?, &learning)?, optim()?),
        (single.init(backbone().init(&learning)?, &learning)?, optim()?),
    ];
    if let Some(saved) = run.resume() {
        for ((model, optim), name) in models.iter_mut().zip(NAMES) {
            *model = saved.module(name, model.clone())?;
            *optim = saved.optimizer(&format!("{name}_optimizer"), optim.clone())?;
        }
    }
    let steps = settings.epochs * recorded.len().div_ceil(settings.batch_size.max(1));
    let (rising, falling) = (steps / 10, steps - steps / 10);
    let schedule = ScheduleConfig::cosine(falling.max(1)).with_warm_up(rising.max(1)).init(settings.lr)?;
    for _epoch in run.epochs(settings.epochs) {
        for frames in run.full_batches(recorded.len(), settings.batch_size)? {
            let (images, commands) =
                (recorded.images(&frames, &learning), recorded.commands(&frames, columns, &learning));
            let lr = schedule.lr(run.progress().step as usize);
            learning.seed(run.step_seed());
            let mut losses = [0.0; 2];
            for ((model, optim), loss) in models.iter_mut().zip(&mut losses) {
                let batch = Batch { images: images.clone(), commands: commands.clone() };
                let (trained, nll) = run.guard(control::train_step(model.clone(), optim, lr, batch))?;
                (*model, *loss) = (trained, f64::from(nll));
            }
            run.step([("nll_mixture", losses[0]), ("nll_single", losses[1]), ("lr", lr)])?;
            run.checkpoint_if_due(|s| save(s, &models))?;
        }
        let [mixture, single] = [0, 1].map(|i| Judged::new(&models[i].0, &unseen, columns, &device));
        run.log("unseen", [("nll_mixture", mixture.nll(|_| true)), ("nll_single", single.nll(|_| true))])?;
        run.finish_epoch(|s| save(s, &models))?;
    }

    let [mixture, single] = [0, 1].map(|i| Judged::new(&models[i].0, &unseen, columns, &device));
    pictures::draw(&mut run, &unseen, &mixture, &single)?;
    let fork = |i: usize| unseen.at_fork[i];
    let (at_forks, single_at_forks) = (mixture.nll(fork), single.nll(fork));
    let gain = single_at_forks - at_forks;
    if !args.quick {
        run.check("nll_gain_at_forks", gain, Target::at_least(0.5));
    }
    let calibration = mixture.calibration(&unseen, columns)?;
    let figures = json!({
        "nll": mixture.nll(|_| true), "nll_single": single.nll(|_| true), "nll_at_forks": at_forks,
        "nll_single_at_forks": single_at_forks, "nll_gain_at_forks": gain,
        "coverage50": calibration.coverage(0.5), "coverage90": calibration.coverage(0.9), "calibration_error": calibration.error(),
        "frames": recorded.len(), "frames_unseen": unseen.len(), "frames_at_forks": unseen.at_fork.iter().filter(|at| **at).count(),
    });
    let sentence = format!(
        "At unseen forks a mixture costs {at_forks:.2} nats a command, one normal distribution {single_at_forks:.2}: {}",
        run.path("modes.png").display()
    );
    Ok(run.finish(models[0].0.num_params(), figures, sentence)?)
}

const NAMES: [&str; 2] = ["mixture", "single"];

fn save(snapshot: Snapshot, models: &Models) -> Result<Snapshot, fornax_nn_core::train::Error> {
    models.iter().zip(NAMES).try_fold(snapshot, |snapshot, ((model, optim), name)| {
        snapshot.module(name, model)?.optimizer(&format!("{name}_optimizer"), optim)
    })
}
