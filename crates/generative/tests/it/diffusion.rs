//! Denoising networks: their promises, PyTorch's numbers, and that training repeats.
//!
//! `xtask/reference/parity/diffusion.py` made the fixture, `cargo xtask parity diffusion` makes it again.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use fornax_generative::denoiser::{Denoiser, MlpDenoiser, MlpDenoiserConfig};
use fornax_generative::diffusion::{self, Batch, Diffusion, DiffusionConfig, NoiseSchedule, Prediction};
use fornax_generative::unet::{UNet, UNetConfig};
use fornax_generative::{evaluation, flow_matching};
use fornax_nn_core::check::contract::{Contract, Output, Overfit};
use fornax_nn_core::check::fill;
use fornax_nn_core::optim::AdamConfig;

use crate::support::Parity;

fornax_nn_core::contract! {
    unet: Case { config: UNetConfig::new(vec![8, 12]).with_groups(4).with_classes(3), shape: [1, 4, 4], published: UNetConfig::digits(), parameters: 544_801 };
    mlp_denoiser: Case { config: MlpDenoiserConfig::new(2).with_hidden(vec![32, 32]).with_classes(3), shape: [2], published: MlpDenoiserConfig::new(2), parameters: 37_762 };
}

/// A batch of closed-form data at fixed timesteps; one label in four is no class.
fn batch<const D: usize>(shape: [usize; D], classes: usize, device: &Device) -> Batch<D> {
    let size = shape[0];
    Batch {
        x: fill::input("x", shape, device),
        labels: (classes > 0).then(|| fill::targets("labels", [size], classes + 1, device)),
        t: [1, 42, 100].into_iter().cycle().take(size).collect(),
        epsilon: fill::input("epsilon", shape, device),
    }
}

fn process(schedule: NoiseSchedule, prediction: Prediction) -> Diffusion {
    let config = DiffusionConfig::new().with_steps(100).with_schedule(schedule);
    config.with_prediction(prediction).init().unwrap()
}

/// A network for examples of a shape.
struct Case<C, const S: usize> {
    config: C,
    shape: [usize; S],
    published: C,
    parameters: usize,
}

macro_rules! case {
    ($config:ty => $model:ty, $rank:literal of $inner:literal, $without_noise:expr) => {
        impl Contract for Case<$config, $inner> {
            type Config = $config;
            type Model = $model;

            fn config(&self) -> $config {
                self.config.clone()
            }

            fn init(&self, config: &$config, device: &Device) -> $model {
                config.init(device).unwrap()
            }

            fn forward(&self, model: &$model, size: usize, device: &Device) -> Output {
                let mut shape = [size; $rank];
                shape[1..].copy_from_slice(&self.shape);
                let Batch { x, labels, t, .. } = batch(shape, 3, device);
                let time = process(NoiseSchedule::Cosine, Prediction::V).time(&t, &x);
                model.forward(x, time, labels.as_ref()).into()
            }

            fn loss(&self, model: &$model, size: usize, device: &Device) -> Tensor<1> {
                let mut shape = [size; $rank];
                shape[1..].copy_from_slice(&self.shape);
                let process = process(NoiseSchedule::Cosine, Prediction::V);
                diffusion::loss(&process, model, &batch(shape, 3, device))
            }

            fn output_shape(&self, size: usize) -> Vec<usize> {
                [&[size], &self.shape[..]].concat()
            }

            fn parameters(&self) -> usize {
                self.parameters
            }

            fn published(&self) -> $config {
                self.published.clone()
            }

            fn without_noise(&self) -> $config {
                $without_noise(self.config())
            }

            fn overfit(&self) -> Overfit {
                Overfit { batch: 4, lr: 1e-2, steps: 600 }
            }
        }
    };
}

case!(UNetConfig => UNet, 4 of 3, |config: UNetConfig| config.with_dropout(0.0));
case!(MlpDenoiserConfig => MlpDenoiser, 2 of 1, |config| config);

fn pytorch() -> Parity {
    Parity::parse(include_str!("../fixtures/diffusion.json"))
}

