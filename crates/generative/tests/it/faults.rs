//! What a user can get wrong is an error that says what, and what goes wrong in training is not hidden.

use burn::optim::AdamConfig;
use burn::tensor::{Device, Tensor};
use fornax_generative::balance::{Balance, Monitor};
use fornax_generative::gan::{self, GanConfig};
use fornax_generative::vae::{self, Objective, VaeConfig};
use fornax_generative::{Constraint, ConvAutoencoderConfig};
use fornax_nn_core::check::fill;
use fornax_nn_core::loss::GanLoss;
use fornax_nn_core::train::checkpoint::{Progress, Retain, Snapshot, Store, newest};
use fornax_prep::Limits;
use fornax_prep::image::{Channels, ImageSpec, OpenSpec, open};

#[test]
fn a_checkpoint_of_another_latent_size_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let two = VaeConfig::new(16, 2).with_hidden(vec![8]).init(&device).unwrap();
    let snapshot = Snapshot::new(Progress::default()).module("model", &two).unwrap();
    Store::open(folder.path(), Retain::default()).unwrap().save(snapshot).unwrap();
    let saved = newest(folder.path()).unwrap().loaded.unwrap();
    let three = VaeConfig::new(16, 3).with_hidden(vec![8]).init(&device).unwrap();
    let error = saved.module("model", three).unwrap_err().to_string();
    assert!(error.contains("model") && error.contains("encoder.layers.1"), "{error}");
    assert!(saved.module("model", VaeConfig::new(16, 2).with_hidden(vec![8]).init(&device).unwrap()).is_ok());
}

#[test]
fn folders_and_sizes_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let spec = OpenSpec::new(ImageSpec::new(Channels::Grey).with_size(8, 8));
    let error = open(folder.path(), &spec, &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("an empty folder"), "{error}");
    std::fs::create_dir(folder.path().join("class")).unwrap();
    let error = open(folder.path(), &spec, &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("class"), "{error}");
    // 28 pixels can be halved twice, not three times.
    let config = ConvAutoencoderConfig::new([28, 28], 4).with_channels(vec![8, 8, 8]);
    let error = config.init(&Device::flex()).unwrap_err();
    assert_eq!(error.field, "image_size");
    assert!(error.reason.contains("2^3"), "{error}");
}

#[test]
fn a_nan_in_the_data_stops_training_and_names_a_tensor() {
    let device = Device::flex().autodiff();
    let mut optim = AdamConfig::new().init();
    let model = VaeConfig::new(4, 2).with_hidden(vec![5]).init(&device).unwrap();
    let x = Tensor::from_data([[0.0, 1.0, f32::NAN, 0.0]], &device);
    let epsilon = Tensor::zeros([1, 2], &device);
    let batch = vae::Batch { x, y: None };
    let error = vae::train_step(model, &mut optim, 1e-3, &batch, epsilon, Objective::default()).unwrap_err();
    assert!(error.to_string().contains("loss"), "{error}");
}

#[test]
fn a_generator_that_makes_one_thing_is_called_collapsed() {
    let device = Device::flex().autodiff();
    let game = (GanLoss::NonSaturating, Constraint::None);
    let (generator, critic) = GanConfig::new(2).with_hidden(vec![8]).init(&device).unwrap();
    let mut monitor = Monitor::default();
    let batch = gan::Batch {
        real: fill::input::<2>("real", [32, 2], &device) * 5.0,
        y: None,
        z: Tensor::zeros([32, 4], &device), // always the same noise
        position: Tensor::zeros([32, 1], &device),
    };
    let mut optim = AdamConfig::new().init();
    let (generator, _) = gan::generator_step(generator, &mut optim, 1e-3, &critic, &batch, game.0).unwrap();
    let fake = generator.forward(batch.z.clone(), None);
    let logits = (critic.forward(batch.real.clone(), None), critic.forward(fake.clone(), None));
    monitor.observe(
        logits.0.without_autodiff(),
        logits.1.without_autodiff(),
        batch.real.without_autodiff(),
        fake.without_autodiff(),
    );
    assert_eq!(monitor.balance(), Balance::Collapsed);
}
