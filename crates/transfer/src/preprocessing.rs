//! # The images a pretrained network expects
//!
//! Weights and preprocessing belong together: a network that saw images of mean 0 and deviation 1 answers nonsense to pixels in
//! [0, 255]. What torchvision publishes beside its weights, by name and version:
//!
//! ```text
//! shorter side to `resize` ──▶ `crop` × `crop` from the middle ──▶ pixels in [0, 1] ──▶ (x − mean) / std
//! ```
//!
//! | networks | resize | crop | interpolation |
//! |---|---|---|---|
//! | most, version 1 | 256 | 224 | bilinear |
//! | ResNet, ResNeXt, wide ResNet, MobileNetV2, MobileNetV3 large, version 2 | 232 | 224 | bilinear |
//! | EfficientNet B0 to B4 | 256, 256 (version 2: 255), 288, 320, 384 | 224, 240, 288, 300, 380 | bicubic (B1's version 2: bilinear) |
//! | ConvNeXt tiny, small, base | 236, 230, 232 | 224 | bilinear |
//!
//! GoogLeNet's weights were converted from TensorFlow's, with pixels in [−1, 1]: torchvision undoes its own normalisation inside the
//! network. There is no such step here, so mean and deviation are ½ for it.

use burn::tensor::Tensor;
use fornax_cnn::registry;
use fornax_nn_core::{ConfigError, name};
use serde::{Deserialize, Serialize};

/// Mean of ImageNet's training images, red, green, blue.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of ImageNet's training images.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// How pixels between pixels are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Interpolation {
    /// From four neighbours, averaging when the image shrinks.
    Bilinear,
    /// From sixteen.
    Bicubic,
}

/// Which of the published weights of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Version {
    /// `IMAGENET1K_V1`.
    #[default]
    V1,
    /// `IMAGENET1K_V2`, trained longer with more augmentation; not of every network.
    V2,
}

/// What is done to an image before a pretrained network sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Pixels the shorter side is resized to.
    pub resize: usize,
    /// Side of the square cut from the middle.
    pub crop: usize,
    /// How it is resized.
    pub interpolation: Interpolation,
    /// Subtracted from pixels in [0, 1], a number for each channel.
    pub mean: [f32; 3],
    /// What is left is divided by.
    pub std: [f32; 3],
}

impl Preprocessing {
    /// That of torchvision's weights for the network called `model`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `model` when there is none of that name or it has no weights of ImageNet, `version` when
    /// there is none of that version.
    pub fn of(model: &str, version: Version) -> Result<Self, ConfigError> {
        let known = registry::list("*");
        if !known.contains(&model) {
            return Err(name::unknown("model", model, &known));
        }
        if model == "lenet5" {
            return Err(ConfigError::new("model", "lenet5 has no published weights of ImageNet"));
        }
        let bilinear = |resize, crop| (resize, crop, Interpolation::Bilinear);
        let bicubic = |resize, crop| (resize, crop, Interpolation::Bicubic);
        let (resize, crop, interpolation) = match (model, version) {
            ("efficientnet_b0", Version::V1) => bicubic(256, 224),
            ("efficientnet_b1", Version::V1) => bicubic(256, 240),
            ("efficientnet_b1", Version::V2) => bilinear(255, 240),
            ("efficientnet_b2", Version::V1) => bicubic(288, 288),
            ("efficientnet_b3", Version::V1) => bicubic(320, 300),
            ("efficientnet_b4", Version::V1) => bicubic(384, 380),
            ("convnext_tiny", Version::V1) => bilinear(236, 224),
            ("convnext_small", Version::V1) => bilinear(230, 224),
            ("convnext_base", Version::V1) => bilinear(232, 224),
            (_, Version::V1) => bilinear(256, 224),
            (
                "resnet50" | "resnet101" | "resnet152" | "resnext50_32x4d" | "resnext101_32x8d"
                | "wide_resnet50_2" | "wide_resnet101_2" | "mobilenet_v2" | "mobilenet_v3_large",
                Version::V2,
            ) => bilinear(232, 224),
            (_, Version::V2) => {
                return Err(ConfigError::new("version", format!("{model} has weights of version 1 only")));
            }
        };
        let (mean, std) = match model {
            "googlenet" => ([0.5; 3], [0.5; 3]),
            _ => (IMAGENET_MEAN, IMAGENET_STD),
        };
        Ok(Self { resize, crop, interpolation, mean, std })
    }

    /// (x − mean) / std, for each channel.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]`, pixels in [0, 1]
    /// - output: the same
    ///
    /// # Panics
    ///
    /// On images of another number of channels.
    pub fn normalise(&self, images: Tensor<4>) -> Tensor<4> {
        let [_, channels, ..] = images.dims();
        assert_eq!(channels, 3, "images of {channels} channels, expected 3");
        let device = images.device();
        let row = |values: [f32; 3]| Tensor::<1>::from_floats(values, &device).reshape([1, 3, 1, 1]);
        (images - row(self.mean)) / row(self.std)
    }
}
