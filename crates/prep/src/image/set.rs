//! Labelled images in memory, and the batches drawn from them.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rayon::prelude::*;

use super::{Channels, ImageSpec, Normalisation, resize};
use crate::Error;

/// Pieces of work smaller than this many numbers are not worth another thread.
pub(crate) const GRAIN: usize = 1 << 14;

/// How many images of `image_len` numbers make a piece of work worth a thread.
pub(crate) fn images_per_task(image_len: usize) -> usize {
    (GRAIN / image_len.max(1)).max(1)
}

/// Labelled images of one size, in memory: what a classifier trains on.
///
/// A pixel is a number in [0, 1]: files of 8 bits a channel are kept in 8 bits and divided by 255 when
/// read. Layout is `[n, c, h, w]`: image after image, and in an image channel after channel.
///
/// ```
/// use fornax_prep::image::ImageSet;
///
/// let pixels = vec![0.0, 1.0, 0.5, 0.5]; // two images of one row of two pixels
/// let names = vec!["cat".to_owned(), "dog".to_owned()];
/// let set = ImageSet::new(pixels, [1, 1, 2], vec![1, 0], names).unwrap();
/// assert_eq!((set.len(), set.num_classes()), (2, 2));
/// assert_eq!(set.gather(&[1]).pixels, [0.5, 0.5]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSet {
    pixels: Pixels,
    shape: [usize; 3],
    labels: Vec<usize>,
    class_names: Vec<String>,
}

/// Pixels as they came: bytes take a quarter of the memory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pixels {
    U8(Vec<u8>),
    F32(Vec<f32>),
}

impl Pixels {
    fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::F32(values) => values.len(),
        }
    }

    /// Writes the numbers from `start` on over `target`.
    fn copy_to(&self, start: usize, target: &mut [f32]) {
        match self {
            Self::U8(values) => {
                for (value, byte) in target.iter_mut().zip(&values[start..]) {
                    *value = f32::from(*byte) / 255.0;
                }
            }
            Self::F32(values) => target.copy_from_slice(&values[start..][..target.len()]),
        }
    }
}

impl ImageSet {
    /// A set of images with values in [0, 1].
    ///
    /// `shape` is `[channels, height, width]`; `labels[i]` is the class of image i, an index into
    /// `class_names`.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when a side is 0, when pixels, labels and shape do not agree, when a value is
    /// not finite, or when a label has no class name.
    pub fn new(
        pixels: Vec<f32>,
        shape: [usize; 3],
        labels: Vec<usize>,
        class_names: Vec<String>,
    ) -> Result<Self, Error> {
        if let Some(index) = pixels.iter().position(|value| !value.is_finite()) {
            let found = format!("{} at position {index}", pixels[index]);
            return Err(Error::argument("pixels", "finite numbers", found));
        }
        Self::checked(Pixels::F32(pixels), shape, labels, class_names)
    }

