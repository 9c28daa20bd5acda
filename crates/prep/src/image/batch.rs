//! Samples of one batch side by side, and their way into tensors.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::{Image, ImageBatch, Keypoint, Mask, Normalisation, Object, Sample};
use crate::Error;

/// How images of one batch come to one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Collate {
    /// They have one; another is an error. Default.
    #[default]
    Equal,
    /// Each is put into the upper left corner of a frame of zeros (after normalisation: of the mean colour) as large
    /// as the largest, rounded up to a multiple, such as a network's stride; masks continue with [`Mask::IGNORE`].
    /// Boxes keep their places.
    Pad {
        /// At least 1.
        multiple: usize,
    },
}

/// Some samples as arrays: pixels as numbers, channel after channel.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleBatch {
    /// Images, labels (empty unless every sample has one) and which samples these are.
    pub images: ImageBatch,
    /// `[height, width]` of each image before padding.
    pub sizes: Vec<[usize; 2]>,
    /// The things in each image: ragged, as they are.
    pub objects: Vec<Vec<Object>>,
    /// The keypoints of each image.
    pub keypoints: Vec<Vec<Keypoint>>,
    /// `[batch, height, width]`; nothing unless every sample has a mask.
    pub masks: Option<Vec<u8>>,
}

/// Boxes of a batch, as many rows an image as its fullest has.
#[derive(Debug, Clone)]
pub struct PaddedBoxes {
    /// x_min, y_min, x_max, y_max in pixels: `[batch, most, 4]`, zero where there is none.
    pub corners: Tensor<3>,
    /// `[batch, most]`, zero where there is none.
    pub classes: Tensor<2, Int>,
    /// Whether there is one: `[batch, most]`.
    pub present: Tensor<2, Bool>,
    /// Whether it is a crowd: `[batch, most]`.
    pub crowd: Tensor<2, Bool>,
}

/// Boxes of a batch, one after another.
#[derive(Debug, Clone)]
pub struct RaggedBoxes {
    /// x_min, y_min, x_max, y_max in pixels: `[total, 4]`.
    pub corners: Tensor<2>,
    /// `[total]`.
    pub classes: Tensor<1, Int>,
    /// The place of its image in the batch: `[total]`, ascending.
    pub image: Tensor<1, Int>,
}

