//! Our side of `cargo xtask bench cnn`; `xtask/reference/bench.py` is PyTorch's. The networks of [`straight`] have no counterpart there:
//! they take turns with ours.
//!
//! The only argument is the number of timed repetitions.

#[path = "reference/straight.rs"]
mod straight;

use std::error::Error;

use burn::module::Module;
use burn::optim::{AdamConfig, ModuleOptimizer};
use burn::tensor::{Tensor, TensorData};
use fornax_cnn::classification::{Batch, Classifier, train_step};
use fornax_cnn::segmentation::{self, PixelLossConfig, UNetConfig};
use fornax_cnn::{LeNetConfig, MobileNetV2Config, ResNetConfig};
use fornax_nn_core::DeviceChoice;
use fornax_nn_core::check::bench::Bench;
use fornax_nn_core::check::fill;

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let repetitions = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(10);
    let mut bench = Bench::new(repetitions);
    let device = DeviceChoice::Flex.open()?.autodiff();
    let images = |shape| fill::input::<4>("images", shape, &device);
    let classes = |size| fill::targets("targets", [size], 10, &device);

    let batch = Batch { images: images([64, 1, 28, 28]), targets: classes(64) };
    let ours = classifier(LeNetConfig::lenet5().init(&device)?, &batch);
    case(&mut bench, "lenet 28x28 b64", [ours, straight::side(straight::LeNet::new(&device), &batch)]);

    let batch = Batch { images: images([32, 3, 32, 32]), targets: classes(32) };
    let ours = classifier(ResNetConfig::resnet18_cifar().init(&device)?, &batch);
    case(&mut bench, "resnet18 32x32 b32", [ours, straight::side(straight::ResNet::new(&device), &batch)]);

    let batch = Batch { images: images([16, 3, 96, 96]), targets: classes(16) };
    let config = MobileNetV2Config::mobilenet_v2().with_num_classes(10).with_dropout(0.0);
    let plain = straight::side(straight::MobileNet::new(&device), &batch);
    case(&mut bench, "mobilenet_v2 96x96 b16", [classifier(config.init(&device)?, &batch), plain]);

    // A small U-Net of eleven classes.
    let masks = fill::targets::<3>("masks", [8, 64, 64], 11, &device);
    let batch = segmentation::Batch { images: images([8, 1, 64, 64]), masks };
    let objective = PixelLossConfig::new().init(11)?;
    let (images, targets) = (batch.images.clone(), batch.masks.clone().flatten(0, 2));
    let step = move |model, optim: &mut ModuleOptimizer| {
        segmentation::train_step(model, &objective, optim, 1e-3, batch.clone())
            .unwrap_or_else(|error| panic!("{error}"))
            .0
    };
    let ours = Side::new(
        UNetConfig::small(11).init(&device)?,
        &images,
        |model, x| model.forward(x).into_data(),
        step,
    );
    let plain = straight::side(straight::UNet::new(&device), &Batch { images, targets });
    case(&mut bench, "unet 64x64 b8", [ours, plain]);
    println!("{}", bench.to_json()?);
    Ok(())
}

/// A network as it is timed: a forward pass in inference, and a training step with Adam.
pub(crate) struct Side {
    forward: Box<dyn FnMut()>,
    train: Box<dyn FnMut()>,
}

impl Side {
    pub(crate) fn new<M: Module + 'static>(
        model: M,
        images: &Tensor<4>,
        forward: impl Fn(&M, Tensor<4>) -> TensorData + 'static,
        step: impl Fn(M, &mut ModuleOptimizer) -> M + 'static,
    ) -> Self {
        let model = fill::fill(model);
        let (inference, images) = (model.valid(), images.clone().inner());
        let (mut optim, mut model) = (AdamConfig::new().init(), Some(model));
        Self {
            forward: Box::new(move || drop(forward(&inference, images.clone()))),
            train: Box::new(move || model = model.take().map(|model| step(model, &mut optim))),
        }
    }
}

fn classifier<M: Classifier + 'static>(model: M, batch: &Batch) -> Side {
    let (images, batch) = (batch.images.clone(), batch.clone());
    let step = move |model, optim: &mut ModuleOptimizer| {
        train_step(model, optim, 1e-3, batch.clone()).unwrap_or_else(|error| panic!("{error}")).0
    };
    Side::new(model, &images, |model, x| model.forward(x).into_data(), step)
}

/// Ours and plain Burn's, in turns.
fn case(bench: &mut Bench, name: &str, [mut ours, mut plain]: [Side; 2]) {
    bench.turns(&mut [
        (&format!("{name} forward"), &mut ours.forward),
        (&format!("{name} forward, plain Burn"), &mut plain.forward),
    ]);
    bench.turns(&mut [
        (&format!("{name} train"), &mut ours.train),
        (&format!("{name} train, plain Burn"), &mut plain.train),
    ]);
}
