//! What torchvision computes, from the same closed-form weights in inference: `xtask/reference/parity/cnn_torchvision.py`
//! made the fixture, `cargo xtask parity cnn_torchvision` makes it again.
//!
//! Tolerances are relative to the root mean square of what is compared: 1e-4 for maps and logits, 1e-3 for the
//! gradient's norm with respect to the images.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use fornax_cnn::{
    AlexNetConfig, Classifier, ConvNextConfig, DenseNetConfig, EfficientNetConfig, GoogLeNetConfig,
    MobileNetV2Config, MobileNetV3Config, ResNetConfig, SqueezeNetConfig, VggConfig, torchvision_name,
};
use fornax_nn_core::check::{Fixture, Place, compare, fill};

/// What torchvision says of its models.
pub(crate) fn fixture() -> Fixture {
    Fixture::parse(include_str!("../fixtures/torchvision.json")).unwrap()
}

/// Every element kept, and the norm, to `tolerance` of the root mean square.
fn agrees<const D: usize>(name: &str, actual: &Tensor<D>, tolerance: f64) {
    let fixture = fixture();
    let entry = fixture.entry(name).unwrap();
    let count: usize = entry.shape.iter().product();
    let rms = entry.norm / (count as f64).sqrt();
    let values: Vec<f64> = actual.to_data().iter::<f64>().collect();
    assert_eq!(actual.dims().to_vec(), entry.shape, "{name}");
    let kept: Vec<f64> = values.iter().step_by(entry.stride).copied().collect();
    compare(&kept, &entry.values, 0.0, tolerance * rms)
        .unwrap_or_else(|mismatch| panic!("{name}: {mismatch}"));
    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    assert!(
        (norm - entry.norm).abs() <= tolerance * entry.norm,
        "{name}: norm {norm}, expected {}",
        entry.norm
    );
}

/// The weights of convolutions times √6, as on the other side.
pub(crate) struct ThroughRelu;

impl ModuleMapper for ThroughRelu {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| if D == 4 { value.detach() * 6f64.sqrt() } else { value })
    }
}

/// Weights are frozen, which leaves normalisations in inference; the images ask for a gradient.
fn in_inference<M: Classifier>(name: &str, model: M, side: usize) {
    let device = Device::flex().autodiff();
    let model = fill::fill_with(model, |path| Place::from(torchvision_name(&path)));
    let model = model.map(&mut ThroughRelu).freeze();
    let images = fill::input("images", [2, 3, side, side], &device).require_grad();
    let maps = model.forward_features(images.clone());
    for (i, map) in maps.iter().enumerate() {
        agrees(&format!("{name}@{side}.map{i}"), map, 1e-4);
    }
    let logits = model.forward_head(maps.last().unwrap().clone());
    agrees(&format!("{name}@{side}.logits"), &logits, 1e-4);
    let probe = fill::input("probe", logits.dims(), &logits.device());
    let gradients = (logits * probe).sum().backward();
    let gradient = images.grad(&gradients).unwrap();
    let norm = gradient.to_data().iter::<f64>().map(|value| value * value).sum::<f64>().sqrt();
    let expected = fixture().entry(&format!("{name}@{side}.images")).unwrap().norm;
    assert!(
        (norm - expected).abs() <= 1e-3 * expected,
        "{name}: gradient of norm {norm}, expected {expected}"
    );
}

/// A line a preset: its configuration, and a test for each size of image it is compared at.
macro_rules! presets {
    ($($preset:ident: $config:expr $(, $test:ident at $side:expr)+;)+) => { $( $(
        #[test]
        fn $test() {
            let device = Device::flex().autodiff();
            in_inference(stringify!($preset), $config.with_num_classes(10).init(&device).unwrap(), $side);
        }
    )+ )+ };
}

