//! What the examples on whole images share: the data in three parts, and all that a trained network needs to read an image.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use fornax_cnn::Classifier;
use fornax_cnn::registry::{self, Model, ModelConfig, Options};
use fornax_nn_core::ConfigError;
use fornax_nn_core::metric::Classification;
use fornax_prep::image::{Channels, ImageSet, ImageSpec, Kind, Normalisation, OpenSpec, RandomAffine, open};
use fornax_prep::{Digits, Folds, Limits, Split};
use serde::{Deserialize, Serialize};

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Images classified at once.
const CHUNK: usize = 64;
/// Sides up to which a network's stem for small images is taken, where it has one.
const SMALL: usize = 64;
/// Share of the training images held out to fit the temperature on.
const VALIDATION: f64 = 0.2;

/// What shapes the data and the network, in every example.
#[derive(clap::Args, Serialize)]
pub(crate) struct Source {
    /// Images of your own: a folder per class, an IDX pair (plain or .gz) or a CSV file of pixels
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Side in pixels that the images are resized to
    #[arg(long, default_value_t = 32)]
    pub(crate) image_size: usize,
    /// Keep the colours of images of your own
    #[arg(long)]
    pub(crate) rgb: bool,
    /// Which fifth of the images is held out (IDX data: its own test part, or the last fifth)
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..5))]
    pub(crate) fold: u8,
    /// Network by its name, such as vgg11_bn or convnext_tiny; an unknown one lists them all
    #[arg(long, default_value = "resnet18")]
    pub(crate) model: String,
}

/// All images, and which of them are for what.
pub(crate) struct Data {
    pub(crate) set: ImageSet,
    pub(crate) train: Vec<usize>,
    pub(crate) validation: Vec<usize>,
    pub(crate) test: Vec<usize>,
}

impl Data {
    pub(crate) fn load(source: &Source) -> Outcome<Self> {
        let (side, fold) = (source.image_size, usize::from(source.fold));
        let (set, split) = match &source.data {
            None => (Digits::load().to_set().resized(side, side)?, Digits::load().folds().split(fold)),
            Some(path) => read(path, side, source.rgb, fold)?,
        };
        let labels: Vec<usize> = split.train.iter().map(|&i| set.labels()[i]).collect();
        let held = Split::stratified(&labels, VALIDATION, 0)?;
        let of = |places: &[usize]| places.iter().map(|&at| split.train[at]).collect();
        Ok(Self { train: of(&held.train), validation: of(&held.test), test: split.test, set })
    }

    /// The true classes of the images at `indices`.
    pub(crate) fn targets(&self, indices: &[usize]) -> Vec<usize> {
        indices.iter().map(|&i| self.set.labels()[i]).collect()
    }
}

fn read(path: &Path, side: usize, rgb: bool, fold: usize) -> Outcome<(ImageSet, Split)> {
    let channels = if rgb { Channels::Rgb } else { Channels::Grey };
    let spec = ImageSpec::new(channels).with_size(side, side);
    let opened = open(path, &OpenSpec::new(spec), &Limits::default())?;
    let len = opened.set.len();
    let split = match (opened.split, opened.kind) {
        (Some(split), _) => split,
        (None, Kind::Idx) => Split::at(len, len - len / 5)?, // such files come in random order
        (None, _) => Folds::stratified(opened.set.labels(), 5, 0)?.split(fold),
    };
    Ok((opened.set, split))
}

/// Small turns, shifts and scalings, in proportion to the image.
pub(crate) fn augmentation(side: usize) -> RandomAffine {
    let shift = side as f32 / 16.0;
    RandomAffine::none().with_rotation(12.0).with_translation(shift).with_scale(0.9, 1.15).with_shear(6.0)
}

/// What a checkpoint holds besides the weights, so that it can read images on its own.
#[derive(Serialize, Deserialize)]
pub(crate) struct Reader {
    pub(crate) model: ModelConfig,
    pub(crate) normalisation: Normalisation,
    pub(crate) class_names: Vec<String>,
    /// Channels, height and width of the images.
    pub(crate) shape: [usize; 3],
}

impl Reader {
    /// Fits the network's sizes to the data, and the normalisation to its training part.
    pub(crate) fn fit(data: &Data, name: &str, width: f64) -> Result<Self, ConfigError> {
        let [channels, height, image_width] = data.set.shape();
        let options = Options::new(data.set.num_classes()).with_in_channels(channels).with_width(width);
        // LeNet wants to know the size, and some networks have a stem for small images.
        let fixed = options.clone().with_image_size(Some([height, image_width]));
        let small = options.clone().with_small_images(height.max(image_width) <= SMALL);
        let model = registry::config(name, &fixed)
            .or_else(|_| registry::config(name, &small))
            .or_else(|_| registry::config(name, &options))?;
        let normalisation = Normalisation::fit(&data.set, &data.train);
        let class_names = data.set.class_names().to_vec();
        Ok(Self { model, normalisation, class_names, shape: data.set.shape() })
    }

    /// The logits of the images at `indices`, in inference.
    pub(crate) fn logits(
        &self,
        model: &Model,
        set: &ImageSet,
        indices: &[usize],
        device: &Device,
    ) -> Tensor<2> {
        let model = model.valid();
        let chunk = |chunk: &[usize]| model.forward(set.batch(chunk, &self.normalisation, device).0);
        Tensor::cat(indices.chunks(CHUNK).map(chunk).collect(), 0)
    }

    /// What the network makes of the images at `indices`.
    pub(crate) fn classify(
        &self,
        model: &Model,
        data: &Data,
        indices: &[usize],
        device: &Device,
    ) -> Classification {
        let logits = self.logits(model, &data.set, indices, device);
        Classification::new(softmax(logits, 1), &data.targets(indices))
    }
}
