//! # Features
//!
//! What a network makes of an image before it decides: the coarsest map, averaged over its places, one vector an image. Computed once
//! they serve any number of small models: a [linear probe](crate::probe), [nearest neighbours](crate::neighbors), measures of
//! [similarity](crate::similarity), or a program in another language by way of [`Features::save`].
//!
//! ```text
//! images ──▶ valid(): no dropout, running statistics ──▶ coarsest map [B, C, H, W] ──▶ mean over H, W ──▶ [B, C]
//! ```

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use burn::tensor::Tensor;
use fornax_cnn::Backbone;
use fornax_nn_core::ConfigError;

/// Vectors, a row for each sample, with the classes of the samples.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Features {
    width: usize,
    values: Vec<f32>,
    labels: Vec<usize>,
}

impl Features {
    /// Rows of `width` numbers and a label for each.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `width` when it is zero or the rows do not come out even, `labels` when there are not as many.
    pub fn new(width: usize, values: Vec<f32>, labels: Vec<usize>) -> Result<Self, ConfigError> {
        if width == 0 || !values.len().is_multiple_of(width) {
            let reason = format!("{} numbers are no rows of {width}", values.len());
            return Err(ConfigError::new("width", reason));
        }
        if values.len() / width != labels.len() {
            let reason = format!("{} for {} rows", labels.len(), values.len() / width);
            return Err(ConfigError::new("labels", reason));
        }
        Ok(Self { width, values, labels })
    }

    /// What `model` makes of images, batch by batch, on the device they are on, in inference.
    ///
    /// # Panics
    ///
    /// On images the model cannot take, and when a batch has not as many labels as images.
    pub fn extract<B: Backbone>(
        model: &B,
        batches: impl IntoIterator<Item = (Tensor<4>, Vec<usize>)>,
    ) -> Self {
        let model = model.valid();
        let mut features = Self::default();
        for (images, labels) in batches {
            let vectors = vectors(&model, images);
            let [rows, width] = vectors.dims();
            assert_eq!(rows, labels.len(), "{} labels for {rows} images", labels.len());
            features.width = width;
            features.values.extend(vectors.into_data().iter::<f32>());
            features.labels.extend(labels);
        }
        features
    }

    /// Numbers of a row; 0 when nothing was extracted.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// A sample's vector.
    ///
    /// # Panics
    ///
    /// If there is no sample `index`.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..(index + 1) * self.width]
    }

    /// All vectors, one after the other.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The classes.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// One more than the largest label.
    pub fn num_classes(&self) -> usize {
        self.labels.iter().max().map_or(0, |&largest| largest + 1)
    }

    /// Writes `features.npy` (f32, `[samples, width]`) and `labels.npy` (i64, `[samples]`) into a folder, made if need be:
    /// `numpy.load` reads both.
    ///
    /// # Errors
    ///
    /// The path and what the operating system said.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<(), ExportError> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(ExportError::at(folder))?;
        let values = self.values.iter().flat_map(|value| value.to_le_bytes());
        npy(&folder.join("features.npy"), "<f4", &format!("({}, {})", self.len(), self.width), values)?;
        let labels = self.labels.iter().flat_map(|&label| (label as i64).to_le_bytes());
        npy(&folder.join("labels.npy"), "<i8", &format!("({},)", self.len()), labels)
    }
}

/// The mean of the coarsest map over its places.
///
/// # Shapes
///
/// - images: `[batch, in_channels, height, width]`
/// - output: `[batch, channels]` of the coarsest map
///
/// # Panics
///
/// On images the model cannot take.
pub fn vectors<B: Backbone>(model: &B, images: Tensor<4>) -> Tensor<2> {
    match model.forward_features(images).pop() {
        Some(map) => {
            let [batch, channels, ..] = map.dims();
            map.mean_dim(3).mean_dim(2).reshape([batch, channels])
        }
        None => unreachable!("a backbone has at least one map"),
    }
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot write: {cause}", path.display())]
#[non_exhaustive]
pub struct ExportError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the operating system said.
    pub cause: io::Error,
}

impl ExportError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self { path, cause }
    }
}

/// NumPy's format, version 1: the header with its length ends at a multiple of 64 bytes.
fn npy(path: &Path, kind: &str, shape: &str, bytes: impl Iterator<Item = u8>) -> Result<(), ExportError> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
        let padding = 64 - (10 + header.len() + 1) % 64;
        header.push_str(&" ".repeat(padding));
        header.push('\n');
        file.write_all(b"\x93NUMPY\x01\x00")?;
        file.write_all(&(header.len() as u16).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        let bytes: Vec<u8> = bytes.collect();
        file.write_all(&bytes)?;
        file.flush()
    };
    write().map_err(ExportError::at(path))
}