impl SampleBatch {
    /// Puts samples side by side; `indices` say which they are. Pixels become fractions of 255 and are normalised, in one
    /// pass.
    ///
    /// # Errors
    ///
    /// The place of the sample at fault and an [`Error::Argument`]: sizes, channels or masks that differ.
    pub fn collate(
        samples: Vec<Sample>,
        indices: Vec<usize>,
        normalisation: Option<&Normalisation>,
        collate: Collate,
    ) -> Result<Self, (usize, Error)> {
        let (Some(first), true) = (samples.first(), samples.len() == indices.len()) else {
            let found = format!("{} samples, {} indices", samples.len(), indices.len());
            return Err((0, Error::argument("samples", "at least one, and an index for each", found)));
        };
        let channels = first.image.channels();
        let sizes: Vec<[usize; 2]> = samples.iter().map(|sample| sample.image.size()).collect();
        let frame @ [height, width] = frame(&sizes, collate).map_err(|error| (0, error))?;
        let tables = tables(channels.count(), normalisation).map_err(|error| (0, error))?;
        let has_masks = first.mask.is_some();
        for (place, sample) in samples.iter().enumerate() {
            let problem = if sample.image.channels() != channels {
                Some((
                    "channels",
                    format!("{channels:?}, as the first of the batch"),
                    format!("{:?}", sample.image.channels()),
                ))
            } else if collate == Collate::Equal && sizes[place] != frame {
                let [h, w] = sizes[place];
                Some((
                    "image",
                    format!("{height}×{width} pixels, as the first of the batch"),
                    format!("{h}×{w}"),
                ))
            } else if sample.mask.is_some() != has_masks {
                let [first, this] = [has_masks, !has_masks].map(|has| if has { "a mask" } else { "no mask" });
                Some(("mask", format!("{first}, as the first of the batch"), this.to_owned()))
            } else {
                None
            };
            if let Some((argument, expected, found)) = problem {
                return Err((place, Error::argument(argument, expected, found)));
            }
        }
        let image_len = channels.count() * height * width;
        // Written in full below, unless an image is smaller than the frame.
        let mut pixels = vec![0.0; samples.len() * image_len];
        let mut masks = has_masks.then(|| vec![Mask::IGNORE; samples.len() * height * width]);
        for (place, sample) in samples.iter().enumerate() {
            planes(&sample.image, &tables, &mut pixels[place * image_len..][..image_len], frame);
            if let (Some(masks), Some(mask)) = (&mut masks, &sample.mask) {
                let target = &mut masks[place * height * width..][..height * width];
                let rows = mask.classes().chunks_exact(mask.size()[1]);
                for (to, from) in target.chunks_exact_mut(width).zip(rows) {
                    to[..from.len()].copy_from_slice(from);
                }
            }
        }
        let labels: Option<Vec<usize>> = samples.iter().map(|sample| sample.label).collect();
        let shape = [samples.len(), channels.count(), height, width];
        let images = ImageBatch { pixels, shape, labels: labels.unwrap_or_default(), indices };
        let (objects, keypoints) =
            samples.into_iter().map(|sample| (sample.objects, sample.keypoints)).unzip();
        Ok(Self { images, sizes, objects, keypoints, masks })
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Never: there is no batch of nothing.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The images as a tensor on `device`.
    ///
    /// # Shapes
    ///
    /// - output: `[batch, channels, height, width]`
    pub fn to_images(&self, device: &Device) -> Tensor<4> {
        Tensor::from_data(TensorData::new(self.images.pixels.clone(), self.images.shape), device)
    }

    /// The labels as a tensor on `device`; `None` unless every sample has one.
    ///
    /// # Shapes
    ///
    /// - output: `[batch]`
    pub fn to_labels(&self, device: &Device) -> Option<Tensor<1, Int>> {
        let labels: Vec<i64> = self.images.labels.iter().map(|&label| label as i64).collect();
        let count = labels.len();
        (count > 0).then(|| Tensor::from_data(TensorData::new(labels, [count]), device))
    }

    /// The masks as a tensor on `device`; `None` unless every sample has one.
    ///
    /// # Shapes
    ///
    /// - output: `[batch, height, width]`
    pub fn to_masks(&self, device: &Device) -> Option<Tensor<3, Int>> {
        let [batch, _, height, width] = self.images.shape;
        let classes: Vec<i64> = self.masks.as_ref()?.iter().map(|&class| class.into()).collect();
        Some(Tensor::from_data(TensorData::new(classes, [batch, height, width]), device))
    }

    /// The boxes as tensors on `device`, with a row for as many as the fullest image has, at least one.
    pub fn to_padded_boxes(&self, device: &Device) -> PaddedBoxes {
        let batch = self.objects.len();
        let most = self.objects.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let mut corners = vec![0f32; batch * most * 4];
        let mut classes = vec![0i64; batch * most];
        let (mut present, mut crowd) = (vec![false; batch * most], vec![false; batch * most]);
        for (image, objects) in self.objects.iter().enumerate() {
            for (row, object) in objects.iter().enumerate() {
                let at = image * most + row;
                corners[4 * at..][..4].copy_from_slice(&object.bounds.corners());
                classes[at] = object.class as i64;
                (present[at], crowd[at]) = (true, object.crowd);
            }
        }
        PaddedBoxes {
            corners: Tensor::from_data(TensorData::new(corners, [batch, most, 4]), device),
            classes: Tensor::from_data(TensorData::new(classes, [batch, most]), device),
            present: Tensor::from_data(TensorData::new(present, [batch, most]), device),
            crowd: Tensor::from_data(TensorData::new(crowd, [batch, most]), device),
        }
    }

    /// The boxes as tensors on `device`, one after another; `None` when there is no object at all.
    pub fn to_ragged_boxes(&self, device: &Device) -> Option<RaggedBoxes> {
        let all = || {
            self.objects
                .iter()
                .enumerate()
                .flat_map(|(image, objects)| objects.iter().map(move |o| (image, o)))
        };
        let total = all().count();
        let corners: Vec<f32> = all().flat_map(|(_, object)| object.bounds.corners()).collect();
        let whole = |value: fn((usize, &Object)) -> usize| {
            let values: Vec<i64> = all().map(|pair| value(pair) as i64).collect();
            Tensor::from_data(TensorData::new(values, [total]), device)
        };
        (total > 0).then(|| RaggedBoxes {
            corners: Tensor::from_data(TensorData::new(corners, [total, 4]), device),
            classes: whole(|(_, object)| object.class),
            image: whole(|(image, _)| image),
        })
    }
}

fn frame(sizes: &[[usize; 2]], collate: Collate) -> Result<[usize; 2], Error> {
    match collate {
        Collate::Equal => Ok(sizes[0]),
        Collate::Pad { multiple: 0 } => Err(Error::argument("multiple", "at least 1", 0)),
        Collate::Pad { multiple } => {
            let largest = |axis: usize| sizes.iter().map(|size| size[axis]).max().unwrap_or(1);
            let frame =
                [0, 1].map(|axis| largest(axis).checked_next_multiple_of(multiple).unwrap_or(usize::MAX));
            super::resize::check_size(frame).map(|()| frame)
        }
    }
}

/// For each channel the number that each byte becomes.
fn tables(channels: usize, normalisation: Option<&Normalisation>) -> Result<Vec<[f32; 256]>, Error> {
    let identity = Normalisation::identity(channels);
    let Normalisation { mean, std } = normalisation.unwrap_or(&identity);
    if mean.len() != channels || std.len() != channels {
        let found = format!("{} means, {} deviations", mean.len(), std.len());
        return Err(Error::argument("normalisation", format_args!("one for {channels} channels"), found));
    }
    let table = |(mean, std): (&f32, &f32)| {
        let scale = 1.0 / std;
        std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) * scale)
    };
    Ok(mean.iter().zip(std).map(table).collect())
}

