//! Whole models against central differences in f64.

use burn::tensor::{DType, Device, Tensor};
use fornax_cnn::block::{Activation, InvertedResidualConfig, Norm};
use fornax_cnn::classification::Batch;
use fornax_cnn::lenet::{self, LeNetConfig};
use fornax_cnn::{
    AlexNetConfig, Classifier, ConvNextConfig, DenseNetConfig, GoogLeNetConfig, ResNetConfig,
    SqueezeNetConfig, VggConfig,
};
use fornax_nn_core::check::{GradCheck, fill};

#[test]
fn lenet_has_the_gradient_of_its_loss() {
    let device = Device::flex().autodiff();
    let model = fill::fill(LeNetConfig::lenet5().init(&device).unwrap());
    let images = Tensor::<4>::from_data(fill::data("images", &[2, 1, 28, 28]), (&device, DType::F64));
    let targets = fill::targets("targets", [2], 10, &device);
    let report = GradCheck::new()
        .model(model, |model| lenet::loss(model.forward(images.clone()), targets.clone()))
        .unwrap();
    // Weight and bias of two convolutions and three linear layers.
    assert_eq!((report.compared, report.excepted), (10, 0));
}

fn resnet_has_the_gradient_of_its_loss(config: ResNetConfig, parameters: usize) {
    let device = Device::flex().autodiff();
    let config = ResNetConfig { blocks: [1; 4], ..config }
        .with_channels([4, 4, 6, 6])
        .with_in_channels(1)
        .with_num_classes(3);
    let model = fill::fill(config.init(&device).unwrap());
    let images = Tensor::<4>::from_data(fill::data("images", &[4, 1, 16, 16]), (&device, DType::F64));
    let targets = fill::targets("targets", [4], 3, &device);
    let batch = Batch { images, targets };
    let report = GradCheck::new().model(model, |model| model.training_loss(batch.clone())).unwrap();
    assert_eq!((report.compared, report.excepted), (parameters, 0));
}

#[test]
fn basic_blocks_have_the_gradient_of_their_loss() {
    // The stem's three, six a block, three for each of the three blocks that halve the map, the output layer's two.
    resnet_has_the_gradient_of_its_loss(ResNetConfig::resnet18_cifar(), 3 + 4 * 6 + 3 * 3 + 2);
}

#[test]
fn grouped_bottlenecks_have_the_gradient_of_their_loss() {
    let config = ResNetConfig::resnet50().with_groups(2).with_width_per_group(64).with_small_images(true);
    resnet_has_the_gradient_of_its_loss(config, 3 + 4 * 9 + 4 * 3 + 2);
}

/// One direction for each of `parameters` tensors, images of three channels.
fn has_the_gradient_of_its_loss<M: Classifier>(model: M, side: usize, parameters: usize) {
    let model = fill::fill(model);
    let images = fill::data("images", &[3, 3, side, side]);
    let images = Tensor::<4>::from_data(images, (&Device::flex().autodiff(), DType::F64));
    let targets = fill::targets("targets", [3], model.num_classes(), &images.device());
    let batch = Batch { images, targets };
    let report = GradCheck::new().model(model, |model| model.training_loss(batch.clone())).unwrap();
    assert_eq!((report.compared, report.excepted), (parameters, 0));
}

#[test]
fn plain_chains_have_the_gradient_of_their_loss() {
    let device = Device::flex().autodiff();
    // Weight and bias of five convolutions and three linear layers.
    let config = AlexNetConfig::new()
        .with_num_classes(3)
        .with_channels([4, 6, 6, 4, 4])
        .with_hidden(8)
        .with_dropout(0.0);
    has_the_gradient_of_its_loss(config.init(&device).unwrap(), 67, 2 * (5 + 3));
    // The same of eight and three, and of eight normalisations.
    let config = VggConfig::vgg11_bn().with_channels([4, 4, 6, 6, 6]).with_hidden(8).with_dropout(0.0);
    has_the_gradient_of_its_loss(config.with_num_classes(3).init(&device).unwrap(), 36, 2 * (8 + 3 + 8));
}

