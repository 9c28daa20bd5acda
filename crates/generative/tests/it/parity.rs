//! What PyTorch computes, from the same closed-form weights: `xtask/reference/parity/generative.py` made the
//! fixture, `cargo xtask parity generative` makes it again.

use burn::tensor::Device;
use fornax_generative::autoencoder::{self, AutoencoderConfig, Regularizer};
use fornax_generative::flow::{self, Flow};
use fornax_generative::gan::{self, GanConfig, critic_loss};
use fornax_generative::vae::{self, Objective, VaeConfig};
use fornax_generative::{
    Constraint, Likelihood, MadeConfig, MafConfig, PlanarFlowConfig, RealNvpConfig, SplineFlowConfig, made,
};
use fornax_nn_core::activation::Activation;
use fornax_nn_core::check::fill;
use fornax_nn_core::loss::GanLoss;

use crate::support::Parity;

fn pytorch() -> Parity {
    Parity::parse(include_str!("../fixtures/generative.json"))
}

fn device() -> Device {
    Device::flex().autodiff()
}

#[test]
fn autoencoders_with_every_regularizer() {
    let weight = 0.3;
    for (name, regularizer) in [
        ("none", Regularizer::None),
        ("l1", Regularizer::L1 { weight }),
        ("kl", Regularizer::Kl { share: 0.1, weight }),
        ("contractive", Regularizer::Contractive { weight }),
    ] {
        let config =
            AutoencoderConfig::new(12, 4).with_hidden(vec![9, 7]).with_code_activation(Activation::Sigmoid);
        let model = fill::fill(config.init(&device()).unwrap());
        let name = format!("autoencoder.{name}");
        let inputs = fill::input("x", [5, 12], &device());
        pytorch().check(&format!("{name}.code"), &model.encode(inputs.clone()));
        pytorch().check(&format!("{name}.output"), &model.forward(inputs.clone()));
        let batch = autoencoder::Batch { inputs, targets: fill::input("target", [5, 12], &device()) };
        pytorch().loss(&name, &model, autoencoder::loss(&model, batch, &regularizer));
    }
}

#[test]
fn conditional_vaes_with_both_likelihoods() {
    for (name, likelihood) in
        [("bernoulli", Likelihood::Bernoulli), ("gaussian", Likelihood::Gaussian { deviation: 0.5 })]
    {
        let config = VaeConfig::new(12, 3).with_hidden(vec![9]).with_condition(2).with_likelihood(likelihood);
        let model = fill::fill(config.init(&device()).unwrap());
        let name = format!("vae.{name}");
        let x = fill::input::<2>("x", [5, 12], &device()).abs();
        let batch = vae::Batch { x, y: Some(fill::input("y", [5, 2], &device())) };
        let epsilon = fill::input("epsilon", [5, 3], &device());
        pytorch().check(&format!("{name}.elbo"), &model.bound(&batch, epsilon.clone()).elbo());
        pytorch()
            .check(&format!("{name}.iwae"), &model.iwae(&batch, fill::input("draws", [4, 5, 3], &device())));
        let objective = Objective { beta: 1.5, free_bits: 0.02 };
        pytorch().loss(&name, &model, vae::loss(&model, &batch, epsilon, objective));
    }
}

#[test]
fn made_on_binary_features() {
    let model = fill::fill(MadeConfig::new(6).with_hidden(vec![11, 8]).init(&device()).unwrap());
    let x = fill::targets::<2>("bits", [5, 6], 2, &device()).float();
    pytorch().check("made.logits", &model.forward(x.clone()).squeeze_dim::<2>(2));
    pytorch().check("made.log_prob", &model.log_prob(x.clone()));
    pytorch().loss("made", &model, made::loss(&model, x));
}

fn is_the_flow<F: Flow>(name: &str, model: F) {
    let model = fill::fill(model);
    let x = fill::input::<2>("x", [8, 5], &device()) * 3.0;
    let name = format!("flow.{name}");
    pytorch().check(&format!("{name}.z"), &model.forward(x.clone()).0);
    pytorch().check(&format!("{name}.log_prob"), &model.log_prob(x.clone()));
    pytorch().loss(&name, &model, flow::loss(&model, x));
}

#[test]
fn flows() {
    let device = device();
    is_the_flow("planar", PlanarFlowConfig::new(5).with_layers(4).init(&device).unwrap());
    let hidden = vec![9];
    let real_nvp = RealNvpConfig::new(5).with_layers(4).with_hidden(hidden.clone());
    is_the_flow("real_nvp", real_nvp.init(&device).unwrap());
    let maf = MafConfig::new(5).with_layers(3).with_hidden(vec![9, 8]);
    is_the_flow("maf", maf.init(&device).unwrap());
    let spline = SplineFlowConfig::new(5).with_hidden(hidden).with_bins(6).with_bound(2.5);
    is_the_flow("spline", spline.init(&device).unwrap());
}

#[test]
fn critics_with_every_loss_and_the_generator() {
    let device = device();
    let config = GanConfig::new(3)
        .with_condition(2)
        .with_hidden(vec![7, 6])
        .with_output_activation(Activation::Sigmoid);
    let (generator, critic) = config.init(&device).unwrap();
    let (generator, critic) = (fill::fill(generator), fill::fill(critic));
    let batch = gan::Batch {
        real: fill::input("real", [5, 3], &device),
        y: Some(fill::input("y", [5, 2], &device)),
        z: fill::input("z", [5, 4], &device),
        position: fill::input::<2>("position", [5, 1], &device).abs(),
    };
    let y = batch.y.as_ref();
    let fake = generator.forward(batch.z.clone(), y);
    pytorch().check("generator.fake", &fake);
    let between = fake.clone() + (batch.real.clone() - fake.clone()) * batch.position.clone();
    for (name, game, constraint) in [
        ("non_saturating", GanLoss::NonSaturating, Constraint::None),
        ("wasserstein", GanLoss::Wasserstein, Constraint::Penalty { weight: 10.0 }),
        ("hinge", GanLoss::Hinge, Constraint::None),
    ] {
        let name = format!("critic.{name}");
        pytorch().check(&format!("{name}.slope"), &critic.input_gradient(between.clone(), y));
        pytorch().loss(&name, &critic, critic_loss(&critic, fake.clone(), &batch, game, constraint));
    }
    pytorch().loss("generator", &generator, GanLoss::NonSaturating.generator(critic.forward(fake, y)));
}
