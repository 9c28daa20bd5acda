//! Boxes, suppression and FCOS against torchvision (`xtask/reference/parity/detection.py`), gradients, learning, and what
//! is refused.

use burn::module::{Module, Param};
use burn::optim::AdamConfig;
use burn::tensor::{DType, Device, Tensor, TensorData};
use fornax_cnn::detection::*;
use fornax_cnn::fpn::FpnConfig;
use fornax_cnn::{Backbone, MobileNetV2Config, ResNet, ResNetConfig};
use fornax_nn_core::check::{Fixture, GradCheck, Place, assert_close, compare, fill};
use fornax_nn_core::loss::BoxLoss;

const CLASSES: usize = 5;
const SIZES: [[usize; 2]; 3] = [[24, 36], [12, 18], [6, 9]];
const STRIDES: [usize; 3] = [4, 8, 16];
const IMAGE: [usize; 2] = [96, 144];

fn fixture() -> Fixture {
    Fixture::parse(include_str!("../fixtures/detection.json")).unwrap()
}

/// Corners in quarters of a pixel, as on the other side.
fn boxes(name: &str, count: usize, extent: i64, side: i64) -> Vec<[f32; 4]> {
    let of = |&[x, y, w, h]: &[i64; 4]| {
        let low = [x, y].map(|v| (v % extent) as f32 / 4.0);
        let size = [w, h].map(|v| 1.0 + (v % side) as f32 / 4.0);
        [low[0], low[1], low[0] + size[0], low[1] + size[1]]
    };
    fill::classes(name, count * 4, 1 << 16).as_chunks::<4>().0.iter().map(of).collect()
}

fn tensor(boxes: &[[f32; 4]]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(boxes.concat(), [boxes.len(), 4]), &Device::flex())
}

#[test]
fn overlaps_of_every_pair_are_torchvisions() {
    let (a, b) = (tensor(&boxes("a", 9, 120, 160)), tensor(&boxes("b", 7, 120, 160)));
    fixture().check("box_iou", &box_iou(a.clone(), b.clone()), 1e-5, 1e-6).unwrap();
    fixture().check("generalized_box_iou", &generalized_box_iou(a.clone(), b.clone()), 1e-5, 1e-6).unwrap();
    fixture().check("distance_box_iou", &distance_box_iou(a.clone(), b.clone()), 1e-5, 1e-6).unwrap();
    fixture().check("complete_box_iou", &complete_box_iou(a, b), 1e-5, 1e-6).unwrap();
}

#[test]
fn kept_boxes_are_torchvisions() {
    let many = boxes("many", 120, 120, 160);
    let scores: Vec<f32> = (0..120).map(|i| (fill::uniform("scores", i) as f32 + 1.0) / 2.0).collect();
    let classes: Vec<usize> = fill::classes("classes", 120, 4).into_iter().map(|c| c as usize).collect();
    let same = |name: String, kept: Vec<usize>| {
        let kept: Vec<f64> = kept.into_iter().map(|i| i as f64).collect();
        fixture().check(&name, &kept, 0.0, 0.0).unwrap();
    };
    for threshold in [0.2, 0.5, 0.7] {
        same(format!("nms {threshold}"), nms(&many, &scores, threshold));
        same(format!("batched_nms {threshold}"), batched_nms(&many, &scores, &classes, threshold));
    }
}

fn narrow_resnet(device: &Device) -> ResNet {
    let config = ResNetConfig { blocks: [1; 4], ..ResNetConfig::resnet18_digits() };
    config.with_channels([4, 4, 6, 6]).init(device).unwrap()
}

fn small(channels: usize) -> FcosConfig {
    let fpn = FpnConfig::new().with_channels(channels).with_extra_levels(1);
    FcosConfig::new(3).with_fpn(fpn).with_groups(2).with_convs(1)
}