    /// A set of images with values from 0 to 255, kept as bytes; see [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn from_bytes(
        pixels: Vec<u8>,
        shape: [usize; 3],
        labels: Vec<usize>,
        class_names: Vec<String>,
    ) -> Result<Self, Error> {
        Self::checked(Pixels::U8(pixels), shape, labels, class_names)
    }

    fn checked(
        pixels: Pixels,
        shape: [usize; 3],
        labels: Vec<usize>,
        class_names: Vec<String>,
    ) -> Result<Self, Error> {
        if shape.contains(&0) {
            return Err(Error::argument("shape", "sides of at least 1", format_args!("{shape:?}")));
        }
        let expected = shape.iter().try_fold(labels.len(), |product, &side| product.checked_mul(side));
        if expected != Some(pixels.len()) {
            let [c, h, w] = shape;
            let expected = format!("{} images of {c}×{h}×{w} values", labels.len());
            return Err(Error::argument("pixels", expected, format_args!("{} values", pixels.len())));
        }
        if let Some(index) = labels.iter().position(|&label| label >= class_names.len()) {
            let expected = format!("classes below {}", class_names.len());
            return Err(Error::argument("labels", expected, format_args!("{} at {index}", labels[index])));
        }
        Ok(Self { pixels, shape, labels, class_names })
    }

    /// A set whose parts are known to agree.
    pub(crate) fn from_parts(
        pixels: Vec<f32>,
        shape: [usize; 3],
        labels: Vec<usize>,
        class_names: Vec<String>,
    ) -> Self {
        Self { pixels: Pixels::F32(pixels), shape, labels, class_names }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// `[channels, height, width]` of every image.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The class of each image, an index into [`class_names`](Self::class_names).
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The classes' names.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// The number of classes, with or without images.
    pub fn num_classes(&self) -> usize {
        self.class_names.len()
    }

    /// Copies some images, in the order of `indices`, with their labels.
    ///
    /// # Panics
    ///
    /// When an index is not below [`len`](Self::len).
    pub fn gather(&self, indices: &[usize]) -> ImageBatch {
        let [c, h, w] = self.shape;
        let image_len = c * h * w;
        let labels = indices.iter().map(|&index| self.labels[index]).collect();
        let mut pixels = vec![0.0; indices.len() * image_len];
        pixels
            .par_chunks_mut(image_len)
            .zip(indices)
            .with_min_len(images_per_task(image_len))
            .for_each(|(image, &index)| self.pixels.copy_to(index * image_len, image));
        ImageBatch { pixels, shape: [indices.len(), c, h, w], labels, indices: indices.to_vec() }
    }

    /// Some images, normalised, and their labels, as tensors on `device`.
    ///
    /// For random transformations in between, take the steps one by one: [`gather`](Self::gather),
    /// [`RandomAffine::apply`](super::RandomAffine::apply), [`Normalisation::apply`],
    /// [`ImageBatch::to_tensors`].
    ///
    /// # Shapes
    ///
    /// - images: `[indices.len(), channels, height, width]`
    /// - labels: `[indices.len()]`
    ///
    /// # Panics
    ///
    /// When an index is not below [`len`](Self::len), or `normalisation` is for another number of
    /// channels.
    pub fn batch(
        &self,
        indices: &[usize],
        normalisation: &Normalisation,
        device: &Device,
    ) -> (Tensor<4>, Tensor<1, Int>) {
        normalisation.apply(self.gather(indices)).to_tensors(device)
    }

    /// The same images at another size: bilinear, antialiased when they shrink.
    ///
    /// # Why antialiased
    ///
    /// Plain bilinear interpolation looks at the 2 × 2 nearest pixels only. Shrinking by 4 it would see one
    /// pixel in four a side, and which one depends on where a stroke happens to lie: thin lines break up
    /// and fine texture turns into patterns that are not in the scene (aliasing). So the weights are
    /// stretched by the factor of the shrinking, and every pixel counts:
    ///
    /// ```text
    /// y[i] = Σ_j  w((j + ½)/s − (i + ½)) · x[j]  /  Σ_j w(…)       s = old side / new side
    /// w(d) = max(0, 1 − |d|)         for s ≥ 1, distances in new pixels; for s < 1, in old ones
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when a side is 0 or above 65,535, or the set would not fit into memory's
    /// address range.
    pub fn resized(&self, height: usize, width: usize) -> Result<Self, Error> {
        let [c, h, w] = self.shape;
        resize::check_size([height, width])?;
        let planes = self.len() * c;
        planes
            .checked_mul(height * width)
            .and_then(|numbers| numbers.checked_mul(size_of::<f32>()))
            .filter(|&bytes| isize::try_from(bytes).is_ok())
            .ok_or_else(|| Error::argument("size", "a set that fits into memory", planes))?;
        let (from, to) = ([h, w], [height, width]);
        let pixels = match &self.pixels {
            Pixels::U8(values) => Pixels::U8(resize::planes_u8(values, from, to)),
            Pixels::F32(values) => Pixels::F32(resize::planes_f32(values, from, to)),
        };
        let (labels, class_names) = (self.labels.clone(), self.class_names.clone());
        Ok(Self { pixels, shape: [c, height, width], labels, class_names })
    }

    /// The same images with the channels and, if it names one, the size of `spec`.
    ///
    /// Grey becomes colour by repetition; colour becomes grey by luma, as for image files.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] as from [`resized`](Self::resized), and for images of neither 1 nor 3 channels
    /// that would have to change.
    pub fn conformed(self, spec: &ImageSpec) -> Result<Self, Error> {
        let [c, h, w] = self.shape;
        let set = if c == spec.channels.count() { self } else { self.with_channels(spec.channels)? };
        match spec.size {
            Some(size) if size != [h, w] => set.resized(size[0], size[1]),
            _ => Ok(set),
        }
    }

    fn with_channels(self, channels: Channels) -> Result<Self, Error> {
        let [c, h, w] = self.shape;
        let area = h * w;
        let mut images = vec![0.0; self.len() * channels.count() * area];
        for (index, image) in images.chunks_exact_mut(channels.count() * area).enumerate() {
            let old = self.gather(&[index]).pixels;
            match (c, channels) {
                (1, Channels::Rgb) => {
                    image.chunks_exact_mut(area).for_each(|plane| plane.copy_from_slice(&old))
                }
                (3, Channels::Grey) => {
                    for (pixel, value) in image.iter_mut().enumerate() {
                        let [r, g, b] = [0, 1, 2].map(|channel| old[channel * area + pixel]);
                        *value = 0.299 * r + 0.587 * g + 0.114 * b;
                    }
                }
                _ => return Err(Error::argument("channels", "1 or 3", c)),
            }
        }
        let pixels = match self.pixels {
            // Bytes stay bytes.
            Pixels::U8(_) => {
                Pixels::U8(images.into_iter().map(|value| (value * 255.0).round() as u8).collect())
            }
            Pixels::F32(_) => Pixels::F32(images),
        };
        Ok(Self { pixels, shape: [channels.count(), h, w], ..self })
    }

    /// The same set with other names; at least as many as before.
    pub(crate) fn with_class_names(self, class_names: Vec<String>) -> Self {
        Self { class_names, ..self }
    }

    /// This set followed by another of the same shape; classes are matched by name.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when the shapes differ.
    pub fn followed_by(&self, other: &Self) -> Result<Self, Error> {
        if self.shape != other.shape {
            let [c, h, w] = self.shape;
            let expected = format!("images of {c}×{h}×{w}");
            return Err(Error::argument("other", expected, format_args!("{:?}", other.shape)));
        }
        let mut class_names = self.class_names.clone();
        let mut renamed = Vec::with_capacity(other.num_classes());
        for name in &other.class_names {
            renamed.push(class_names.iter().position(|known| known == name).unwrap_or_else(|| {
                class_names.push(name.clone());
                class_names.len() - 1
            }));
        }
        let pixels = match (&self.pixels, &other.pixels) {
            (Pixels::U8(first), Pixels::U8(second)) => Pixels::U8([&first[..], second].concat()),
            (first, second) => {
                let mut values = vec![0.0; first.len() + second.len()];
                let (head, tail) = values.split_at_mut(first.len());
                first.copy_to(0, head);
                second.copy_to(0, tail);
                Pixels::F32(values)
            }
        };
        let labels = self.labels.iter().copied().chain(other.labels.iter().map(|&label| renamed[label]));
        Ok(Self { pixels, shape: self.shape, labels: labels.collect(), class_names })
    }
}

