//! Every model, a line each: what the promises are stands in `fornax_nn_core::check::contract`.

use burn::tensor::{Device, Int, Tensor};
use fornax_cnn::classification::Batch;
use fornax_cnn::detection::{Fcos, FcosConfig, Object};
use fornax_cnn::fpn::FpnConfig;
use fornax_cnn::lenet::{self, LeNet, LeNetConfig};
use fornax_cnn::segmentation::{PixelLossConfig, UNet, UNetConfig};
use fornax_cnn::{Backbone, Classifier, MobileNetV2, MobileNetV2Config, ResNet, ResNetConfig};
use fornax_nn_core::check::contract::{Contract, Output, Overfit};
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
    resnext: Classification { config: narrow(ResNetConfig::resnext50_32x4d()).with_groups(2).with_width_per_group(32), side: 32, parameters: 5_884 };
}

// The U-Net keeps its promises on ndarray and wgpu too, but takes minutes on a software adapter.
fornax_nn_core::contract! {
    on flex;
    unet: Segmentation { config: UNetConfig::new(3).with_channels(vec![4, 6, 8]), side: 12, parameters: 3_341 };
    fcos: Detection { config: narrow_detector(), side: 32, parameters: 4_842 };
}

/// Two levels, for things whose farthest edge is up to 8 pixels away and for larger ones; asked for in one place each.
fn narrow_detector() -> Detector {
    let head = FcosConfig::new(3).with_fpn(FpnConfig::new().with_channels(4)).with_convs(1).with_groups(2);
    let backbone = narrow(ResNetConfig::resnet18_digits());
    Detector { backbone, head: head.with_scale(2.0).with_center_radius(0.5) }
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
