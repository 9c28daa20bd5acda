//! What every backbone says of itself before it runs, against what it does.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fornax_cnn::geometry::{map_sizes, receptive_fields};
use fornax_cnn::{Backbone, Classifier, ImageError, ResNetConfig};
use fornax_nn_core::check::fill;

/// Two blocks a stage at most, a few channels: every structure, little arithmetic.
fn small(config: ResNetConfig) -> ResNetConfig {
    ResNetConfig { blocks: [1, 2, 1, 1], ..config }
        .with_channels([8, 12, 16, 20])
        .with_in_channels(1)
        .with_num_classes(4)
}

fn structures() -> [ResNetConfig; 3] {
    [
        small(ResNetConfig::resnet18()),
        small(ResNetConfig::resnet18_cifar()),
        small(ResNetConfig::resnet50()).with_groups(2).with_width_per_group(64),
    ]
}

#[test]
fn maps_have_the_sizes_that_the_windows_give() {
    for config in structures() {
        let model = config.init(&Device::flex()).unwrap();
        for [height, width] in [[64, 32], [47, 33], [20, 1]] {
            let maps = model.forward_features(Tensor::zeros([1, 1, height, width], &Device::flex()));
            let stages = model.stages();
            let (rows, columns) = (map_sizes(&stages, height).unwrap(), map_sizes(&stages, width).unwrap());
            for (i, (map, info)) in maps.iter().zip(model.feature_info()).enumerate() {
                assert_eq!(map.dims(), [1, info.channels, rows[i], columns[i]], "map {i} of {config}");
                assert_eq!(
                    rows[i],
                    height.div_ceil(info.stride),
                    "padded by half the window, every row is kept"
                );
            }
        }
    }
}

#[test]
fn a_unit_sees_its_receptive_field_and_nothing_else() {
    let side = 96;
    let device = Device::flex().autodiff();
    // Without pooling, whose maximum hides most pixels from the gradient.
    let config = small(ResNetConfig::resnet18_cifar());
    let model = fill::fill(config.init(&device).unwrap()).freeze();
    let fields = receptive_fields(&config.stages());
    for (i, field) in fields.iter().enumerate().take(3) {
        let images = fill::input("images", [8, 1, side, side], &device).require_grad();
        let map = model.forward_features(images.clone()).swap_remove(i);
        let [.., rows, columns] = map.dims();
        let (row, column) = (rows / 2, columns / 3);
        let unit = map.narrow(2, row, 1).narrow(3, column, 1);
        let gradients = unit.sum().backward();
        let seen: Vec<f32> = images.grad(&gradients).unwrap().into_data().iter::<f32>().collect();
        let touched: Vec<(usize, usize)> = seen
            .iter()
            .enumerate()
            .filter(|(_, value)| **value != 0.0)
            .map(|(at, _)| (at % (side * side) / side, at % side))
            .collect();
        let extent = |axis: fn(&(usize, usize)) -> usize| {
            (touched.iter().map(axis).min().unwrap(), touched.iter().map(axis).max().unwrap() + 1)
        };
        assert_eq!(extent(|at| at.0), field.of_unit(row, side), "rows, map {i}");
        assert_eq!(extent(|at| at.1), field.of_unit(column, side), "columns, map {i}");
    }
}

#[test]
fn wrong_images_are_refused_with_what_was_expected() {
    let model = structures()[0].init(&Device::flex()).unwrap();
    assert_eq!(model.check_images([2, 1, 32, 32]), Ok(()));
    assert_eq!(model.check_images([2, 3, 32, 32]), Err(ImageError::Channels { actual: 3, expected: 1 }));
    let error = model.check_images([2, 1, 0, 32]).unwrap_err();
    assert_eq!(error, ImageError::TooSmall { height: 0, width: 32, smallest: 1 });
}

#[test]
#[should_panic(expected = "images of 3 channels, expected 1")]
fn forward_says_which_channels_it_expected() {
    let model = structures()[0].init(&Device::flex()).unwrap();
    model.forward(Tensor::zeros([1, 3, 32, 32], &Device::flex()));
}

#[test]
fn unusable_sizes_are_named() {
    let field = |config: ResNetConfig| config.init(&Device::flex()).unwrap_err().field;
    assert_eq!(field(ResNetConfig::resnet18().with_num_classes(0)), "num_classes");
    assert_eq!(field(ResNetConfig::resnet18().with_in_channels(0)), "in_channels");
    assert_eq!(field(ResNetConfig { blocks: [2, 0, 2, 2], ..ResNetConfig::resnet18() }), "blocks");
    assert_eq!(field(ResNetConfig::resnet18().with_groups(32)), "groups");
    assert_eq!(field(ResNetConfig::resnet50().with_width_per_group(0)), "width_per_group");
    assert_eq!(
        field(ResNetConfig::resnet50().with_channels([8; 4]).with_width_per_group(4)),
        "width_per_group"
    );
}

#[test]
fn a_new_classifier_leaves_the_features_as_they_were() {
    let device = Device::flex();
    let model = structures()[0].init(&device).unwrap();
    let images: Tensor<4> = fill::input("images", [2, 1, 32, 32], &device);
    let before = model.forward_features(images.clone()).pop().unwrap();
    let (parameters, old) = (model.num_params(), model.num_classes());
    let model = model.reset_classifier(7).unwrap();
    assert_eq!(model.forward(images.clone()).dims(), [2, 7]);
    assert_eq!(model.num_params(), parameters + (7 - old) * (20 + 1));
    assert_eq!(model.forward_features(images).pop().unwrap().into_data(), before.into_data());
    assert_eq!(model.reset_classifier(0).unwrap_err().field, "num_classes");
}

#[test]
fn weights_are_drawn_as_widely_as_torchvisions() {
    let device = Device::flex();
    device.seed(1);
    let model = ResNetConfig::resnet18().init(&device).unwrap();
    let std = |values: Vec<f64>| (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt();
    let values = |data: burn::tensor::TensorData| data.iter::<f64>().collect::<Vec<f64>>();
    // Normal, σ = √(2 / (64 · 49)): 9,408 draws estimate it to a standard error of 0.73 %.
    let stem = std(values(model.conv1.weight.to_data()));
    assert!((stem / (2.0 / (64.0 * 49.0_f64)).sqrt() - 1.0).abs() < 0.03, "{stem}");
    // Uniform over ±1/√512, so σ = 1/√(3 · 512); 512,000 draws: 0.06 %.
    let head = values(model.fc.weight.to_data());
    let bound = 1.0 / 512f64.sqrt();
    assert!(head.iter().all(|w| w.abs() <= bound * (1.0 + 1e-6)));
    assert!((std(head) / (bound / 3f64.sqrt()) - 1.0).abs() < 0.01);
}
