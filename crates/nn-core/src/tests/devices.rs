//! Losses, reparametrised layers and optimisers on the other devices, against the same numbers on flex.
//!
//! That flex's numbers are right is tested where each of them lives, in double precision; here the question is
//! whether single precision on another device gives the same.

use burn::module::Module;
use burn::nn::LinearConfig;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

use crate::DeviceChoice;
use crate::check::fill;
use crate::differences::{assert_close, values};
use crate::loss::{
    BoxLoss, FocalConfig, GanLoss, LabelSmoothingConfig, TverskyConfig, cross_entropy, gaussian_nll,
    kl_between_normals, kl_to_standard_normal, mixture_density_nll,
};
use crate::optim::OptimizerKind;
use crate::regularization::spectral_norm::spectral_norm;
use crate::regularization::weight_norm::weight_norm;
use crate::regularization::weights;

type Loss = Box<dyn Fn(Tensor<2>) -> Tensor<1>>;

/// Every loss as a function of one input of 6 × 4 numbers in [−1, 1], all else fixed.
fn losses(device: &Device) -> Vec<(String, Loss)> {
    let given = |name: &str| fill::input::<2>(name, [6, 4], device);
    let classes = fill::targets("classes", [6], 4, device);
    let binary = given("binary").greater_elem(0.0).float();
    let soft = burn::tensor::activation::softmax(given("soft") * 3.0, 1);
    // Boxes around the four corners of one in the middle: they overlap in part.
    let corners = Tensor::<2>::from_data([[1.0, 1.0, 5.0, 4.0]], device).repeat_dim(0, 6);
    let mut losses: Vec<(String, Loss)> = Vec::new();
    let mut add = |name: String, loss: Loss| losses.push((name, loss));

    add("cross_entropy".into(), Box::new(move |z| cross_entropy(z, soft.clone())));
    let (smoothing, labels) = (LabelSmoothingConfig::new().init().unwrap(), classes.clone());
    add("label_smoothing".into(), Box::new(move |z| smoothing.forward(z, labels.clone())));
    let (focal, labels) = (FocalConfig::retina_net().init().unwrap(), binary.clone());
    add("focal.binary".into(), Box::new(move |z| focal.binary(z, labels.clone()).sum_dim(1).squeeze_dim(1)));
    let focal = FocalConfig::new().init().unwrap();
    add("focal".into(), Box::new(move |z| focal.forward(z, classes.clone())));
    for config in [TverskyConfig::new(), TverskyConfig::dice(), TverskyConfig::jaccard()] {
        let (name, loss, labels) = (format!("{config:?}"), config.init().unwrap(), binary.clone());
        add(name, Box::new(move |z| loss.forward((z + 1.5) / 3.0, labels.clone())));
    }
    let [log_var, target, prior] = ["log_var", "target", "prior"].map(given);
    let (variance, y) = (log_var.clone(), target.clone());
    add(
        "gaussian_nll".into(),
        Box::new(move |m| gaussian_nll(m, variance.clone(), y.clone()).sum_dim(1).squeeze_dim(1)),
    );
    let [mean, log_std] =
        ["component mean", "component log_std"].map(|n| fill::input::<3>(n, [6, 4, 4], device));
    let y = target.clone();
    add(
        "mixture_density_nll".into(),
        Box::new(move |z| mixture_density_nll(z, mean.clone(), log_std.clone(), y.clone())),
    );
    let variance = log_var.clone();
    add("kl_to_standard_normal".into(), Box::new(move |m| kl_to_standard_normal(m, variance.clone())));
    add(
        "kl_between_normals".into(),
        Box::new(move |m| kl_between_normals(m, log_var.clone(), target.clone(), prior.clone())),
    );
    for game in [
        GanLoss::Minimax,
        GanLoss::NonSaturating,
        GanLoss::Wasserstein,
        GanLoss::Hinge,
        GanLoss::Bce { real_label: 0.9 },
    ] {
        add(
            format!("{game:?}"),
            Box::new(move |z| game.discriminator(z.clone(), z.clone() * -0.7) + game.generator(z)),
        );
    }
    for kind in [BoxLoss::Iou, BoxLoss::Giou, BoxLoss::Diou, BoxLoss::Ciou] {
        let target = corners.clone();
        add(format!("{kind:?}"), Box::new(move |z| kind.forward(z + target.clone(), target.clone() + 0.3)));
    }
    losses
}

/// Names and numbers: of each loss its values and gradient, of each reparametrised layer its output and gradients, of
/// each optimiser the weights after five steps.
fn numbers(device: &Device) -> Vec<(String, Vec<f64>)> {
    let device = device.clone().autodiff();
    let x = fill::input::<2>("x", [6, 4], &device).require_grad();
    let mut all = Vec::new();
    for (name, loss) in losses(&device) {
        let value = loss(x.clone());
        let gradients = value.clone().sum().backward();
        all.push((format!("{name}, value"), values(value)));
        all.push((format!("{name}, gradient"), values(x.grad(&gradients).unwrap())));
    }
    let linear = || fill::fill(LinearConfig::new(4, 3).init(&device));
    for (name, layer) in [
        ("weight_norm", weight_norm(linear(), weights())),
        ("spectral_norm", spectral_norm(linear(), weights(), 1)),
    ] {
        let output = layer.forward(x.clone());
        let gradients = output.clone().powi_scalar(2).sum().backward();
        all.push((format!("{name}, output"), values(output)));
        all.push((format!("{name}, gradient"), values(x.grad(&gradients).unwrap())));
    }
    for kind in OptimizerKind::ALL {
        let mut optimizer = kind.config().init().unwrap();
        let mut layer = linear();
        for _ in 0..5 {
            let loss = layer.forward(x.clone().detach()).powi_scalar(2).mean();
            let gradients = GradientsParams::from_grads(loss.backward(), &layer);
            layer = optimizer.step(kind.default_lr(), layer, gradients);
        }
        all.push((format!("{kind}, weights"), values(layer.valid().weight.val())));
    }
    all
}

fn assert_as_on_flex(choice: DeviceChoice) {
    let device = match choice.open() {
        Ok(device) => device,
        #[allow(clippy::print_stderr)]
        Err(error @ crate::device::DeviceError::NoAdapter { .. }) => return eprintln!("skipped: {error}"),
        Err(error) => panic!("{error}"),
    };
    let (flex, other) = (numbers(&Device::flex()), numbers(&device));
    assert_eq!(flex.len(), 2 * 20 + 4 + OptimizerKind::ALL.len());
    for ((name, expected), (_, actual)) in flex.iter().zip(&other) {
        assert!(expected.iter().any(|number| *number != 0.0), "{name}: nothing to compare");
        let close = std::panic::catch_unwind(|| assert_close(actual, expected, 1e-4, 1e-5));
        assert!(close.is_ok(), "{name}: {actual:?} is not {expected:?}");
    }
}

#[test]
fn losses_norms_and_optimisers_repeat_on_flex() {
    assert_as_on_flex(DeviceChoice::Flex);
}

#[cfg(feature = "ndarray")]
#[test]
fn losses_norms_and_optimisers_are_flexs_on_ndarray() {
    assert_as_on_flex(DeviceChoice::NdArray);
}

#[cfg(feature = "wgpu-unfused")]
#[test]
fn losses_norms_and_optimisers_are_flexs_on_wgpu() {
    assert_as_on_flex(DeviceChoice::Wgpu(crate::device::Adapter::Best));
}
