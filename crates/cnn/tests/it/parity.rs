//! What PyTorch computes, from the same closed-form weights: `xtask/reference/parity/{layers,lenet}.py`
//! made the fixtures, `cargo xtask parity` makes them again.

use burn::nn::PaddingConfig2d;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::MaxPool2dConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::module::{conv2d, linear};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};
use fornax_cnn::Classifier;
use fornax_cnn::block::{adaptive_avg_pool, avg_pool, max_pool};
use fornax_cnn::geometry::Window;
use fornax_cnn::lenet::{self, Batch, LeNet, LeNetConfig};
use fornax_nn_core::check::{Fixture, Place, fill};

/// Layers in f32: rtol and atol.
const LAYER: (f64, f64) = (1e-5, 1e-6);
/// Whole models and gradients in f32.
const MODEL: (f64, f64) = (1e-4, 1e-6);

fn layers() -> Fixture {
    Fixture::parse(include_str!("../fixtures/layers.json")).unwrap()
}

fn lenet() -> Fixture {
    Fixture::parse(include_str!("../fixtures/lenet.json")).unwrap()
}

fn leaf<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
    fill::input(name, shape, &Device::flex().autodiff()).require_grad()
}

/// Compares an output, and backpropagates the closed-form `probe` through it.
fn output<const D: usize>(name: &str, y: Tensor<D>) -> burn::tensor::Gradients {
    layers().check(&format!("{name}.output"), &y, LAYER.0, LAYER.1).unwrap();
    let probe = fill::input("probe", y.dims(), &Device::flex().autodiff());
    (y * probe).sum().backward()
}

fn gradient<const D: usize>(name: &str, leaf: &Tensor<D>, gradients: &burn::tensor::Gradients) {
    // A sum of up to a hundred products may cancel: the absolute part is that of one product's rounding, 1e-5.
    layers().check(name, &leaf.grad(gradients).unwrap(), LAYER.0, 1e-5).unwrap();
}

#[test]
fn conv2d_with_groups_strides_dilations_and_paddings() {
    for groups in [1, 2] {
        for stride in [[1, 1], [2, 1]] {
            for dilation in [[1, 1], [1, 2]] {
                for padding in [[0, 0], [2, 1]] {
                    let digits = |[a, b]: [usize; 2]| format!("{a}{b}");
                    let name = format!(
                        "conv2d g{groups} s{} d{} p{}",
                        digits(stride),
                        digits(dilation),
                        digits(padding)
                    );
                    let x = leaf("x", [2, 4, 9, 8]);
                    let weight = leaf("weight", [6, 4 / groups, 3, 2]);
                    let bias = leaf("bias", [6]);
                    let options = ConvOptions::new(stride, padding, dilation, groups);
                    let y = conv2d(x.clone(), weight.clone(), Some(bias.clone()), options);
                    let gradients = output(&name, y);
                    gradient(&format!("{name}.x"), &x, &gradients);
                    gradient(&format!("{name}.weight"), &weight, &gradients);
                    gradient(&format!("{name}.bias"), &bias, &gradients);
                }
            }
        }
    }
}

#[test]
fn max_pool2d_with_strides_paddings_and_dilations() {
    for (name, kernel, stride, padding, dilation) in [
        ("max_pool2d k22 s22 p00 d11", [2, 2], [2, 2], [0, 0], [1, 1]),
        ("max_pool2d k32 s21 p11 d11", [3, 2], [2, 1], [1, 1], [1, 1]),
        ("max_pool2d k22 s11 p00 d22", [2, 2], [1, 1], [0, 0], [2, 2]),
    ] {
        let x = leaf("x", [2, 3, 9, 8]);
        let [top, left] = padding;
        let pool = MaxPool2dConfig::new(kernel)
            .with_strides(stride)
            .with_padding(PaddingConfig2d::Explicit(top, left, top, left))
            .with_dilation(dilation)
            .init();
        let gradients = output(name, pool.forward(x.clone()));
        gradient(&format!("{name}.x"), &x, &gradients);
    }
}

#[test]
fn poolings_in_ceiling_mode_keep_a_window_that_hangs_over() {
    for (kernel, stride, padding) in [(3, 2, 0), (2, 2, 0), (3, 2, 1)] {
        let name = format!("max_pool2d ceil k{kernel} s{stride} p{padding}");
        let x = leaf("x", [2, 3, 8, 7]);
        let window = Window::new(kernel, stride, padding).ceil();
        let y = max_pool(x.clone(), window);
        assert_eq!(Some(y.dims()[2]), window.output(8), "{name}");
        assert_eq!(Some(y.dims()[3]), window.output(7), "{name}");
        let gradients = output(&name, y);
        gradient(&format!("{name}.x"), &x, &gradients);
    }
}

