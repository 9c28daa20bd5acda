//! Held-out images as they come in training: turned, shifted, scaled. Clean ones are hardly ever misread, and nothing can be said
//! of a confidence that is never wrong.

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use fornax_cnn::Classifier;
use fornax_cnn::registry::Model;
use fornax_nn_core::metric::{Classification, Temperature, TemperatureError};
use fornax_prep::Key;

use crate::reader::{Data, Outcome, Reader, augmentation};

/// Versions of each image.
const COPIES: u64 = 4;
/// Images classified at once.
const CHUNK: usize = 64;
/// Far from the keys of the training epochs.
const FIRST_KEY: u64 = 1 << 32;

/// Logits and classes of the distorted versions of the images at `indices`.
fn logits(
    reader: &Reader,
    model: &Model,
    data: &Data,
    indices: &[usize],
    seed: u64,
    device: &Device,
) -> (Tensor<2>, Vec<usize>) {
    let (model, augment) = (model.valid(), augmentation(reader.shape[1]));
    let (mut logits, mut targets) = (Vec::new(), Vec::new());
    for copy in 0..COPIES {
        let key = Key::new(seed).fold(FIRST_KEY + copy);
        for chunk in indices.chunks(CHUNK) {
            let images = reader.normalisation.apply(augment.apply(data.set.gather(chunk), key));
            logits.push(model.forward(images.to_tensor(device)));
            targets.extend(data.targets(chunk));
        }
    }
    (Tensor::cat(logits, 0), targets)
}

/// What the network makes of distorted test images, as trained and with the temperature fitted on distorted validation images.
pub(crate) struct Calibrated {
    /// None where no validation image was misread: there is nothing to be less sure about.
    pub(crate) fitted: Option<Temperature>,
    pub(crate) before: Classification,
    pub(crate) after: Classification,
}

impl Calibrated {
    pub(crate) fn new(
        reader: &Reader,
        model: &Model,
        data: &Data,
        seed: u64,
        device: &Device,
    ) -> Outcome<Self> {
        let (held, classes) = logits(reader, model, data, &data.validation, seed, device);
        let fitted = match Temperature::fit(held, &classes) {
            Ok(fitted) => Some(fitted),
            Err(TemperatureError::NoMistake) => None,
            Err(error) => return Err(error.into()),
        };
        let (test, classes) = logits(reader, model, data, &data.test, seed, device);
        let before = Classification::new(softmax(test.clone(), 1), &classes);
        let repaired = fitted.map(|fitted| Classification::new(fitted.predict(test), &classes));
        Ok(Self { fitted, after: repaired.unwrap_or_else(|| before.clone()), before })
    }
}