#[test]
fn a_head_computes_what_torchvisions_does() {
    let device = Device::flex();
    let fpn = FpnConfig::new().with_channels(32).with_min_stride(2);
    let config = FcosConfig::new(CLASSES).with_fpn(fpn).with_convs(2);
    let mut head = config.init(narrow_resnet(&device), &device).unwrap().head;
    head = fill::fill_with(head, |path| {
        let parts: Vec<&str> = path.split('.').collect();
        Place::from(match parts[..] {
            // Convolution, normalisation and ReLU are three steps there.
            [tower, "conv", i, step, leaf] => {
                let step = 3 * i.parse::<usize>().unwrap() + step.parse::<usize>().unwrap();
                let which = if tower == "cls_tower" { "classification" } else { "regression" };
                format!("{which}_head.conv.{step}.{leaf}")
            }
            ["cls_logits", leaf] => format!("classification_head.cls_logits.{leaf}"),
            _ => format!("regression_head.{path}"),
        })
    });
    head.scales = (0..3).map(|_| Param::from_tensor(Tensor::ones([1], &device))).collect();
    let level = |i: usize| {
        let [h, w] = SIZES[i];
        head.forward(fill::input(&format!("level{i}"), [2, 32, h, w], &device), i)
    };
    let levels = [level(0), level(1), level(2)];
    let logits = Tensor::cat(levels.iter().map(|level| level.0.clone()).collect(), 1);
    fixture().check("head.logits", &logits, 1e-4, 1e-5).unwrap();
    let distances = Tensor::cat(levels.iter().map(|level| level.1.clone()).collect(), 1);
    fixture().check("head.distances", &distances, 1e-4, 1e-5).unwrap();
    let centerness = Tensor::cat(levels.iter().map(|level| level.2.clone()).collect(), 1);
    fixture().check("head.centerness", &centerness, 1e-4, 1e-5).unwrap();
}

fn objects() -> Vec<Vec<Object>> {
    let of = |(image, count): (usize, usize)| {
        let bounds = boxes(&format!("things {image}"), count, 240, 560);
        let classes = fill::classes(&format!("labels {image}"), count, CLASSES);
        let [height, width] = IMAGE.map(|side| side as f32);
        let object = |([x1, y1, x2, y2], class): ([f32; 4], i64)| Object {
            bounds: [x1, y1, x2.min(width), y2.min(height)],
            class: class as usize,
        };
        bounds.into_iter().zip(classes).map(object).collect()
    };
    [7, 1, 0].into_iter().enumerate().map(of).collect()
}

/// What places say, in closed form; the leaves too.
fn outputs(device: &Device) -> (Outputs, Tensor<3>, Tensor<3>, Tensor<3>) {
    let mut places = Vec::new();
    for (level, ([height, width], stride)) in SIZES.into_iter().zip(STRIDES).enumerate() {
        let stride = stride as f32;
        let range = [[0.0, 32.0], [32.0, 64.0], [64.0, f32::INFINITY]][level];
        for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
            let [x, y] = [column, row].map(|i| (i as f32 + 0.5) * stride);
            places.push(Location { x, y, stride, level, range });
        }
    }
    let leaf = |name: &str, width: usize| -> Tensor<3> {
        let leaf = fill::input(name, [3, places.len(), width], device);
        if device.is_autodiff() { leaf.require_grad() } else { leaf }
    };
    let (logits, distances, centerness) =
        (leaf("logits", CLASSES), leaf("distances", 4), leaf("centerness", 1));
    let strides: Vec<f32> = places.iter().map(|place| place.stride).collect();
    let strides = Tensor::<3>::from_data(TensorData::new(strides, [1, places.len(), 1]), device);
    let outputs = Outputs {
        logits: logits.clone() * 2.0,
        distances: (distances.clone() + 1.5) * strides,
        centerness: centerness.clone().squeeze_dim(2),
        locations: places,
    };
    (outputs, logits, distances, centerness)
}

