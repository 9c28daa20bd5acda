//! Images: a DCGAN, judged by a classifier trained on the same digits.

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use fornax_generative::dcgan::{
    Batch, DcganConfig, DcganCritic, DcganGenerator, critic_step, generator_step,
};
use fornax_generative::evaluation::{frechet_distance, precision_recall};
use fornax_nn_core::optim::AdamConfig;
use fornax_nn_core::train::{Run, RunArgs, Target};
use serde_json::json;

use crate::Outcome;
use crate::album::Album;
use crate::judge::{Judge, Verdict, labels};
use crate::players::Players;
use crate::settings::{Model, Settings};

/// Samples that are judged.
const SAMPLES: usize = 1500;
/// Decay of the generator's average: a memory of 500 steps.
const MEMORY: f64 = 0.998;

pub(crate) fn train(args: RunArgs, settings: Settings) -> Outcome<()> {
    let device = args.device.open()?;
    let game = settings.game();
    let (set, split) = settings.source().load()?;
    let classes = if settings.model() == Model::Cgan { set.num_classes() } else { 0 };
    let mut run = Run::open("gan", &args, &settings)?;

    let learning = device.clone().autodiff();
    let units = settings.noise();
    let config = DcganConfig::new(settings.channels()?).with_noise(units).with_classes(classes);
    let (generator, critic) = config.with_constraint(game.1).with_seed(run.seed()).init(&learning)?;
    let mut players = Players::new(generator, critic, &AdamConfig::new().with_beta_1(0.5), MEMORY)?;
    let mut album = Album::default();
    if let Some(saved) = run.resume() {
        (players, album.pages) = (players.restored(&saved, MEMORY)?, saved.json("pages")?);
    }
    let judge = Judge::train(&set, &split.train, run.seed(), &device)?;
    let accuracy = judge.accuracy(&set, &split.test, &device);
    // Only what the generator is shown; what it is not is the yardstick for how near two sets of real images are.
    let pixels = |indices: &[usize], device: &Device| set.gather(indices).to_tensor(device) * 2.0 - 1.0;
    let truth = judge.look(pixels(&split.train, &device)).features;
    let unseen = judge.look(pixels(&split.test, &device)).features;
    let show = |generator: &DcganGenerator, count: usize, seed: u64| {
        device.seed(seed);
        let told = (classes > 0).then(|| labels((0..count).map(|i| i % classes).collect(), &device));
        generator.forward(noise([count, units], &device), told.as_ref()) // [count, 1, S, S]
    };
    let epochs = settings.epochs(args.quick);
    for epoch in run.epochs(epochs) {
        for batch in run.full_batches(split.train.len(), settings.batch_size().min(split.train.len()))? {
            let indices: Vec<usize> = batch.iter().map(|&i| split.train[i]).collect();
            learning.seed(run.step_seed());
            let draw = || Batch {
                real: pixels(&indices, &learning),
                labels: (classes > 0)
                    .then(|| labels(indices.iter().map(|&i| set.labels()[i]).collect(), &learning)),
                z: noise([indices.len(), units], &learning),
                position: Tensor::random([indices.len(), 1], Distribution::Default, &learning),
            };
            let lr = settings.lr();
            let (mut critic, mut critic_loss, mut batch) = (players.critic, 0.0, draw());
            for _ in 0..settings.critic_steps() {
                let outcome = critic_step(critic, &mut players.c_optim, lr, &players.generator, &batch, game);
                (critic, critic_loss) = run.guard(outcome)?;
                batch = draw();
            }
            let outcome =
                generator_step(players.generator, &mut players.g_optim, lr, &critic, &batch, game.0);
            let (generator, loss) = run.guard(outcome)?;
            let ema = players.ema.update(&generator);
            players = Players { generator, critic, ema, ..players };
            if run.progress().step.is_multiple_of(5) {
                players = observed(players, batch);
            }
            run.step([("critic_loss", critic_loss), ("generator_loss", loss)])?;
            run.checkpoint_if_due(|s| players.save(s)?.json("pages", &album.pages))?;
        }
        if (epoch + 1) % (epochs / 24).max(1) == 0 {
            let Verdict { features, beliefs } = judge.look(show(players.ema.model(), 500, run.seed()));
            let sure = beliefs.iter().map(|(_, p)| p).sum::<f64>() / 500.0;
            run.log("test", [("fid_digits", frechet_distance(&truth, &features)?), ("confidence", sure)])?;
            album.push(epoch + 1, &show(players.ema.model(), 60, run.seed()));
        }
        let monitor = &players.monitor;
        run.log("balance", [("accuracy", monitor.accuracy()), ("spread", monitor.spread())])?;
        run.finish_epoch(|s| players.save(s)?.json("pages", &album.pages))?;
    }

    let samples = show(players.ema.model(), SAMPLES, run.seed());
    album.draw(&mut run, &samples)?;
    let verdict = judge.look(samples);
    let (fid, floor) = (frechet_distance(&truth, &verdict.features)?, frechet_distance(&truth, &unseen)?);
    let (precision, recall) = precision_recall(&truth, &verdict.features, 3)?;
    let (covered, count) = (verdict.covered(set.num_classes()), set.num_classes());
    let quick = args.quick || settings.source().data.is_some();
    run.check("classes_covered", covered as f64, Target::at_least(if quick { 0.0 } else { 10.0 }));
    run.check(
        "classifier_confidence",
        verdict.confidence(),
        Target::at_least(if quick { 0.0 } else { 0.85 }),
    );
    let sentence = format!(
        "{covered} of {count} classes drawn, the classifier {:.1} % sure of what it sees, Fréchet distance {fid:.2} ({floor:.2} between real images): {}",
        100.0 * verdict.confidence(),
        run.path("samples.png").display()
    );
    let figures = json!({
        "fid_digits": fid, "fid_unseen": floor, "classes_covered": covered,
        "classifier_confidence": verdict.confidence(), "classifier_accuracy": accuracy,
        "precision": precision, "recall": recall,
        "critic_accuracy": players.monitor.accuracy(), "spread": players.monitor.spread(),
        "balance": format!("{:?}", players.monitor.balance()),
    });
    Ok(run.finish(players.generator.num_params() + players.critic.num_params(), figures, sentence)?)
}

fn noise(shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

/// Who is winning.
fn observed(
    mut players: Players<DcganGenerator, DcganCritic>,
    batch: Batch,
) -> Players<DcganGenerator, DcganCritic> {
    let (generator, critic) = (players.generator.valid(), players.critic.valid());
    let told = batch.labels.map(|labels| labels.without_autodiff());
    let (real, z) = (batch.real.without_autodiff(), batch.z.without_autodiff());
    let fake = generator.forward(z, told.as_ref());
    let logits = (critic.forward(real.clone(), told.as_ref()), critic.forward(fake.clone(), told.as_ref()));
    players.monitor.observe(logits.0, logits.1, real.flatten(1, 3), fake.flatten(1, 3));
    players
}
