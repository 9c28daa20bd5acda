//! `--data ring`: eight Gaussians on a circle, learnt from nothing but a critic's opinion. How many are found, and how well?

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use fornax_generative::evaluation::{Points, frechet_distance, mode_coverage, points};
use fornax_generative::gan::{Batch, Critic, GanConfig, Generator, critic_step, generator_step};
use fornax_nn_core::optim::AdamConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, RunArgs, Target};
use fornax_prep::Key;
use fornax_prep::worlds::{Density, DensityKind};
use serde_json::json;

use crate::Outcome;
use crate::pictures::Film;
use crate::players::Players;
use crate::settings::Settings;

/// Steps of the generator between two measurements.
const LAP: u64 = 100;
/// Samples that are judged.
const SAMPLES: usize = 4000;
/// Three deviations of the Gaussians.
const RADIUS: f64 = 0.6;
/// Decay of the generator's average: a memory of 200 steps.
const MEMORY: f64 = 0.995;

pub(crate) fn train(args: RunArgs, settings: Settings) -> Outcome<()> {
    let device = args.device.open()?;
    let game = settings.game();
    let density = Density::new(DensityKind::EightGaussians);
    let data = Key::new(args.seed).fold(0);
    let mut run = Run::open("gan", &args, &settings)?;

    let learning = device.clone().autodiff();
    let config = GanConfig::new(2).with_noise(settings.noise()).with_hidden(settings.hidden.clone());
    let config = config.with_constraint(game.1).with_seed(run.seed());
    let (generator, critic) = config.init(&learning)?;
    // Little momentum, or the two chase each other: Gulrajani et al. take 0 and 0.9, Radford et al. 0.5.
    let adam = AdamConfig::new().with_beta_1(0.5).with_beta_2(0.9);
    let mut players = Players::new(generator, critic, &adam, MEMORY)?;
    let mut film = Film::new();
    if let Some(saved) = run.resume() {
        (players, film.frames) = (players.restored(&saved, MEMORY)?, saved.json("frames")?);
    }
    let schedule =
        ScheduleConfig::cosine((settings.epochs(args.quick) * LAP as usize).max(1)).init(settings.lr())?;
    let batch = |step: u64, part: u64| {
        let real = density.samples(data.fold(step).fold(part), settings.batch_size());
        Batch {
            real: tensor(&real, &learning),
            y: None,
            z: noise(settings.batch_size(), config.noise, &learning),
            position: Tensor::random([settings.batch_size(), 1], Distribution::Default, &learning),
        }
    };
    for _lap in run.epochs(settings.epochs(args.quick)) {
        for _ in run.progress().step_in_epoch..LAP {
            let step = run.progress().step;
            learning.seed(run.step_seed());
            let lr = schedule.lr(step as usize);
            let (mut critic, mut critic_loss) = (players.critic, 0.0);
            for part in 0..settings.critic_steps() {
                let batch = batch(step, part);
                let outcome = critic_step(critic, &mut players.c_optim, lr, &players.generator, &batch, game);
                (critic, critic_loss) = run.guard(outcome)?;
            }
            let batch = batch(step, settings.critic_steps());
            let outcome =
                generator_step(players.generator, &mut players.g_optim, lr, &critic, &batch, game.0);
            let (generator, loss) = run.guard(outcome)?;
            let ema = players.ema.update(&generator);
            players = observed(Players { generator, critic, ema, ..players }, batch);
            run.step([("critic_loss", critic_loss), ("generator_loss", loss)])?;
            run.checkpoint_if_due(|s| players.save(s)?.json("frames", &film.frames))?;
        }
        let samples = sample(players.ema.model(), config.noise, run.seed(), &device);
        let found = mode_coverage(&samples, &film.modes, RADIUS)?;
        let monitor = &players.monitor;
        run.log("balance", [("accuracy", monitor.accuracy()), ("spread", monitor.spread())])?;
        run.log("test", [("modes", found.modes as f64), ("high_quality", found.high_quality)])?;
        film.push(&samples);
        run.finish_epoch(|s| players.save(s)?.json("frames", &film.frames))?;
    }

    let samples = sample(players.ema.model(), config.noise, run.seed(), &device);
    let coverage = mode_coverage(&samples, &film.modes, RADIUS)?;
    let truth: Points =
        density.samples(Key::new(run.seed()).fold(1), SAMPLES).iter().map(|p| p.to_vec()).collect();
    film.draw(&mut run, &samples)?;
    run.check("modes", coverage.modes as f64, Target::at_least(if args.quick { 0.0 } else { 8.0 }));
    run.check("high_quality", coverage.high_quality, Target::at_least(if args.quick { 0.0 } else { 0.9 }));
    let sentence = format!(
        "{} of 8 modes found, {:.1} % of the samples within three deviations of one: {}",
        coverage.modes,
        100.0 * coverage.high_quality,
        run.path("samples.png").display()
    );
    let figures = json!({
        "modes": coverage.modes, "high_quality": coverage.high_quality,
        "frechet": frechet_distance(&truth, &samples)?,
        "critic_accuracy": players.monitor.accuracy(), "spread": players.monitor.spread(),
        "balance": format!("{:?}", players.monitor.balance()),
    });
    Ok(run.finish(players.generator.num_params() + players.critic.num_params(), figures, sentence)?)
}

fn tensor(points: &[[f64; 2]], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(points.as_flattened().to_vec(), [points.len(), 2]), device)
}

fn noise(count: usize, units: usize, device: &Device) -> Tensor<2> {
    Tensor::random([count, units], Distribution::Normal(0.0, 1.0), device)
}

/// Always from the same noise.
fn sample(generator: &Generator, units: usize, seed: u64, device: &Device) -> Points {
    device.seed(seed);
    points(generator.forward(noise(SAMPLES, units, device), None))
}

/// Who is winning.
fn observed(mut players: Players<Generator, Critic>, batch: Batch) -> Players<Generator, Critic> {
    let (generator, critic) = (players.generator.valid(), players.critic.valid());
    let (real, fake) = (batch.real.without_autodiff(), generator.forward(batch.z.without_autodiff(), None));
    let logits = (critic.forward(real.clone(), None), critic.forward(fake.clone(), None));
    players.monitor.observe(logits.0, logits.1, real, fake);
    players
}