#[test]
fn every_place_is_answerable_for_what_it_is_in_torchvision() {
    let (outputs, ..) = outputs(&Device::flex());
    for (image, objects) in objects().iter().enumerate() {
        let assigned = assign(&outputs.locations, objects, 1.5);
        let places: Vec<f64> =
            (0..assigned.len()).filter(|&i| assigned[i].is_some()).map(|i| i as f64).collect();
        let things: Vec<f64> = assigned.into_iter().flatten().map(|thing| thing as f64).collect();
        let expected =
            |what: &str| fixture().entry(&format!("matched {image}.{what}")).unwrap().values.clone();
        compare(&places, &expected("places"), 0.0, 0.0).unwrap();
        compare(&things, &expected("things"), 0.0, 0.0).unwrap();
    }
}

#[test]
fn losses_and_their_gradients_are_torchvisions() {
    let (outputs, logits, distances, centerness) = outputs(&Device::flex().autodiff());
    let losses = outputs.loss(&FcosConfig::new(CLASSES), &objects());
    fixture().check("loss.classification", &losses.classification, 1e-5, 0.0).unwrap();
    fixture().check("loss.bbox_regression", &losses.regression, 1e-5, 0.0).unwrap();
    fixture().check("loss.bbox_ctrness", &losses.centerness, 1e-5, 0.0).unwrap();
    let gradients = losses.total().backward();
    for (name, leaf) in [("logits", logits), ("distances", distances), ("centerness", centerness)] {
        let gradient = leaf.grad(&gradients).unwrap();
        fixture().check(&format!("gradient.{name}"), &gradient, 1e-4, 1e-7).unwrap();
    }
}

#[test]
fn decoded_detections_are_torchvisions() {
    let config = FcosConfig::new(CLASSES).with_min_score(0.3).with_candidates(30).with_max_detections(20);
    let (outputs, ..) = outputs(&Device::flex());
    for (image, found) in outputs.decode(&config, IMAGE).into_iter().enumerate() {
        let expected = |what: &str| fixture().entry(&format!("found {image}.{what}")).unwrap().values.clone();
        let bounds: Vec<f32> = found.iter().flat_map(|one| one.bounds).collect();
        let scores: Vec<f32> = found.iter().map(|one| one.score).collect();
        let labels: Vec<f32> = found.iter().map(|one| one.class as f32).collect();
        assert_close(&labels, &expected("labels"), 0.0, 0.0);
        assert_close(&scores, &expected("scores"), 1e-5, 0.0);
        assert_close(&bounds, &expected("boxes"), 1e-5, 1e-4);
    }
}

#[test]
fn a_detector_has_the_gradient_of_its_loss() {
    let device = Device::flex().autodiff();
    let objects = vec![
        vec![
            Object { bounds: [1.0, 2.0, 11.0, 13.0], class: 2 },
            Object { bounds: [6.5, 1.5, 15.0, 7.0], class: 0 },
        ],
        vec![],
    ];
    let images = Tensor::<4>::from_data(fill::data("images", &[2, 1, 16, 16]), (&device, DType::F64));
    for box_loss in [BoxLoss::Giou, BoxLoss::Iou] {
        let fpn = FpnConfig::new().with_channels(4).with_min_stride(2).with_extra_levels(1);
        let config = small(4).with_fpn(fpn).with_scale(4.0).with_box_loss(box_loss);
        let model = || fill::fill(config.init(narrow_resnet(&device), &device).unwrap());
        let places = model().forward(fill::input("images", [2, 1, 16, 16], &device)).locations.len();
        assert_eq!(places, 64 + 16 + 4 + 1);
        let report = GradCheck::new()
            .model(model(), |model| model.forward(images.clone()).loss(&model.config, &objects).total())
            .unwrap();
        assert!(report.compared > 30 && report.excepted == 0, "{report:?}");
    }
}