#[test]
fn schedules_are_those_computed_by_cumulative_products() {
    for (name, schedule) in [("linear", NoiseSchedule::Linear), ("cosine", NoiseSchedule::Cosine)] {
        let process = process(schedule, Prediction::V);
        let found: Vec<f64> = (1..=100).map(|t| process.alpha_bar(t)).collect();
        pytorch().0.check(&format!("alpha_bar.{name}"), &found[..], 1e-9, 1e-15).unwrap();
    }
}

fn network_is_pytorchs<const D: usize, M: Denoiser<D> + Module>(name: &str, model: M, shape: [usize; D]) {
    let device = Device::flex().autodiff();
    let model = fill::fill(model);
    let batch = batch(shape, model.classes(), &device);
    let check = |case: &str, output: Tensor<D>, loss: Tensor<1>| {
        let prefix = format!("{name}.{case}");
        pytorch().check(&format!("{prefix}.output"), &output);
        if case == "v" {
            pytorch().loss(&prefix, &model, loss);
        } else {
            pytorch().check(&format!("{prefix}.loss"), &loss);
        }
    };
    for (case, schedule, prediction) in
        [("epsilon", NoiseSchedule::Linear, Prediction::Epsilon), ("v", NoiseSchedule::Cosine, Prediction::V)]
    {
        let process = process(schedule, prediction);
        let x_t = process.add_noise(batch.x.clone(), &batch.t, batch.epsilon.clone());
        let time = process.time(&batch.t, &x_t);
        let output = model.forward(x_t, time, batch.labels.as_ref());
        check(case, output, diffusion::loss(&process, &model, &batch));
    }
    let Batch { x, labels, epsilon, .. } = batch.clone();
    let t = fill::input::<1>("time", [shape[0]], &device).abs();
    let batch = flow_matching::Batch { x, labels, t, epsilon };
    let output = model.forward(batch.point(), batch.t.clone(), batch.labels.as_ref());
    check("flow", output, flow_matching::loss(&model, &batch));
}

#[test]
fn networks_and_their_losses_are_pytorchs() {
    let device = Device::flex().autodiff();
    let unet = UNetConfig::new(vec![8, 12]).with_image_channels(2).with_blocks(2).with_groups(4);
    let unet = unet.with_dropout(0.0).with_classes(4).init(&device).unwrap();
    network_is_pytorchs("unet", unet, [3, 2, 6, 4]);
    let mlp = MlpDenoiserConfig::new(2).with_hidden(vec![9, 8]).with_time_units(6).with_classes(4);
    network_is_pytorchs("mlp", mlp.init(&device).unwrap(), [3, 2]);
}

#[test]
fn training_and_sampling_repeat_to_the_bit() {
    let run = || {
        let device = Device::flex().autodiff();
        let config = UNetConfig::new(vec![8, 12]).with_groups(4).with_classes(3).with_seed(2);
        let mut model = config.init(&device).unwrap();
        let mut optim = AdamConfig::new().init().unwrap();
        let process = process(NoiseSchedule::Cosine, Prediction::V);
        let batch = batch([6, 1, 4, 4], 3, &device);
        let mut losses = Vec::new();
        for step in 0..5 {
            device.seed(step); // dropout
            let loss;
            (model, loss) = diffusion::train_step(&process, model, &mut optim, 1e-2, &batch).unwrap();
            losses.push(loss);
        }
        let flex = Device::flex();
        let labels = Tensor::<1, Int>::from_data([0, 2], &flex);
        let start = fill::input::<4>("start", [2, 1, 4, 4], &flex);
        let model = model.valid();
        let network = fornax_generative::denoiser::guided(&model, labels, 1.5);
        let samples = process.ddim(network, start, 5).unwrap();
        (losses, evaluation::points(samples.flatten(1, 3)))
    };
    let (losses, samples) = run();
    assert_eq!(run(), (losses.clone(), samples));
    assert!(losses[4] < losses[0], "{losses:?}");
}
