//! Features, what is fitted to them, and files of them.

use burn::module::Module;
use burn::tensor::Device;
use fornax_cnn::{Backbone, Options, create};
use fornax_nn_core::check::{assert_close, compare, fill};
use fornax_transfer::features::{Features, vectors};
use fornax_transfer::neighbors::{Metric, NeighborsConfig};
use fornax_transfer::probe::ProbeConfig;

use crate::pretrained::fixture;

#[test]
fn features_are_the_mean_of_the_coarsest_map_in_inference() {
    let device = Device::flex();
    let options = Options::new(3).with_width(0.0625).with_small_images(true);
    let learning = fill::fill(create("resnet18", &options, &device.clone().autodiff()).unwrap());
    let images = fill::input("images", [4, 3, 16, 16], &device);
    let map = learning.valid().forward_features(images.clone()).pop().unwrap();
    let [batch, channels, height, width] = map.dims();
    let mean = map.sum_dim(3).sum_dim(2).reshape([batch, channels]) / (height * width) as f64;
    assert_close(&vectors(&learning.valid(), images.clone()), &mean, 1e-5, 1e-7);

    // However they are put into batches.
    let parts = [(images.clone().narrow(0, 0, 3), vec![0, 1, 2]), (images.narrow(0, 3, 1), vec![0])];
    let features = Features::extract(&learning, parts);
    assert_eq!((features.len(), features.width(), features.num_classes()), (4, 32, 3));
    let flat: Vec<f32> = mean.into_data().iter::<f32>().collect();
    compare(features.values(), &flat[..], 1e-5, 1e-7).unwrap();
    assert_eq!(features.row(3), &features.values()[96..]);
}

#[test]
fn saved_features_are_numpys() {
    let features = Features::new(2, vec![1.5, -2.0, 0.0, 3.0, 4.0, 5.0], vec![2, 0, 1]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    features.save(folder.path().join("new/folder")).unwrap();
    let read = |name: &str| std::fs::read(folder.path().join("new/folder").join(name)).unwrap();
    let split = |bytes: Vec<u8>| {
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + header) % 64, 0);
        (String::from_utf8(bytes[10..10 + header].to_vec()).unwrap(), bytes[10 + header..].to_vec())
    };
    let (header, values) = split(read("features.npy"));
    assert_eq!(header.trim_end(), "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }");
    assert!(header.ends_with('\n'));
    let values: Vec<f32> = values.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    assert_eq!(values, features.values());
    let (header, labels) = split(read("labels.npy"));
    assert_eq!(header.trim_end(), "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }");
    assert_eq!(labels, [2_i64, 0, 1].iter().flat_map(|label| label.to_le_bytes()).collect::<Vec<_>>());

    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    assert_eq!(features.save(&blocked).unwrap_err().path, blocked);
    assert_eq!(Features::new(2, vec![0.0; 3], vec![0]).unwrap_err().field, "width");
    assert_eq!(Features::new(0, vec![], vec![]).unwrap_err().field, "width");
    assert_eq!(Features::new(1, vec![0.0; 3], vec![0]).unwrap_err().field, "labels");
}

#[test]
fn the_probe_is_the_one_solution() {
    let data: Vec<f32> = fill::data("rows", &[60, 6]).iter::<f32>().collect();
    let labels: Vec<usize> = fill::classes("labels", 60, 3).into_iter().map(|label| label as usize).collect();
    let shifted = data.iter().enumerate().map(|(i, &x)| if labels[i / 6] == i % 6 % 3 { x + 0.5 } else { x });
    let known = Features::new(6, shifted.collect(), labels).unwrap();
    let probe = ProbeConfig::new().with_c(0.5).with_standardise(false).fit(&known).unwrap();
    let expected = fixture().entry("probe.weight").unwrap().clone();
    compare(&probe.weights().concat(), &expected.values, 0.0, 1e-4).unwrap();
    // A half of the classes would be a third by chance.
    assert!(probe.accuracy(&known).unwrap() > 0.5);

    // Standardised, a feature's unit does not matter, and one that never changes does no harm.
    let scaled = |factor: f32| {
        let rows = (0..known.len()).flat_map(|i| {
            let mut row = known.row(i).to_vec();
            row[0] *= factor;
            row.push(7.0);
            row
        });
        let features = Features::new(7, rows.collect(), known.labels().to_vec()).unwrap();
        ProbeConfig::new().fit(&features).unwrap().logits(&features).unwrap()
    };
    compare(&scaled(1.0), &scaled(1000.0), 0.0, 1e-3).unwrap();

    let one = Features::new(1, vec![0.0; 3], vec![0; 3]).unwrap();
    assert_eq!(ProbeConfig::new().fit(&one).unwrap_err().field, "known");
    let bad = Features::new(1, vec![f32::NAN, 0.0], vec![0, 1]).unwrap();
    assert_eq!(ProbeConfig::new().fit(&bad).unwrap_err().field, "known");
    assert_eq!(ProbeConfig::new().with_c(0.0).fit(&known).unwrap_err().field, "c");
    assert_eq!(probe.classify(&one).unwrap_err().field, "width");
}

#[test]
fn neighbours_vote() {
    // On a line: zeros around 1, ones around 3, and one of class 2 beside the zeros.
    let known = Features::new(1, vec![0.9, 1.0, 1.1, 3.0, 3.2, 1.05], vec![0, 0, 0, 1, 1, 2]).unwrap();
    let classes = |k: usize, metric: Metric, at: &[f32]| {
        let neighbours = NeighborsConfig::new().with_k(k).with_metric(metric).init(known.clone()).unwrap();
        neighbours.classify(&Features::new(1, at.to_vec(), vec![0; at.len()]).unwrap()).unwrap()
    };
    assert_eq!(classes(1, Metric::Euclidean, &[1.04, 2.9, 0.0]), [2, 1, 0]);
    assert_eq!(classes(3, Metric::Euclidean, &[1.04, 2.9]), [0, 1]);
    // All numbers above zero have one direction: as near as each other, so the first are taken.
    assert_eq!(classes(2, Metric::Cosine, &[5.0, 3.1]), [0, 0]);

    // Two dimensions: one near vote outweighs two far ones under a small temperature, and does not under a large.
    let known = Features::new(2, vec![1.0, 0.0, 0.0, 1.0, 0.1, 1.0], vec![0, 1, 1]).unwrap();
    let asked = Features::new(2, vec![1.0, 0.3], vec![0]).unwrap();
    let accuracy = |temperature: f64| {
        let config = NeighborsConfig::new().with_k(3).with_temperature(temperature);
        config.init(known.clone()).unwrap().accuracy(&asked).unwrap()
    };
    assert_eq!((accuracy(0.07), accuracy(100.0)), (1.0, 0.0));
    let field = |config: NeighborsConfig| config.init(known.clone()).unwrap_err().field;
    assert_eq!(field(NeighborsConfig::new().with_k(4)), "known");
    assert_eq!(field(NeighborsConfig::new().with_k(0)), "k");
    assert_eq!(field(NeighborsConfig::new().with_temperature(0.0)), "temperature");
    let empty = NeighborsConfig::new().with_k(1).init(known).unwrap();
    assert!(empty.accuracy(&Features::default()).unwrap().is_nan());
}
