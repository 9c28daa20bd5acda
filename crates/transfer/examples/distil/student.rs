//! One training from the digits, and what it led to.

use burn::tensor::Device;
use fornax_cnn::{Classifier, LeNet, LeNetConfig, classification};
use fornax_nn_core::metric::Classification;
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, rng};
use fornax_prep::Key;
use fornax_transfer::distillation::{self, DistillationConfig, teacher_logits};

use crate::digits::Digits16;
use crate::{Outcome, Settings};

/// Of the held-out digits.
pub(crate) fn accuracy(model: &LeNet, data: &Digits16) -> f64 {
    let held_out = data.plain(&data.split.test, &model.fc1.weight.device());
    Classification::new(model.predict(held_out.images), &data.labels(&data.split.test)).accuracy()
}

/// Trains a network on the images at `indices`, turned and moved a little, with a guide's beliefs if there is one.
#[allow(clippy::too_many_arguments, reason = "one training, told in one place")]
pub(crate) fn fit(
    run: &mut Run,
    config: &LeNetConfig,
    data: &Digits16,
    indices: &[usize],
    settings: &Settings,
    seed: u64,
    guide: Option<(&LeNet, &DistillationConfig)>,
    device: &Device,
) -> Outcome<LeNet> {
    device.seed(seed);
    let (mut model, mut optim) = (config.init(device)?, AdamWConfig::new().init()?);
    let warm_up = (settings.steps / 10).max(1);
    let schedule = ScheduleConfig::cosine(settings.steps.saturating_sub(warm_up).max(1));
    let schedule = schedule.with_warm_up(warm_up).init(settings.lr)?;
    let (mut step, mut epoch) = (0, 0);
    while step < settings.steps {
        let order = rng::permutation(seed, epoch, indices.len());
        for part in order.chunks(settings.batch_size.max(1)).take(settings.steps - step) {
            let chosen: Vec<usize> = part.iter().map(|&i| indices[i]).collect();
            let key = Key::new(seed).fold(step as u64);
            let batch = data.augmented(&chosen, key, device);
            device.seed(rng::step_seed(seed, step as u64));
            let lr = schedule.lr(step);
            let trained = match guide {
                None => classification::train_step(model, &mut optim, lr, batch),
                Some((guide, soft)) => {
                    let beliefs = teacher_logits(guide, batch.images.clone());
                    distillation::train_step(model, &mut optim, lr, batch, beliefs, soft)
                }
            };
            let loss;
            (model, loss) = run.guard(trained)?;
            run.step([("loss", loss)])?;
            step += 1;
        }
        epoch += 1;
    }
    Ok(model)
}
