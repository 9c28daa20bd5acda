//! Whole models against central differences in f64.

use burn::tensor::{DType, Device, Tensor};
use fornax_cnn::lenet::{self, LeNetConfig};
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
