//! The digits, and one training from them.

use burn::tensor::Device;
use fornax_cnn::classification::{self, Batch};
use fornax_cnn::{Classifier, LeNet, LeNetConfig};
use fornax_nn_core::metric::Classification;
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::{Run, rng};
use fornax_prep::image::{ImageSet, Normalisation, RandomAffine};
use fornax_prep::{Digits, Key, Split};
use fornax_transfer::distillation::{self, DistillationConfig, teacher_logits};

use crate::{Outcome, Settings};

/// The embedded digits at 16 × 16, a fifth of them held out.
pub(crate) struct Digits16 {
    set: ImageSet,
    pub(crate) split: Split,
    normalisation: Normalisation,
}

impl Digits16 {
    /// Another fold for every repetition.
    pub(crate) fn load(repetition: usize) -> Outcome<Self> {
        let [height, width] = LeNetConfig::digits().image_size;
        let set = Digits::load().to_set().resized(height, width)?;
        let split = Digits::load().folds().split(repetition % 5);
        let normalisation = Normalisation::fit(&set, &split.train);
        Ok(Self { set, split, normalisation })
    }

    /// As many of each class, as far as `count` can be divided.
    pub(crate) fn labelled(&self, count: usize, seed: u64) -> Outcome<Vec<usize>> {
        let order = rng::permutation(seed, 0, self.split.train.len());
        let mut left = [count / 10; 10];
        let mut chosen = Vec::new();
        for index in order.into_iter().map(|i| self.split.train[i]) {
            let class = self.set.labels()[index];
            if left[class] > 0 {
                left[class] -= 1;
                chosen.push(index);
            }
        }
        if chosen.is_empty() || left.iter().any(|&left| left > 0) {
            return Err(
                format!("--labels: {count} cannot be drawn from {} digits", self.split.train.len()).into()
            );
        }
        Ok(chosen)
    }

    /// Of the held-out digits.
    pub(crate) fn accuracy(&self, model: &LeNet) -> f64 {
        let device = model.fc1.weight.device();
        let (images, _) = self.set.batch(&self.split.test, &self.normalisation, &device);
        let targets: Vec<usize> = self.split.test.iter().map(|&i| self.set.labels()[i]).collect();
        Classification::new(model.predict(images), &targets).accuracy()
    }
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
    let augment = RandomAffine::none().with_rotation(12.0).with_translation(1.0).with_scale(0.9, 1.15);
    device.seed(seed);
    let (mut model, mut optim) = (config.init(device)?, AdamWConfig::new().init()?);
    let warm_up = (settings.steps / 10).max(1);
    let schedule = ScheduleConfig::cosine(settings.steps.saturating_sub(warm_up).max(1));
    let schedule = schedule.with_warm_up(warm_up).init(settings.lr)?;
    let (mut step, mut epoch) = (0, 0);
    while step < settings.steps {
        let order = rng::permutation(seed, epoch, indices.len());
        for batch in order.chunks(settings.batch_size.max(1)).take(settings.steps - step) {
            let chosen: Vec<usize> = batch.iter().map(|&i| indices[i]).collect();
            let key = Key::new(seed).fold(step as u64);
            let images = data.normalisation.apply(augment.apply(data.set.gather(&chosen), key));
            let (images, targets) = images.to_tensors(device);
            device.seed(rng::step_seed(seed, step as u64));
            let (lr, batch) = (schedule.lr(step), Batch { images, targets });
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
