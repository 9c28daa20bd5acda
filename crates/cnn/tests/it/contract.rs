//! Every model, a line each: what the promises are stands in `fornax_nn_core::check::contract`.

use burn::tensor::{Device, Tensor};
use fornax_cnn::lenet::{self, LeNet, LeNetConfig};
use fornax_nn_core::check::contract::{Contract, Output};
use fornax_nn_core::check::fill;

fornax_nn_core::contract! {
    lenet5: LeNetCase { config: LeNetConfig::lenet5(), parameters: 61_706 };
    digits: LeNetCase { config: LeNetConfig::digits(), parameters: 96_678 };
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
