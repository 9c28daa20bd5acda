//! Decoders of segmentation: PyTorch's outputs from the same closed-form weights
//! (`xtask/reference/parity/segmentation.py`), gradients, any backbone, and what is refused.

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{DType, Device, Int, Tensor};
use fornax_cnn::block::{resize_bilinear, resize_nearest};
use fornax_cnn::fpn::FpnConfig;
use fornax_cnn::segmentation::*;
use fornax_cnn::{Backbone, FeatureInfo, MobileNetV2Config, ResNetConfig, torchvision_name};
use fornax_nn_core::check::{Fixture, GradCheck, Place, fill};

use crate::torchvision::parameters;

const MODEL: (f64, f64) = (1e-4, 1e-5);
const CHANNELS: [usize; 3] = [8, 12, 16];
/// Sizes that halving does not divide.
const SIZES: [[usize; 2]; 3] = [[9, 7], [5, 4], [3, 2]];

fn fixture() -> Fixture {
    Fixture::parse(include_str!("../fixtures/segmentation.json")).unwrap()
}

fn agrees<const D: usize>(name: &str, value: &Tensor<D>) {
    fixture().check(name, value, MODEL.0, MODEL.1).unwrap();
}

fn maps() -> Vec<Tensor<4>> {
    let map = |(i, ([h, w], c)): (usize, ([usize; 2], usize))| {
        fill::input(&format!("map{i}"), [2, c, h, w], &Device::flex())
    };
    SIZES.into_iter().zip(CHANNELS).enumerate().map(map).collect()
}

fn info() -> Vec<FeatureInfo> {
    [4, 8, 16].into_iter().zip(CHANNELS).map(|(stride, channels)| FeatureInfo { channels, stride }).collect()
}

fn named(path: String) -> Place {
    Place::from(torchvision_name(&path))
}

/// torchvision's pyramid has a list in a list, and names its extra levels.
fn pyramid_named(path: String) -> Place {
    let mut name = torchvision_name(&path);
    for blocks in ["inner_blocks.", "layer_blocks."] {
        if let Some(at) = name.find(blocks) {
            name.insert_str(at + blocks.len() + 2, "0.");
        }
    }
    Place::from(
        name.replace("extra_blocks.0", "extra_blocks.p6").replace("extra_blocks.1", "extra_blocks.p7"),
    )
}

#[test]
fn maps_are_interpolated_as_in_pytorch() {
    for [height, width] in [[14, 9], [4, 11], [18, 14]] {
        let x = maps().swap_remove(0);
        agrees(&format!("bilinear {height}x{width}"), &resize_bilinear(x.clone(), [height, width]));
        agrees(&format!("nearest {height}x{width}"), &resize_nearest(x, [height, width]));
    }
}

#[test]
fn a_pyramid_is_torchvisions() {
    let config = FpnConfig::new().with_channels(6).with_extra_levels(2);
    let fpn = fill::fill_with(config.init(&info(), &Device::flex()).unwrap(), pyramid_named);
    let levels = fpn.forward(maps());
    let strides: Vec<usize> = fpn.feature_info().iter().map(|level| level.stride).collect();
    assert_eq!((levels.len(), &strides[..]), (5, &[4, 8, 16, 32, 64][..]));
    for (i, level) in levels.iter().enumerate() {
        agrees(&format!("fpn.level{i}"), level);
    }
}

#[test]
fn decoders_compute_what_their_twins_do() {
    let device = Device::flex();
    let unet = UNetDecoderConfig::new(5).init(&info(), &device).unwrap();
    agrees("unet_decoder", &fill::fill_with(unet, named).forward(maps()));

    let fpn = FpnDecoderConfig::new(5).with_channels(8).with_pyramid_channels(6).init(&info(), &device);
    agrees("fpn_decoder", &fill::fill_with(fpn.unwrap(), pyramid_named).forward(maps()));

    let config = DeepLabDecoderConfig::new(5).with_rates(vec![2, 3]).with_max_stride(8);
    let deeplab = fill::fill_with(config.init(&info(), &device).unwrap(), |path| {
        let name = torchvision_name(&path);
        let (field, rest) = name.split_once('.').unwrap();
        Place::from(match (field, rest.split_once('.')) {
            ("convs", _) => format!("0.convs.{rest}"),
            // Behind the pooling the convolution is the second of a sequence; in the head, of the whole.
            ("pooling", Some(("0", leaf))) => format!("0.convs.3.1.{leaf}"),
            ("pooling", Some((_, leaf))) => format!("0.convs.3.2.{leaf}"),
            ("head", Some(("0", leaf))) => format!("1.{leaf}"),
            ("head", Some((_, leaf))) => format!("2.{leaf}"),
            ("project", _) => format!("0.project.{rest}"),
            _ => format!("4.{rest}"),
        })
    });
    agrees("deeplab", &deeplab.forward(maps()));
}

