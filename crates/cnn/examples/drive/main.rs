//! A network learns to drive from an expert, drives itself, asks the expert again, and drives roads it has not seen.

mod driver;
#[path = "../shared/driving.rs"]
mod driving;
mod pictures;

use std::process::ExitCode;

use burn::module::Module;
use clap::Parser;
use fornax_cnn::block::SummaryConfig;
use fornax_cnn::control::ControllerConfig;
use fornax_cnn::navigation::{self, Batch, NavigatorConfig};
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use serde::Serialize;
use serde_json::json;

use driver::{Visit, drive, score, visit};
use driving::{Outcome, Series, World, backbone};

/// Learn to drive where told to, by conditional imitation and dataset aggregation
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
    /// Roads of two forks that the expert drives at first
    #[arg(long, default_value_t = 30)]
    roads: usize,
    /// Roads that the network drives in each round, for the expert to comment
    #[arg(long, default_value_t = 12)]
    roads_per_round: usize,
    /// Rounds of dataset aggregation
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// Steps of learning in each round; twice as many before the first
    #[arg(long, default_value_t = 250)]
    steps_per_round: usize,
    /// Unseen roads that are driven at the end
    #[arg(long, default_value_t = 50)]
    test_roads: usize,
    /// Components of the mixture
    #[arg(long, default_value_t = 2)]
    components: usize,
    /// Frames per step
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    /// Highest learning rate, reached after a tenth of the steps
    #[arg(long, default_value_t = 3e-3)]
    lr: f64,
}

fn main() -> ExitCode {
    cli::main(train)
}

fn train(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.rounds, settings.steps_per_round) = (1, settings.steps_per_round.min(10));
        (settings.roads, settings.test_roads) = (settings.roads.min(4), settings.test_roads.min(4));
    }
    let device = args.device.open()?;
    let summary = SummaryConfig::new().with_grid([1, 2]);
    let head = ControllerConfig::new(2).with_components(settings.components).with_summary(summary);
    let head = NavigatorConfig::new(head);
    let config = json!({"settings": settings, "backbone": backbone(), "head": head});
    let mut run = Run::open("drive", &args, &config)?;
    let world = World::new(run.seed())?;
    let mut frames = world.record(Series::Learn, 0..settings.roads)?;

    let learning = device.clone().autodiff();
    learning.seed(run.seed());
    let mut model = head.init(backbone().init(&learning)?, &learning)?;
    let mut optim = AdamWConfig::new().init()?;
    let mut visits: Vec<Visit> = Vec::new();
    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
        visits = saved.json("visits")?;
        frames.extend(&world, &visits);
    }
    let rounds = 1 + settings.rounds; // the first on the expert's own drives
    let total = (rounds + 1) * settings.steps_per_round;
    let (rising, falling) = (total / 10, total - total / 10);
    let schedule = ScheduleConfig::cosine(falling.max(1)).with_warm_up(rising.max(1)).init(settings.lr)?;
    for round in run.epochs(rounds) {
        let steps = settings.steps_per_round * if round == 0 { 2 } else { 1 };
        for draw in run.full_batches(steps * settings.batch_size, settings.batch_size)? {
            let chosen: Vec<usize> = draw.iter().map(|&i| i % frames.len()).collect();
            let (images, commands) =
                (frames.images(&chosen, &learning), frames.commands(&chosen, 2, &learning));
            let goals = chosen.iter().map(|&i| frames.goals[i]).collect();
            let lr = schedule.lr(run.progress().step as usize);
            learning.seed(run.step_seed());
            let step = navigation::train_step(model, &mut optim, lr, Batch { images, goals, commands });
            let (trained, loss) = run.guard(step)?;
            model = trained;
            run.step([("loss", f64::from(loss)), ("lr", lr)])?;
            run.checkpoint_if_due(|s| {
                s.module("model", &model)?.optimizer("optimizer", &optim)?.json("visits", &visits)
            })?;
        }
        let driver = model.valid();
        // The network at the wheel of roads that are new to it; the expert says what it would have done.
        let start = settings.roads + round * settings.roads_per_round;
        let (new, drives) = visit(&driver, &world, start..start + settings.roads_per_round, &device)?;
        let [success, lane_error, _] = score(&drives);
        run.log("validation", [("success_rate", success), ("lane_error", lane_error)])?;
        frames.extend(&world, &new);
        visits.extend(new);
        run.finish_epoch(|s| {
            s.module("model", &model)?.optimizer("optimizer", &optim)?.json("visits", &visits)
        })?;
    }

    let driver = model.valid();
    let drives = drive(&driver, &world, (Series::Unseen, 0..settings.test_roads), &device, |_, _, _| Ok(()))?;
    let [success, lane_error, progress] = score(&drives);
    pictures::curves(&mut run)?;
    pictures::film(&run, &driver, &world, 0, &device)?;
    if !args.quick {
        run.check("success_rate", success, Target::at_least(0.95));
    }
    let first = run.history("validation", "success_rate")?.first().map_or(f64::NAN, |(_, rate)| *rate);
    let figures = json!({
        "success_rate": success, "mean_lane_error": lane_error, "progress": progress,
        "success_rate_before_aggregation": first, "roads": drives.len(), "frames": frames.len(),
    });
    let sentence = format!(
        "{:.0} % of {} unseen roads driven to the end, {:.2} m from the middle of the lane: {}",
        100.0 * success,
        drives.len(),
        lane_error,
        run.path("drive.gif").display()
    );
    Ok(run.finish(model.num_params(), figures, sentence)?)
}
