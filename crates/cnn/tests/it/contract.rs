//! Every model, a line each: what the promises are stands in `fornax_nn_core::check::contract`.

use burn::tensor::{Device, Tensor};
use fornax_cnn::classification::Batch;
use fornax_cnn::registry::{self, Model, ModelConfig, Options};
use fornax_cnn::{
    AlexNet, AlexNetConfig, Backbone, Classifier, ConvNext, ConvNextConfig, DenseNet, DenseNetConfig,
    EfficientNet, EfficientNetConfig, GoogLeNet, GoogLeNetConfig, LeNet, LeNetConfig, MobileNetV2,
    MobileNetV2Config, MobileNetV3, MobileNetV3Config, ResNet, ResNetConfig, SqueezeNet, SqueezeNetConfig,
    Vgg, VggConfig,
};
use fornax_nn_core::check::contract::{Contract, Output};
use fornax_nn_core::check::fill;
use serde::{Serialize, de::DeserializeOwned};

use crate::torchvision::fixture;

fornax_nn_core::contract! {
    lenet5: Classification { config: LeNetConfig::lenet5(), side: 28, parameters: 61_706 };
    digits: Classification { config: LeNetConfig::digits(), side: 16, parameters: 96_678 };
    resnet: Classification { config: narrow(ResNetConfig::resnet18_digits()), side: 16, parameters: 3_856 };
}

// One small network a family, trained; on flex, for those that normalise maps of one pixel over a batch of four multiply
// rounding errors by ten a step: MobileNetV3's losses on ndarray leave flex's by the third of 20 steps.
// Numbers of parameters by torchvision's own constructors or by hand.
fornax_nn_core::contract! {
    on flex;
    alexnet: Classification { config: narrow_alexnet(), side: 64, parameters: 29_760 };
    vgg: Classification { config: narrow_vgg(), side: 32, parameters: 87_948 };
    googlenet: Classification { config: GoogLeNetConfig::googlenet().scaled(0.125).with_num_classes(4), side: 32, parameters: 159_604 };
    resnext: Classification { config: narrow_resnext(), side: 32, parameters: 5_884 };
    densenet: Classification { config: DenseNetConfig::new([2; 4]).with_growth(4).with_stem(8).with_num_classes(4), side: 32, parameters: 8_076 };
    mobilenet_v2: Classification { config: narrow_mobilenet_v2(), side: 32, parameters: 43_332 };
    mobilenet_v3: Classification { config: narrow_mobilenet_v3(), side: 32, parameters: 118_300 };
    efficientnet: Classification { config: EfficientNetConfig::new(0.25, 0.5, 0.2).with_num_classes(4), side: 32, parameters: 200_106 };
    convnext: Classification { config: ConvNextConfig::new([1, 1, 2, 1], [8, 12, 16, 20], 0.1).with_num_classes(4), side: 32, parameters: 16_220 };
}

// From closed-form weights its last ReLU is dead; it is trained in `backbones`.
fornax_nn_core::contract! {
    on flex, untrained;
    squeezenet: Classification { config: narrow_squeezenet(), side: 32, parameters: 11_916 };
}

/// Every registered preset, narrow, and its published size counted.
macro_rules! registered {
    ($($family:ident($config:ident): $($preset:ident)+;)+) => {
        mod registered {
            use super::*;

            fornax_nn_core::contract! {
                on flex, untrained;
                $( $( $preset: Registered { name: stringify!($preset) }; )+ )+
            }
        }
    };
}

fornax_cnn::models!(registered);

fn narrow_alexnet() -> AlexNetConfig {
    let config = AlexNetConfig::alexnet().scaled(1.0 / 16.0).with_hidden(32);
    config.with_in_channels(1).with_num_classes(4)
}

fn narrow_squeezenet() -> SqueezeNetConfig {
    SqueezeNetConfig::squeezenet1_1().scaled(0.125).with_in_channels(1).with_num_classes(4)
}

fn narrow_vgg() -> VggConfig {
    let config = VggConfig::vgg11_bn().scaled(1.0 / 16.0).with_hidden(32);
    config.with_in_channels(1).with_num_classes(4)
}

fn narrow_resnext() -> ResNetConfig {
    narrow(ResNetConfig::resnext50_32x4d()).with_groups(2).with_width_per_group(32)
}

/// A quarter of the width, for images of a few pixels.
fn narrow_mobilenet_v3() -> MobileNetV3Config {
    MobileNetV3Config::mobilenet_v3_small().with_width(0.25).with_num_classes(4)
}

