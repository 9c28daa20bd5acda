//! Our side of `cargo xtask bench cnn`; `xtask/reference/bench.py` is PyTorch's. The cases of [`straight`] have no counterpart there:
//! they are held against ours.
//!
//! The only argument is the number of timed repetitions.

#[path = "reference/straight.rs"]
mod straight;

use std::error::Error;

use burn::module::Module;
use burn::optim::AdamConfig;
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
    classifier(&mut bench, "lenet 28x28 b64", LeNetConfig::lenet5().init(&device)?, [64, 28])?;
    classifier(&mut bench, "resnet18 32x32 b32", ResNetConfig::resnet18_cifar().init(&device)?, [32, 32])?;
    let mobilenet = MobileNetV2Config::mobilenet_v2().with_num_classes(10).with_dropout(0.0);
    classifier(&mut bench, "mobilenet_v2 96x96 b16", mobilenet.init(&device)?, [16, 96])?;
    unet(&mut bench)?;
    straight::cases(&mut bench, &device)?;
    println!("{}", bench.to_json()?);
    Ok(())
}

/// A forward pass in inference, and a training step with Adam.
fn classifier<M: Classifier>(
    bench: &mut Bench,
    name: &str,
    model: M,
    [size, side]: [usize; 2],
) -> Result<(), Box<dyn Error>> {
    let model = fill::fill(model);
    let device = DeviceChoice::Flex.open()?.autodiff();
    let batch = Batch {
        images: fill::input("images", [size, model.in_channels(), side, side], &device),
        targets: fill::targets("targets", [size], model.num_classes(), &device),
    };

    let inference = model.valid();
    let images = batch.images.clone().inner();
    bench.case(&format!("{name} forward"), || {
        inference.forward(images.clone()).into_data();
    });

    let mut optim = AdamConfig::new().init();
    let mut model = Some(model);
    let mut failure = None;
    bench.case(&format!("{name} train"), || {
        if let Some(current) = model.take() {
            match train_step(current, &mut optim, 1e-3, batch.clone()) {
                Ok((trained, _)) => model = Some(trained),
                Err(error) => failure = Some(error),
            }
        }
    });
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// A small U-Net of eleven classes, 64 x 64, batch 8: a forward pass without gradients, and a training step with Adam.
fn unet(bench: &mut Bench) -> Result<(), Box<dyn Error>> {
    let device = DeviceChoice::Flex.open()?.autodiff();
    let model = fill::fill(UNetConfig::small(11).init(&device)?);
    let objective = PixelLossConfig::new().init(11)?;
    let images = fill::input("images", [8, 1, 64, 64], &device);
    let batch = segmentation::Batch { images, masks: fill::targets("masks", [8, 64, 64], 11, &device) };

    let inference = model.valid();
    let images = batch.images.clone().inner();
    bench.case("unet 64x64 b8 forward", || {
        inference.forward(images.clone()).into_data();
    });

    let mut optim = AdamConfig::new().init();
    let mut model = Some(model);
    let mut failure = None;
    bench.case("unet 64x64 b8 train", || {
        if let Some(current) = model.take() {
            match segmentation::train_step(current, &objective, &mut optim, 1e-3, batch.clone()) {
                Ok((trained, _)) => model = Some(trained),
                Err(error) => failure = Some(error),
            }
        }
    });
    failure.map_or(Ok(()), |error| Err(error.into()))
}