#[test]
fn fire_blocks_have_the_gradient_of_their_loss() {
    let config = SqueezeNetConfig::new([6, 3], [0, 2, 4]).with_squeeze([2, 2, 3, 3, 2, 2, 3, 3]);
    let model = config.with_dropout(0.0).with_num_classes(3).init(&Device::flex().autodiff()).unwrap();
    has_the_gradient_of_its_loss(model, 36, 2 + 8 * 6 + 2);
}

#[test]
fn inception_blocks_and_auxiliary_classifiers_have_the_gradient_of_their_loss() {
    let config =
        GoogLeNetConfig::googlenet().scaled(1.0 / 16.0).with_dropout(0.0).with_auxiliary_dropout(0.0);
    let model = config.with_num_classes(3).init(&Device::flex().autodiff()).unwrap();
    // Three tensors each of 3 + 9 · 6 convolutions, the output layer, two heads of a convolution and two linear layers.
    has_the_gradient_of_its_loss(model, 33, 3 * (3 + 9 * 6) + 2 + 2 * (3 + 4));
}

#[test]
fn dense_blocks_have_the_gradient_of_their_loss() {
    let config = DenseNetConfig::new([2, 1, 1, 2]).with_growth(3).with_stem(4).with_num_classes(3);
    let model = config.init(&Device::flex().autodiff()).unwrap();
    // The stem, six tensors a layer, three a transition, the last normalisation, the output layer.
    has_the_gradient_of_its_loss(model, 35, 3 + 6 * 6 + 3 * 3 + 2 + 2);
}

#[test]
fn convnexts_blocks_have_the_gradient_of_their_loss() {
    let config = ConvNextConfig::new([1; 4], [4, 4, 6, 6], 0.0).with_num_classes(3);
    let model = config.init(&Device::flex().autodiff()).unwrap();
    // Stem and three halvings of four, nine a block, normalisation and output layer.
    has_the_gradient_of_its_loss(model, 33, 4 * 4 + 4 * 9 + 2 + 2);
}

fn inverted_residual_has_its_gradient(config: InvertedResidualConfig, parameters: usize) {
    let device = Device::flex().autodiff();
    let model = fill::fill(config.init(&device).unwrap());
    let x = Tensor::<4>::from_data(fill::data("x", &[3, config.inputs, 7, 7]), (&device, DType::F64));
    let side = 7usize.div_ceil(config.stride);
    let probe = fill::data("probe", &[3, config.outputs, side, side]);
    let probe = Tensor::<4>::from_data(probe, (&device, DType::F64));
    let report =
        GradCheck::new().model(model, |model| (model.forward(x.clone()) * probe.clone()).sum()).unwrap();
    assert_eq!((report.compared, report.excepted), (parameters, 0));
}

#[test]
fn inverted_residuals_have_their_gradient() {
    let plain = InvertedResidualConfig {
        inputs: 4,
        expanded: 8,
        outputs: 4,
        kernel: 3,
        stride: 1,
        activation: Activation::Relu6,
        norm: Norm::default(),
        squeeze: None,
        drop_path: 0.0,
        flat: true,
    };
    inverted_residual_has_its_gradient(plain, 9);
    inverted_residual_has_its_gradient(InvertedResidualConfig { expanded: 4, stride: 2, ..plain }, 6);
    let excited = InvertedResidualConfig {
        kernel: 5,
        outputs: 6,
        activation: Activation::HardSwish,
        squeeze: Some((2, Activation::Relu, true)),
        flat: false,
        ..plain
    };
    inverted_residual_has_its_gradient(excited, 13);
    let smooth = (2, Activation::Silu, false);
    inverted_residual_has_its_gradient(
        InvertedResidualConfig { activation: Activation::Silu, squeeze: Some(smooth), ..excited },
        13,
    );
}
