//! Every model, a line each: what the promises are stands in `fornax_nn_core::check::contract`.

use burn::tensor::{Device, Int, Tensor};
use fornax_cnn::block::SummaryConfig;
use fornax_cnn::classification::Batch;
use fornax_cnn::control::{self, Controller, ControllerConfig};
use fornax_cnn::detection::{Fcos, FcosConfig, Object};
use fornax_cnn::fpn::FpnConfig;
use fornax_cnn::navigation::{self, Navigator, NavigatorConfig};
use fornax_cnn::registry::{self, Model, ModelConfig, Options};
use fornax_cnn::regression::{self, Regressor, RegressorConfig};
use fornax_cnn::segmentation::{PixelLossConfig, UNet, UNetConfig};
use fornax_cnn::{
    AlexNet, AlexNetConfig, Backbone, Classifier, ConvNext, ConvNextConfig, DenseNet, DenseNetConfig,
    EfficientNet, EfficientNetConfig, GoogLeNet, GoogLeNetConfig, LeNet, LeNetConfig, MobileNetV2,
    MobileNetV2Config, MobileNetV3, MobileNetV3Config, ResNet, ResNetConfig, SqueezeNet, SqueezeNetConfig,
    Vgg, VggConfig,
};
use fornax_nn_core::check::contract::{Contract, Output, Overfit};
use fornax_nn_core::check::fill;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

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
    regressor: Headed { config: Whole::new(RegressorConfig::new(3).with_summary(summary())), parameters: 4_294 };
    controller: Headed { config: Whole::new(ControllerConfig::new(2).with_summary(summary())), parameters: 4_447 };
    navigator: Headed { config: Whole::new(NavigatorConfig::new(ControllerConfig::new(2).with_summary(summary()))), parameters: 5_629 };
    resnext: Classification { config: narrow_resnext(), side: 32, parameters: 5_884 };
    densenet: Classification { config: DenseNetConfig::new([2; 4]).with_growth(4).with_stem(8).with_num_classes(4), side: 32, parameters: 8_076 };
    mobilenet_v2: Classification { config: narrow_mobilenet_v2(), side: 32, parameters: 43_332 };
    mobilenet_v3: Classification { config: narrow_mobilenet_v3(), side: 32, parameters: 118_300 };
    efficientnet: Classification { config: EfficientNetConfig::new(0.25, 0.5, 0.2).with_num_classes(4), side: 32, parameters: 200_106 };
    convnext: Classification { config: ConvNextConfig::new([1, 1, 2, 1], [8, 12, 16, 20], 0.1).with_num_classes(4), side: 32, parameters: 16_220 };
    // It keeps its promises on ndarray and wgpu too, but takes minutes on a software adapter.
    unet: Segmentation { config: UNetConfig::new(3).with_channels(vec![4, 6, 8]), side: 12, parameters: 3_341 };
    fcos: Detection { config: narrow_detector(), side: 32, parameters: 4_842 };
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

/// Two levels, for things whose farthest edge is up to 8 pixels away and for larger ones; asked for in one place each.
fn narrow_detector() -> Detector {
    let head = FcosConfig::new(3).with_fpn(FpnConfig::new().with_channels(4)).with_convs(1).with_groups(2);
    let backbone = narrow(ResNetConfig::resnet18_digits());
    Detector { backbone, head: head.with_scale(2.0).with_center_radius(0.5) }
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
    fn silence(fields: &mut serde_json::Value) {
        for (name, field) in fields.as_object_mut().into_iter().flatten() {
            match name.as_str() {
                "dropout" | "auxiliary_dropout" | "drop_path" => *field = 0.0.into(),
                _ => silence(field),
            }
        }
    }
    let mut fields = serde_json::to_value(config).unwrap();
    silence(&mut fields);
    serde_json::from_value(fields).unwrap()
}

struct Segmentation {
    config: UNetConfig,
    side: usize,
    parameters: usize,
}

impl Segmentation {
    /// Masks in closed form, and images from which they can be told: as bright as the class, with noise.
    fn batch(&self, batch: usize, device: &Device) -> (Tensor<4>, Tensor<3, Int>) {
        let shape = [batch, self.side, self.side];
        let masks = fill::targets("masks", shape, self.config.num_classes, device);
        let noise: Tensor<3> = fill::input("noise", shape, device);
        ((masks.clone().float() - 1.0 + noise * 0.3).unsqueeze_dim(1), masks)
    }
}

impl Contract for Segmentation {
    type Config = UNetConfig;
    type Model = UNet;

    fn config(&self) -> UNetConfig {
        self.config.clone()
    }

    fn init(&self, config: &UNetConfig, device: &Device) -> UNet {
        config.init(device).unwrap()
    }

    fn forward(&self, model: &UNet, batch: usize, device: &Device) -> Output {
        model.forward(self.batch(batch, device).0).into()
    }

    fn loss(&self, model: &UNet, batch: usize, device: &Device) -> Tensor<1> {
        let (images, masks) = self.batch(batch, device);
        let loss = PixelLossConfig::cross_entropy_and_dice().init(self.config.num_classes).unwrap();
        loss.forward(model.forward(images), masks)
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, self.config.num_classes, self.side, self.side]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn overfit(&self) -> Overfit {
        Overfit { batch: 2, lr: 1e-2, steps: 300 }
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Detector {
    backbone: ResNetConfig,
    head: FcosConfig,
}

struct Detection {
    config: Detector,
    side: usize,
    parameters: usize,
}

impl Detection {
    fn images(&self, batch: usize, device: &Device) -> Tensor<4> {
        fill::input("images", [batch, 1, self.side, self.side], device)
    }

    /// A thing for each level, its centre on a place: centre-ness 1, so that the loss can fall to 0.
    fn objects(&self, batch: usize) -> Vec<Vec<Object>> {
        let of = |image: usize| {
            let x = 4.0 * image as f32 % 16.0;
            let small = Object { bounds: [5.0 + x, 5.0, 15.0 + x, 15.0], class: image % 3 };
            vec![small, Object { bounds: [1.0, 9.0, 23.0, 31.0], class: 2 }]
        };
        (0..batch).map(of).collect()
    }
}

impl Contract for Detection {
    type Config = Detector;
    type Model = Fcos<ResNet>;

    fn config(&self) -> Detector {
        self.config.clone()
    }

    fn init(&self, config: &Detector, device: &Device) -> Fcos<ResNet> {
        config.head.init(config.backbone.init(device).unwrap(), device).unwrap()
    }

    fn forward(&self, model: &Fcos<ResNet>, batch: usize, device: &Device) -> Output {
        let outputs = model.forward(self.images(batch, device));
        let centerness = outputs.centerness.unsqueeze_dim(2);
        Tensor::cat(vec![outputs.logits, outputs.distances, centerness], 2).into()
    }

    fn loss(&self, model: &Fcos<ResNet>, batch: usize, device: &Device) -> Tensor<1> {
        model.forward(self.images(batch, device)).loss(&model.config, &self.objects(batch)).total()
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, (self.side / 4).pow(2) + (self.side / 8).pow(2), 3 + 4 + 1]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    /// The classifier of the backbone is not used, which is why it may be any network.
    fn without_gradient(&self) -> Vec<&str> {
        vec!["backbone.fc.weight", "backbone.fc.bias"]
    }

    fn overfit(&self) -> Overfit {
        Overfit { batch: 2, lr: 1e-2, steps: 300 }
    }
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