#[test]
fn a_unet_computes_logits_loss_and_gradients() {
    let device = Device::flex().autodiff();
    let model = UNetConfig::new(4).with_channels(CHANNELS.to_vec()).init(&device).unwrap();
    let model = fill::fill_with(model, named);
    let logits = model.forward(fill::input("images", [2, 1, 20, 13], &device));
    agrees("unet.logits", &logits);
    let masks: Tensor<3, Int> = fill::targets("masks", [2, 20, 13], 5, &device);
    let config =
        PixelLossConfig::new().with_class_weights(Some(vec![0.5, 1.0, 2.0, 1.5])).with_ignore_index(Some(4));
    let loss = config.init(4).unwrap().forward(logits, masks);
    agrees("unet.loss", &loss);
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    // Biases before a normalisation would be zero; those of 1 × 1 convolutions are not.
    fixture().check_gradients("unet.gradients", &model, &gradients, named, (1e-3, 1e-5)).unwrap();
}

#[test]
fn unets_have_their_twins_number_of_parameters() {
    let count = |config: UNetConfig| [parameters(&config.init(&Device::flex()).unwrap()) as f64];
    fixture().check("unet.parameters", &count(UNetConfig::new(2)), 0.0, 0.0).unwrap();
    fixture().check("unet_small.parameters", &count(UNetConfig::small(11)), 0.0, 0.0).unwrap();
}

fn has_its_gradient<B: Backbone, D: Decoder>(model: Segmenter<B, D>, side: usize) {
    let device = Device::flex().autodiff();
    let (classes, channels) = (model.decoder.num_classes(), model.backbone.in_channels());
    let shape = [3, channels, side, side];
    let images = Tensor::<4>::from_data(fill::data("images", &shape), (&device, DType::F64));
    let masks: Tensor<3, Int> = fill::targets("masks", [3, side, side], classes, &device);
    let loss = PixelLossConfig::cross_entropy_and_dice().init(classes).unwrap();
    let report = GradCheck::new()
        .model(fill::fill(model), |model| loss.forward(model.forward(images.clone()), masks.clone()))
        .unwrap();
    assert!(report.compared > 10 && report.excepted == 0, "{report:?}");
}

fn narrow_resnet(device: &Device) -> fornax_cnn::ResNet {
    let config = ResNetConfig { blocks: [1; 4], ..ResNetConfig::resnet18_digits() };
    config.with_channels([4, 4, 6, 6]).init(device).unwrap()
}

#[test]
fn every_decoder_has_its_gradient() {
    let device = Device::flex().autodiff();
    has_its_gradient(UNetConfig::new(3).with_channels(vec![3, 4, 5]).init(&device).unwrap(), 9);
    let resnet = || narrow_resnet(&device);
    let maps = resnet().feature_info();
    let unet = UNetDecoderConfig::new(3).init(&maps, &device).unwrap();
    has_its_gradient(Segmenter::new(resnet(), unet), 10);
    let fpn = FpnDecoderConfig::new(3).with_channels(4).with_pyramid_channels(4).with_min_stride(1);
    has_its_gradient(Segmenter::new(resnet(), fpn.init(&maps, &device).unwrap()), 10);
    let deeplab = DeepLabDecoderConfig::new(3).with_channels(4).with_rates(vec![1, 2]).with_dropout(0.0);
    has_its_gradient(Segmenter::new(resnet(), deeplab.init(&maps, &device).unwrap()), 10);
}

#[test]
fn any_backbone_takes_any_decoder_and_gives_a_mask_of_the_images_size() {
    fn check<B: Backbone>(backbone: B) {
        let device = Device::flex();
        let (maps, channels) = (backbone.feature_info(), backbone.in_channels());
        let images = fill::input("images", [2, channels, 41, 35], &device);
        let unet = UNetDecoderConfig::new(3).with_max_channels(8).init(&maps, &device).unwrap();
        let model = Segmenter::new(backbone.clone(), unet);
        assert_eq!(model.predict(images.clone()).dims(), [2, 41, 35]);
        let fpn = FpnDecoderConfig::new(3).with_channels(4).with_pyramid_channels(4);
        let model = Segmenter::new(backbone.clone(), fpn.init(&maps, &device).unwrap());
        assert_eq!(model.forward(images.clone()).dims(), [2, 3, 41, 35]);
        let deeplab = DeepLabDecoderConfig::new(3).with_channels(4).init(&maps, &device).unwrap();
        let p = Segmenter::new(backbone, deeplab).probabilities(images);
        let sums: Vec<f32> = p.sum_dim(1).into_data().iter::<f32>().collect();
        assert!(sums.len() == 2 * 41 * 35 && sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5));
    }
    let device = Device::flex();
    check(ResNetConfig::resnet18().with_channels([4, 6, 8, 10]).init(&device).unwrap());
    check(MobileNetV2Config::mobilenet_v2().with_width(0.1).with_head(16).init(&device).unwrap());
    check(UNetConfig::new(3).with_channels(vec![4; 5]).init(&device).unwrap().backbone);
}

