//! One image with what is known about it, and the trait of everything that changes it.

use super::Channels;
use crate::{Error, Key};

/// An image of 8 bits a channel, pixel after pixel, row after row: `[height, width, channels]`.
///
/// The layout of decoders and resizers. Networks take `[channels, height, width]` in floating point; that
/// step comes last, when a batch is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pixels: Vec<u8>,
    height: usize,
    width: usize,
    channels: Channels,
}

impl Image {
    /// An image of these pixels.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when a side is 0 or the number of bytes is not height · width · channels.
    pub fn new(pixels: Vec<u8>, [height, width]: [usize; 2], channels: Channels) -> Result<Self, Error> {
        let expected = height.checked_mul(width).and_then(|area| area.checked_mul(channels.count()));
        if expected.is_none_or(|expected| expected == 0 || expected != pixels.len()) {
            let expected = format!("{height}×{width} pixels of {} bytes, at least one", channels.count());
            return Err(Error::argument("pixels", expected, format_args!("{} bytes", pixels.len())));
        }
        Ok(Self { pixels, height, width, channels })
    }

    /// An image of one value everywhere.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn filled(value: u8, size: [usize; 2], channels: Channels) -> Result<Self, Error> {
        Self::new(vec![value; size[0] * size[1] * channels.count()], size, channels)
    }

    /// `[height, width]` in pixels.
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// Grey or colour.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// All bytes, `[height, width, channels]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// All bytes, to change in place.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// All bytes, without a copy.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }
}

/// A rectangle in pixels: x to the right, y down, the pixel of row i and column j covering
/// `[j, j + 1] × [i, i + 1]`. Corners may lie between pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    /// Left edge.
    pub x_min: f32,
    /// Upper edge.
    pub y_min: f32,
    /// Right edge.
    pub x_max: f32,
    /// Lower edge.
    pub y_max: f32,
}

impl BoundingBox {
    /// The rectangle from `[x_min, y_min]` to `[x_max, y_max]`, as torchvision's XYXY and Pascal VOC have it.
    pub fn from_corners([x_min, y_min, x_max, y_max]: [f32; 4]) -> Self {
        Self { x_min, y_min, x_max, y_max }
    }

    /// The rectangle of this upper left corner, width and height, as COCO has it.
    pub fn from_corner_size([x, y, width, height]: [f32; 4]) -> Self {
        Self { x_min: x, y_min: y, x_max: x + width, y_max: y + height }
    }

    /// `[x_min, y_min, x_max, y_max]`.
    pub fn corners(&self) -> [f32; 4] {
        [self.x_min, self.y_min, self.x_max, self.y_max]
    }

    /// Width, 0 where the edges are inverted.
    pub fn width(&self) -> f32 {
        (self.x_max - self.x_min).max(0.0)
    }

    /// Height, 0 where the edges are inverted.
    pub fn height(&self) -> f32 {
        (self.y_max - self.y_min).max(0.0)
    }

    /// Width times height, in square pixels.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// The part of it within an image of `[height, width]`.
    #[must_use]
    pub fn clipped(&self, [height, width]: [usize; 2]) -> Self {
        let (height, width) = (height as f32, width as f32);
        Self {
            x_min: self.x_min.clamp(0.0, width),
            y_min: self.y_min.clamp(0.0, height),
            x_max: self.x_max.clamp(0.0, width),
            y_max: self.y_max.clamp(0.0, height),
        }
    }
}

/// A point that marks something, in pixels as in [`BoundingBox`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Keypoint {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
    /// Whether it can be seen; a point that left the image cannot.
    pub visible: bool,
}

/// Something in an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Where.
    pub bounds: BoundingBox,
    /// What: an index into the class names of its data set.
    pub class: usize,
    /// Whether it is a crowd of such things under one box, which detection metrics ignore (COCO's `iscrowd`).
    pub crowd: bool,
    /// Its marked points, always in the same order.
    pub keypoints: Vec<Keypoint>,
}

impl Object {
    /// A single object without keypoints.
    pub fn new(bounds: BoundingBox, class: usize) -> Self {
        Self { bounds, class, crowd: false, keypoints: Vec::new() }
    }
}

/// The class of every pixel, `[height, width]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    classes: Vec<u8>,
    height: usize,
    width: usize,
}

impl Mask {
    /// The class of pixels that count for nothing, as in Pascal VOC and Cityscapes.
    pub const IGNORE: u8 = 255;

    /// A mask of these classes, row after row.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when a side is 0 or the number of classes is not height · width.
    pub fn new(classes: Vec<u8>, [height, width]: [usize; 2]) -> Result<Self, Error> {
        if height.checked_mul(width).is_none_or(|area| area == 0 || area != classes.len()) {
            let expected = format!("{height}×{width} classes, at least one");
            return Err(Error::argument("classes", expected, classes.len()));
        }
        Ok(Self { classes, height, width })
    }

    /// `[height, width]` in pixels.
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// The classes, row after row.
    pub fn classes(&self) -> &[u8] {
        &self.classes
    }

    /// The classes, to change in place.
    pub fn classes_mut(&mut self) -> &mut [u8] {
        &mut self.classes
    }
}

/// An image and its annotations, which follow it through every [`Transform`].
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The image.
    pub image: Image,
    /// The class of the whole image.
    pub label: Option<usize>,
    /// The things in it.
    pub objects: Vec<Object>,
    /// The class of every pixel, of the image's size.
    pub mask: Option<Mask>,
    /// Points of the image as a whole; those of an object are with the object.
    pub keypoints: Vec<Keypoint>,
}

impl Sample {
    /// An image without annotations.
    pub fn new(image: Image) -> Self {
        Self { image, label: None, objects: Vec::new(), mask: None, keypoints: Vec::new() }
    }

    /// With the class of the whole image.
    #[must_use]
    pub fn with_label(self, label: usize) -> Self {
        Self { label: Some(label), ..self }
    }

    /// With the things in it.
    #[must_use]
    pub fn with_objects(self, objects: Vec<Object>) -> Self {
        Self { objects, ..self }
    }

    /// With the class of every pixel.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when the mask is not of the image's size.
    pub fn with_mask(self, mask: Mask) -> Result<Self, Error> {
        let [[height, width], [h, w]] = [self.image.size(), mask.size()];
        if [height, width] != [h, w] {
            let expected = format!("the image's size, {height}×{width}");
            return Err(Error::argument("mask", expected, format_args!("{h}×{w}")));
        }
        Ok(Self { mask: Some(mask), ..self })
    }

    /// With points of the image as a whole.
    #[must_use]
    pub fn with_keypoints(self, keypoints: Vec<Keypoint>) -> Self {
        Self { keypoints, ..self }
    }
}

/// A change of an image, and of its annotations with it: a pure function of the sample and a key.
///
/// The same sample and key give the same result, whoever calls and when: an epoch can be replayed, resumed
/// in its middle, or computed by several threads.
pub trait Transform: Send + Sync {
    /// The changed sample.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when the sample is none this can be done to, such as an image smaller than the part to cut
    /// out.
    fn apply(&self, sample: Sample, key: Key) -> Result<Sample, Error>;
}
