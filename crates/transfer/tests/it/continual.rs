//! What the old task wants, what is kept of it, and what is lost.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Device, FloatDType, Tensor};
use fornax_nn_core::check::{GradCheck, Values, assert_close, fill};
use fornax_transfer::continual::{Ewc, Reservoir, TaskMatrix, fisher};

struct ToF64;

impl ModuleMapper for ToF64 {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.cast(FloatDType::F64).detach().require_grad())
    }
}

const SAMPLES: usize = 3;

fn model(device: &Device) -> Linear {
    fill::fill(LinearConfig::new(3, 4).init(device)).map(&mut ToF64)
}

/// ln p(y|x) for sample i with a weight moved.
fn answers(model: &Linear, i: usize) -> Tensor<1> {
    let device = model.weight.device();
    let x = Tensor::<2>::from_data(fill::data(&format!("x{i}"), &[1, 3]), (&device, DType::F64));
    log_softmax(model.forward(x), 1).squeeze_dim(0)
}

#[test]
fn fisher_information_is_that_of_finite_differences() {
    let device = Device::flex().autodiff();
    let model = model(&device);
    let fisher = fisher(&model, SAMPLES, answers).unwrap();
    let of_weight = fisher.get::<2>(model.weight.id).unwrap().values();
    let of_bias = fisher.get::<1>(model.bias.as_ref().unwrap().id).unwrap().values();

    let eps = 1e-6;
    let moved = |index: usize, by: f64, bias: bool| {
        let mut model = model.clone();
        let nudge = |len: usize| {
            let mut values = vec![0.0; len];
            values[index] = by;
            values
        };
        if bias {
            let by = Tensor::<1>::from_data(nudge(4).as_slice(), (&device, DType::F64));
            model.bias = model.bias.map(|b| b.map(|old| (old + by).detach().require_grad()));
        } else {
            let by = Tensor::<1>::from_data(nudge(12).as_slice(), (&device, DType::F64)).reshape([3, 4]);
            model.weight = model.weight.map(|old| (old + by).detach().require_grad());
        }
        model
    };
    let expected = |index: usize, bias: bool| {
        let (plus, minus) = (moved(index, eps, bias), moved(index, -eps, bias));
        let of_sample = |i: usize| {
            let log_p = answers(&model, i).values();
            let (up, down) = (answers(&plus, i).values(), answers(&minus, i).values());
            (0..4).map(|c| log_p[c].exp() * ((up[c] - down[c]) / (2.0 * eps)).powi(2)).sum::<f64>()
        };
        (0..SAMPLES).map(of_sample).sum::<f64>() / SAMPLES as f64
    };
    assert_close(&of_weight, &(0..12).map(|i| expected(i, false)).collect::<Vec<_>>(), 1e-6, 1e-10);
    assert_close(&of_bias, &(0..4).map(|i| expected(i, true)).collect::<Vec<_>>(), 1e-6, 1e-10);
}

#[test]
fn fisher_information_is_the_curvature_of_the_divergence() {
    // KL(p_θ ‖ p_θ+δ) = ½ δᵀFδ + O(δ³), along one coordinate the diagonal's element.
    let device = Device::flex().autodiff();
    let model = model(&device);
    let fisher = fisher(&model, SAMPLES, answers).unwrap();
    let element = fisher.get::<1>(model.bias.as_ref().unwrap().id).unwrap().values()[2];
    let delta = 1e-3;
    let mut moved = model.clone();
    let by = Tensor::<1>::from_data([0.0, 0.0, delta, 0.0], (&device, DType::F64));
    moved.bias = moved.bias.map(|b| b.map(|old| (old + by).detach().require_grad()));
    let divergence = (0..SAMPLES).map(|i| {
        let (p, q) = (answers(&model, i).values(), answers(&moved, i).values());
        p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum::<f64>()
    });
    let curvature = 2.0 * divergence.sum::<f64>() / SAMPLES as f64 / (delta * delta);
    assert!((curvature / element - 1.0).abs() < 5e-3, "{curvature} against {element}");
}

