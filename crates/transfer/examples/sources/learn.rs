//! Learning a source, and the task that is meant.

use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fornax_cnn::classification::{self, Batch};
use fornax_cnn::{Backbone, Classifier, LeNet};
use fornax_nn_core::metric::Classification;
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::Run;
use fornax_prep::Key;
use fornax_transfer::fine_tune::{Phase, train_step};
use fornax_transfer::groups::Groups;

use crate::digits::{Digits16, Passes};
use crate::source::Source;
use crate::{Outcome, Settings};

/// What the output layer sees: everything before it is transferred.
pub(crate) fn hidden(model: &LeNet, images: Tensor<4>) -> Tensor<2> {
    match model.forward_features(images).pop() {
        Some(map) => {
            let x = relu(model.fc1.forward(map.flatten(1, 3)));
            relu(model.fc2.forward(x))
        }
        None => unreachable!("LeNet has three maps"),
    }
}

/// The network after the source.
pub(crate) fn pretrained(
    run: &mut Run,
    mut model: LeNet,
    source: Source,
    data: &Digits16,
    settings: &Settings,
    seed: u64,
    device: &Device,
) -> Outcome<LeNet> {
    if source == Source::None {
        return Ok(model);
    }
    let mut optim = AdamWConfig::new().init()?;
    let schedule = ScheduleConfig::cosine(settings.source_steps.max(1)).init(settings.lr)?;
    let known = data.of(&data.split.train, 0..5);
    let mut passes = Passes::new(&known, seed);
    for step in 0..settings.source_steps {
        let batch = source.batch(data, &passes.next(64), Key::new(seed).fold(step as u64), device);
        let trained = classification::train_step(model, &mut optim, schedule.lr(step), batch);
        let loss;
        (model, loss) = run.guard(trained)?;
        run.step([("source", loss)])?;
    }
    Ok(model)
}

/// The network with nothing but a new output layer learnt, and all of it at one rate: the same for every source, so that only
/// what was learnt before makes the difference.
#[allow(clippy::too_many_arguments, reason = "one training, told in one place")]
pub(crate) fn fine_tuned(
    run: &mut Run,
    before: LeNet,
    data: &Digits16,
    few: &[usize],
    settings: &Settings,
    seed: u64,
    device: &Device,
) -> Outcome<(LeNet, LeNet)> {
    let layers: &[(&str, &[&str])] = &[
        ("conv1", &["conv1"]),
        ("conv2", &["conv2"]),
        ("fc1", &["fc1"]),
        ("fc2", &["fc2"]),
        ("head", &["fc3"]),
    ];
    device.seed(seed);
    let before = before.reset_classifier(5)?;
    let groups = Groups::by_prefix(&before, layers)?;
    let mut learn = |plan: Vec<Phase>| -> Outcome<LeNet> {
        let (mut model, mut optim) = (before.clone(), AdamWConfig::new().init()?);
        let (steps, mut passes, mut step) =
            (few.len().div_ceil(settings.batch_size), Passes::new(few, seed), 0);
        for phase in plan {
            let (begun, mut rates) = phase.begin(model, &groups, steps, 0)?;
            model = begun;
            for _ in 0..phase.epochs * steps {
                let chosen = passes.next(settings.batch_size);
                let Batch { images, targets } = data.augmented(&chosen, Key::new(seed).fold(step), device);
                let batch = Batch { images, targets: targets - 5 };
                let trained = train_step(model, &mut optim, rates.step(), batch);
                let loss;
                (model, loss) = run.guard(trained)?;
                run.step([("target", loss)])?;
                step += 1;
            }
        }
        Ok(model)
    };
    let frozen = learn(vec![Phase::head(&groups, settings.epochs, settings.lr)])?;
    Ok((frozen, learn(vec![Phase::everything(settings.epochs, settings.lr)])?))
}

/// Share of the held-out digits 5 to 9 that are read correctly.
pub(crate) fn accuracy(model: &LeNet, data: &Digits16) -> f64 {
    let test = data.of(&data.split.test, 5..10);
    let images = data.plain(&test, &model.fc1.weight.device()).images;
    let labels: Vec<usize> = data.labels(&test).into_iter().map(|label| label - 5).collect();
    Classification::new(model.predict(images), &labels).accuracy()
}
