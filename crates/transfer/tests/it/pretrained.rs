//! Files that torchvision's models were saved to (`xtask/reference/torch_weights.py`), in every form, and files of something else.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fornax_cnn::registry::{self, Model, ModelConfig};
use fornax_cnn::{Classifier, DenseNetConfig, Options, create};
use fornax_nn_core::check::{Fixture, assert_close, fill};
use fornax_nn_core::weights::{Source, Weights, WeightsError, save};
use fornax_transfer::preprocessing::{Interpolation, Preprocessing, Version};
use fornax_transfer::pretrained::{self, Head, PretrainedError};
use fornax_transfer::source::{SourceError, WeightSource};

pub(crate) fn fixture() -> Fixture {
    Fixture::parse(include_str!("../fixtures/transfer.json")).unwrap()
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn open(name: &str) -> Weights {
    WeightSource::from(file(name)).open().unwrap()
}

/// The network of the files.
fn dense(classes: usize) -> ModelConfig {
    let config = DenseNetConfig { blocks: [2, 1, 1, 2], ..DenseNetConfig::densenet121() };
    ModelConfig::DenseNet(DenseNetConfig { growth: 4, stem: 8, num_classes: classes, ..config })
}

fn images() -> Tensor<4> {
    fill::input("images", [2, 3, 32, 32], &Device::flex())
}

#[test]
fn torchvisions_file_gives_torchvisions_logits_in_every_form() {
    let device = Device::flex();
    for (name, tolerance) in [
        ("dense.pth", 1e-5),
        ("dense_2017.pth", 1e-5),
        ("dense_checkpoint.pth", 1e-5),
        // Eleven bits of mantissa.
        ("dense_half.safetensors", 5e-3),
    ] {
        let loaded = pretrained::load(&dense(5), open(name), &device).unwrap();
        assert_eq!(loaded.head, Head::Kept, "{name}");
        assert!(loaded.report.is_complete());
        // Loaded on a device that learns, and brought to inference.
        let logits = loaded.model.valid().forward(images());
        fixture()
            .check("dense.logits", &logits, 0.0, tolerance)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn another_number_of_classes_gives_a_new_output_layer_and_says_so() {
    let device = Device::flex();
    let loaded = pretrained::load(&dense(3), open("dense.pth"), &device).unwrap();
    assert_eq!(loaded.head, Head::Reset { found: 5, classes: 3 });
    assert_eq!((loaded.model.num_classes(), loaded.config.num_classes()), (3, 3));
    assert_eq!(loaded.model.forward(images()).dims(), [2, 3]);
    // The backbone is the file's.
    let whole = pretrained::load(&dense(5), open("dense.pth"), &device).unwrap();
    use fornax_cnn::Backbone;
    let map = |model: &Model| model.valid().forward_features(images()).pop().unwrap();
    assert_close(&map(&loaded.model), &map(&whole.model), 0.0, 0.0);
}

#[test]
fn what_does_not_fit_is_refused_with_the_network_that_does() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let options = Options::new(4).with_width(0.125);
    save(&create("vgg11_bn", &options, &device).unwrap(), &path, |name| pretrained::tensor_name(name))
        .unwrap();
    let config = registry::config("resnet18", &options).unwrap();
    let error = pretrained::load(&config, Weights::open(&path).unwrap(), &device).unwrap_err();
    let PretrainedError::DoesNotFit { path: named, report, best: Some(best) } = &error else {
        panic!("{error}")
    };
    assert_eq!((named, best.name), (&path, "vgg11_bn"));
    assert!(report.loaded.is_empty() && report.missing.len() == 102, "{report}");
    assert!(error.to_string().contains("it fits vgg11_bn best"), "{error}");
    // Half of the width is not another network.
    let fits = pretrained::fits(&Weights::open(&path).unwrap(), &device);
    // The output layer's bias has a number for each class at any width.
    assert_eq!((fits[0].name, fits[0].fitting), ("vgg11_bn", 1));
    assert_eq!(fits[0].other_shape, fits[0].parameters - 1);

    // Same names for the most part, and the longer one is the better fit.
    let deep = folder.path().join("deep.safetensors");
    save(&create("resnet34", &options, &device).unwrap(), &deep, |name| pretrained::tensor_name(name))
        .unwrap();
    let error = pretrained::load(&config, Weights::open(&deep).unwrap(), &device).unwrap_err().to_string();
    assert!(error.contains("fits resnet34 best") && error.contains("unexpected"), "{error}");
    let partial = pretrained::load_partial(&config, Weights::open(&deep).unwrap(), &device).unwrap();
    assert_eq!(partial.report.loaded.len(), 102);
    assert!(!partial.report.unexpected.is_empty() && partial.report.missing.is_empty());

    // Nothing like an image network.
    let linear = burn::nn::LinearConfig::new(2, 2).init(&device);
    let other = folder.path().join("linear.safetensors");
    save(&linear, &other, |name| Source::from(name)).unwrap();
    let error = pretrained::load_partial(&config, Weights::open(&other).unwrap(), &device).unwrap_err();
    assert!(matches!(error, PretrainedError::DoesNotFit { best: None, .. }), "{error}");
}

#[test]
fn a_missing_output_layer_stays_random_only_when_asked_for() {
    let device = Device::flex();
    let headless = || open("dense.pth").without(|name| name.starts_with("classifier"));
    let error = pretrained::load(&dense(5), headless(), &device).unwrap_err().to_string();
    assert!(error.contains("2 missing: classifier.weight"), "{error}");
    let partial = pretrained::load_partial(&dense(5), headless(), &device).unwrap();
    let missing: Vec<&str> = partial.report.missing.iter().map(|missing| missing.tensor.as_str()).collect();
    assert_eq!(missing, ["classifier.weight", "classifier.bias"]);
}

#[test]
fn every_registered_network_is_recognised_by_its_own_names() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    for name in [
        "alexnet",
        "squeezenet1_1",
        "googlenet",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "efficientnet_b0",
        "convnext_tiny",
    ] {
        let options = Options::new(4).with_width(0.0625);
        let config = registry::config(name, &options).unwrap();
        let model = fill::fill(config.init(&device).unwrap());
        save(&model, &path, |name| pretrained::tensor_name(name)).unwrap();
        let weights = Weights::open(&path).unwrap();
        let fits = pretrained::fits(&weights, &device);
        assert_eq!(fits[0].name, name);
        let loaded = pretrained::load(&config, weights, &device).unwrap();
        let images = fill::input("images", [1, 3, 64, 64], &device);
        assert_close(&loaded.model.forward(images.clone()), &model.forward(images), 0.0, 0.0);
    }
}

#[test]
fn a_source_is_a_file_or_the_one_file_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let path = || WeightSource::from(folder.path()).path();
    let SourceError::Ambiguous { found, .. } = path().unwrap_err() else { panic!() };
    assert!(found.is_empty());
    fs::copy(file("dense.pth"), at("a.pth")).unwrap();
    assert_eq!(path().unwrap(), at("a.pth"));
    fs::copy(file("dense.pth"), at("b.pth")).unwrap();
    let error = path().unwrap_err().to_string();
    assert!(error.ends_with("found a.pth, b.pth"), "{error}");
    // Files without code come first, and the usual name before all.
    fs::copy(file("dense_half.safetensors"), at("c.safetensors")).unwrap();
    assert_eq!(path().unwrap(), at("c.safetensors"));
    fs::copy(file("dense.pth"), at("pytorch_model.bin")).unwrap();
    assert_eq!(path().unwrap(), at("pytorch_model.bin"));
    let error = WeightSource::from(at("none.pth")).open().unwrap_err();
    assert!(matches!(error, SourceError::Weights(WeightsError::Io { action: "open", .. })), "{error}");
}