#[test]
fn the_penalty_is_a_bowl_around_the_old_weights() {
    let device = Device::flex().autodiff();
    let model = model(&device);
    let importance = fisher(&model, SAMPLES, answers).unwrap();
    let expected = importance.get::<2>(model.weight.id).unwrap() * 0.01;
    let ewc = Ewc::new(&model, importance);
    assert_eq!(ewc.penalty(&model).into_scalar::<f64>(), 0.0);

    let mut moved = model.clone();
    moved.weight = moved.weight.map(|old| (old + 0.1).detach().require_grad());
    let half: f64 = expected.sum().into_scalar::<f64>() / 2.0;
    assert!((ewc.penalty(&moved).into_scalar::<f64>() / half - 1.0).abs() < 1e-9);
    let report = GradCheck::new().model(moved, |model| ewc.penalty(model)).unwrap();
    assert_eq!(report.compared, 2);
    assert!(fisher(&model, 0, answers).is_err());
}

#[test]
fn the_penalty_keeps_the_old_task_where_plain_training_loses_it() {
    // Two regressions of one direction each; a weight matters to one task only where its input does.
    let device = Device::flex().autodiff();
    let start: Linear = fill::fill(LinearConfig::new(3, 2).with_bias(false).init(&device));
    let old_x = Tensor::<2>::from_data([[3.0, 0.0, 0.0]], &device);
    let new_x = Tensor::<2>::from_data([[1.0, 1.0, 0.0]], &device);
    let answers = |model: &Linear, _: usize| log_softmax(model.forward(old_x.clone()), 1).squeeze_dim(0);
    let ewc = Ewc::new(&start, fisher(&start, 1, answers).unwrap());
    let old = |model: &Linear| answers(model, 0).values();
    let train = |strength: f64| {
        let (mut model, mut optim) = (start.clone(), SgdConfig::new().init());
        let goal = Tensor::<2>::from_data([[2.0, -2.0]], &device);
        for _ in 0..200 {
            let error = (model.forward(new_x.clone()) - goal.clone()).powi_scalar(2).mean();
            let loss = error + ewc.penalty(&model) * strength;
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            model = optim.step(0.05, model, grads);
        }
        let error: f64 = (model.forward(new_x.clone()) - goal).powi_scalar(2).mean().into_scalar();
        let lost: f64 = old(&model).iter().zip(old(&start)).map(|(a, b)| (a - b).abs()).sum();
        (error, lost)
    };
    let ((plain_error, plain_lost), (error, lost)) = (train(0.0), train(10.0));
    assert!(plain_error < 1e-3 && error < 0.05, "new task: {plain_error}, {error}");
    assert!(lost < 0.2 * plain_lost, "old task: {lost} lost, {plain_lost} without the penalty");
}

#[test]
fn a_reservoir_keeps_every_item_equally_often() {
    let mut counts = [0u32; 50];
    for seed in 0..5_000 {
        let mut reservoir = Reservoir::new(10, seed).unwrap();
        (0..50).for_each(|item| reservoir.push(item));
        assert_eq!(reservoir.items().len(), 10);
        reservoir.items().iter().for_each(|&item: &usize| counts[item] += 1);
    }
    // Binomial with mean 1000 and deviation 28; five of them.
    assert!(counts.iter().all(|&count| count.abs_diff(1_000) < 142), "{counts:?}");
    assert!(Reservoir::<u8>::new(0, 0).is_err());
    let mut few = Reservoir::new(5, 0).unwrap();
    assert!(few.draw(3).is_empty());
    few.push(7);
    assert_eq!(few.draw(3), [&7, &7, &7]);
}

#[test]
fn forgetting_is_the_fall_from_the_best() {
    let mut matrix = TaskMatrix::default();
    assert_eq!((matrix.average_accuracy(), matrix.forgetting()), (0.0, 0.0));
    matrix.push(vec![0.9]);
    assert_eq!(matrix.forgetting(), 0.0);
    matrix.push(vec![0.95, 0.8]);
    matrix.push(vec![0.5, 0.9, 0.7]);
    assert_close(&[matrix.average_accuracy(), matrix.forgetting()], &[0.7, (0.45 - 0.1) / 2.0], 1e-12, 0.0);
}
