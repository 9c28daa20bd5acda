//! Images with boxes, and how well a model finds those held out.

use burn::module::Module;
use burn::tensor::Device;
use fornax_cnn::ResNet;
use fornax_cnn::detection::coco::{Evaluator, Truth};
use fornax_cnn::detection::{Fcos, Object};
use fornax_prep::Limits;
use fornax_prep::image::folder::OnBroken;
use fornax_prep::image::{self, Channels, SampleBatch, coco};
use fornax_prep::worlds::{DigitSceneConfig, DigitScenes};

use crate::scenes::Part;
use crate::{Outcome, Settings};

/// Training and held-out data, and the names of the classes.
pub(crate) fn load(settings: &Settings, seed: u64) -> Outcome<([Part; 2], Vec<String>)> {
    let Some(root) = &settings.data else {
        let config = DigitSceneConfig { size: [settings.image_size; 2], ..Default::default() };
        let names = DigitScenes::CLASS_NAMES.map(str::to_owned).to_vec();
        return Ok((Part::scenes(&config, [settings.scenes, 200], seed)?, names));
    };
    let limits = Limits::default();
    let (json, images) = (root.join("annotations.json"), root.join("images"));
    let samples = coco::read(&json, &images, OnBroken::Fail, &limits)?.samples(Channels::Rgb, &limits);
    let names = samples.listing().class_names.clone();
    Ok((Part::files(samples, settings.image_size, seed)?, names))
}

/// The things of a batch, without the crowds, which teach nothing, and within their images, whatever resizing rounded.
pub(crate) fn objects(batch: &SampleBatch) -> Vec<Vec<Object>> {
    let [_, _, height, width] = batch.images.shape;
    let single = |objects: &Vec<image::Object>| {
        let boxes = objects.iter().filter(|object| !object.crowd);
        let boxes = boxes.map(|object| (object.bounds.clipped([height, width]), object.class));
        let kept = boxes.filter(|(bounds, _)| bounds.area() > 0.0);
        kept.map(|(bounds, class)| Object { bounds: bounds.corners(), class }).collect()
    };
    batch.objects.iter().map(single).collect()
}

/// What the model finds in the images held out, judged as COCO does.
pub(crate) fn evaluate(model: &Fcos<ResNet>, part: &Part, device: &Device) -> Outcome<Evaluator> {
    let model = model.valid();
    let mut evaluator = Evaluator::new();
    for places in (0..part.len()).collect::<Vec<_>>().chunks(50) {
        let batch = part.batch(places, 0)?;
        for (found, objects) in model.predict(batch.to_images(device)).into_iter().zip(&batch.objects) {
            let truth = |object: &image::Object| {
                let truth = Truth::new(object.bounds.corners().map(f64::from), object.class);
                if object.crowd { truth.as_crowd() } else { truth }
            };
            let found: Vec<_> = found.into_iter().map(Into::into).collect();
            evaluator.add(&found, &objects.iter().map(truth).collect::<Vec<_>>());
        }
    }
    Ok(evaluator)
}
