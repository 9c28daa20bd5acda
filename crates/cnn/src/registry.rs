//! Every network by its name.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use fornax_cnn::{Classifier, Options, create, list};
//!
//! // A quarter of ResNet-18's width, a stem for small images, grey, ten classes.
//! let options = Options::new(10).with_in_channels(1).with_width(0.25).with_small_images(true);
//! let device = Device::flex();
//! let model = create("resnet18", &options, &device)?;
//! assert_eq!(model.predict(Tensor::zeros([2, 1, 32, 32], &device)).dims(), [2, 10]);
//!
//! assert_eq!(list("resnet*8"), ["resnet18"]);
//! let error = create("resnet81", &options, &device).unwrap_err();
//! assert!(error.to_string().contains(r#"did you mean "resnet18"?"#));
//! # Ok::<(), fornax_nn_core::ConfigError>(())
//! ```
//!
//! A name is that of a preset on the network's page, and torchvision's. [`config`] gives the settings without building
//! anything: change what [`Options`] does not reach, or keep it beside the weights to build the same network again.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::{ConfigError, name};
use serde::{Deserialize, Serialize};

use fornax_nn_core::config::positive;

use crate::classification::Batch;
use crate::geometry::Stage;
use crate::*;

/// What all networks can be asked for.
#[derive(Config, Debug, PartialEq)]
pub struct Options {
    /// Number of classes.
    pub num_classes: usize,
    /// Channels of the image. Default: colour.
    #[config(default = 3)]
    pub in_channels: usize,
    /// Factor on every width; positive. Default: the network as published.
    #[config(default = 1.0)]
    pub width: f64,
    /// The stem for images of some 32 pixels, of networks that have one (ResNet, DenseNet). Default: no.
    #[config(default = false)]
    pub small_images: bool,
    /// Height and width of the images, for networks built for one size (LeNet). Default: the network's own.
    pub image_size: Option<[usize; 2]>,
}

/// Calls a macro with every family in the form `Family(Config): preset preset …;`, a preset being the name of a
/// constructor of the configuration, and the name [`create`](crate::create) knows it by.
///
/// This list is all there is to register; the contract tests go through it.
#[macro_export]
macro_rules! models {
    ($with:ident) => {
        $with! {
            LeNet(LeNetConfig): lenet5;
            AlexNet(AlexNetConfig): alexnet;
            Vgg(VggConfig): vgg11 vgg13 vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn vgg19_bn;
            SqueezeNet(SqueezeNetConfig): squeezenet1_0 squeezenet1_1;
            GoogLeNet(GoogLeNetConfig): googlenet;
            ResNet(ResNetConfig): resnet18 resnet34 resnet50 resnet101 resnet152
                resnext50_32x4d resnext101_32x8d wide_resnet50_2 wide_resnet101_2;
            DenseNet(DenseNetConfig): densenet121 densenet161 densenet169 densenet201;
            MobileNetV2(MobileNetV2Config): mobilenet_v2;
            MobileNetV3(MobileNetV3Config): mobilenet_v3_large mobilenet_v3_small;
            EfficientNet(EfficientNetConfig): efficientnet_b0 efficientnet_b1 efficientnet_b2
                efficientnet_b3 efficientnet_b4;
            ConvNext(ConvNextConfig): convnext_tiny convnext_small convnext_base;
        }
    };
}

macro_rules! define {
    ($($family:ident($config:ident): $($preset:ident)+;)+) => {
        /// The settings of any network; in JSON the field `family` says of which.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "family")]
        #[non_exhaustive]
        pub enum ModelConfig { $(
            #[doc = concat!("Those of a [`", stringify!($family), "`].")]
            $family($config),
        )+ }

        /// Any network: a [`Backbone`] and a [`Classifier`] as the one inside.
        #[derive(Module, Debug)]
        #[allow(clippy::large_enum_variant, reason = "a program has one or two")]
        #[non_exhaustive]
        pub enum Model { $(
            #[doc = concat!("A [`", stringify!($family), "`](crate::", stringify!($family), ").")]
            $family($family),
        )+ }

        const PRESETS: &[(&str, fn() -> ModelConfig)] =
            &[$($( (stringify!($preset), || ModelConfig::$family($config::$preset())), )+)+];

        impl ModelConfig {
            /// Checks every field.
            ///
            /// # Errors
            ///
            /// [`ConfigError`] naming the first field that cannot be used.
            pub fn validate(&self) -> Result<(), ConfigError> {
                match self { $( Self::$family(config) => config.validate(), )+ }
            }

            /// The maps of the network, without building it.
            pub fn stages(&self) -> Vec<Stage> {
                match self { $( Self::$family(config) => config.stages(), )+ }
            }

            /// Number of classes.
            pub fn num_classes(&self) -> usize {
                match self { $( Self::$family(config) => config.num_classes, )+ }
            }

            /// The same network for another number of classes.
            #[must_use]
            pub fn with_num_classes(self, num_classes: usize) -> Self {
                match self { $(
                    Self::$family(config) => Self::$family($config { num_classes, ..config }),
                )+ }
            }

            /// Channels of the image.
            pub fn in_channels(&self) -> usize {
                match self { $( Self::$family(config) => config.in_channels, )+ }
            }

            /// Builds the network.
            ///
            /// # Errors
            ///
            /// [`ConfigError`] as from [`validate`](Self::validate).
            pub fn init(&self, device: &Device) -> Result<Model, ConfigError> {
                match self { $( Self::$family(config) => config.init(device).map(Model::$family), )+ }
            }

            fn with_sizes(self, options: &Options) -> Self {
                match self { $(
                    Self::$family(mut config) => {
                        config.num_classes = options.num_classes;
                        config.in_channels = options.in_channels;
                        Self::$family(config.scaled(options.width))
                    }
                )+ }
            }
        }

        impl Backbone for Model {
            fn in_channels(&self) -> usize {
                match self { $( Self::$family(model) => model.in_channels(), )+ }
            }

            fn stages(&self) -> Vec<Stage> {
                match self { $( Self::$family(model) => model.stages(), )+ }
            }

            fn forward_features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
                match self { $( Self::$family(model) => model.forward_features(images), )+ }
            }

            fn check_images(&self, shape: [usize; 4]) -> Result<(), ImageError> {
                match self { $( Self::$family(model) => model.check_images(shape), )+ }
            }
        }

        impl Classifier for Model {
            fn num_classes(&self) -> usize {
                match self { $( Self::$family(model) => model.num_classes(), )+ }
            }

            fn forward_head(&self, map: Tensor<4>) -> Tensor<2> {
                match self { $( Self::$family(model) => model.forward_head(map), )+ }
            }

            fn reset_classifier(self, num_classes: usize) -> Result<Self, ConfigError> {
                match self { $(
                    Self::$family(model) => model.reset_classifier(num_classes).map(Self::$family),
                )+ }
            }

            fn training_loss(&self, batch: Batch) -> Tensor<1> {
                match self { $( Self::$family(model) => model.training_loss(batch), )+ }
            }
        }
    };
}