/// A tenth of the width.
fn narrow_mobilenet_v2() -> MobileNetV2Config {
    MobileNetV2Config::mobilenet_v2().with_width(0.1).with_head(24).with_in_channels(1).with_num_classes(4)
}

/// One block a stage and a few channels.
fn narrow(config: ResNetConfig) -> ResNetConfig {
    ResNetConfig { blocks: [1; 4], ..config }
        .with_channels([4, 6, 8, 10])
        .with_in_channels(1)
        .with_num_classes(4)
}

struct Registered {
    name: &'static str,
}

impl Registered {
    fn side(&self) -> usize {
        match self.name {
            "lenet5" => 28,
            "alexnet" => 64,
            _ => 32,
        }
    }
}

impl Contract for Registered {
    type Config = ModelConfig;
    type Model = Model;

    fn config(&self) -> ModelConfig {
        // Fewer channels leave a bottleneck of ResNeXt none in a group.
        let width = if self.name.starts_with("resnext") { 0.25 } else { 0.125 };
        registry::config(self.name, &Options::new(4).with_width(width)).unwrap()
    }

    fn without_noise(&self) -> ModelConfig {
        without_noise(&self.config())
    }

    fn init(&self, config: &ModelConfig, device: &Device) -> Model {
        config.init(device).unwrap()
    }

    fn forward(&self, model: &Model, batch: usize, device: &Device) -> Output {
        model.forward(images(model, batch, self.side(), device)).into()
    }

    fn loss(&self, model: &Model, batch: usize, device: &Device) -> Tensor<1> {
        training_loss(model, batch, self.side(), device)
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, 4]
    }

    fn published(&self) -> ModelConfig {
        let options = match self.name {
            "lenet5" => Options::new(10).with_in_channels(1),
            _ => Options::new(1000),
        };
        registry::config(self.name, &options).unwrap()
    }

    fn parameters(&self) -> usize {
        match self.name {
            "lenet5" => 61_706, // the paper's layers in Burn's form: torchvision has none
            name => fixture().entry(&format!("{name}.parameters")).unwrap().values[0] as usize,
        }
    }
}

fn images<M: Backbone>(model: &M, batch: usize, side: usize, device: &Device) -> Tensor<4> {
    fill::input("images", [batch, model.in_channels(), side, side], device)
}

fn training_loss<M: Classifier>(model: &M, batch: usize, side: usize, device: &Device) -> Tensor<1> {
    let targets = fill::targets("targets", [batch], model.num_classes(), device);
    model.training_loss(Batch { images: images(model, batch, side, device), targets })
}

/// A classifier on square images; one `impl` a family.
struct Classification<C> {
    config: C,
    side: usize,
    parameters: usize,
}

macro_rules! classification {
    ($($config:ty => $model:ty;)+) => { $(
        impl Contract for Classification<$config> {
            type Config = $config;
            type Model = $model;

            fn config(&self) -> $config {
                self.config.clone()
            }

            fn without_noise(&self) -> $config {
                without_noise(&self.config)
            }

            fn init(&self, config: &$config, device: &Device) -> $model {
                config.init(device).unwrap()
            }

            fn forward(&self, model: &$model, batch: usize, device: &Device) -> Output {
                model.forward(images(model, batch, self.side, device)).into()
            }

            fn loss(&self, model: &$model, batch: usize, device: &Device) -> Tensor<1> {
                training_loss(model, batch, self.side, device)
            }

            fn output_shape(&self, batch: usize) -> Vec<usize> {
                vec![batch, self.config.num_classes]
            }

            fn parameters(&self) -> usize {
                self.parameters
            }
        }
    )+ };
}

classification! {
    LeNetConfig => LeNet;
    AlexNetConfig => AlexNet;
    VggConfig => Vgg;
    SqueezeNetConfig => SqueezeNet;
    GoogLeNetConfig => GoogLeNet;
    ResNetConfig => ResNet;
    DenseNetConfig => DenseNet;
    MobileNetV2Config => MobileNetV2;
    MobileNetV3Config => MobileNetV3;
    EfficientNetConfig => EfficientNet;
    ConvNextConfig => ConvNext;
}

/// The same configuration with every probability of dropping something set to zero.
fn without_noise<C: Serialize + DeserializeOwned>(config: &C) -> C {
    let mut fields = serde_json::to_value(config).unwrap();
    for name in ["dropout", "auxiliary_dropout", "drop_path"] {
        if let Some(field) = fields.get_mut(name) {
            *field = 0.0.into();
        }
    }
    serde_json::from_value(fields).unwrap()
}
