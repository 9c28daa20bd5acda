//! One training on both domains.

use burn::tensor::Device;
use fornax_cnn::Classifier;
use fornax_cnn::classification;
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::train::{Run, rng};
use fornax_transfer::domain::adversarial::{self, Dann, DomainClassifierConfig, lambda};
use fornax_transfer::domain::alignment::{self, coral, mmd};
use fornax_transfer::domain::{features_and_logits, statistics};

use crate::scans::Scans;
use crate::{Outcome, Settings};

/// What makes the domains alike, and its weight.
#[derive(Clone, Copy)]
pub(crate) enum Method {
    SourceOnly,
    Coral(f64),
    Mmd(f64),
    Dann(f64),
}

/// Trains on labelled images of the source and unlabelled ones of the target.
pub(crate) fn fit<M: Classifier>(
    run: &mut Run,
    model: M,
    method: Method,
    scans: &Scans,
    settings: &Settings,
    seed: u64,
    device: &Device,
) -> Outcome<M> {
    let probe = scans.unlabelled(&scans.target[..1], device);
    let features = features_and_logits(&model, probe).0.dims()[1];
    // The adversary is there in any case, so that every method begins with the same weights.
    let domain = DomainClassifierConfig::new(features).init(device)?;
    let mut dann = Dann { network: model, domain };
    let mut optim = AdamWConfig::new().init()?;
    let (mut source, mut target) = (Batches::new(&scans.source, seed), Batches::new(&scans.target, !seed));
    for step in 0..settings.steps {
        let labelled = scans.labelled(&source.next(settings.batch_size), device);
        let images = scans.unlabelled(&target.next(settings.batch_size), device);
        device.seed(rng::step_seed(seed, step as u64));
        let lr = settings.lr;
        let loss = match method {
            Method::SourceOnly => {
                let step = classification::train_step(dann.network, &mut optim, lr, labelled);
                let loss;
                (dann.network, loss) = run.guard(step)?;
                loss
            }
            Method::Coral(weight) => {
                let penalty = (weight, coral);
                let step = alignment::train_step(dann.network, &mut optim, lr, labelled, images, penalty);
                let loss;
                (dann.network, loss, _) = run.guard(step)?;
                loss
            }
            Method::Mmd(weight) => {
                let penalty = (weight, mmd);
                let step = alignment::train_step(dann.network, &mut optim, lr, labelled, images, penalty);
                let loss;
                (dann.network, loss, _) = run.guard(step)?;
                loss
            }
            Method::Dann(weight) => {
                let lambda = weight * lambda(step as f64 / settings.steps as f64);
                let step = adversarial::train_step(dann, &mut optim, lr, labelled, images, lambda);
                let losses;
                (dann, losses) = run.guard(step)?;
                losses.classes
            }
        };
        run.step([("loss", loss)])?;
    }
    Ok(dann.network)
}

/// The network with the target's means and variances.
pub(crate) fn adapted_statistics<M: Classifier>(model: M, scans: &Scans, device: &Device) -> Outcome<M> {
    let chunks = scans.target.chunks(256).map(|chunk| scans.unlabelled(chunk, device));
    let batches: Vec<_> = chunks.collect();
    Ok(statistics::adapt(model, &batches, |model, images| drop(model.forward(images)))?)
}

/// Batches of some indices without end, each pass in another order.
struct Batches<'a> {
    indices: &'a [usize],
    seed: u64,
    pass: usize,
    left: Vec<usize>,
}

impl<'a> Batches<'a> {
    fn new(indices: &'a [usize], seed: u64) -> Self {
        Self { indices, seed, pass: 0, left: Vec::new() }
    }

    fn next(&mut self, size: usize) -> Vec<usize> {
        let size = size.clamp(1, self.indices.len());
        if self.left.len() < size {
            self.left = rng::permutation(self.seed, self.pass, self.indices.len());
            self.pass += 1;
        }
        let batch = self.left.split_off(self.left.len() - size);
        batch.into_iter().map(|i| self.indices[i]).collect()
    }
}
