//! What an encoder is worth with a few labels: a plane on its features, or all of it tuned.

use burn::module::{Module, ModuleDisplay};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::gradient::gradients;
use fornax_nn_core::metric::Classification;
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::Run;
use fornax_prep::Key;
use fornax_transfer::features::Features;
use fornax_transfer::probe::ProbeConfig;

use crate::digits::{Digits16, Passes};
use crate::{Outcome, Settings};

/// Images looked at at once.
const CHUNK: usize = 256;
/// Images of a step with labels.
const BATCH: usize = 32;

/// An encoder with an output layer.
#[derive(Module, Debug)]
struct Reader<M: Module> {
    encoder: M,
    head: Linear,
}

fn device<M: Module>(model: &M) -> Device {
    model.devices().swap_remove(0)
}

fn features<M: Module>(
    model: &M,
    data: &Digits16,
    indices: &[usize],
    encode: impl Fn(&M, Tensor<4>) -> Tensor<2>,
) -> Outcome<Features> {
    let model = model.valid();
    let device = device(&model);
    let rows = indices.chunks(CHUNK).map(|chunk| encode(&model, data.plain(chunk, &device).images));
    let rows = Tensor::cat(rows.collect(), 0);
    let width = rows.dims()[1];
    Ok(Features::new(width, rows.into_data().iter::<f32>().collect(), data.labels(indices))?)
}

/// Share of the held-out digits read correctly: by a plane fitted to the features of the few, and by the whole network, tuned.
pub(crate) fn worth<M: Module + ModuleDisplay>(
    run: &mut Run,
    encoder: M,
    data: &Digits16,
    few: &[usize],
    encode: impl Fn(&M, Tensor<4>) -> Tensor<2>,
    settings: &Settings,
    seed: u64,
) -> Outcome<[f64; 2]> {
    let plane = ProbeConfig::new().fit(&features(&encoder, data, few, &encode)?)?;
    let probe = plane.accuracy(&features(&encoder, data, &data.split.test, &encode)?)?;
    Ok([probe, tuned(run, encoder, data, few, encode, settings, seed)?])
}

/// Trains everything on the few, with an output layer that begins at random.
fn tuned<M: Module + ModuleDisplay>(
    run: &mut Run,
    encoder: M,
    data: &Digits16,
    few: &[usize],
    encode: impl Fn(&M, Tensor<4>) -> Tensor<2>,
    settings: &Settings,
    seed: u64,
) -> Outcome<f64> {
    let device = device(&encoder);
    let width = encode(&encoder, data.plain(&few[..1], &device).images).dims()[1];
    device.seed(seed);
    let mut model = Reader { encoder, head: LinearConfig::new(width, 10).init(&device) };
    let mut optim = AdamWConfig::new().init()?;
    let schedule = ScheduleConfig::cosine(settings.steps.max(1)).init(settings.tuning_lr)?;
    let mut passes = Passes::new(few, seed);
    for step in 0..settings.steps {
        let chosen = passes.next(BATCH);
        let batch = data.augmented(&chosen, Key::new(seed).fold(step as u64), &device);
        let logits = model.head.forward(encode(&model.encoder, batch.images));
        let loss = CrossEntropyLossConfig::new().init(&device).forward(logits, batch.targets);
        let (loss, gradients) = run.guard(gradients(loss, &model))?;
        model = optim.step(schedule.lr(step), model, gradients);
        run.step([("labelled", loss)])?;
    }
    let model = model.valid();
    let device = self::device(&model);
    let test = &data.split.test;
    let logits =
        |chunk: &[usize]| model.head.forward(encode(&model.encoder, data.plain(chunk, &device).images));
    let logits = Tensor::cat(test.chunks(CHUNK).map(logits).collect(), 0);
    Ok(Classification::new(softmax(logits, 1), &data.labels(test)).accuracy())
}