#[test]
fn training_lowers_the_loss_and_inference_repeats() {
    let device = Device::flex().autodiff();
    let mut model = fill::fill(UNetConfig::new(2).with_channels(vec![4, 6]).init(&device).unwrap());
    let images: Tensor<4> = fill::input("images", [2, 1, 8, 8], &device);
    let masks = images.clone().greater_elem(0.0).int().squeeze_dim::<3>(1); // bright or not
    let batch = Batch::new(images.clone(), masks.clone(), 2, None).unwrap();
    let loss = PixelLossConfig::new().init(2).unwrap();
    let (mut optim, mut losses) = (AdamConfig::new().init(), Vec::new());
    for _ in 0..60 {
        let step = train_step(model, &loss, &mut optim, 2e-2, batch.clone()).unwrap();
        model = step.0;
        losses.push(step.1);
    }
    assert!(losses[59] < 0.25 * losses[0], "{} then {}", losses[0], losses[59]);
    let predicted = model.valid().predict(images.inner());
    let mut confusion = PixelConfusion::new(2, None);
    confusion.add(&predicted, &masks.inner()).unwrap();
    assert!(confusion.mean_iou() > 0.8, "{}", confusion.mean_iou());
}

#[test]
fn unusable_decoders_are_named() {
    let (device, maps) = (Device::flex(), info());
    let field = |config: UNetDecoderConfig| config.init(&maps, &device).map(drop).unwrap_err().field;
    assert_eq!(field(UNetDecoderConfig::new(0)), "num_classes");
    assert_eq!(field(UNetDecoderConfig::new(2).with_max_channels(0)), "max_channels");
    let field = |config: FpnDecoderConfig| config.init(&maps, &device).map(drop).unwrap_err().field;
    assert_eq!(field(FpnDecoderConfig::new(2).with_channels(0)), "channels");
    assert_eq!(field(FpnDecoderConfig::new(2).with_min_stride(17)), "min_stride");
    let field = |config: DeepLabDecoderConfig| config.init(&maps, &device).map(drop).unwrap_err().field;
    assert_eq!(field(DeepLabDecoderConfig::new(2).with_max_stride(3)), "max_stride");
    assert_eq!(field(DeepLabDecoderConfig::new(2).with_rates(vec![6, 0])), "rates");
    assert_eq!(field(DeepLabDecoderConfig::new(2).with_dropout(1.0)), "dropout");
    let field = |config: UNetConfig| config.init(&device).map(drop).unwrap_err().field;
    assert_eq!(field(UNetConfig::new(2).with_channels(vec![])), "channels");
    assert_eq!(field(UNetConfig::new(2).with_in_channels(0)), "in_channels");
}

#[test]
fn masks_that_do_not_belong_are_refused() {
    let device = Device::flex();
    let images = || Tensor::<4>::zeros([1, 1, 2, 3], &device);
    let refused = |masks: Tensor<3, Int>| Batch::new(images(), masks, 4, Some(255)).map(drop).unwrap_err();
    let error = refused(Tensor::zeros([1, 3, 2], &device));
    assert_eq!(error, MaskError::Size { actual: [1, 3, 2], expected: [1, 2, 3] });
    let error = refused(Tensor::from_data([[[0, 1, 2], [3, 255, 9]]], &device));
    let expected = MaskError::UnknownClass { class: 9, mask: 0, row: 1, column: 2, num_classes: 4 };
    assert_eq!(error, expected);
    assert!(matches!(
        refused(Tensor::from_data([[[0, 1, 2], [-1, 0, 0]]], &device)),
        MaskError::UnknownClass { class: -1, .. }
    ));
}

#[test]
#[should_panic(expected = "images of 2 × 16 pixels, too small for the strides: each side must be at least 4")]
fn images_too_small_for_the_strides_are_refused() {
    let device = Device::flex();
    let model = UNetConfig::new(2).with_channels(vec![4; 3]).init(&device).unwrap();
    model.forward(Tensor::zeros([1, 1, 2, 16], &device));
}

#[test]
#[should_panic(expected = "2 maps, expected 3")]
fn maps_of_another_backbone_are_refused() {
    let decoder = UNetDecoderConfig::new(2).init(&info(), &Device::flex()).unwrap();
    decoder.forward(maps().into_iter().take(2).collect());
}
