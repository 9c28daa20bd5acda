//! Segmentation: a class for every pixel, from any backbone.
//!
//! A classifier pools the last map away; here a *decoder* leads the maps back up to the size of the image instead. The
//! backbone stays what it was:
//!
//! ```text
//!             backbone                      decoder                     logits
//!  image ──▶  maps of stride 2, 4, 8, … ──▶ U-Net, FPN or DeepLab ──▶  [num_classes, height, width]
//!
//!  predicted class of pixel (i, j) = argmax over k of logits[k, i, j]
//! ```
//!
//! | decoder | how it gets its detail back | page |
//! |---|---|---|
//! | [`UNetDecoder`] | level by level, beside the encoder's map of the same size | [`unet`] |
//! | [`FpnDecoder`] | all levels of a feature pyramid, brought to one size and added | [`fpn_decoder`] |
//! | [`DeepLabDecoder`] | one coarse map seen at several dilations at once | [`deeplab`] |
//!
//! [`PixelLoss`] is what training lowers, [`PixelConfusion`] what the result is judged by.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use fornax_cnn::segmentation::{Segmenter, UNetDecoderConfig};
//! use fornax_cnn::{Backbone, ResNetConfig};
//!
//! let device = Device::flex();
//! let backbone = ResNetConfig::resnet18_digits().init(&device)?; // or any other
//! let decoder = UNetDecoderConfig::new(11).init(&backbone.feature_info(), &device)?;
//! let model = Segmenter::new(backbone, decoder);
//! assert_eq!(model.predict(Tensor::zeros([1, 1, 40, 24], &device)).dims(), [1, 40, 24]);
//! # Ok::<(), fornax_nn_core::ConfigError>(())
//! ```

use burn::module::{Module, ModuleDisplay};
use burn::optim::ModuleOptimizer;
use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor};
use fornax_nn_core::gradient::{NonFinite, gradients};

use crate::Backbone;
use crate::block::resize_bilinear;

pub mod deeplab;
pub mod fpn_decoder;
pub mod loss;
pub mod metric;
pub mod unet;

pub use deeplab::{DeepLabDecoder, DeepLabDecoderConfig};
pub use fpn_decoder::{FpnDecoder, FpnDecoderConfig};
pub use loss::{PixelLoss, PixelLossConfig};
pub use metric::PixelConfusion;
pub use unet::{UNet, UNetConfig, UNetDecoder, UNetDecoderConfig, UNetEncoder};

/// What stands on a backbone's maps and gives every pixel its classes.
pub trait Decoder: Module + ModuleDisplay {
    /// Number of classes.
    fn num_classes(&self) -> usize;

    /// The logits at the size of the finest map the decoder uses.
    ///
    /// # Shapes
    ///
    /// - map i: `[batch, channels_i, height_i, width_i]`, as the backbone gives them
    /// - output: `[batch, num_classes, height′, width′]`
    ///
    /// # Panics
    ///
    /// When the maps are not those of the backbone it was built for.
    fn forward(&self, maps: Vec<Tensor<4>>) -> Tensor<4>;
}

/// A backbone with a decoder on it.
#[derive(Module, Debug)]
pub struct Segmenter<B: Module, D: Module> {
    /// What sees.
    pub backbone: B,
    /// What tells the pixels their classes.
    pub decoder: D,
}

impl<B: Backbone, D: Decoder> Segmenter<B, D> {
    /// Puts a decoder, built for the maps of this backbone, on it.
    pub fn new(backbone: B, decoder: D) -> Self {
        Self { backbone, decoder }
    }

    /// The logits of every pixel: the decoder's, interpolated to the size of the image.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`
    /// - output: `[batch, num_classes, height, width]`, unnormalised
    ///
    /// # Panics
    ///
    /// On images that [`check_images`](Backbone::check_images) refuses.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let [.., height, width] = images.dims();
        let logits = self.decoder.forward(self.backbone.forward_features(images));
        resize_bilinear(logits, [height, width])
    }

    /// The most probable class of every pixel.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`
    /// - output: `[batch, height, width]`
    pub fn predict(&self, images: Tensor<4>) -> Tensor<3, Int> {
        self.forward(images).argmax(1).squeeze_dim(1)
    }

    /// The model's belief in each class at every pixel; sums to one over the classes.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`
    /// - output: `[batch, num_classes, height, width]`
    pub fn probabilities(&self, images: Tensor<4>) -> Tensor<4> {
        softmax(self.forward(images), 1)
    }
}

/// Images and the class of each of their pixels.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, in_channels, height, width]`
    pub images: Tensor<4>,
    /// `[batch, height, width]`, class indices, or the one to ignore
    pub masks: Tensor<3, Int>,
}

/// A mask that is none for these images or classes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MaskError {
    /// Masks and images, or two masks, are not of one size.
    #[error("masks of {actual:?} (batch, height, width), expected {expected:?}")]
    Size {
        /// Batch, rows and columns of the masks.
        actual: [usize; 3],
        /// Those of what they belong to.
        expected: [usize; 3],
    },
    /// A pixel of a class there is not.
    #[error("class {class} at row {row}, column {column} of mask {mask}, expected one below {num_classes}")]
    UnknownClass {
        /// The class found.
        class: i64,
        /// Which mask of the batch.
        mask: usize,
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// How many classes there are.
        num_classes: usize,
    },
}

impl Batch {
    /// Images with their masks, checked; reads the masks back from their device.
    ///
    /// # Errors
    ///
    /// [`MaskError`] when sizes differ, or a class is neither below `num_classes` nor the one to ignore.
    pub fn new(
        images: Tensor<4>,
        masks: Tensor<3, Int>,
        num_classes: usize,
        ignore_index: Option<usize>,
    ) -> Result<Self, MaskError> {
        let [batch, _, height, width] = images.dims();
        same_size(masks.dims(), [batch, height, width])?;
        classes(&masks, num_classes, ignore_index)?;
        Ok(Self { images, masks })
    }
}

/// Refuses masks of another size.
pub(crate) fn same_size(actual: [usize; 3], expected: [usize; 3]) -> Result<(), MaskError> {
    if actual == expected { Ok(()) } else { Err(MaskError::Size { actual, expected }) }
}

/// The classes of all pixels, `None` for those to ignore.
pub(crate) fn classes(
    masks: &Tensor<3, Int>,
    num_classes: usize,
    ignore_index: Option<usize>,
) -> Result<Vec<Option<usize>>, MaskError> {
    let [_, height, width] = masks.dims();
    let read = |(at, class): (usize, i64)| match usize::try_from(class) {
        Ok(class) if Some(class) == ignore_index => Ok(None),
        Ok(class) if class < num_classes => Ok(Some(class)),
        _ => Err(MaskError::UnknownClass {
            class,
            mask: at / (height * width),
            row: at / width % height,
            column: at % width,
            num_classes,
        }),
    };
    masks.to_data().iter::<i64>().enumerate().map(read).collect()
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
///
/// # Panics
///
/// When images and masks are not of one size; [`Batch::new`] checks it.
pub fn train_step<B: Backbone, D: Decoder>(
    model: Segmenter<B, D>,
    loss: &PixelLoss,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: Batch,
) -> Result<(Segmenter<B, D>, f32), NonFinite> {
    let loss = loss.forward(model.forward(batch.images), batch.masks);
    let (loss, gradients) = gradients(loss, &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}