// How many parameters each has is asked by the contract. Where VGG's hidden layers have 64 units, they have on the other
// side: they are the same in all presets, and nine tenths of the weights.
presets! {
    resnet18: ResNetConfig::resnet18(), resnet18_at_64 at 64, resnet18_at_224 at 224;
    resnet34: ResNetConfig::resnet34(), resnet34_at_64 at 64;
    resnet50: ResNetConfig::resnet50(), resnet50_at_64 at 64;
    resnet101: ResNetConfig::resnet101(), resnet101_at_64 at 64;
    resnet152: ResNetConfig::resnet152(), resnet152_at_64 at 64;
    resnext50_32x4d: ResNetConfig::resnext50_32x4d(), resnext50_at_64 at 64;
    resnext101_32x8d: ResNetConfig::resnext101_32x8d(), resnext101_at_64 at 64;
    wide_resnet50_2: ResNetConfig::wide_resnet50_2(), wide_resnet50_at_64 at 64;
    wide_resnet101_2: ResNetConfig::wide_resnet101_2(), wide_resnet101_at_64 at 64;
    mobilenet_v2: MobileNetV2Config::mobilenet_v2(), mobilenet_v2_at_64 at 64, mobilenet_v2_at_224 at 224;
    alexnet: AlexNetConfig::alexnet(), alexnet_at_64 at 64, alexnet_at_224 at 224;
    vgg11: VggConfig::vgg11().with_hidden(64), vgg11_at_64 at 64;
    vgg11_bn: VggConfig::vgg11_bn(), vgg11_bn_at_224 at 224;
    vgg11_bn: VggConfig::vgg11_bn().with_hidden(64), vgg11_bn_at_64 at 64;
    vgg13: VggConfig::vgg13().with_hidden(64), vgg13_at_64 at 64;
    vgg13_bn: VggConfig::vgg13_bn().with_hidden(64), vgg13_bn_at_64 at 64;
    vgg16: VggConfig::vgg16().with_hidden(64), vgg16_at_64 at 64;
    vgg16_bn: VggConfig::vgg16_bn().with_hidden(64), vgg16_bn_at_64 at 64;
    vgg19: VggConfig::vgg19().with_hidden(64), vgg19_at_64 at 64;
    vgg19_bn: VggConfig::vgg19_bn().with_hidden(64), vgg19_bn_at_64 at 64;
    squeezenet1_0: SqueezeNetConfig::squeezenet1_0(), squeezenet1_0_at_64 at 64;
    squeezenet1_1: SqueezeNetConfig::squeezenet1_1(), squeezenet1_1_at_64 at 64, squeezenet1_1_at_224 at 224;
    googlenet: GoogLeNetConfig::googlenet(), googlenet_at_64 at 64, googlenet_at_224 at 224;
    densenet121: DenseNetConfig::densenet121(), densenet121_at_64 at 64, densenet121_at_224 at 224;
    densenet161: DenseNetConfig::densenet161(), densenet161_at_64 at 64;
    densenet169: DenseNetConfig::densenet169(), densenet169_at_64 at 64;
    densenet201: DenseNetConfig::densenet201(), densenet201_at_64 at 64;
    mobilenet_v3_large: MobileNetV3Config::mobilenet_v3_large(), mobilenet_v3_large_at_64 at 64,
        mobilenet_v3_large_at_224 at 224;
    mobilenet_v3_small: MobileNetV3Config::mobilenet_v3_small(), mobilenet_v3_small_at_64 at 64;
    efficientnet_b0: EfficientNetConfig::efficientnet_b0(), efficientnet_b0_at_64 at 64, efficientnet_b0_at_224 at 224;
    efficientnet_b1: EfficientNetConfig::efficientnet_b1(), efficientnet_b1_at_64 at 64;
    efficientnet_b2: EfficientNetConfig::efficientnet_b2(), efficientnet_b2_at_64 at 64;
    efficientnet_b3: EfficientNetConfig::efficientnet_b3(), efficientnet_b3_at_64 at 64;
    efficientnet_b4: EfficientNetConfig::efficientnet_b4(), efficientnet_b4_at_64 at 64;
    convnext_tiny: ConvNextConfig::convnext_tiny(), convnext_tiny_at_64 at 64, convnext_tiny_at_224 at 224;
    convnext_small: ConvNextConfig::convnext_small(), convnext_small_at_64 at 64;
    convnext_base: ConvNextConfig::convnext_base(), convnext_base_at_64 at 64;
}

/// As PyTorch counts them: without running statistics. Weights are drawn when first read, so even the largest network
/// is only counted.
pub(crate) fn parameters<M: Module>(model: &M) -> usize {
    let mut count = Parameters { leaf: String::new(), count: 0 };
    model.visit(&mut count);
    count.count
}

/// Counts all but running statistics.
struct Parameters {
    leaf: String,
    count: usize,
}

impl ModuleVisitor for Parameters {
    fn enter_module(&mut self, name: &str, _container: &str) {
        name.clone_into(&mut self.leaf);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.leaf.starts_with("running_") {
            self.count += param.lazy_shape().num_elements();
        }
    }
}
