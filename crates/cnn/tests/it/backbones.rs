//! What every backbone says of itself before it runs, against what it does.

use burn::module::Module;
use burn::optim::AdamConfig;
use burn::tensor::{Device, Tensor};
use fornax_cnn::classification::{Batch, train_step};
use fornax_cnn::geometry::{ReceptiveField, map_sizes, receptive_fields, smallest_side};
use fornax_cnn::{
    AlexNetConfig, Backbone, Classifier, ConvNextConfig, DenseNetConfig, EfficientNetConfig, GoogLeNetConfig,
    ImageError, LeNetConfig, MobileNetV2Config, MobileNetV3Config, Options, ResNetConfig, SqueezeNetConfig,
    VggConfig, create, list,
};
use fornax_nn_core::check::fill;

use crate::torchvision::ThroughRelu;

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
fn every_registered_network_makes_the_maps_it_lists() {
    for name in list("*") {
        let (options, [height, width]) = match name {
            "lenet5" => (Options::new(4).with_image_size(Some([33, 38])), [33, 38]),
            name if name.starts_with("resnext") => (Options::new(4).with_width(0.25), [71, 66]),
            _ => (Options::new(4).with_width(0.125), [71, 66]),
        };
        let model = create(name, &options, &Device::flex()).unwrap();
        let stages = model.stages();
        let (rows, columns) = (map_sizes(&stages, height).unwrap(), map_sizes(&stages, width).unwrap());
        let maps = model.forward_features(Tensor::zeros([1, 3, height, width], &Device::flex()));
        assert_eq!(maps.len(), stages.len(), "{name}");
        for (i, (map, info)) in maps.iter().zip(model.feature_info()).enumerate() {
            assert_eq!(map.dims(), [1, info.channels, rows[i], columns[i]], "map {i} of {name}");
        }
        let strides: Vec<usize> = model.feature_info().iter().map(|info| info.stride).collect();
        assert!(strides.windows(2).all(|pair| pair[0] < pair[1]), "one map a stride: {strides:?} of {name}");
    }
}

#[test]
fn every_registered_network_takes_its_smallest_image_and_refuses_less() {
    for name in list("*").into_iter().filter(|name| *name != "lenet5") {
        let width = if name.starts_with("resnext") { 0.25 } else { 0.125 };
        let model = create(name, &Options::new(4).with_width(width), &Device::flex()).unwrap();
        let smallest = smallest_side(&model.stages());
        let images = |side| Tensor::zeros([1, 3, side, side], &Device::flex());
        assert_eq!(model.forward(images(smallest)).dims(), [1, 4], "{name} at {smallest}");
        let below = smallest - 1;
        let refusal = ImageError::TooSmall { height: below, width: below, smallest };
        assert_eq!(model.check_images([1, 3, below, below]), Err(refusal), "{name}");
        assert_eq!(
            model.check_images([1, 2, smallest, smallest]),
            Err(ImageError::Channels { actual: 2, expected: 3 }),
            "{name}"
        );
    }
}

#[test]
fn lenet_takes_images_of_its_own_size_only() {
    let model = LeNetConfig::lenet5().init(&Device::flex()).unwrap();
    assert_eq!(model.check_images([2, 1, 28, 28]), Ok(()));
    let error = model.check_images([2, 1, 32, 28]).unwrap_err();
    assert_eq!(error, ImageError::Size { actual: [32, 28], expected: [28, 28] });
    assert_eq!(error.to_string(), "images of 32 × 28 pixels, expected 28 × 28");
    let error = model.check_images([2, 3, 28, 28]).unwrap_err();
    assert_eq!(error, ImageError::Channels { actual: 3, expected: 1 });
}

#[test]
fn squeezenet_learns_a_batch_by_heart_if_no_class_is_dead() {
    let device = Device::flex().autodiff();
    device.seed(1);
    let config = SqueezeNetConfig::squeezenet1_1().scaled(0.25).with_dropout(0.0).with_in_channels(1);
    let mut model = config.with_num_classes(4).init(&device).unwrap();
    // Begin where the ReLU on the logits passes every class.
    let output = &mut model.classifier.1;
    output.bias = output.bias.take().map(|bias| bias.map(|bias| bias.ones_like().require_grad()));
    let batch = Batch {
        images: fill::input("images", [8, 1, 32, 32], &device),
        targets: fill::targets("targets", [8], 4, &device),
    };
    let mut optim = AdamConfig::new().init();
    let mut losses: Vec<f32> = Vec::new();
    while losses.len() < 200 && losses.last().is_none_or(|last| *last > 0.01 * losses[0]) {
        let loss;
        (model, loss) = train_step(model, &mut optim, 1e-3, batch.clone()).unwrap();
        losses.push(loss);
    }
    assert!(losses[losses.len() - 1] <= 0.01 * losses[0], "{losses:?}");
}

#[test]
fn every_registered_network_takes_a_new_classifier() {
    for name in list("*") {
        let side = if name == "lenet5" { 28 } else { 64 };
        let width = if name.starts_with("resnext") { 0.25 } else { 0.0625 };
        let device = Device::flex().autodiff();
        let model = fill::fill(create(name, &Options::new(4).with_width(width), &device).unwrap());
        let images: Tensor<4> = fill::input("images", [2, 3, side, side], &Device::flex());
        let before = model.valid().forward_features(images.clone()).pop().unwrap();
        let model = model.reset_classifier(7).unwrap();
        assert_eq!(model.num_classes(), 7, "{name}");
        let after = model.valid().forward_features(images.clone()).pop().unwrap();
        assert_eq!(after.clone().into_data(), before.into_data(), "{name}");
        assert_eq!(model.valid().forward_head(after).dims(), [2, 7], "{name}");
        let targets = fill::targets("targets", [2], 7, &device);
        let loss = model.training_loss(Batch { images: images.autodiff(), targets });
        assert!(loss.into_scalar::<f32>().is_finite(), "{name}");
        assert_eq!(model.reset_classifier(0).unwrap_err().field, "num_classes", "{name}");
    }
}

