//! Explanations of networks whose answer is known in closed form.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor};
use fornax_cnn::explain::{OcclusionConfig, feature_maps, grad_cam, occlusion};
use fornax_cnn::geometry::{Stage, Window, receptive_fields};
use fornax_cnn::{Backbone, Classifier, MobileNetV2, MobileNetV2Config, ResNetConfig};
use fornax_nn_core::ConfigError;
use fornax_nn_core::check::{assert_close, fill};

/// Dropout and batch normalisation, which must be switched off, before a mean and one linear layer.
fn mobilenet(device: &Device) -> MobileNetV2 {
    let config = MobileNetV2Config::mobilenet_v2().with_width(0.1).with_head(24).with_dropout(0.5);
    fill::fill(config.with_num_classes(5).init(device).unwrap())
}

/// Σ_k w_ck · A_k / (h·w), cut off at zero.
fn class_activation_map(map: Tensor<4>, head: &Linear, classes: &[usize]) -> Tensor<3> {
    let [_, channels, height, width] = map.dims();
    let maps = classes.iter().enumerate().map(|(i, &class)| {
        let weights = head.weight.val().narrow(1, class, 1).reshape([1, channels, 1, 1]);
        let weighted = map.clone().narrow(0, i, 1) * weights;
        relu(weighted.sum_dim(1).squeeze_dim::<3>(1)) / (height * width) as f64
    });
    Tensor::cat(maps.collect(), 0)
}

#[test]
fn grad_cam_of_a_mean_and_a_linear_layer_is_the_class_activation_map() {
    let model = mobilenet(&Device::flex().autodiff());
    let images: Tensor<4> = fill::input("images", [3, 3, 64, 64], &Device::flex());
    let classes = [0, 3, 3];
    let inference = model.valid();
    let map = inference.forward_features(images.clone()).pop().unwrap();
    let expected = class_activation_map(map, &inference.classifier.1, &classes);
    assert!(expected.clone().sum().into_scalar::<f32>() > 0.0, "a map of zeros would prove nothing");
    assert_close(&grad_cam(&model, images.clone(), &classes), &expected, 1e-5, 1e-7);
    // Of the same network on either side of autodiff, and of images on either.
    assert_close(&grad_cam(&inference, images.clone(), &classes), &expected, 1e-5, 1e-7);
    assert_close(&grad_cam(&inference, images.autodiff(), &classes), &expected, 1e-5, 1e-7);
    // Explaining leaves the network as it was: it can be trained on.
    assert!(model.classifier.1.weight.is_require_grad());
}

/// A linear classifier of two classes on the pixels: logits w·x and 0.
#[derive(Module, Debug)]
struct Pixels {
    weight: Linear,
}

impl Backbone for Pixels {
    fn in_channels(&self) -> usize {
        1
    }

    fn stages(&self) -> Vec<Stage> {
        vec![Stage::new(1, vec![Window::new(1, 1, 0)])]
    }

    fn forward_features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        vec![images]
    }
}

impl Classifier for Pixels {
    fn num_classes(&self) -> usize {
        2
    }

    fn forward_head(&self, map: Tensor<4>) -> Tensor<2> {
        let logit = self.weight.forward(map.flatten(1, 3));
        Tensor::cat(vec![logit.clone(), logit * 0.0], 1)
    }

    fn reset_classifier(self, _num_classes: usize) -> Result<Self, ConfigError> {
        Ok(self)
    }
}

fn pixels(height: usize, width: usize) -> Pixels {
    let linear = LinearConfig::new(height * width, 1).with_bias(false).init(&Device::flex());
    Pixels { weight: fill::fill(linear) }
}

#[test]
fn occlusion_of_a_linear_classifier_is_what_the_patch_added() {
    let (height, width) = (7, 9);
    let model = pixels(height, width);
    let images: Tensor<4> = fill::input("images", [2, 1, height, width], &Device::flex());
    let config = OcclusionConfig::new(3, 2).with_value(0.25).with_batch(5);
    let falls = occlusion(&model, images.clone(), &[0, 1], &config).unwrap();
    assert_eq!(falls.dims(), [2, 3, 4]);

    let logit = |image: Tensor<4>| model.weight.forward(image.flatten::<2>(1, 3));
    for (i, sign) in [(0, 1.0), (1, -1.0)] {
        let image = images.clone().narrow(0, i, 1);
        for (row, column) in [(0, 0), (1, 2), (2, 3)] {
            let patch = Tensor::<4>::full([1, 1, 3, 3], 0.25, &Device::flex());
            let (top, left) = (2 * row, 2 * column);
            let covered = image.clone().slice_assign([0..1, 0..1, top..top + 3, left..left + 3], patch);
            let fall = sigmoid(logit(image.clone()) * sign) - sigmoid(logit(covered) * sign);
            let found = falls.clone().slice([i..i + 1, row..row + 1, column..column + 1]);
            assert_close(&found.reshape([1, 1]), &fall, 1e-4, 1e-6);
        }
    }
}

#[test]
fn covering_what_is_already_blank_changes_nothing() {
    let model = pixels(32, 32);
    let left: Tensor<4> = fill::input("images", [1, 1, 32, 16], &Device::flex());
    let blank = Tensor::full([1, 1, 32, 16], 0.5, &Device::flex());
    let images = Tensor::cat(vec![left, blank], 3);
    let config = OcclusionConfig::new(8, 8).with_value(0.5);
    let falls = occlusion(&model, images.clone(), &[1], &config).unwrap();
    let (left, right) = (falls.clone().narrow(2, 0, 2), falls.narrow(2, 2, 2));
    assert_close(&right, &[0.0; 8], 0.0, 1e-6);
    assert!(left.abs().min().into_scalar::<f32>() > 1e-4, "what is covered on the left must matter");

    // And in a network of many layers.
    let images = images.expand([1, 3, 32, 32]);
    let falls = occlusion(&mobilenet(&Device::flex()), images, &[2], &config).unwrap();
    assert_close(&falls.narrow(2, 2, 2), &[0.0; 8], 0.0, 1e-6);
}

#[test]
fn feature_maps_come_with_what_they_are() {
    let model = ResNetConfig::resnet18_digits().scaled(0.25).init(&Device::flex()).unwrap();
    let images: Tensor<4> = fill::input("images", [2, 1, 32, 32], &Device::flex());
    let maps = feature_maps(&model, images.clone());
    let fields = receptive_fields(&model.stages());
    assert_eq!(maps.len(), 4);
    for (i, (of_model, expected)) in maps.iter().zip(model.forward_features(images)).enumerate() {
        assert_close(&of_model.map, &expected, 0.0, 0.0);
        assert_eq!(of_model.map.dims()[1], of_model.info.channels);
        assert_eq!(of_model.field, fields[i]);
    }
}

#[test]
fn patches_that_do_not_fit_are_refused_by_name() {
    let model = pixels(4, 4);
    let images = || Tensor::<4>::zeros([1, 1, 4, 4], &Device::flex());
    let field = |config| occlusion(&model, images(), &[0], &config).unwrap_err().field;
    assert_eq!(field(OcclusionConfig::new(0, 1)), "side");
    assert_eq!(field(OcclusionConfig::new(5, 1)), "side");
    assert_eq!(field(OcclusionConfig::new(2, 0)), "stride");
    assert_eq!(field(OcclusionConfig::new(2, 1).with_batch(0)), "batch");
}

#[test]
#[should_panic(expected = "expected classes below 2, got [2]")]
fn a_class_that_is_none_is_refused() {
    grad_cam(&pixels(4, 4), Tensor::zeros([1, 1, 4, 4], &Device::flex()), &[2]);
}
