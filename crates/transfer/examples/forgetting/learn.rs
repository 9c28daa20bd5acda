//! Learning a task, with or without what keeps another.

use fornax_cnn::{Classifier, LeNet};
use fornax_nn_core::gradient::gradients;
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::train::Run;
use fornax_prep::Key;
use fornax_transfer::continual::Ewc;

use crate::digits::{Digits16, Passes};
use crate::pictures::Look;
use crate::{Outcome, Settings};

/// Times the network is looked at while it learns.
const LOOKS: usize = 8;

/// Trains on batches with as many images of each of the sets; also how both tasks fared meanwhile.
pub(crate) fn learn(
    run: &mut Run,
    mut model: LeNet,
    data: &Digits16,
    images: &[&[usize]],
    ewc: Option<&Ewc>,
    settings: &Settings,
    seed: u64,
) -> Outcome<(LeNet, Vec<Look>)> {
    let device = model.fc1.weight.device();
    let mut optim = AdamWConfig::new().with_weight_decay(0.0).init()?;
    let mut passes: Vec<_> = images.iter().map(|indices| Passes::new(indices, seed)).collect();
    let mut looks = Vec::new();
    for step in 0..settings.steps {
        if step % settings.steps.div_ceil(LOOKS) == 0 {
            looks.push(Look::at(step, &model, data));
        }
        let chosen: Vec<usize> =
            passes.iter_mut().flat_map(|passes| passes.next(settings.batch_size)).collect();
        let batch = data.augmented(&chosen, Key::new(seed).fold(step as u64), &device);
        let mut loss = model.training_loss(batch);
        if let Some(ewc) = ewc {
            loss = loss + ewc.penalty(&model) * settings.ewc;
        }
        let (loss, gradients) = run.guard(gradients(loss, &model))?;
        model = optim.step(settings.lr, model, gradients);
        run.step([("loss", loss)])?;
    }
    looks.push(Look::at(settings.steps, &model, data));
    Ok((model, looks))
}