/// From pixel after pixel of bytes to plane after plane of numbers.
fn planes(image: &Image, tables: &[[f32; 256]], target: &mut [f32], [height, width]: [usize; 2]) {
    let (size, channels) = (image.size(), tables.len());
    let mut planes = target.chunks_exact_mut(height * width);
    match (planes.next(), planes.next(), planes.next(), tables) {
        (Some(red), Some(green), Some(blue), [r, g, b]) => {
            let rows = image.pixels().chunks_exact(size[1] * channels);
            for (row, pixels) in rows.enumerate() {
                let [red, green, blue] =
                    [&mut *red, &mut *green, &mut *blue].map(|plane| &mut plane[row * width..][..size[1]]);
                let pixels = pixels.as_chunks::<3>().0;
                for (((red, green), blue), pixel) in red.iter_mut().zip(green).zip(blue).zip(pixels) {
                    *red = r[usize::from(pixel[0])];
                    *green = g[usize::from(pixel[1])];
                    *blue = b[usize::from(pixel[2])];
                }
            }
        }
        (Some(plane), _, _, tables) => {
            for (row, pixels) in image.pixels().chunks_exact(size[1]).enumerate() {
                let line = &mut plane[row * width..][..size[1]];
                line.iter_mut().zip(pixels).for_each(|(value, &byte)| *value = tables[0][usize::from(byte)]);
            }
        }
        _ => {}
    }
}
