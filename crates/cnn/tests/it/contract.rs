//! Every model, a line each: what the promises are stands in `fornax_nn_core::check::contract`.

use burn::tensor::{Device, Tensor};
use fornax_cnn::classification::Batch;
use fornax_cnn::lenet::{self, LeNet, LeNetConfig};
use fornax_cnn::{Backbone, Classifier, MobileNetV2, MobileNetV2Config, ResNet, ResNetConfig};
use fornax_nn_core::check::contract::{Contract, Output};
use fornax_nn_core::check::fill;
use serde::{Serialize, de::DeserializeOwned};

fornax_nn_core::contract! {
    lenet5: LeNetCase { config: LeNetConfig::lenet5(), parameters: 61_706 };
    digits: LeNetCase { config: LeNetConfig::digits(), parameters: 96_678 };
}

// Not yet compared on ndarray and wgpu.
fornax_nn_core::contract! {
    on flex;
    mobilenet_v2: Classification { config: narrow_mobilenet(), side: 32, parameters: 43_332 };
    resnet: Classification { config: narrow(ResNetConfig::resnet18_digits()), side: 16, parameters: 3_856 };
    resnext: Classification { config: narrow(ResNetConfig::resnext50_32x4d()).with_groups(2).with_width_per_group(32), side: 32, parameters: 5_884 };
}

/// A tenth of the width, for images of a few pixels.
fn narrow_mobilenet() -> MobileNetV2Config {
    MobileNetV2Config::mobilenet_v2().with_width(0.1).with_head(24).with_in_channels(1).with_num_classes(4)
}

/// One block a stage and a few channels.
fn narrow(config: ResNetConfig) -> ResNetConfig {
    ResNetConfig { blocks: [1; 4], ..config }
        .with_channels([4, 6, 8, 10])
        .with_in_channels(1)
        .with_num_classes(4)
}

struct LeNetCase {
    config: LeNetConfig,
    parameters: usize,
}

impl LeNetCase {
    fn images(&self, batch: usize, device: &Device) -> Tensor<4> {
        let [height, width] = self.config.image_size;
        fill::input("images", [batch, self.config.in_channels, height, width], device)
    }
}

impl Contract for LeNetCase {
    type Config = LeNetConfig;
    type Model = LeNet;

    fn config(&self) -> LeNetConfig {
        self.config.clone()
    }

    fn without_noise(&self) -> LeNetConfig {
        self.config().with_dropout(0.0)
    }

    fn init(&self, config: &LeNetConfig, device: &Device) -> LeNet {
        config.init(device).unwrap()
    }

    fn forward(&self, model: &LeNet, batch: usize, device: &Device) -> Output {
        model.forward(self.images(batch, device)).into()
    }

    fn loss(&self, model: &LeNet, batch: usize, device: &Device) -> Tensor<1> {
        let targets = fill::targets("targets", [batch], self.config.num_classes, device);
        lenet::loss(model.forward(self.images(batch, device)), targets)
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, self.config.num_classes]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }
}

/// A classifier on square images; one `impl` a family.
struct Classification<C> {
    config: C,
    side: usize,
    parameters: usize,
}

macro_rules! classification {
    ($config:ty => $model:ty) => {
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
                let shape = [batch, model.in_channels(), self.side, self.side];
                model.forward(fill::input("images", shape, device)).into()
            }

            fn loss(&self, model: &$model, batch: usize, device: &Device) -> Tensor<1> {
                let shape = [batch, model.in_channels(), self.side, self.side];
                let images = fill::input("images", shape, device);
                let targets = fill::targets("targets", [batch], model.num_classes(), device);
                model.training_loss(Batch { images, targets })
            }

            fn output_shape(&self, batch: usize) -> Vec<usize> {
                vec![batch, self.config.num_classes]
            }

            fn parameters(&self) -> usize {
                self.parameters
            }
        }
    };
}

classification!(ResNetConfig => ResNet);
classification!(MobileNetV2Config => MobileNetV2);

/// The same configuration with every probability of dropping something set to zero.
fn without_noise<C: Serialize + DeserializeOwned>(config: &C) -> C {
    let mut fields = serde_json::to_value(config).unwrap();
    for name in ["dropout", "drop_path"] {
        if let Some(field) = fields.get_mut(name) {
            *field = 0.0.into();
        }
    }
    serde_json::from_value(fields).unwrap()
}
