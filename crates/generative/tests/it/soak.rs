//! Five thousand steps leave the memory of the process as it was.

#![cfg(target_os = "linux")]

use burn::optim::AdamConfig;
use burn::tensor::{Device, Distribution, Tensor};
use fornax_generative::balance::Monitor;
use fornax_generative::gan::{self, GanConfig};
use fornax_generative::vae::{self, Objective, VaeConfig};
use fornax_generative::{CodebookConfig, Constraint, DcganConfig, VqVaeConfig, dcgan, vq_vae};
use fornax_nn_core::loss::GanLoss;
use fornax_nn_core::optim::EmaConfig;

const STEPS: usize = 5000;

/// Resident memory in kB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Memory after the last step is at most 2 % above that after a fifth of them.
fn soak(mut step: impl FnMut(usize)) {
    (0..STEPS / 5).for_each(&mut step);
    let first = resident();
    (STEPS / 5..STEPS).for_each(step);
    let last = resident();
    assert!(last <= 1.02 * first, "{first} kB after {} steps, {last} kB after {STEPS}", STEPS / 5);
}

fn normal<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

#[test]
fn a_vae_leaves_no_memory_behind() {
    let device = Device::flex().autodiff();
    let mut model = Some(VaeConfig::new(64, 2).with_hidden(vec![64]).init(&device).unwrap());
    let mut optim = AdamConfig::new().init();
    soak(|_| {
        let batch =
            vae::Batch { x: Tensor::random([32, 64], Distribution::Bernoulli(0.5), &device), y: None };
        let epsilon = normal([32, 2], &device);
        let objective = Objective::default();
        let (trained, _) =
            vae::train_step(model.take().unwrap(), &mut optim, 1e-3, &batch, epsilon, objective).unwrap();
        model = Some(trained);
    });
}

#[test]
fn neither_does_a_codebook() {
    let device = Device::flex().autodiff();
    let config = VqVaeConfig::new([8, 8], CodebookConfig::new(8, 4)).with_channels(vec![6]);
    let mut model = Some(config.init(&device).unwrap());
    let mut optim = AdamConfig::new().init();
    soak(|_| {
        let x = normal([8, 1, 8, 8], &device);
        let (trained, _) = vq_vae::train_step(model.take().unwrap(), &mut optim, 1e-3, x).unwrap();
        model = Some(trained);
    });
}

#[test]
fn neither_does_a_gan_with_a_gradient_penalty_an_average_and_a_monitor() {
    let device = Device::flex().autodiff();
    let game = (GanLoss::Wasserstein, Constraint::Penalty { weight: 1.0 });
    let config = GanConfig::new(2).with_hidden(vec![32, 32]).with_constraint(game.1);
    let (generator, critic) = config.init(&device).unwrap();
    let mut ema = Some(EmaConfig::new().init(&generator).unwrap());
    let (mut g_optim, mut c_optim) = (AdamConfig::new().init(), AdamConfig::new().init());
    let (mut players, mut monitor) = (Some((generator, critic)), Monitor::default());
    soak(|_| {
        let (generator, critic) = players.take().unwrap();
        let batch = gan::Batch {
            real: normal([32, 2], &device),
            y: None,
            z: normal([32, config.noise], &device),
            position: Tensor::random([32, 1], Distribution::Default, &device),
        };
        let (critic, _) = gan::critic_step(critic, &mut c_optim, 1e-3, &generator, &batch, game).unwrap();
        let (generator, _) =
            gan::generator_step(generator, &mut g_optim, 1e-3, &critic, &batch, game.0).unwrap();
        ema = Some(ema.take().unwrap().update(&generator));
        let logits = critic.forward(batch.real.clone(), None).without_autodiff();
        let real = batch.real.without_autodiff();
        let fake = ema.as_ref().unwrap().model().forward(batch.z.without_autodiff(), None);
        monitor.observe(logits.clone(), logits, real, fake);
        players = Some((generator, critic));
    });
    assert!(monitor.accuracy().is_finite());
}

#[test]
fn neither_does_a_dcgan() {
    let device = Device::flex().autodiff();
    let game = (GanLoss::NonSaturating, Constraint::None);
    let (generator, critic) = DcganConfig::new(vec![4, 3]).with_noise(4).init(&device).unwrap();
    let (mut g_optim, mut c_optim) = (dcgan::optimizer().unwrap(), dcgan::optimizer().unwrap());
    let mut players = Some((generator, critic));
    soak(|_| {
        let (generator, critic) = players.take().unwrap();
        let batch = dcgan::Batch {
            real: normal([4, 1, 16, 16], &device),
            labels: None,
            z: normal([4, 4], &device),
            position: Tensor::random([4, 1], Distribution::Default, &device),
        };
        let (critic, _) = dcgan::critic_step(critic, &mut c_optim, 1e-3, &generator, &batch, game).unwrap();
        let (generator, _) =
            dcgan::generator_step(generator, &mut g_optim, 1e-3, &critic, &batch, game.0).unwrap();
        players = Some((generator, critic));
    });
}
