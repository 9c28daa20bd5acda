//! The network, its three views of some images, and a figure that compares two of them.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fornax_cnn::Classifier;
use fornax_cnn::explain::{FeatureMap, OcclusionConfig, feature_maps, grad_cam, occlusion};
use fornax_cnn::registry::Model;
use fornax_nn_core::metric::most_probable;
use fornax_nn_core::train::checkpoint;
use fornax_prep::Limits;
use fornax_prep::image::{Channels, ImageBatch, ImageSpec, load_images};

use crate::reader::{Data, Outcome, Reader};

/// Images over which figures are means.
const JUDGED: usize = 128;

/// The views of some images.
pub(crate) struct Explained {
    /// All images, one after the other, planes from 0 to 1.
    pub(crate) pixels: Vec<f32>,
    pub(crate) names: Vec<String>,
    pub(crate) maps: Vec<FeatureMap>,
    pub(crate) looks: Looks,
}

/// What of each image the network's choice depends on.
pub(crate) struct Looks {
    /// The class the network chooses, and its belief.
    pub(crate) chosen: Vec<(usize, f32)>,
    /// `[images, h, w]`
    pub(crate) cams: Tensor<3>,
    /// `[images, rows, columns]`
    pub(crate) falls: Tensor<3>,
    pub(crate) patches: OcclusionConfig,
}

impl Looks {
    /// For the class the network chooses.
    pub(crate) fn new(reader: &Reader, model: &Model, images: &Tensor<4>) -> Outcome<Self> {
        let beliefs = values(&model.valid().predict(images.clone()));
        let chosen: Vec<(usize, f32)> = beliefs.chunks(reader.class_names.len()).map(most_probable).collect();
        let classes: Vec<usize> = chosen.iter().map(|(class, _)| *class).collect();
        let cams = grad_cam(model, images.clone(), &classes);
        let patches = OcclusionConfig::new(reader.shape[1] / 4, reader.shape[1] / 8);
        let falls = occlusion(model, images.clone(), &classes, &patches)?;
        Ok(Self { chosen, cams, falls, patches })
    }

    /// How much the belief falls when the patch nearest to Grad-CAM's maximum is covered, and when any patch is: means
    /// over the images.
    pub(crate) fn falls(&self) -> (f64, f64) {
        let ([count, height, width], [_, rows, columns]) = (self.cams.dims(), self.falls.dims());
        let (cams, falls) = (values(&self.cams), values(&self.falls));
        let at = |i: usize| {
            let cam = &cams[i * height * width..(i + 1) * height * width];
            let (highest, _) = most_probable(cam);
            let scaled = |place: usize, of: usize, to: usize| (2 * place + 1) * to / (2 * of);
            let (row, column) = (highest / width, highest % width);
            let patch = scaled(row, height, rows) * columns + scaled(column, width, columns);
            f64::from(falls[i * rows * columns + patch])
        };
        let mean = |values: &mut dyn Iterator<Item = f64>, n: usize| values.sum::<f64>() / n.max(1) as f64;
        (
            mean(&mut (0..count).map(at), count),
            mean(&mut falls.iter().map(|&fall| f64::from(fall)), falls.len()),
        )
    }
}

/// Every view of each image, for the class the network chooses.
pub(crate) fn explain(
    reader: &Reader,
    model: &Model,
    images: ImageBatch,
    names: Vec<String>,
    device: &Device,
) -> Outcome<Explained> {
    let pixels = images.pixels.clone();
    let images: Tensor<4> = reader.normalisation.apply(images).to_tensor(device);
    let maps = feature_maps(model, images.clone());
    let looks = Looks::new(reader, model, &images)?;
    Ok(Explained { pixels, names, maps, looks })
}

/// Of enough unseen images for a mean.
pub(crate) fn judged(reader: &Reader, model: &Model, data: &Data, device: &Device) -> Outcome<Looks> {
    let judged: Vec<usize> = data.test.iter().copied().take(JUDGED).collect();
    Looks::new(reader, model, &reader.normalisation.apply(data.set.gather(&judged)).to_tensor(device))
}

/// The newest network of a run directory of `classify` or `explain`.
pub(crate) fn load(from: &Path, device: &Device) -> Outcome<(Reader, Model)> {
    let found = checkpoint::newest(&from.join("checkpoints"))?;
    let saved = found.loaded.ok_or_else(|| format!("{}: no checkpoint here; train first", from.display()))?;
    let reader: Reader = saved.json("reader")?;
    let model = saved.module("model", reader.model.init(device)?)?;
    Ok((reader, model))
}

/// Whether the file is one image, by its name.
pub(crate) fn is_image(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| ["png", "jpg", "jpeg", "webp", "bmp"].contains(&extension.as_str()))
}

/// An image file as the network wants it, and its name.
pub(crate) fn read(path: &Path, reader: &Reader) -> Outcome<(ImageBatch, Vec<String>)> {
    let [channels, height, width] = reader.shape;
    let channels = if channels == 1 { Channels::Grey } else { Channels::Rgb };
    let spec = ImageSpec::new(channels).with_size(height, width);
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok((load_images(&[path], &spec, &Limits::default())?, vec![name]))
}

/// The elements of a tensor.
pub(crate) fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().iter::<f32>().collect()
}