/// Some images of a set, copied out as f32 in `[b, c, h, w]` order, on their way to a tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageBatch {
    /// The numbers, image after image, channel after channel, row after row.
    pub pixels: Vec<f32>,
    /// `[batch, channels, height, width]`; the product is `pixels.len()`.
    pub shape: [usize; 4],
    /// The class of each image; empty for images without labels.
    pub labels: Vec<usize>,
    /// Which image of the set each one is: what a random transformation of it follows from.
    pub indices: Vec<usize>,
}

impl ImageBatch {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.shape[0]
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The images as a tensor on `device`.
    ///
    /// # Shapes
    ///
    /// - output: `[batch, channels, height, width]`
    pub fn to_tensor(self, device: &Device) -> Tensor<4> {
        Tensor::from_data(TensorData::new(self.pixels, self.shape), device)
    }

    /// The images and their labels as tensors on `device`.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, channels, height, width]`
    /// - labels: `[batch]`
    pub fn to_tensors(mut self, device: &Device) -> (Tensor<4>, Tensor<1, Int>) {
        let labels: Vec<i64> =
            std::mem::take(&mut self.labels).into_iter().map(|label| label as i64).collect();
        let count = labels.len();
        (self.to_tensor(device), Tensor::from_data(TensorData::new(labels, [count]), device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn bytes() -> ImageSet {
        let pixels = (0..2 * 3 * 2 * 2).map(|i| i * 10).collect();
        ImageSet::from_bytes(pixels, [3, 2, 2], vec![1, 0], names(&["a", "b"])).unwrap()
    }

    #[test]
    fn bytes_are_read_as_fractions_of_255() {
        let batch = bytes().gather(&[1, 0, 1]);
        assert_eq!((batch.shape, &batch.labels[..], batch.len()), ([3, 3, 2, 2], &[0, 1, 0][..], 3));
        assert_eq!(batch.pixels[0], 120.0 / 255.0);
        assert_eq!(batch.pixels[12..16], [0.0, 10.0 / 255.0, 20.0 / 255.0, 30.0 / 255.0]);
        assert_eq!(batch.pixels[..12], batch.pixels[24..]);
    }

    #[test]
    fn white_is_one_exactly() {
        let set = ImageSet::from_bytes(vec![255, 0], [1, 1, 2], vec![0], names(&["a"])).unwrap();
        assert_eq!(set.gather(&[0]).pixels, [1.0, 0.0]);
    }

    #[test]
    fn tensors_have_the_documented_shapes_and_values() {
        let device = Device::flex();
        let (images, labels) = bytes().batch(&[1], &Normalisation::identity(3), &device);
        assert_eq!((images.dims(), labels.dims()), ([1, 3, 2, 2], [1]));
        assert_eq!(labels.into_data().iter::<i64>().collect::<Vec<_>>(), [0]);
        let last: f32 = images.slice([0..1, 2..3, 1..2, 1..2]).into_scalar();
        assert!((last - 230.0 / 255.0).abs() < 1e-6);
    }

    #[test]
    fn parts_that_do_not_agree_are_refused_by_name() {
        let set = |count: usize, shape, labels: &[usize], classes: &[&str]| {
            ImageSet::new(vec![0.5; count], shape, labels.to_vec(), names(classes)).unwrap_err().to_string()
        };
        assert_eq!(
            set(3, [1, 1, 2], &[0], &["a"]),
            "pixels: expected 1 images of 1×1×2 values; found 3 values"
        );
        assert_eq!(set(0, [1, 0, 2], &[0], &["a"]), "shape: expected sides of at least 1; found [1, 0, 2]");
        assert_eq!(set(2, [1, 1, 2], &[3], &["a"]), "labels: expected classes below 1; found 3 at 0");
        let huge = [usize::MAX, usize::MAX, 2];
        assert!(set(2, huge, &[0], &["a"]).starts_with("pixels: expected 1 images of"));
        let error = ImageSet::new(vec![0.0, f32::NAN], [1, 1, 2], vec![0], names(&["a"])).unwrap_err();
        assert_eq!(error.to_string(), "pixels: expected finite numbers; found NaN at position 1");
    }

    #[test]
    fn two_sets_in_a_row_keep_their_classes_by_name() {
        let first = ImageSet::from_bytes(vec![0, 255], [1, 1, 1], vec![0, 1], names(&["a", "b"])).unwrap();
        let second = ImageSet::new(vec![0.25, 0.5], [1, 1, 1], vec![0, 1], names(&["b", "c"])).unwrap();
        let both = first.followed_by(&second).unwrap();
        assert_eq!((both.labels(), both.class_names()), (&[0, 1, 1, 2][..], &names(&["a", "b", "c"])[..]));
        assert_eq!(both.gather(&[0, 1, 2, 3]).pixels, [0.0, 1.0, 0.25, 0.5]);
        assert!(
            first
                .followed_by(&bytes())
                .unwrap_err()
                .to_string()
                .starts_with("other: expected images of 1×1×1")
        );
    }

    #[test]
    fn resizing_keeps_labels_and_the_mean() {
        let set = crate::Digits::load().to_set();
        let resized = set.resized(16, 16).unwrap();
        assert_eq!((resized.shape(), resized.labels()), ([1, 16, 16], set.labels()));
        let mean = |set: &ImageSet| Normalisation::fit(set, &(0..set.len()).collect::<Vec<_>>()).mean[0];
        assert!((mean(&set) - mean(&resized)).abs() < 0.01, "{} {}", mean(&set), mean(&resized));
        assert!(set.resized(0, 16).is_err());
    }
}
