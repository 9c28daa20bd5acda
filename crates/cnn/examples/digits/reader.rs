//! The data, the model's view of it, and reading single files.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use fornax_cnn::{Classifier, LeNet, LeNetConfig};
use fornax_nn_core::metric::{Classification, most_probable};
use fornax_nn_core::train::checkpoint;
use fornax_prep::image::{Channels, ImageSet, ImageSpec, Kind, Normalisation, OpenSpec, load_images, open};
use fornax_prep::{Digits, Folds, Limits, Split};
use serde::{Deserialize, Serialize};

use crate::{Args, Outcome, Settings};

/// Images classified at once.
const CHUNK: usize = 256;

/// All images of the wanted size, and which of them are held out.
pub(crate) fn load(settings: &Settings) -> Outcome<(ImageSet, Split)> {
    let fold = usize::from(settings.fold);
    let Some(path) = &settings.data else {
        let [height, width] = LeNetConfig::digits().image_size;
        return Ok((Digits::load().to_set().resized(height, width)?, Digits::load().folds().split(fold)));
    };
    let channels = if settings.rgb { Channels::Rgb } else { Channels::Grey };
    let spec = ImageSpec::new(channels).with_size(settings.image_size, settings.image_size);
    let opened = open(path, &OpenSpec::new(spec), &Limits::default())?;
    let len = opened.set.len();
    let split = match (opened.split, opened.kind) {
        (Some(split), _) => split,
        (None, Kind::Idx) => Split::at(len, len - len / 5)?, // such files come in random order
        (None, _) => Folds::stratified(opened.set.labels(), 5, 0)?.split(fold),
    };
    Ok((opened.set, split))
}

/// What a checkpoint holds besides the weights, so that it can read images on its own.
#[derive(Serialize, Deserialize)]
pub(crate) struct Reader {
    pub(crate) model: LeNetConfig,
    pub(crate) normalisation: Normalisation,
    pub(crate) class_names: Vec<String>,
}

impl Reader {
    /// Fits the model's sizes to the data, and the normalisation to its training part.
    pub(crate) fn fit(set: &ImageSet, split: &Split, settings: &Settings) -> Outcome<Self> {
        let [channels, height, width] = set.shape();
        let sizes = if settings.data.is_none() { LeNetConfig::digits() } else { LeNetConfig::lenet5() };
        let model = LeNetConfig { num_classes: set.num_classes(), ..sizes }
            .with_in_channels(channels)
            .with_image_size([height, width]);
        model.validate()?;
        let normalisation = Normalisation::fit(set, &split.train);
        Ok(Self { model, normalisation, class_names: set.class_names().to_vec() })
    }

    /// What the model makes of the images at `indices`, without dropout.
    pub(crate) fn classify(
        &self,
        model: &LeNet,
        set: &ImageSet,
        indices: &[usize],
        device: &Device,
    ) -> Classification {
        let model = model.valid();
        let mut outcome: Option<Classification> = None;
        for chunk in indices.chunks(CHUNK) {
            let (images, _) = set.batch(chunk, &self.normalisation, device);
            let targets: Vec<usize> = chunk.iter().map(|&i| set.labels()[i]).collect();
            let part = Classification::new(model.predict(images), &targets);
            match &mut outcome {
                Some(outcome) => outcome.extend(part),
                None => outcome = Some(part),
            }
        }
        outcome.expect("a split holds out at least one image")
    }
}

/// Prints what each file shows and how sure the model is.
#[allow(clippy::print_stdout, reason = "the answer is the program's output")]
pub(crate) fn predict(args: &Args) -> Outcome<()> {
    let run = args.run.out.as_deref().unwrap_or(Path::new("runs/digits"));
    let found = checkpoint::newest(&run.join("checkpoints"))?;
    let saved = found.loaded.ok_or_else(|| format!("{}: no checkpoint here; train first", run.display()))?;
    let reader: Reader = saved.json("reader")?;
    let device = args.run.device.open()?;
    let model = saved.module("model", reader.model.init(&device)?)?.valid();

    let [height, width] = reader.model.image_size;
    let channels = if reader.model.in_channels == 1 { Channels::Grey } else { Channels::Rgb };
    let spec = ImageSpec::new(channels).with_size(height, width);
    let mut images = load_images(&args.predict, &spec, &Limits::default())?;
    if args.invert {
        images.pixels.iter_mut().for_each(|pixel| *pixel = 1.0 - *pixel);
    }
    let beliefs = model.predict(reader.normalisation.apply(images).to_tensor(&device));
    let beliefs: Vec<f32> = beliefs.into_data().iter::<f32>().collect();
    for (file, row) in args.predict.iter().zip(beliefs.chunks(reader.class_names.len())) {
        let (class, belief) = most_probable(row);
        println!("{}: {} ({:.1} %)", file.display(), reader.class_names[class], 100.0 * belief);
    }
    Ok(())
}