#[test]
fn unusable_sizes_of_every_family_are_named() {
    let device = Device::flex();
    macro_rules! refused {
        ($($config:expr => $field:literal;)+) => {
            $( assert_eq!($config.init(&device).unwrap_err().field, $field); )+
        };
    }
    refused! {
        AlexNetConfig::alexnet().with_channels([64, 0, 384, 256, 256]) => "channels";
        AlexNetConfig::alexnet().with_hidden(0) => "hidden";
        AlexNetConfig::alexnet().with_dropout(1.0) => "dropout";
        VggConfig::new([1, 1, 0, 2, 2]) => "layers";
        VggConfig::vgg11().with_dropout(-0.1) => "dropout";
        SqueezeNetConfig::new([64, 0], [0, 2, 4]) => "stem";
        SqueezeNetConfig::new([64, 3], [0, 4, 2]) => "pool_before";
        SqueezeNetConfig::new([64, 3], [0, 2, 8]) => "pool_before";
        SqueezeNetConfig::squeezenet1_1().with_squeeze([16, 16, 32, 32, 48, 48, 64, 0]) => "squeeze";
        GoogLeNetConfig::googlenet().with_width(f64::INFINITY) => "width";
        GoogLeNetConfig::googlenet().with_auxiliary_dropout(f64::NAN) => "auxiliary_dropout";
        DenseNetConfig::new([6, 12, 0, 16]) => "blocks";
        DenseNetConfig::densenet121().with_growth(0) => "growth";
        DenseNetConfig::densenet121().with_stem(0) => "stem";
        MobileNetV2Config::mobilenet_v2().with_width(-1.0) => "width";
        MobileNetV3Config::mobilenet_v3_large().with_width(0.0) => "width";
        EfficientNetConfig::new(1.0, 0.0, 0.2) => "depth";
        EfficientNetConfig::new(1.0, 1.0, 0.2).with_drop_path(1.0) => "drop_path";
        ConvNextConfig::new([3, 3, 9, 3], [96, 192, 0, 768], 0.1) => "channels";
        ConvNextConfig::new([3, 3, 9, 3], [96, 192, 384, 768], 1.0) => "drop_path";
        ConvNextConfig::convnext_tiny().with_layer_scale(f64::NAN) => "layer_scale";
        ConvNextConfig::convnext_tiny().with_num_classes(0) => "num_classes";
    }
}

/// The pixels that change unit (row, column) of map `i`: first and one past the last, in rows and in columns.
fn pixels_seen<B: Backbone>(
    model: &B,
    i: usize,
    side: usize,
    [row, column]: [usize; 2],
) -> [(usize, usize); 2] {
    let device = Device::flex().autodiff();
    let images = fill::input("images", [8, model.in_channels(), side, side], &device).require_grad();
    let map = model.forward_features(images.clone()).swap_remove(i);
    let gradients = map.narrow(2, row, 1).narrow(3, column, 1).sum().backward();
    let seen: Vec<f32> = images.grad(&gradients).unwrap().into_data().iter::<f32>().collect();
    let touched: Vec<usize> = (0..seen.len()).filter(|&at| seen[at] != 0.0).collect();
    let extent = |axis: &dyn Fn(usize) -> usize| {
        let places = touched.iter().map(|&at| axis(at));
        (places.clone().min().unwrap(), places.max().unwrap() + 1)
    };
    [extent(&|at| at % (side * side) / side), extent(&|at| at % side)]
}

#[test]
fn receptive_fields_hold_in_networks_without_a_maximum() {
    // Maxima hide most pixels from the gradient: networks that filter and average only.
    let device = Device::flex().autodiff();
    let side = 64;
    let densenet = DenseNetConfig::new([1, 2, 1, 1]).with_growth(4).with_stem(4).with_small_images(true);
    let densenet = fill::fill(densenet.init(&device).unwrap()).map(&mut ThroughRelu).freeze();
    let convnext = ConvNextConfig::new([1, 1, 1, 1], [4, 4, 4, 4], 0.0);
    let convnext = fill::fill(convnext.init(&device).unwrap()).map(&mut ThroughRelu).freeze();
    let check =
        |name: &str, fields: Vec<ReceptiveField>, seen: &dyn Fn(usize, [usize; 2]) -> [(usize, usize); 2]| {
            for (i, field) in fields.iter().enumerate().take(3) {
                let middle = (side / field.jump / 2).saturating_sub(1);
                let expected = [field.of_unit(middle, side), field.of_unit(middle / 2, side)];
                assert_eq!(seen(i, [middle, middle / 2]), expected, "map {i} of {name}");
            }
        };
    check("densenet", receptive_fields(&densenet.stages()), &|i, unit| pixels_seen(&densenet, i, side, unit));
    check("convnext", receptive_fields(&convnext.stages()), &|i, unit| pixels_seen(&convnext, i, side, unit));
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
        let side_of_map = map_sizes(&config.stages(), side).unwrap()[i];
        let unit = [side_of_map / 2, side_of_map / 3];
        let expected = unit.map(|index| field.of_unit(index, side));
        assert_eq!(pixels_seen(&model, i, side, unit), expected, "map {i}");
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
