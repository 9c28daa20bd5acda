//! DCGAN: its promises, PyTorch's numbers, and that training repeats.
//!
//! `xtask/reference/parity/dcgan.py` made the fixture, `cargo xtask parity dcgan` makes it again.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fornax_generative::dcgan::{
    Batch, DcganConfig, DcganCritic, DcganGenerator, critic_loss, critic_step, generator_step, optimizer,
};
use fornax_generative::{Constraint, evaluation};
use fornax_nn_core::check::contract::{Contract, Output, Overfit};
use fornax_nn_core::check::fill;
use fornax_nn_core::loss::GanLoss;

use crate::support::Parity;

fornax_nn_core::contract! {
    dcgan_generator: GeneratorCase(small(Constraint::None));
    dcgan_critic: CriticCase(small(Constraint::None), 2_765_568);
    dcgan_critic_without_norm: CriticCase(small(Constraint::Penalty { weight: 10.0 }), 2_764_737);
}

/// 16 × 16, three classes.
fn small(constraint: Constraint) -> DcganConfig {
    DcganConfig::new(vec![8, 6]).with_noise(5).with_classes(3).with_constraint(constraint)
}

/// The sizes of PyTorch's example, whose parameters are counted.
fn example(constraint: Constraint) -> DcganConfig {
    DcganConfig::new(vec![512, 256, 128, 64]).with_image_channels(3).with_constraint(constraint)
}

/// Closed-form data, classes and noise.
fn batch(config: &DcganConfig, batch: usize, device: &Device) -> Batch {
    let side = config.side();
    Batch {
        real: fill::input("real", [batch, config.image_channels, side, side], device),
        labels: (config.classes > 0).then(|| fill::targets("labels", [batch], config.classes, device)),
        z: fill::input("z", [batch, config.noise], device),
        position: fill::input::<2>("position", [batch, 1], device).abs(),
    }
}

struct GeneratorCase(DcganConfig);

impl Contract for GeneratorCase {
    type Config = DcganConfig;
    type Model = DcganGenerator;

    fn config(&self) -> DcganConfig {
        self.0.clone()
    }

    fn init(&self, config: &DcganConfig, device: &Device) -> DcganGenerator {
        config.init(device).unwrap().0
    }

    fn forward(&self, model: &DcganGenerator, size: usize, device: &Device) -> Output {
        let batch = batch(&self.0, size, device);
        model.forward(batch.z, batch.labels.as_ref()).into()
    }

    /// Against a critic that stays as it is, and can be fooled.
    fn loss(&self, model: &DcganGenerator, size: usize, device: &Device) -> Tensor<1> {
        let critic = fill::fill(self.0.init(device).unwrap().1);
        let Batch { labels, z, .. } = batch(&self.0, size, device);
        let fake = model.forward(z, labels.as_ref());
        GanLoss::NonSaturating.generator(critic.forward(fake, labels.as_ref()) * 10.0)
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, 1, 16, 16]
    }

    fn parameters(&self) -> usize {
        3_576_704
    }

    fn published(&self) -> DcganConfig {
        example(Constraint::None)
    }

    fn overfit(&self) -> Overfit {
        Overfit { lr: 1e-2, steps: 400, ..Default::default() }
    }
}

struct CriticCase(DcganConfig, usize);

impl Contract for CriticCase {
    type Config = DcganConfig;
    type Model = DcganCritic;

    fn config(&self) -> DcganConfig {
        self.0.clone()
    }

    fn init(&self, config: &DcganConfig, device: &Device) -> DcganCritic {
        config.init(device).unwrap().1
    }

    fn forward(&self, model: &DcganCritic, size: usize, device: &Device) -> Output {
        let batch = batch(&self.0, size, device);
        model.forward(batch.real, batch.labels.as_ref()).into()
    }

    fn loss(&self, model: &DcganCritic, size: usize, device: &Device) -> Tensor<1> {
        let data = batch(&self.0, size, device);
        let fake = fill::input("fake", [size, 1, 16, 16], device);
        critic_loss(model, fake, &data, GanLoss::NonSaturating, Constraint::None)
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, 1]
    }

    fn parameters(&self) -> usize {
        self.1
    }

    fn published(&self) -> DcganConfig {
        example(self.0.constraint)
    }

    fn overfit(&self) -> Overfit {
        Overfit { lr: 1e-2, steps: 400, ..Default::default() }
    }
}

fn pytorch() -> Parity {
    Parity::parse(include_str!("../fixtures/dcgan.json"))
}

#[test]
fn both_networks_and_their_losses_are_pytorchs() {
    let device = Device::flex().autodiff();
    let config = small(Constraint::None).with_image_channels(2);
    let networks = || config.init(&device).unwrap();
    let (generator, critic) = (fill::fill(networks().0), fill::fill(networks().1));
    let data = batch(&config, 4, &device);
    let labels = data.labels.as_ref();
    let plain = batch(&config, 4, &Device::flex());
    pytorch().check("generator.valid", &generator.valid().forward(plain.z, plain.labels.as_ref()));
    pytorch().check("critic.valid", &critic.valid().forward(plain.real, plain.labels.as_ref()));

    let fake = generator.forward(data.z.clone(), labels);
    pytorch().check("generator.fake", &fake);
    pytorch().loss(
        "critic",
        &critic,
        critic_loss(&critic, fake.clone(), &data, GanLoss::NonSaturating, Constraint::None),
    );
    pytorch().loss("generator", &generator, GanLoss::NonSaturating.generator(critic.forward(fake, labels)));
}

#[test]
fn the_gradient_penalty_is_pytorchs_double_backward() {
    let device = Device::flex().autodiff();
    let constraint = Constraint::Penalty { weight: 10.0 };
    let config = small(constraint).with_image_channels(2);
    let critic = fill::fill(config.init(&device).unwrap().1);
    let data = batch(&config, 4, &device);
    let fake = fill::input::<4>("fake", [4, 2, 16, 16], &device);
    let between =
        fake.clone() + (data.real.clone() - fake.clone()) * data.position.clone().reshape([4, 1, 1, 1]);
    pytorch().check("penalty.slope", &critic.input_gradient(between, data.labels.as_ref()));
    pytorch().loss("penalty", &critic, critic_loss(&critic, fake, &data, GanLoss::Wasserstein, constraint));
}

#[test]
fn a_game_repeats_to_the_bit() {
    let play = || {
        let device = Device::flex().autodiff();
        let config = small(Constraint::None).with_seed(3);
        let (mut generator, mut critic) = config.init(&device).unwrap();
        let (mut g_optim, mut c_optim) = (optimizer().unwrap(), optimizer().unwrap());
        let batch = batch(&config, 4, &device);
        let mut losses = Vec::new();
        for _ in 0..4 {
            let game = (GanLoss::NonSaturating, Constraint::None);
            let c_loss;
            (critic, c_loss) = critic_step(critic, &mut c_optim, 2e-3, &generator, &batch, game).unwrap();
            let g_loss;
            (generator, g_loss) =
                generator_step(generator, &mut g_optim, 2e-3, &critic, &batch, game.0).unwrap();
            losses.push((c_loss, g_loss));
        }
        let z = fill::input("z", [2, 5], &Device::flex());
        let labels = fill::targets("labels", [2], 3, &Device::flex());
        let images = generator.valid().forward(z, Some(&labels));
        (losses, evaluation::points(images.flatten(1, 3)))
    };
    let (losses, images) = play();
    assert_eq!(play(), (losses.clone(), images));
    assert!(losses[3].0 < losses[0].0, "{losses:?}");
}
