//! Episodes and prototypes.

use burn::nn::{Linear, LinearConfig};
use burn::optim::AdamConfig;
use burn::tensor::{DType, Device, Tensor};
use fornax_nn_core::check::{GradCheck, assert_close, fill};
use fornax_transfer::few_shot::{self, Batch, EpisodeConfig, Interval, logits, prototypes};

use crate::support_adaptation::data;

fn labels() -> Vec<usize> {
    (0..80).map(|i| i % 8).collect()
}

#[test]
fn an_episode_has_what_was_asked_for_and_nothing_twice() {
    let config = EpisodeConfig::new(3, 2).with_queries(4);
    let (labels, classes) = (labels(), [1, 3, 5, 7]);
    for index in 0..50 {
        let episode = config.draw(&labels, &classes, 7, index).unwrap();
        assert_eq!((episode.support.len(), episode.queries.len()), (6, 12));
        assert!(episode.classes.iter().all(|class| classes.contains(class)));
        for (i, &sample) in episode.support.iter().enumerate() {
            assert_eq!(labels[sample], episode.classes[i / 2]);
        }
        for (&sample, &target) in episode.queries.iter().zip(&episode.targets) {
            assert_eq!(labels[sample], episode.classes[target]);
        }
        let mut all = [episode.support.clone(), episode.queries.clone()].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 18);
        assert_eq!(episode, config.draw(&labels, &classes, 7, index).unwrap());
    }
    assert_ne!(config.draw(&labels, &classes, 7, 0).unwrap(), config.draw(&labels, &classes, 7, 1).unwrap());
}

#[test]
fn every_class_and_sample_is_drawn_equally_often() {
    let config = EpisodeConfig::new(1, 1).with_queries(1);
    let labels = labels();
    let mut counts = [0u32; 80];
    for index in 0..16_000 {
        counts[config.draw(&labels, &[0, 1, 2, 3, 4, 5, 6, 7], 0, index).unwrap().support[0]] += 1;
    }
    // Binomial with mean 200 and deviation 14; five of them.
    assert!(counts.iter().all(|&count| count.abs_diff(200) < 71), "{counts:?}");
}

#[test]
fn what_cannot_be_drawn_says_why() {
    let labels = labels();
    let draw = |ways, shots, classes: &[usize]| {
        EpisodeConfig::new(ways, shots).with_queries(4).draw(&labels, classes, 0, 0).unwrap_err().to_string()
    };
    assert_eq!(draw(3, 1, &[0, 1]), "ways: 3 of 2 classes cannot be drawn");
    assert_eq!(draw(1, 7, &[2]), "shots: class 2 has 10 examples, needed are 11");
    assert_eq!(draw(1, 0, &[2]), "shots: must be at least 1, got 0");
}

#[test]
fn prototypes_are_means_and_the_classifier_is_linear() {
    let support = data::<2>("support", [6, 4]);
    let means = prototypes(support.clone(), 2);
    let first = support.narrow(0, 0, 3).mean_dim(0);
    assert_close(&means.clone().narrow(0, 0, 1), &first, 1e-12, 0.0);

    // −‖x − c‖² = 2c·x − ‖c‖² − ‖x‖²
    let queries = data::<2>("queries", [5, 4]);
    let linear = queries.clone().matmul(means.clone().transpose()) * 2.0
        - (means.clone() * means.clone()).sum_dim(1).transpose()
        - (queries.clone() * queries.clone()).sum_dim(1);
    assert_close(&logits(queries, means), &linear, 1e-12, 1e-12);
}

#[test]
fn the_loss_has_its_gradient_and_learning_lowers_it() {
    let device = Device::flex().autodiff();
    let model: Linear = fill::fill(LinearConfig::new(5, 3).with_bias(false).init(&device));
    let batch = |dtype| {
        let tensor = |name, rows| Tensor::<2>::from_data(fill::data(name, &[rows, 5]), (&device, dtype));
        let (support, queries) = (tensor("support", 6), tensor("queries", 9));
        let targets = fill::targets("targets", [9], 3, &device);
        Batch { support, queries, targets, ways: 3 }
    };
    let loss = |model: &Linear, batch: &Batch<2>| {
        let logits = batch.logits(|x| model.forward(x));
        fornax_cnn::classification::loss(logits, batch.targets.clone())
    };
    let double = batch(DType::F64);
    assert_eq!(GradCheck::new().model(model.clone(), |model| loss(model, &double)).unwrap().compared, 1);

    let (single, mut trained, mut optim) = (batch(DType::F32), model, AdamConfig::new().init());
    let mut losses = Vec::new();
    for _ in 0..50 {
        let loss;
        (trained, loss) =
            few_shot::train_step(trained, &mut optim, 0.03, &single, |model, x| model.forward(x)).unwrap();
        losses.push(loss);
    }
    assert!(losses[49] < 0.9 * losses[0], "{} to {}", losses[0], losses[49]);
}

#[test]
fn the_interval_holds_the_mean_as_often_as_it_says() {
    assert_eq!(Interval::of(&[0.5]), None);
    let known = Interval::of(&[0.0, 1.0, 0.0, 1.0]).unwrap();
    assert_close(&[known.mean, known.half_width], &[0.5, 1.96 * (1.0f64 / 3.0 / 4.0).sqrt()], 1e-12, 0.0);
    // 2,000 sets of 100 uniform numbers: binomial with p = 0.95, deviation 0.005; four of them.
    let values = fill::data("uniform", &[200_000]).iter::<f64>().collect::<Vec<_>>();
    let held = values.chunks(100).filter(|set| {
        let interval = Interval::of(set).unwrap();
        interval.mean.abs() < interval.half_width
    });
    let share = held.count() as f64 / 2_000.0;
    assert!((share - 0.95).abs() < 0.02, "{share}");
}