#[test]
fn avg_pool2d_with_strides_and_paddings() {
    for (kernel, stride, padding) in [(2, 2, 0), (3, 2, 1)] {
        let name = format!("avg_pool2d k{kernel} s{stride} p{padding}");
        let x = leaf("x", [2, 3, 8, 7]);
        let gradients = output(&name, avg_pool(x.clone(), Window::new(kernel, stride, padding)));
        gradient(&format!("{name}.x"), &x, &gradients);
    }
}

#[test]
fn adaptive_avg_pool2d_to_grids_smaller_and_larger_than_the_map() {
    for (height, width, side) in [(9, 8, 6), (13, 13, 6), (3, 2, 6), (1, 1, 7), (2, 9, 4)] {
        let name = format!("adaptive_avg_pool2d {height}x{width} to {side}");
        let x = leaf("x", [2, 3, height, width]);
        let gradients = output(&name, adaptive_avg_pool(x.clone(), side));
        gradient(&format!("{name}.x"), &x, &gradients);
    }
}

#[test]
fn linear_layers() {
    let (x, weight, bias) = (leaf("x", [5, 7]), leaf("weight", [3, 7]), leaf("bias", [3]));
    let gradients = output("linear", linear(x.clone(), weight.clone().transpose(), Some(bias.clone())));
    gradient("linear.x", &x, &gradients);
    gradient("linear.weight", &weight, &gradients);
    gradient("linear.bias", &bias, &gradients);
}

#[test]
fn cross_entropy() {
    let device = Device::flex().autodiff();
    let logits = leaf("logits", [6, 10]);
    let targets = fill::targets("targets", [6], 10, &device);
    let loss = CrossEntropyLossConfig::new().init(&device).forward(logits.clone() * 4.0, targets);
    layers().check("cross_entropy.output", &loss, LAYER.0, LAYER.1).unwrap();
    gradient("cross_entropy.logits", &logits, &loss.backward());
}

fn lenet5(device: &Device) -> (LeNet, Batch) {
    let model = fill::fill(LeNetConfig::lenet5().init(device).unwrap());
    let images = fill::input("images", [4, 1, 28, 28], device);
    (model, Batch { images, targets: fill::targets("targets", [4], 10, device) })
}

#[test]
fn lenet_computes_logits_loss_and_gradients() {
    lenet_agrees(&Device::flex());
}

/// Shared by all devices: the fixture knows none.
fn lenet_agrees(device: &Device) {
    let (model, batch) = lenet5(&device.clone().autodiff());
    let logits = model.forward(batch.images);
    lenet().check("logits", &logits, MODEL.0, MODEL.1).unwrap();
    let loss = lenet::loss(logits, batch.targets);
    lenet().check("loss", &loss, MODEL.0, MODEL.1).unwrap();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    lenet().check_gradients("gradients", &model, &gradients, Place::from, MODEL).unwrap();
}

#[cfg(feature = "ndarray")]
#[test]
fn lenet_computes_logits_loss_and_gradients_on_ndarray() {
    lenet_agrees(&fornax_nn_core::DeviceChoice::NdArray.open().unwrap());
}

#[cfg(feature = "wgpu-unfused")]
#[test]
fn lenet_computes_logits_loss_and_gradients_on_wgpu() {
    match fornax_nn_core::DeviceChoice::Wgpu(Default::default()).open() {
        Ok(device) => lenet_agrees(&device),
        Err(fornax_nn_core::device::DeviceError::NoAdapter { .. }) => {
            #[allow(clippy::print_stderr)]
            {
                eprintln!("skipped: no wgpu adapter");
            }
        }
        Err(error) => panic!("{error}"),
    }
}

/// Losses and final weights of 20 steps on one batch.
fn lenet_trains(optimiser: &str, mut optim: ModuleOptimizer, lr: f64) {
    let (mut model, batch) = lenet5(&Device::flex().autodiff());
    let mut losses = Vec::new();
    for _ in 0..20 {
        let loss;
        (model, loss) = lenet::train_step(model, &mut optim, lr, batch.clone()).unwrap();
        losses.push(loss);
    }
    lenet().check(&format!("{optimiser}.losses"), &losses, MODEL.0, 0.0).unwrap();
    lenet().check_parameters(&format!("{optimiser}.parameters"), &model, Place::from, MODEL).unwrap();
}

#[test]
fn lenet_trains_with_adam_as_in_pytorch() {
    lenet_trains("adam", AdamConfig::new().with_epsilon(1e-8).init(), 1e-3);
}

#[test]
fn lenet_trains_with_momentum_as_in_pytorch() {
    let momentum = MomentumConfig::new().with_dampening(0.0);
    lenet_trains("sgd_momentum", SgdConfig::new().with_momentum(Some(momentum)).init(), 1e-2);
}
