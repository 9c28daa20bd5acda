//! Reversed gradients, distances between domains, and their statistics.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig};
use burn::optim::AdamConfig;
use burn::tensor::{Device, Tensor};
use fornax_cnn::LeNetConfig;
use fornax_cnn::classification::Batch;
use fornax_nn_core::check::{GradCheck, Values, assert_close, fill};
use fornax_transfer::adapter;
use fornax_transfer::domain::adversarial::{self, Dann, DomainClassifierConfig, lambda, reverse};
use fornax_transfer::domain::alignment::{self, coral, mmd};
use fornax_transfer::domain::{features_and_logits, statistics};
use proptest::prelude::*;

use crate::support_adaptation::{data, fixture, value};

proptest! {
    #[test]
    fn reversal_is_the_identity_forward_and_an_exact_flip_backward(
        values in prop::collection::vec(-1e30f32..1e30, 1..20),
        lambda in prop::sample::select(vec![0.0, 0.25, 1.0, 3.0]),
    ) {
        let device = Device::flex().autodiff();
        let x = Tensor::<1>::from_data(values.as_slice(), &device).require_grad();
        let y = reverse(x.clone(), lambda);
        prop_assert_eq!(y.values(), x.values());
        let grads = (y * fill::input("upstream", [values.len()], &device)).sum().backward();
        let expected = fill::input::<1>("upstream", [values.len()], &Device::flex()) * -lambda;
        prop_assert_eq!(x.grad(&grads).unwrap().values(), expected.values());
    }
}

#[test]
fn lambda_follows_the_papers_schedule() {
    let half = 2.0 / (1.0 + (-5f64).exp()) - 1.0;
    assert_close(&[lambda(0.0), lambda(0.5), lambda(2.0)], &[0.0, half, lambda(1.0)], 1e-15, 1e-15);
    assert!(lambda(1.0) > 0.9999 && lambda(0.3) < lambda(0.4));
}

#[test]
fn the_domain_classifier_learns_what_the_features_unlearn() {
    let device = Device::flex().autodiff();
    let config = DomainClassifierConfig::new(6).with_hidden(5);
    let domain = fill::fill(config.init(&device).unwrap());
    let source = fill::input::<2>("s", [4, 6], &device).require_grad();
    let target = fill::input::<2>("t", [3, 6], &device).require_grad();
    let grads = |lambda| {
        let grads = domain.loss(source.clone(), target.clone(), lambda).backward();
        let of_weight = domain.hidden.weight.val().grad(&grads).unwrap().values();
        (source.grad(&grads).unwrap().values(), of_weight)
    };
    // λ = −1 is an ordinary layer.
    let (plain, weight) = grads(-1.0);
    let (flipped, same) = grads(2.0);
    let expected: Vec<f64> = plain.iter().map(|gradient| -2.0 * gradient).collect();
    assert_close(&flipped, &expected, 1e-6, 1e-9);
    assert_eq!(weight, same);

    let inputs = [("s", fill::data("s", &[2, 6])), ("t", fill::data("t", &[3, 6]))];
    let double = fill::fill(config.init(&device).unwrap());
    let report = GradCheck::new().model(double, |model| {
        let tensor = |i: usize, rows| Tensor::from_inner(data::<2>(inputs[i].0, [rows, 6]));
        model.loss(tensor(0, 2), tensor(1, 3), 1.0)
    });
    assert_eq!(report.unwrap().compared, 4);
}

#[test]
fn distances_are_the_references() {
    let (s, t) = (data::<2>("coral/s", [7, 4]), data::<2>("coral/t", [9, 4]));
    fixture().check("coral", &coral(s.clone(), t.clone()), 1e-10, 0.0).unwrap();
    fixture().check("mmd", &mmd(s.clone(), t.clone()), 1e-10, 0.0).unwrap();
    assert!(value(coral(s.clone(), s.clone())).abs() < 1e-15);
    assert!(value(mmd(t.clone(), t.clone())).abs() < 1e-15);
    // A shift of the mean is no matter to covariances, and one to MMD.
    assert!(value(coral(s.clone(), s.clone() + 3.0)).abs() < 1e-15);
    assert!(value(mmd(s.clone(), s + 3.0)) > 0.5);
}

#[test]
fn distances_have_their_gradients() {
    let inputs = [("s", fill::data("s", &[4, 3])), ("t", fill::data("t", &[3, 3]))];
    let check = |f: fn(Tensor<2>, Tensor<2>) -> Tensor<1>| {
        GradCheck::new().function(&Device::flex(), &inputs, |x| f(x.get("s"), x.get("t"))).unwrap().compared
    };
    assert_eq!(check(coral), 21);
    // The width is a constant for the gradient, so it is held fixed by a third set that outweighs the differences.
    let fixed = |s: Tensor<2>, t: Tensor<2>| {
        let far = Tensor::<2>::ones([1, 3], &s.device()).cast(s.dtype()) * 1e6;
        mmd(Tensor::cat(vec![s, far.clone()], 0) * 1e-5, Tensor::cat(vec![t, far], 0) * 1e-5)
    };
    let check = GradCheck::new().with_tolerance(1e-3, 1e-9);
    assert_eq!(
        check.function(&Device::flex(), &inputs, |x| fixed(x.get("s"), x.get("t"))).unwrap().compared,
        21
    );
}

