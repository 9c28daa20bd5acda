//! Real weights and a folder of images.

use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::Device;
use fornax_cnn::classification::Batch;
use fornax_cnn::registry::{self, Model};
use fornax_cnn::{Classifier, Options};
use fornax_nn_core::metric::Classification;
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::train::Run;
use fornax_nn_core::weights::save;
use fornax_prep::image::{Channels, ImageSet, ImageSpec, Normalisation, OpenSpec, open};
use fornax_prep::{Folds, Limits};
use fornax_transfer::features::Features;
use fornax_transfer::fine_tune::{fine_tune, train_step};
use fornax_transfer::groups::Groups;
use fornax_transfer::preprocessing::{Preprocessing, Version};
use fornax_transfer::pretrained;
use fornax_transfer::probe::ProbeConfig;
use fornax_transfer::source::WeightSource;
use serde_json::json;

use crate::{Args, Outcome};

/// Images looked at at once.
const CHUNK: usize = 16;
/// Epochs and base rate, fastai's `fine_tune` of two, unless others are asked for.
const EPOCHS: usize = 2;
const LR: f64 = 2e-3;

/// Loads the weights, measures what their features are worth as they are, fine-tunes them, and writes `fine_tuned.safetensors`.
pub(crate) fn adapt(weights: PathBuf, Args { run: args, settings }: Args) -> Outcome<()> {
    let folder = settings.data.as_ref().ok_or("--weights needs --data")?;
    let preprocessing = Preprocessing::of(&settings.model, Version::V1)?;
    let side = preprocessing.crop;
    let spec = ImageSpec::new(Channels::Rgb).with_size(side, side);
    let set = open(folder, &OpenSpec::new(spec), &Limits::default())?.set;
    let split = Folds::stratified(set.labels(), 5, 0)?.split(0);
    let normalisation = Normalisation { mean: preprocessing.mean.to_vec(), std: preprocessing.std.to_vec() };
    let device = args.device.open()?;
    let learning = device.clone().autodiff();
    let mut run =
        Run::open("fine_tune", &args, &json!({"settings": settings, "preprocessing": preprocessing}))?;
    learning.seed(run.seed());

    let config = registry::config(&settings.model, &Options::new(set.num_classes()))?;
    let loaded = pretrained::load(&config, WeightSource::from(weights).open()?, &learning)?;
    let groups = Groups::by_stages(&loaded.model);
    let part = |indices: &[usize]| {
        let batches = indices.chunks(CHUNK).map(|chunk| {
            let labels = chunk.iter().map(|&i| set.labels()[i]).collect();
            (set.batch(chunk, &normalisation, &device).0, labels)
        });
        Features::extract(&loaded.model, batches)
    };
    let (known, unseen) = (part(&split.train), part(&split.test));
    let probe = ProbeConfig::new().fit(&known)?.accuracy(&unseen)?;
    run.log("test", [("probe_accuracy", probe)])?;

    let mut model = loaded.model;
    let mut optim = AdamWConfig::new().init()?;
    if let Some(saved) = run.resume() {
        (model, optim) = (saved.module("model", model)?, saved.optimizer("optimizer", optim)?);
    }
    let plan = fine_tune(&groups, settings.epochs.unwrap_or(EPOCHS), settings.lr.unwrap_or(LR));
    // Each epoch's phase, and which epoch of the phase it is.
    let epochs: Vec<_> =
        plan.iter().flat_map(|phase| (0..phase.epochs).map(move |epoch| (phase, epoch))).collect();
    let steps = split.train.len() / settings.batch_size;
    for epoch in run.epochs(epochs.len()) {
        let (phase, within) = epochs[epoch];
        let batches = run.full_batches(split.train.len(), settings.batch_size)?;
        let skipped = steps.saturating_sub(batches.len());
        let (begun, mut rates) = phase.begin(model, &groups, steps, within * steps + skipped)?;
        model = begun;
        for batch in batches {
            let indices: Vec<usize> = batch.iter().map(|&i| split.train[i]).collect();
            let (images, targets) = set.batch(&indices, &normalisation, &learning);
            learning.seed(run.step_seed());
            let step = train_step(model, &mut optim, rates.step(), Batch { images, targets });
            let (trained, loss) = run.guard(step)?;
            model = trained;
            run.step([("loss", loss)])?;
            run.checkpoint_if_due(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
        }
        let accuracy = accuracy(&model, &set, &split.test, &normalisation, &device);
        run.log("test", [("accuracy", accuracy)])?;
        run.finish_epoch(|s| s.module("model", &model)?.optimizer("optimizer", &optim))?;
    }

    let tuned = accuracy(&model, &set, &split.test, &normalisation, &device);
    let path = run.path("fine_tuned.safetensors");
    save(&model.valid(), &path, pretrained::tensor_name)?;
    let sentence = format!(
        "{:.1} % of {} unseen images right, {:.1} % by a linear probe on the weights as they came: {}",
        100.0 * tuned,
        split.test.len(),
        100.0 * probe,
        path.display()
    );
    let figures = json!({"accuracy_fine_tuned": tuned, "accuracy_probe": probe});
    Ok(run.finish(model.num_params(), figures, sentence)?)
}

fn accuracy(
    model: &Model,
    set: &ImageSet,
    indices: &[usize],
    normalisation: &Normalisation,
    device: &Device,
) -> f64 {
    let model = model.valid();
    let mut outcome: Option<Classification> = None;
    for chunk in indices.chunks(CHUNK) {
        let targets: Vec<usize> = chunk.iter().map(|&i| set.labels()[i]).collect();
        let part = Classification::new(model.predict(set.batch(chunk, normalisation, device).0), &targets);
        match &mut outcome {
            Some(outcome) => outcome.extend(part),
            None => outcome = Some(part),
        }
    }
    outcome.map_or(f64::NAN, |outcome| outcome.accuracy())
}
