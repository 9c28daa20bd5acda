//! Networks made by name are networks: they train, are saved, and become what they were.

use burn::module::Module;
use burn::optim::AdamConfig;
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use fornax_cnn::classification::{Batch, train_step};
use fornax_cnn::registry::{self, Model, ModelConfig};
use fornax_cnn::{Classifier, GoogLeNetConfig, Options, create};
use fornax_nn_core::check::{assert_close, fill};
use fornax_nn_core::config::{from_json, to_json};

#[test]
fn a_network_made_by_name_trains_and_is_saved_with_its_settings() {
    let device = Device::flex().autodiff();
    let options = Options::new(3).with_in_channels(1).with_width(0.0625).with_small_images(true);
    let config = registry::config("resnet18", &options).unwrap();
    let mut model = fill::fill(config.init(&device).unwrap());
    let batch = Batch {
        images: fill::input("images", [6, 1, 16, 16], &device),
        targets: fill::targets("targets", [6], 3, &device),
    };
    let mut optim = AdamConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..15 {
        let loss;
        (model, loss) = train_step(model, &mut optim, 1e-2, batch.clone()).unwrap();
        losses.push(loss);
    }
    assert!(losses[14] < 0.5 * losses[0], "{losses:?}");

    let (settings, weights) = (to_json(&config).unwrap(), model.valid().into_record().into_bytes().unwrap());
    let fresh: Model = from_json::<ModelConfig>(&settings).unwrap().init(&Device::flex()).unwrap();
    let loaded = fresh.try_load_record(ModuleRecord::from_bytes(weights).unwrap()).unwrap();
    let images = batch.images.inner();
    assert_close(&loaded.forward(images.clone()), &model.valid().forward(images), 0.0, 0.0);
}

#[test]
fn another_familys_weights_are_refused() {
    let device = Device::flex();
    let options = Options::new(3).with_width(0.0625);
    let record = create("vgg11", &options, &device).unwrap().into_record();
    assert!(create("resnet18", &options, &device).unwrap().try_load_record(record).is_err());
}

#[test]
fn googlenets_auxiliary_losses_are_added_while_training() {
    let device = Device::flex().autodiff();
    let config = GoogLeNetConfig::googlenet().scaled(0.125).with_num_classes(4);
    let config = config.with_dropout(0.0).with_auxiliary_dropout(0.0);
    let mut model = fill::fill(config.init(&device).unwrap());
    // Auxiliary logits of zero: four equal beliefs, a loss of log 4 each.
    for head in [&mut model.aux1, &mut model.aux2].into_iter().flatten() {
        let zero = |weight: Tensor<2>| weight.zeros_like().require_grad();
        head.fc2.weight = head.fc2.weight.clone().map(zero);
        head.fc2.bias = None;
    }
    let batch = Batch {
        images: fill::input("images", [3, 3, 32, 32], &device),
        targets: fill::targets("targets", [3], 4, &device),
    };
    let with: f64 = model.training_loss(batch.clone()).into_scalar();
    (model.aux1, model.aux2) = (None, None);
    let without: f64 = model.training_loss(batch.clone()).into_scalar();
    assert!((with - without - 2.0 * 0.3 * 4f64.ln()).abs() < 1e-5, "{with} {without}");

    // Without them the network is built smaller, and computes the same.
    let whole = fill::fill(config.init(&device).unwrap()).valid();
    let plain = fill::fill(config.with_auxiliary(false).init(&device).unwrap()).valid();
    assert_eq!(plain.num_params(), model.num_params());
    let images = batch.images.inner();
    assert_close(&plain.forward(images.clone()), &whole.forward(images), 0.0, 0.0);
}
