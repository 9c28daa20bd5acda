//! Detection: boxes with classes, from any backbone.
//!
//! A classifier says what an image shows; a detector says it at every place of a map, and with it how far the edges of
//! the thing are away. The backbone stays what it was:
//!
//! ```text
//!  image ──▶ backbone ──▶ feature pyramid ──▶ head ──▶ decode ──▶ suppress ──▶ boxes, classes, scores
//! ```
//!
//! | page | what it is |
//! |---|---|
//! | [`fcos`] | the detector: a head without anchors on every level of a pyramid |
//! | [`assign`](mod@assign) | which place is answerable for which thing |
//! | [`nms`](mod@nms) | one box for one thing: hard, by class, soft |
//! | [`boxes`] | IoU, GIoU, DIoU and CIoU of every pair of boxes |
//! | [`coco`] | average precision as COCO measures it |

use burn::tensor::Tensor;

pub mod assign;
pub mod boxes;
pub mod coco;
pub mod fcos;
mod head;
pub mod nms;
mod outputs;

pub use assign::{Location, assign};
pub use boxes::{box_iou, complete_box_iou, distance_box_iou, generalized_box_iou};
pub use fcos::{Fcos, FcosConfig, train_step};
pub use head::{FcosHead, Tower};
pub use nms::{Decay, batched_nms, nms, soft_nms};
pub use outputs::{Losses, Outputs};

/// A thing to be found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Object {
    /// x₁, y₁, x₂, y₂ in pixels.
    pub bounds: [f32; 4],
    /// Its class.
    pub class: usize,
}

/// A thing found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// x₁, y₁, x₂, y₂ in pixels, within the image.
    pub bounds: [f32; 4],
    /// Its class.
    pub class: usize,
    /// How sure the detector is, in [0, 1].
    pub score: f32,
}

impl From<Detection> for coco::Found {
    fn from(Detection { bounds, class, score }: Detection) -> Self {
        Self { bounds: bounds.map(f64::from), class, score: f64::from(score) }
    }
}

impl From<Object> for coco::Truth {
    fn from(Object { bounds, class }: Object) -> Self {
        Self::new(bounds.map(f64::from), class)
    }
}

/// Images and what is in each of them: any number of things, none too.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, in_channels, height, width]`
    pub images: Tensor<4>,
    /// A list for each image.
    pub objects: Vec<Vec<Object>>,
}

/// Objects that cannot be in these images.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// Not a list for each image.
    #[error("{actual} lists of objects for {expected} images")]
    Lists {
        /// Lists given.
        actual: usize,
        /// Images given.
        expected: usize,
    },
    /// A class there is not.
    #[error("object {object} of image {image}: class {class}, expected one below {num_classes}")]
    UnknownClass {
        /// Which image of the batch.
        image: usize,
        /// Which object of the image.
        object: usize,
        /// The class found.
        class: usize,
        /// How many classes there are.
        num_classes: usize,
    },
    /// A box without area: edges equal, inverted or not numbers.
    #[error(
        "object {object} of image {image}: box {bounds:?} is inverted or empty, expected x1 < x2 and y1 < y2"
    )]
    Inverted {
        /// Which image of the batch.
        image: usize,
        /// Which object of the image.
        object: usize,
        /// The box.
        bounds: [f32; 4],
    },
    /// A box that is not within its image.
    #[error(
        "object {object} of image {image}: box {bounds:?} reaches out of the image of {height} × {width} pixels"
    )]
    Outside {
        /// Which image of the batch.
        image: usize,
        /// Which object of the image.
        object: usize,
        /// The box.
        bounds: [f32; 4],
        /// Rows of the image.
        height: usize,
        /// Columns of the image.
        width: usize,
    },
}

impl Batch {
    /// Images with their objects, checked.
    ///
    /// # Errors
    ///
    /// [`ObjectError`] naming the first object that cannot be there.
    pub fn new(
        images: Tensor<4>,
        objects: Vec<Vec<Object>>,
        num_classes: usize,
    ) -> Result<Self, ObjectError> {
        let [expected, _, height, width] = images.dims();
        if objects.len() != expected {
            return Err(ObjectError::Lists { actual: objects.len(), expected });
        }
        for (image, list) in objects.iter().enumerate() {
            for (object, &Object { bounds, class }) in list.iter().enumerate() {
                let [x1, y1, x2, y2] = bounds;
                if class >= num_classes {
                    return Err(ObjectError::UnknownClass { image, object, class, num_classes });
                }
                // Comparisons with what is not a number are false.
                if !(x1 < x2 && y1 < y2) {
                    return Err(ObjectError::Inverted { image, object, bounds });
                }
                if !(x1 >= 0.0 && y1 >= 0.0 && x2 <= width as f32 && y2 <= height as f32) {
                    return Err(ObjectError::Outside { image, object, bounds, height, width });
                }
            }
        }
        Ok(Self { images, objects })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn objects_that_cannot_be_there_are_named() {
        let batch = |bounds: [f32; 4], class: usize| {
            let images = Tensor::zeros([2, 1, 20, 30], &Device::flex());
            Batch::new(images, vec![vec![], vec![Object { bounds, class }]], 3)
                .map(|batch| batch.objects.len())
        };
        assert_eq!(batch([0.0, 0.0, 30.0, 20.0], 2), Ok(2));
        let (image, object) = (1, 0);
        let unknown = ObjectError::UnknownClass { image, object, class: 3, num_classes: 3 };
        assert_eq!(batch([0.0, 0.0, 30.0, 20.0], 3), Err(unknown));
        for bounds in [[5.0, 0.0, 5.0, 9.0], [5.0, 9.0, 8.0, 2.0]] {
            assert_eq!(batch(bounds, 0), Err(ObjectError::Inverted { image, object, bounds }));
        }
        assert!(matches!(batch([f32::NAN, 0.0, 5.0, 9.0], 0), Err(ObjectError::Inverted { .. })));
        for bounds in [[-1.0, 0.0, 5.0, 9.0], [0.0, 0.0, 30.5, 9.0], [0.0, 0.0, 5.0, f32::INFINITY]] {
            let outside = ObjectError::Outside { image, object, bounds, height: 20, width: 30 };
            assert_eq!(batch(bounds, 0), Err(outside));
        }
        let images = Tensor::zeros([2, 1, 20, 30], &Device::flex());
        let error = Batch::new(images, vec![vec![]], 3).map(drop).unwrap_err();
        assert_eq!(error.to_string(), "1 lists of objects for 2 images");
    }
}