#[test]
fn steps_make_the_domains_alike() {
    let device = Device::flex().autodiff();
    let config = LeNetConfig::digits().with_channels([4, 6]).with_hidden([16, 12]).with_dropout(0.0);
    let images = fill::input::<4>("images", [16, 1, 16, 16], &device);
    let targets = fill::targets("targets", [16], 10, &device);
    let source = || Batch { images: images.clone(), targets: targets.clone() };
    let target = images.clone() * 0.5 + 1.0;
    let apart = |model: &fornax_cnn::LeNet| {
        let (s, _) = features_and_logits(model, images.clone());
        let (t, _) = features_and_logits(model, target.clone());
        let power: f64 = (s.clone() * s.clone()).mean().into_scalar();
        mmd(s, t).into_scalar::<f64>().max(0.0) + 0.0 * power
    };
    let start = fill::fill(config.init(&device).unwrap());
    let (mut model, mut optim) = (start.clone(), AdamConfig::new().init());
    for _ in 0..30 {
        (model, ..) =
            alignment::train_step(model, &mut optim, 3e-3, source(), target.clone(), (5.0, mmd)).unwrap();
    }
    assert!(apart(&model) < 0.5 * apart(&start), "{} from {}", apart(&model), apart(&start));

    // An adversary that is not held against the features finds the domains easy to tell; one that is does not.
    let domains = |by: f64| {
        let features = model.stages_features();
        let domain = DomainClassifierConfig::new(features).with_hidden(16).init(&device).unwrap();
        let mut dann = Dann { network: start.clone(), domain: fill::fill(domain) };
        let mut optim = AdamConfig::new().init();
        let mut last = 0.0;
        for _ in 0..60 {
            let losses;
            (dann, losses) =
                adversarial::train_step(dann, &mut optim, 3e-3, source(), target.clone(), by).unwrap();
            last = losses.domains;
        }
        last
    };
    let (free, held) = (domains(0.0), domains(1.0));
    assert!(free < 0.2, "domain loss {free}");
    assert!(held > 3.0 * free, "domain loss {held} against {free}");
}

trait StagesFeatures {
    fn stages_features(&self) -> usize;
}

impl StagesFeatures for fornax_cnn::LeNet {
    fn stages_features(&self) -> usize {
        let images = fill::input::<4>("images", [1, 1, 16, 16], &Device::flex());
        features_and_logits(&self.valid(), images).0.dims()[1]
    }
}

#[derive(Module, Debug)]
struct Net {
    norm: BatchNorm,
    dropout: Dropout,
    conv: Conv2d,
    second: BatchNorm,
}

impl Net {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.dropout.forward(self.norm.forward(x));
        self.second.forward(self.conv.forward(x))
    }
}

fn net(device: &Device) -> Net {
    Net {
        norm: BatchNormConfig::new(3).with_momentum(0.3).init(device),
        dropout: DropoutConfig::new(0.5).init(),
        conv: Conv2dConfig::new([3, 4], [3, 3]).init(device),
        second: BatchNormConfig::new(4).init(device),
    }
}

#[test]
fn adapted_statistics_are_those_of_all_images_together() {
    let device = Device::flex().autodiff();
    let model = fill::fill(net(&device));
    let all = fill::input::<4>("images", [14, 3, 5, 5], &device) * 2.0 + 0.7;
    let batches = [all.clone().narrow(0, 0, 8), all.clone().narrow(0, 8, 6)];
    let before = (adapter::fingerprint(&model), model.norm.running_mean.value().values());
    let adapted = statistics::adapt(model.clone(), &batches, |model, x| drop(model.forward(x))).unwrap();
    assert_eq!(before, (adapter::fingerprint(&model), model.norm.running_mean.value().values()));

    let rows = all.inner().permute([1, 0, 2, 3]).reshape([3, 14 * 25]);
    let (var, mean) = rows.var_mean_bias(1);
    assert_close(&adapted.norm.running_mean.value().values(), &mean.values(), 1e-4, 1e-5);
    assert_close(&adapted.norm.running_var.value().values(), &var.values(), 1e-4, 1e-5);
    assert_ne!(adapted.second.running_var.value().values(), model.second.running_var.value().values());
    // Weights, flags and the rest are what they were.
    assert_eq!(adapted.conv.weight.to_data(), model.conv.weight.to_data());
    assert!(adapted.norm.training.is_enabled() && adapted.conv.weight.is_require_grad());
    let again = statistics::adapt(model.clone(), &batches, |model, x| drop(model.forward(x))).unwrap();
    assert_eq!(adapter::fingerprint(&again), adapter::fingerprint(&adapted), "dropout was on");
    assert!(statistics::adapt(model, &[], |model: &Net, x: Tensor<4>| drop(model.forward(x))).is_err());
}

#[test]
fn frozen_statistics_stay() {
    let device = Device::flex().autodiff();
    let model = fill::fill(net(&device)).freeze();
    let batch = fill::input::<4>("images", [6, 3, 5, 5], &device) + 1.0;
    let adapted = statistics::adapt(model.clone(), &[batch], |model, x| drop(model.forward(x))).unwrap();
    assert_eq!(adapter::fingerprint(&adapted), adapter::fingerprint(&model));
}