models!(define);

/// Builds the network called `name`.
///
/// # Errors
///
/// [`ConfigError`] naming `model` when there is none of that name, with the nearest one, or the option that cannot be used.
pub fn create(name: &str, options: &Options, device: &Device) -> Result<Model, ConfigError> {
    config(name, options)?.init(device)
}

/// The settings of the network called `name`.
///
/// # Errors
///
/// As from [`create`].
pub fn config(name: &str, options: &Options) -> Result<ModelConfig, ConfigError> {
    let Some((_, preset)) = PRESETS.iter().find(|(known, _)| *known == name) else {
        return Err(name::unknown("model", name, &list("*")));
    };
    positive("width", options.width)?;
    let mut config = preset().with_sizes(options);
    let refused = |field, why: &str| Err(ConfigError::new(field, format!("{name} {why}")));
    if options.small_images {
        match &mut config {
            ModelConfig::ResNet(resnet) => resnet.small_images = true,
            ModelConfig::DenseNet(densenet) => densenet.small_images = true,
            _ => return refused("small_images", "has no stem for small images"),
        }
    }
    if let Some(size) = options.image_size {
        match &mut config {
            ModelConfig::LeNet(lenet) => lenet.image_size = size,
            _ => return refused("image_size", "takes images of any size"),
        }
    }
    config.validate()?;
    Ok(config)
}

/// The names that match `pattern`, where `*` stands for any characters and `?` for one; in the order of the families.
pub fn list(pattern: &str) -> Vec<&'static str> {
    let pattern: Vec<char> = pattern.chars().collect();
    let matching = |name: &&str| matches(&pattern, &name.chars().collect::<Vec<_>>());
    PRESETS.iter().map(|(name, _)| *name).filter(matching).collect()
}

fn matches(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) if rest.starts_with(&['*']) => matches(rest, text),
        (['*', rest @ ..], _) => {
            matches(rest, text) || matches!(text, [_, left @ ..] if matches(pattern, left))
        }
        (['?', rest @ ..], [_, left @ ..]) => matches(rest, left),
        ([a, rest @ ..], [b, left @ ..]) if a == b => matches(rest, left),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match() {
        assert_eq!(list("*resnet*2"), ["resnet152", "wide_resnet50_2", "wide_resnet101_2"]);
        assert_eq!(list("vgg1?"), ["vgg11", "vgg13", "vgg16", "vgg19"]);
        assert_eq!(list("resnet18"), ["resnet18"]);
        assert_eq!(list("*").len(), PRESETS.len());
        assert!(list("").is_empty() && list("resnet").is_empty() && list("?").is_empty());
        assert_eq!(list(&"*".repeat(200)).len(), PRESETS.len());
    }

    #[test]
    fn names_are_unique() {
        let mut names = list("*");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PRESETS.len());
    }

    #[test]
    fn without_options_a_network_is_its_preset() {
        for (name, preset) in PRESETS {
            let options = match preset() {
                ModelConfig::LeNet(_) => Options::new(10).with_in_channels(1),
                _ => Options::new(1000),
            };
            assert_eq!(config(name, &options).unwrap(), preset(), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_named() {
        let field = |name, options: &Options| config(name, options).unwrap_err().field;
        let options = Options::new(10);
        assert_eq!(field("resnet", &options), "model");
        assert_eq!(field("resnet18", &options.clone().with_width(0.0)), "width");
        assert_eq!(field("resnet18", &options.clone().with_width(f64::NAN)), "width");
        assert_eq!(field("resnet18", &Options::new(0)), "num_classes");
        assert_eq!(field("vgg11", &options.clone().with_in_channels(0)), "in_channels");
        assert_eq!(field("vgg11", &options.clone().with_small_images(true)), "small_images");
        assert_eq!(field("vgg11", &options.clone().with_image_size(Some([32, 32]))), "image_size");
        assert_eq!(field("lenet5", &options.with_image_size(Some([8, 32]))), "image_size");
    }

    #[test]
    fn the_nearest_name_is_suggested() {
        let error = config("effcientnet_b0", &Options::new(10)).unwrap_err();
        assert!(error.reason.contains("did you mean \"efficientnet_b0\"?"), "{error}");
    }
}
