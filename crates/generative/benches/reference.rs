//! Our side of `cargo xtask bench generative`; `xtask/reference/bench.py` is PyTorch's.
//!
//! The only argument is the number of timed repetitions.

use std::error::Error;

use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use fornax_generative::dcgan::{self, DcganConfig};
use fornax_generative::diffusion::{self, DiffusionConfig};
use fornax_generative::unet::UNetConfig;
use fornax_generative::vae::{self, Objective, VaeConfig};
use fornax_generative::{Constraint, Likelihood};
use fornax_nn_core::DeviceChoice;
use fornax_nn_core::check::bench::Bench;
use fornax_nn_core::check::fill;
use fornax_nn_core::gradient::NonFinite;
use fornax_nn_core::loss::GanLoss;
use fornax_nn_core::optim::AdamConfig;

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let repetitions = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(10);
    let mut bench = Bench::new(repetitions);
    let device = DeviceChoice::Flex.open()?.autodiff();
    vae(&mut bench, &device)?;
    dcgan(&mut bench, &device)?;
    unet(&mut bench, &device)?;
    println!("{}", bench.to_json()?);
    Ok(())
}

/// Times a training step of `model` and its optimisers; the first failure is the result.
fn train<M>(
    bench: &mut Bench,
    name: &str,
    model: M,
    mut step: impl FnMut(M) -> Result<M, NonFinite>,
) -> Result<(), NonFinite> {
    let (mut model, mut failure) = (Some(model), None);
    bench.case(name, || match model.take().map(&mut step) {
        Some(Ok(trained)) => model = Some(trained),
        Some(Err(error)) => failure = Some(error),
        None => {}
    });
    failure.map_or(Ok(()), Err)
}

fn adam() -> Result<ModuleOptimizer, Box<dyn Error>> {
    Ok(AdamConfig::new().init()?)
}

/// 784-400-20, black or white pixels, 128 images.
fn vae(bench: &mut Bench, device: &Device) -> Result<(), Box<dyn Error>> {
    let config = VaeConfig::new(784, 20).with_hidden(vec![400]).with_likelihood(Likelihood::Bernoulli);
    let model = fill::fill(config.init(device)?);
    let x = fill::targets::<2>("x", [128, 784], 2, device).float();
    let (batch, epsilon) = (vae::Batch { x, y: None }, fill::input::<2>("epsilon", [128, 20], device));
    let mut optim = adam()?;
    train(bench, "vae 784-400-20 b128 train", model, |model| {
        let objective = Objective::default();
        Ok(vae::train_step(model, &mut optim, 1e-3, &batch, epsilon.clone(), objective)?.0)
    })?;
    Ok(())
}

/// A step of the critic and one of the generator, 64 images of 32 pixels a side.
fn dcgan(bench: &mut Bench, device: &Device) -> Result<(), Box<dyn Error>> {
    let config = DcganConfig::images32();
    let (generator, critic) = config.init(device)?;
    let players = (fill::fill(generator), fill::fill(critic));
    let batch = dcgan::Batch {
        real: fill::input("real", [64, 1, 32, 32], device),
        labels: None,
        z: fill::input("z", [64, config.noise], device),
        position: fill::input::<2>("position", [64, 1], device).abs(),
    };
    let (mut g_optim, mut c_optim) = (dcgan::optimizer()?, dcgan::optimizer()?);
    train(bench, "dcgan 32x32 b64 train", players, |(generator, critic)| {
        let game = (GanLoss::NonSaturating, Constraint::None);
        let (critic, _) = dcgan::critic_step(critic, &mut c_optim, 2e-4, &generator, &batch, game)?;
        let (generator, _) = dcgan::generator_step(generator, &mut g_optim, 2e-4, &critic, &batch, game.0)?;
        Ok((generator, critic))
    })?;
    Ok(())
}

/// 64 images of 16 pixels a side, with classes, without dropout.
fn unet(bench: &mut Bench, device: &Device) -> Result<(), Box<dyn Error>> {
    let model = fill::fill(UNetConfig::digits().with_dropout(0.0).init(device)?);
    let process = DiffusionConfig::new().init()?;
    let batch = diffusion::Batch {
        x: fill::input::<4>("x", [64, 1, 16, 16], device),
        labels: Some(fill::targets("labels", [64], 11, device)),
        t: (0..64).map(|i| 1 + 15 * i).collect(),
        epsilon: fill::input("epsilon", [64, 1, 16, 16], device),
    };
    let mut optim = adam()?;
    train(bench, "unet 16x16 b64 train", model, |model| {
        Ok(diffusion::train_step(&process, model, &mut optim, 1e-3, &batch)?.0)
    })?;
    Ok(())
}