#[test]
fn a_detector_learns_a_batch_by_heart_and_finds_the_things_again() {
    let device = Device::flex().autodiff();
    let fpn = FpnConfig::new().with_channels(8);
    let mut model = small(8).with_fpn(fpn).init(narrow_resnet(&device), &device).unwrap();
    model = fill::fill(model);
    let images: Tensor<4> = fill::input("images", [3, 1, 32, 32], &device);
    let thing = |bounds, class| Object { bounds, class };
    let objects = vec![
        vec![thing([2.0, 3.0, 14.0, 15.0], 0), thing([17.0, 12.0, 31.0, 30.0], 2)],
        vec![],
        vec![thing([8.0, 6.0, 25.0, 28.0], 1)],
    ];
    let batch = Batch::new(images.clone(), objects.clone(), 3).unwrap();
    let mut optim = AdamConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..150 {
        let (trained, loss) = train_step(model, &mut optim, 1e-2, batch.clone()).unwrap();
        model = trained;
        losses.push(loss);
    }
    let (first, last) = (losses[0], losses[149]);
    assert!(last < 0.5 * first, "{first} then {last}");
    // In training mode, whose batch statistics are those learnt by heart.
    let mut evaluator = coco::Evaluator::new();
    for (found, objects) in model.predict(images).into_iter().zip(&objects) {
        let found: Vec<coco::Found> = found.into_iter().map(Into::into).collect();
        let truth: Vec<coco::Truth> = objects.iter().copied().map(Into::into).collect();
        evaluator.add(&found, &truth);
    }
    let ap50 = evaluator.summary().ap50.unwrap();
    assert!(ap50 > 0.95, "{ap50}");
}

#[test]
fn images_without_things_teach_background_only() {
    let device = Device::flex().autodiff();
    let model = fill::fill(small(4).init(narrow_resnet(&device), &device).unwrap());
    let outputs = model.forward(fill::input("images", [2, 1, 32, 32], &device));
    let losses = outputs.loss(&model.config, &[vec![], vec![]]);
    assert!(losses.classification.into_scalar::<f32>() > 0.0);
    assert_eq!(losses.regression.into_scalar::<f32>() + losses.centerness.into_scalar::<f32>(), 0.0);
}

#[test]
fn any_backbone_takes_the_head() {
    fn check<B: Backbone>(backbone: B) {
        let device = Device::flex();
        let channels = backbone.in_channels();
        let config = small(8).with_min_score(0.0).with_max_detections(7);
        let model = fill::fill(config.init(backbone, &device).unwrap());
        let found = model.predict(fill::input("images", [2, channels, 70, 50], &device));
        assert!(found.iter().all(|found| found.len() == 7));
        for one in found.iter().flatten() {
            let [x1, y1, x2, y2] = one.bounds;
            assert!(0.0 <= x1 && x1 <= x2 && x2 <= 50.0 && 0.0 <= y1 && y1 <= y2 && y2 <= 70.0, "{one:?}");
        }
    }
    let device = Device::flex();
    check(narrow_resnet(&device));
    check(MobileNetV2Config::mobilenet_v2().with_width(0.1).with_head(16).init(&device).unwrap());
}

#[test]
fn untrained_every_class_is_believed_in_by_the_prior() {
    let device = Device::flex();
    device.seed(3);
    let model = small(8).with_prior(0.02).init(narrow_resnet(&device), &device).unwrap();
    let logits = model.forward(fill::input("images", [1, 1, 32, 32], &device)).logits;
    let belief = burn::tensor::activation::sigmoid(logits).mean().into_scalar::<f32>();
    assert!((belief - 0.02).abs() < 0.004, "{belief}");
    assert!(model.valid().predict(fill::input("images", [1, 1, 32, 32], &device))[0].len() <= 100);
}

#[test]
fn unusable_detectors_are_named() {
    let device = Device::flex();
    let field =
        |config: FcosConfig| config.init(narrow_resnet(&device), &device).map(drop).unwrap_err().field;
    assert_eq!(field(FcosConfig { num_classes: 0, ..small(4) }), "num_classes");
    assert_eq!(field(small(4).with_groups(3)), "groups");
    assert_eq!(field(small(4).with_prior(1.0)), "prior");
    assert_eq!(field(small(4).with_center_radius(0.0)), "center_radius");
    assert_eq!(field(small(4).with_scale(f64::NAN)), "scale");
    assert_eq!(field(small(4).with_nms_iou(1.5)), "nms_iou");
    assert_eq!(field(small(4).with_fpn(FpnConfig::new().with_channels(4).with_min_stride(16))), "min_stride");
}
