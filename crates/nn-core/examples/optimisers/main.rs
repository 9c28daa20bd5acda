//! Ten optimisers race from the same start to the bottom of a landscape, each at its own learning rate.
//!
//! A landscape has no data, so the three kinds of gradient descent would be one. Here it has examples: example i
//! has the loss fᵢ(θ) = f(θ) + aᵢ·θ, the landscape tilted by a random aᵢ ~ N(0, σ²), and the tilts of all examples
//! cancel. Gradient descent sees all of them and so ∇f itself; SGD sees one, ∇f + aᵢ; mini-batch SGD sees the mean of
//! B, whose noise is smaller by 1/√B. The other seven see ∇f, so that nothing but their rule sets them apart.

mod pictures;
mod racer;
mod rates;

use std::process::ExitCode;

use burn::tensor::{Device, Distribution, Tensor};
use clap::Parser;
use fornax_nn_core::landscape::Landscape;
use fornax_nn_core::train::{Run, RunArgs, Target, cli, rng};
use serde::Serialize;
use serde_json::{Map, json};

use racer::Racer;
use rates::RACERS;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Steps between checkpoints: what counts as an epoch here.
const LAP: u64 = 100;

/// Race ten optimisers to the bottom of a landscape
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
    /// Draw the race as race.gif too
    #[arg(long)]
    gif: bool,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    /// bowl, ravine, rosenbrock, beale, himmelblau, rastrigin, saddle or plateau
    #[arg(long, default_value_t = Landscape::Beale)]
    landscape: Landscape,
    /// Laps of 100 steps
    #[arg(long, default_value_t = 5)]
    epochs: usize,
    /// Standard deviation σ of the tilt of an example
    #[arg(long, default_value_t = 2.0)]
    noise: f64,
    /// Examples B that mini-batch SGD takes a step
    #[arg(long, default_value_t = 16)]
    batch_size: usize,
    /// Multiply every learning rate by this: see who is hurt first
    #[arg(long, default_value_t = 1.0)]
    lr_scale: f64,
    /// Look for the learning rates on a grid first
    #[arg(long)]
    tune: bool,
}

fn main() -> ExitCode {
    cli::main(|args: Args| race(args))
}

fn race(Args { run: args, mut settings, gif }: Args) -> Outcome<()> {
    if args.quick {
        settings.epochs = settings.epochs.min(2);
    }
    if settings.batch_size == 0 || settings.noise.is_nan() {
        return Err("--batch-size must be at least 1, --noise a number".into());
    }
    let device = args.device.open()?.autodiff();
    let mut run = Run::open("optimisers", &args, &settings)?;
    let landscape = settings.landscape;

    let mut racers = Vec::new();
    for (i, kind) in RACERS.into_iter().enumerate() {
        let rate = match rates::of(landscape) {
            Some(rates) if !settings.tune => rates[i],
            _ => tune(i, &settings, run.seed(), &device)?,
        };
        racers.push(Racer::new(kind, rate * settings.lr_scale, landscape, &device)?);
    }
    if let Some(saved) = run.resume() {
        racers = racers.into_iter().map(|racer| racer.restored(&saved)).collect::<Result<_, _>>()?;
    }
    for _lap in run.epochs(settings.epochs) {
        for _ in run.progress().step_in_epoch..LAP {
            let tilts = tilts(&settings, run.seed(), run.progress().step, &device);
            racers = racers.into_iter().map(|racer| racer.step(&tilts)).collect();
            run.step(std::array::from_fn::<_, 10, _>(|i| (racers[i].kind.name(), racers[i].height())))?;
            run.checkpoint_if_due(|s| racers.iter().try_fold(s, |s, racer| racer.save(s)))?;
        }
        run.finish_epoch(|s| racers.iter().try_fold(s, |s, racer| racer.save(s)))?;
    }

    pictures::trajectories(landscape, &racers, usize::MAX).save(run.path("trajectories.png"))?;
    pictures::heights(landscape, &racers).save(run.path("loss.png"))?;
    if gif {
        pictures::race(landscape, &racers)?.save(run.path("race.gif"))?;
    }
    let mut figures = Map::new();
    for racer in &racers {
        let name = racer.kind.name();
        figures.insert(format!("final_{name}"), json!(racer.height()));
        figures.insert(format!("distance_{name}"), json!(racer.distance()));
        figures.insert(format!("lr_{name}"), json!(racer.lr));
    }
    let mut ranking: Vec<&Racer> = racers.iter().collect();
    ranking.sort_by(|a, b| a.rank().total_cmp(&b.rank()));
    let (first, last) = (ranking[0], ranking[ranking.len() - 1]);
    figures.insert("winner".to_owned(), json!(first.kind.name()));
    if landscape == Landscape::Beale {
        let ratio = |a: usize, b: usize| if args.quick { 0.0 } else { racers[a].rank() / racers[b].rank() };
        run.check("final of the winner", first.rank(), Target::at_most(if args.quick { 1.0 } else { 1e-9 }));
        run.check("momentum / gradient descent", ratio(3, 0), Target::at_most(0.5));
        run.check("mini-batch SGD / SGD", ratio(2, 1), Target::at_most(0.5));
    }
    let sentence = format!(
        "On {landscape}, {} is {:.1e} above the minimum after {} steps, {} {:.1e}: {}",
        first.kind,
        first.height(),
        run.progress().step,
        last.kind,
        last.height(),
        run.path("trajectories.png").display()
    );
    Ok(run.finish(2 * racers.len(), figures, sentence)?)
}

/// The tilts of the examples drawn at this step, `[B, 2]`.
fn tilts(settings: &Settings, seed: u64, step: u64, device: &Device) -> Tensor<2> {
    device.seed(rng::step_seed(seed, step));
    Tensor::random([settings.batch_size, 2], Distribution::Normal(0.0, settings.noise), device)
}

/// The best learning rate of a grid for racer `i`, by its score over as many steps as it will race.
fn tune(i: usize, settings: &Settings, seed: u64, device: &Device) -> Outcome<f64> {
    let mut best = (f64::INFINITY, rates::GRID[0]);
    for lr in rates::GRID {
        let mut racer = Racer::new(RACERS[i], lr, settings.landscape, device)?;
        for step in 0..settings.epochs as u64 * LAP {
            racer = racer.step(&tilts(settings, seed ^ rates::TUNING, step, device));
        }
        best = if racer.score() < best.0 { (racer.score(), lr) } else { best };
    }
    Ok(best.1)
}