#[test]
fn preprocessing_is_what_torchvision_publishes() {
    let fixture = fixture();
    let mut seen = 0;
    for name in registry::list("*") {
        for version in [Version::V1, Version::V2] {
            let published = fixture.entry(&format!("preprocessing.{name}.{version:?}"));
            match (Preprocessing::of(name, version), published) {
                (Ok(ours), Ok(entry)) => {
                    let bicubic = f64::from(u8::from(ours.interpolation == Interpolation::Bicubic));
                    let sizes = [ours.resize as f64, ours.crop as f64, bicubic];
                    assert_eq!(sizes, entry.values[..3], "{name} {version:?}");
                    let scales: Vec<f32> = entry.values[3..].iter().map(|&value| value as f32).collect();
                    assert_eq!([ours.mean, ours.std].concat(), scales, "{name} {version:?}");
                    seen += 1;
                }
                (Err(error), Err(_)) => {
                    assert!(["model", "version"].contains(&error.field.as_str()), "{error}")
                }
                (ours, theirs) => panic!("{name} {version:?}: {ours:?}, {theirs:?}"),
            }
        }
    }
    assert_eq!(seen, 46);
    let error = Preprocessing::of("resnet81", Version::V1).unwrap_err();
    assert!(error.to_string().contains("resnet"), "{error}");
    let made = Preprocessing::of("googlenet", Version::V1).unwrap();
    let images = Tensor::<4>::ones([1, 3, 2, 2], &Device::flex());
    assert_close(&made.normalise(images.clone()), &images, 1e-6, 0.0);
}
