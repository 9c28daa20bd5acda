//! Every model, a line each: what the promises are stands in `fornax_nn_core::check::contract`.

use burn::tensor::{Device, Tensor};
use fornax_cnn::block::SummaryConfig;
use fornax_cnn::classification::Batch;
use fornax_cnn::control::{self, Controller, ControllerConfig};
use fornax_cnn::lenet::{self, LeNet, LeNetConfig};
use fornax_cnn::navigation::{self, Navigator, NavigatorConfig};
use fornax_cnn::regression::{self, Regressor, RegressorConfig};
use fornax_cnn::{Backbone, Classifier, MobileNetV2, MobileNetV2Config, ResNet, ResNetConfig};
use fornax_nn_core::check::contract::{Contract, Output};
use fornax_nn_core::check::fill;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

fornax_nn_core::contract! {
    lenet5: LeNetCase { config: LeNetConfig::lenet5(), parameters: 61_706 };
    digits: LeNetCase { config: LeNetConfig::digits(), parameters: 96_678 };
}

// Not yet compared on ndarray and wgpu.
fornax_nn_core::contract! {
    on flex;
    mobilenet_v2: Classification { config: narrow_mobilenet(), side: 32, parameters: 43_332 };
    resnet: Classification { config: narrow(ResNetConfig::resnet18_digits()), side: 16, parameters: 3_856 };
    regressor: Headed { config: Whole::new(RegressorConfig::new(3).with_summary(summary())), parameters: 4_294 };
    controller: Headed { config: Whole::new(ControllerConfig::new(2).with_summary(summary())), parameters: 4_447 };
    navigator: Headed { config: Whole::new(NavigatorConfig::new(ControllerConfig::new(2).with_summary(summary()))), parameters: 5_629 };
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

/// Dropout and a grid, as a head may have them.
fn summary() -> SummaryConfig {
    SummaryConfig::new().with_grid([1, 2]).with_hidden(16).with_dropout(0.2)
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
    fn silence(fields: &mut serde_json::Value) {
        for (name, field) in fields.as_object_mut().into_iter().flatten() {
            match name.as_str() {
                "dropout" | "drop_path" => *field = 0.0.into(),
                _ => silence(field),
            }
        }
    }
    let mut fields = serde_json::to_value(config).unwrap();
    silence(&mut fields);
    serde_json::from_value(fields).unwrap()
}

/// A backbone and a head; one `impl` a head.
struct Headed<H> {
    config: Whole<H>,
    parameters: usize,
}

#[derive(Clone, Serialize, Deserialize)]
struct Whole<H> {
    backbone: ResNetConfig,
    head: H,
}

impl<H> Whole<H> {
    fn new(head: H) -> Self {
        Self { backbone: narrow(ResNetConfig::resnet18_digits()), head }
    }
}

/// A mixture in one tensor: `[batch, components · (1 + 2·commands)]`.
fn flat(mixture: control::Mixture) -> Tensor<2> {
    Tensor::cat(vec![mixture.logits, mixture.mean.flatten(1, 2), mixture.log_std.flatten(1, 2)], 1)
}

/// Goals in turn, so that each branch has an example in three.
fn goals(batch: usize) -> Vec<usize> {
    (0..batch).map(|i| i % 3).collect()
}

macro_rules! headed {
    ($config:ty => $model:ty, $outputs:expr, $forward:expr, $loss:expr) => {
        impl Contract for Headed<$config> {
            type Config = Whole<$config>;
            type Model = $model;

            fn config(&self) -> Whole<$config> {
                self.config.clone()
            }

            fn without_noise(&self) -> Whole<$config> {
                without_noise(&self.config)
            }

            fn init(&self, config: &Whole<$config>, device: &Device) -> $model {
                config.head.init(config.backbone.init(device).unwrap(), device).unwrap()
            }

            fn forward(&self, model: &$model, batch: usize, device: &Device) -> Output {
                Output::from($forward(model, fill::input("images", [batch, 1, 16, 16], device)))
            }

            fn loss(&self, model: &$model, batch: usize, device: &Device) -> Tensor<1> {
                $loss(model, fill::input("images", [batch, 1, 16, 16], device))
            }

            fn output_shape(&self, batch: usize) -> Vec<usize> {
                vec![batch, $outputs]
            }

            fn parameters(&self) -> usize {
                self.parameters
            }

            /// The classifier that the backbone came with.
            fn without_gradient(&self) -> Vec<&str> {
                vec!["backbone.fc.weight", "backbone.fc.bias"]
            }
        }
    };
}

/// `[batch, columns]` numbers to be learnt.
fn targets(images: &Tensor<4>, columns: usize) -> Tensor<2> {
    fill::input("targets", [images.dims()[0], columns], &images.device())
}

headed!(RegressorConfig => Regressor<ResNet>, 6,
    |model: &Regressor<ResNet>, images| {
        let predicted = model.forward(images);
        Tensor::cat(vec![predicted.mean, predicted.log_var], 1)
    },
    |model: &Regressor<ResNet>, images: Tensor<4>| {
        model.training_loss(regression::Batch { targets: targets(&images, 3), images })
    }
);
headed!(ControllerConfig => Controller<ResNet>, 15,
    |model: &Controller<ResNet>, images| flat(model.forward(images)),
    |model: &Controller<ResNet>, images: Tensor<4>| {
        model.training_loss(control::Batch { commands: targets(&images, 2), images })
    }
);
headed!(NavigatorConfig => Navigator<ResNet>, 15,
    |model: &Navigator<ResNet>, images: Tensor<4>| {
        let goals = goals(images.dims()[0]);
        flat(model.forward(images, &goals))
    },
    |model: &Navigator<ResNet>, images: Tensor<4>| {
        let goals = goals(images.dims()[0]);
        model.training_loss(navigation::Batch { commands: targets(&images, 2), goals, images })
    }
);
