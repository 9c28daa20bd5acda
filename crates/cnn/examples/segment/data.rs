//! Images with masks, and how a model labels those held out.

use burn::module::Module;
use burn::tensor::Device;
use fornax_cnn::segmentation::{Batch, PixelConfusion, UNet};
use fornax_prep::Limits;
use fornax_prep::image::folder::OnBroken;
use fornax_prep::image::{Channels, Mask, mask};
use fornax_prep::worlds::{DigitSceneConfig, DigitScenes};

use crate::scenes::Part;
use crate::{Outcome, Settings};

/// Pixels of this class count for nothing.
pub(crate) const IGNORE: Option<usize> = Some(Mask::IGNORE as usize);

/// Training and held-out data, and the names of the classes.
pub(crate) fn load(settings: &Settings, seed: u64) -> Outcome<([Part; 2], Vec<String>)> {
    let Some(root) = &settings.data else {
        let size = settings.image_size;
        let config =
            DigitSceneConfig { size: [size; 2], count: [1, 3], side: [14, 24], ..Default::default() };
        let names = ["paper"].into_iter().chain(DigitScenes::CLASS_NAMES);
        return Ok((
            Part::scenes(&config, [settings.scenes, 200], seed)?,
            names.map(str::to_owned).collect(),
        ));
    };
    let (images, masks, limits) = (root.join("images"), root.join("masks"), Limits::default());
    let listing = mask::read(&images, &masks, &settings.classes, OnBroken::Fail, &limits)?;
    let samples = listing.samples(Channels::Rgb, &limits);
    Ok((Part::files(samples, settings.image_size, seed)?, settings.classes.clone()))
}

/// A batch of samples with masks.
pub(crate) fn batch(
    part: &Part,
    places: &[usize],
    pass: usize,
    classes: usize,
    device: &Device,
) -> Outcome<Batch> {
    let batch = part.batch(places, pass)?;
    let masks = batch.to_masks(device).ok_or("every image needs a mask")?;
    Ok(Batch::new(batch.to_images(device), masks, classes, IGNORE)?)
}

/// How the model labels the pixels held out.
pub(crate) fn evaluate(
    model: &UNet,
    part: &Part,
    classes: usize,
    device: &Device,
) -> Outcome<PixelConfusion> {
    let model = model.valid();
    let mut confusion = PixelConfusion::new(classes, IGNORE);
    for places in (0..part.len()).collect::<Vec<_>>().chunks(50) {
        let batch = batch(part, places, 0, classes, device)?;
        confusion.add(&model.predict(batch.images), &batch.masks)?;
    }
    Ok(confusion)
}
