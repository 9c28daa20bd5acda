//! The two tasks that need no labels.

use burn::tensor::{Device, Tensor};
use fornax_cnn::{Backbone, LeNet};
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::plot::{Tile, Tiles};
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_nn_core::train::Run;
use fornax_prep::Key;
use fornax_prep::image::RandomAffine;
use fornax_transfer::self_supervised::contrastive::{self, ProjectionHeadConfig, SimClr};
use fornax_transfer::self_supervised::masked::{self, MaskedAutoencoder};

use crate::digits::{Digits16, Passes};
use crate::{Outcome, Settings};

/// LeNet's deepest map; its fully connected layers have no part in it.
pub(crate) fn conv_features(model: &LeNet, images: Tensor<4>) -> Tensor<2> {
    match model.forward_features(images).pop() {
        Some(map) => map.flatten(1, 3),
        None => unreachable!("LeNet has three maps"),
    }
}

/// Learns which two of many views show the same digit.
pub(crate) fn sim_clr(
    run: &mut Run,
    encoder: LeNet,
    data: &Digits16,
    settings: &Settings,
    seed: u64,
    device: &Device,
) -> Outcome<LeNet> {
    let augment = RandomAffine::none()
        .with_rotation(25.0)
        .with_translation(2.0)
        .with_scale(0.75, 1.25)
        .with_shear(15.0);
    let width = conv_features(&encoder, data.plain(&data.split.train[..1], device).images).dims()[1];
    let head = ProjectionHeadConfig::new(width).with_hidden(Some(128)).with_output(64).init(device)?;
    let (mut model, mut optim) = (SimClr { encoder, head }, AdamWConfig::new().init()?);
    let schedule = ScheduleConfig::cosine(settings.simclr_steps.max(1)).init(settings.lr)?;
    let mut passes = Passes::new(&data.split.train, seed);
    for step in 0..settings.simclr_steps {
        let chosen = passes.next(settings.batch_size);
        let views = [0, 1].map(|view| {
            let key = Key::new(seed).fold(2 * step as u64 + view);
            data.tensors(augment.apply(data.set.gather(&chosen), key), device).images
        });
        let (lr, temperature) = (schedule.lr(step), settings.temperature);
        let trained = contrastive::train_step(model, &mut optim, lr, views, temperature, conv_features);
        let loss;
        (model, loss) = run.guard(trained)?;
        run.step([("simclr", loss)])?;
    }
    Ok(model.encoder)
}

/// Learns to paint the patches that are hidden.
pub(crate) fn masked_autoencoder(
    run: &mut Run,
    mut model: MaskedAutoencoder,
    data: &Digits16,
    settings: &Settings,
    seed: u64,
    device: &Device,
) -> Outcome<MaskedAutoencoder> {
    let mut optim = AdamWConfig::new().init()?;
    let schedule = ScheduleConfig::cosine(settings.mae_steps.max(1)).init(settings.lr)?;
    let mut passes = Passes::new(&data.split.train, seed);
    for step in 0..settings.mae_steps {
        let chosen = passes.next(settings.batch_size);
        let images = data.augmented(&chosen, Key::new(seed).fold(step as u64), device).images;
        let masking = model.config.masking(chosen.len(), seed, step as u64, device);
        let trained = masked::train_step(model, &mut optim, schedule.lr(step), images, &masking);
        let loss;
        (model, loss) = run.guard(trained)?;
        run.step([("mae", loss)])?;
    }
    Ok(model)
}

/// Ten unseen digits: as they are, what is shown of them, and the rest painted.
pub(crate) fn painted(model: &MaskedAutoencoder, data: &Digits16) -> Outcome<Tiles> {
    let device = model.paint.weight.device();
    let shown = &data.split.test[..10];
    let images = data.plain(shown, &device).images;
    let masking = model.config.masking(shown.len(), 0, 0, &device);
    let order: Vec<i64> = masking.order.to_data().iter().collect();
    let values = |patches: Tensor<3>| patches.into_data().iter::<f32>().collect::<Vec<f32>>();
    let (whole, mut painted) =
        (values(model.patches(images.clone())), values(model.forward(images, &masking)));
    let (patches, visible, p) = (model.config.patches(), model.config.visible(), model.config.patch);
    let mut hidden = whole.clone();
    let paper = whole.iter().copied().fold(f32::INFINITY, f32::min);
    for (image, order) in order.chunks(patches).enumerate() {
        for (place, &patch) in order.iter().enumerate() {
            let at = (image * patches + patch as usize) * p * p;
            let span = at..at + p * p;
            if place < visible {
                painted[span.clone()].copy_from_slice(&whole[span]);
            } else {
                hidden[span].fill(paper);
            }
        }
    }
    let [height, width] = model.config.image_size;
    let ink = whole.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let tile = |patched: &[f32]| {
        let pixel = |place: usize| {
            let (y, x) = (place / width, place % width);
            let at = ((y / p) * (width / p) + x / p) * p * p + (y % p) * p + x % p;
            ((patched[at] - paper) / (ink - paper)).clamp(0.0, 1.0)
        };
        Tile::grey(&(0..height * width).map(pixel).collect::<Vec<f32>>(), [height, width])
    };
    let rows =
        [&whole, &hidden, &painted].map(|row| row.chunks(height * width).map(tile).collect::<Vec<_>>());
    let tiles = Tiles::new(10).title("Unseen digits, a quarter of each, and the rest painted");
    Ok(rows.into_iter().fold(tiles, Tiles::tiles))
}
