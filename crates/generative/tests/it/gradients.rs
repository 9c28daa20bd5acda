//! Whole models against central differences in f64.

use burn::tensor::{DType, Device, Tensor};
use fornax_generative::autoencoder::{self, AutoencoderConfig, Batch, Regularizer};
use fornax_generative::flow::{self, Flow};
use fornax_generative::vae::{self, Objective, VaeConfig};
use fornax_generative::{
    Likelihood, MadeConfig, MafConfig, PlanarFlowConfig, RealNvpConfig, SplineFlowConfig, made,
};
use fornax_nn_core::activation::Activation;
use fornax_nn_core::check::{GradCheck, fill};

fn device() -> Device {
    Device::flex().autodiff()
}

fn input<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(fill::data(name, &shape), (&device(), DType::F64))
}

#[test]
fn autoencoders_have_the_gradient_of_their_loss() {
    let weight = 0.3;
    for regularizer in [
        Regularizer::L1 { weight },
        Regularizer::Kl { share: 0.1, weight },
        Regularizer::Contractive { weight },
    ] {
        let config =
            AutoencoderConfig::new(6, 3).with_hidden(vec![5, 4]).with_code_activation(Activation::Sigmoid);
        let model = fill::fill(config.init(&device()).unwrap());
        let batch = Batch::noisy(input("x", [4, 6]), input("noise", [4, 6]), 0.5);
        let report = GradCheck::new()
            .model(model, |model| autoencoder::loss(model, batch.clone(), &regularizer))
            .unwrap();
        assert_eq!((report.compared, report.excepted), (12, 0));
    }
}

#[test]
fn vaes_have_the_gradient_of_their_bounds() {
    for likelihood in [Likelihood::Bernoulli, Likelihood::Gaussian { deviation: 0.5 }] {
        let config = VaeConfig::new(6, 2).with_hidden(vec![5]).with_condition(3).with_likelihood(likelihood);
        let model = fill::fill(config.init(&device()).unwrap());
        let batch = vae::Batch { x: input("x", [4, 6]).abs(), y: Some(input("y", [4, 3])) };
        let objective = Objective { beta: 2.0, free_bits: 0.0 };
        let report = GradCheck::new()
            .model(model.clone(), |model| vae::loss(model, &batch, input("epsilon", [4, 2]), objective))
            .unwrap();
        assert_eq!((report.compared, report.excepted), (8, 0));
        let report = GradCheck::new()
            .model(model, |model| model.iwae(&batch, input("draws", [3, 4, 2])).mean())
            .unwrap();
        assert_eq!((report.compared, report.excepted), (8, 0));
    }
}

#[test]
fn made_has_the_gradient_of_its_loss() {
    let model = fill::fill(MadeConfig::new(5).with_hidden(vec![7, 6]).init(&device()).unwrap());
    let x = input("x", [4, 5]).abs();
    let report = GradCheck::new().model(model, |model| made::loss(model, x.clone())).unwrap();
    assert_eq!((report.compared, report.excepted), (6, 0));
}

fn flow_has_its_gradient<F: Flow>(model: F, parameters: usize) {
    let x = input("x", [6, 5]) * 3.0;
    let report = GradCheck::new().model(fill::fill(model), |model| flow::loss(model, x.clone())).unwrap();
    assert_eq!((report.compared, report.excepted), (parameters, 0));
}

#[test]
fn flows_have_the_gradient_of_their_likelihood() {
    let device = device();
    flow_has_its_gradient(PlanarFlowConfig::new(5).with_layers(3).init(&device).unwrap(), 3);
    let real_nvp = RealNvpConfig::new(5).with_layers(3).with_hidden(vec![6]);
    flow_has_its_gradient(real_nvp.init(&device).unwrap(), 12);
    let maf = MafConfig::new(5).with_layers(2).with_hidden(vec![6]);
    flow_has_its_gradient(maf.init(&device).unwrap(), 8);
    let spline = SplineFlowConfig::new(5).with_layers(3).with_hidden(vec![6]).with_bins(4).with_bound(2.5);
    flow_has_its_gradient(spline.init(&device).unwrap(), 12);
}
