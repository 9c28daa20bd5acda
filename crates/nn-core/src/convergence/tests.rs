use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, ModuleOptimizer, SgdConfig};
use burn::tensor::{DType, Device, Tensor, TensorData};

use super::*;
use crate::config::{from_json, to_json};
use crate::landscape::{Landscape, Point};
use crate::noise::Normal;

/// Moves a point for `steps` steps and judges it.
fn descend(
    landscape: Landscape,
    start: [f64; 2],
    mut optim: ModuleOptimizer,
    lr: f64,
    steps: usize,
) -> State {
    let mut point = Point::new(start, &Device::flex().autodiff());
    let mut detector = DetectorConfig::new().init().unwrap();
    for _ in 0..steps {
        let (loss, gradients) = gradients(landscape.loss(point.position.val()), &point).unwrap();
        detector.push(f64::from(loss));
        point = optim.step(lr, point, gradients);
    }
    detector.judge(&point, |point| landscape.loss(point.position.val())).unwrap()
}

fn sgd() -> ModuleOptimizer {
    SgdConfig::new().init()
}

#[test]
fn every_landscape_with_a_reachable_minimum_converges() {
    let cases = [
        (Landscape::Bowl, 0.1, 400),
        (Landscape::Ravine, 0.015, 1500),
        (Landscape::Himmelblau, 0.01, 600),
        (Landscape::Rastrigin, 0.001, 800),
    ];
    for (landscape, lr, steps) in cases {
        let state = descend(landscape, landscape.start(), sgd(), lr, steps);
        assert_eq!(state.name(), "converged", "{landscape}: {state}");
    }
    for (landscape, lr, steps) in [(Landscape::Rosenbrock, 0.005, 5000), (Landscape::Beale, 0.01, 6000)] {
        let state = descend(landscape, landscape.start(), AdamConfig::new().init(), lr, steps);
        assert_eq!(state.name(), "converged", "{landscape}: {state}");
    }
    let state = descend(Landscape::Saddle, Landscape::Saddle.start(), sgd(), 0.1, 600);
    assert_eq!(state.name(), "converged", "off the ridge: {state}");
}

#[test]
fn on_the_ridge_descent_ends_on_the_saddle() {
    let state = descend(Landscape::Saddle, [1.5, 0.0], sgd(), 0.1, 300);
    let State::Saddle { curvature, gradient_norm, .. } = state else { panic!("{state}") };
    assert!((curvature.smallest + 1.0).abs() < 1e-2 && (curvature.largest - 1.0).abs() < 1e-2);
    assert!(gradient_norm < 1e-5);
}

#[test]
fn far_from_the_pit_there_is_a_plateau() {
    let state = descend(Landscape::Plateau, [3.5, 3.0], sgd(), 0.1, 200);
    assert_eq!(state.name(), "plateau", "{state}");
}

#[test]
fn a_step_beyond_two_over_the_curvature_diverges() {
    let state = descend(Landscape::Ravine, [1.0, 0.01], sgd(), 0.0205, 150);
    assert_eq!(state.name(), "diverging", "{state}");
}

#[test]
fn a_run_under_way_is_never_called_done() {
    // Early, and along the valley floor where the gradient is small and the loss falls slowly.
    for (landscape, lr, steps) in [
        (Landscape::Bowl, 0.001, 200),
        (Landscape::Ravine, 0.001, 300),
        (Landscape::Rosenbrock, 0.001, 200),
        (Landscape::Rosenbrock, 0.001, 2000),
        (Landscape::Beale, 0.001, 300),
    ] {
        let state = descend(landscape, landscape.start(), sgd(), lr, steps);
        assert!(matches!(state, State::StillMoving(_)), "{landscape} after {steps}: {state}");
    }
    let state = descend(Landscape::Bowl, [1.0, 1.0], sgd(), 0.1, 20);
    assert_eq!(state, State::StillMoving(Motion::TooEarly { seen: 20, needed: 100 }));
}

#[test]
fn bouncing_between_walls_is_not_arriving() {
    // lr = 2/λ: y changes sign each step and the loss does not move.
    let state = descend(Landscape::Ravine, [0.0, 0.5], sgd(), 0.02, 200);
    assert!(matches!(state, State::StillMoving(Motion::Sloping { .. })), "{state}");
}

#[test]
fn the_floor_settles_what_curvature_cannot() {
    // The sum of x⁴: no curvature at the minimum.
    let point = Point::new([0.005, 0.0], &Device::flex().autodiff());
    let quartic = |point: &Point| point.position.val().powi_scalar(4).sum();
    let judge = |config: DetectorConfig| {
        let mut detector = config.init().unwrap();
        detector.push(1.0);
        (0..200).for_each(|_| detector.push(6e-10));
        detector.judge(&point, quartic).unwrap()
    };
    assert_eq!(judge(DetectorConfig::new()).name(), "plateau");
    let state = judge(DetectorConfig::new().with_floor(Some(0.0)));
    assert!(matches!(state, State::Converged { curvature: None, .. }), "{state}");
}

/// f = a·b·x from a chain of two one-unit layers.
#[derive(Module, Debug)]
struct Chain {
    a: Param<Tensor<1>>,
    b: Param<Tensor<1>>,
}

#[test]
fn weights_of_zero_are_a_saddle_of_a_deep_linear_network() {
    // (ab − 1)² at a = b = 0: ∇ = 0, Hessian [[0, −2], [−2, 0]], λ = ±2.
    let device = Device::flex().autodiff();
    let model = Chain { a: Param::from_data([0.0], &device), b: Param::from_data([0.0], &device) };
    let mut detector = DetectorConfig::new().init().unwrap();
    (0..100).for_each(|_| detector.push(1.0));
    let state = detector.judge(&model, |m| (m.a.val() * m.b.val() - 1.0).square()).unwrap();
    let State::Saddle { curvature, .. } = state else { panic!("{state}") };
    assert!((curvature.smallest + 2.0).abs() < 1e-2 && (curvature.largest - 2.0).abs() < 1e-2);
}

#[test]
fn a_small_network_that_fits_its_data_converges() {
    // Overdetermined least squares: one minimum, above zero.
    let device = Device::flex().autodiff();
    let mut model = LinearConfig::new(3, 1).init(&device);
    let tensor = |seed, columns: usize| -> Tensor<2> {
        Tensor::from_data(TensorData::new(Normal::new(seed).vector(20 * columns), [20, columns]), &device)
    };
    let (x, y) = (tensor(1, 3), tensor(2, 1));
    let loss = |model: &Linear| (model.forward(x.clone()) - y.clone()).square().mean();
    let mut optim = AdamConfig::new().init();
    let mut detector = DetectorConfig::new().init().unwrap();
    for _ in 0..800 {
        let (value, gradients) = gradients(loss(&model), &model).unwrap();
        detector.push(f64::from(value));
        model = optim.step(0.02, model, gradients);
    }
    let state = detector.judge(&model, loss).unwrap();
    let State::Converged { curvature: Some(curvature), .. } = state else { panic!("{state}") };
    assert!(curvature.smallest > 0.0, "{state}");
}

/// A detector that has seen `n` losses of the given mean with noise.
fn noisy(n: usize, seed: u64, deviation: f64, mean: impl Fn(f64) -> f64) -> Trend {
    let mut detector = DetectorConfig::new().init().unwrap();
    for (i, noise) in Normal::new(seed).take(n).enumerate() {
        detector.push(mean(i as f64 / n as f64) + deviation * noise);
    }
    detector.trend()
}

#[test]
fn noise_around_a_level_is_flat_for_all_but_a_few_seeds() {
    let wrong = (0..500).filter(|&seed| !matches!(noisy(150, seed, 0.2, |_| 2.0), Trend::Flat(_))).count();
    // Four standard errors: 6 in 100,000 for a normal slope, a little more for 98 degrees of freedom.
    assert!(wrong <= 1, "{wrong} of 500");
}

#[test]
fn a_fall_and_a_rise_are_seen_through_noise() {
    for seed in 0..50 {
        assert!(matches!(noisy(100, seed, 0.1, |t| 2.0 - t), Trend::Falling(_)), "seed {seed}");
        assert!(matches!(noisy(100, seed, 0.1, |t| 2.0 + t), Trend::Rising(_)), "seed {seed}");
    }
}

#[test]
fn a_loss_that_is_no_number_diverges() {
    let mut detector = DetectorConfig::new().init().unwrap();
    detector.push(1.0);
    detector.push(f64::NAN);
    assert_eq!(detector.trend(), Trend::NotFinite);
    let point = Point::new([0.0, 0.0], &Device::flex().autodiff());
    let state = detector.judge(&point, |p| Landscape::Bowl.loss(p.position.val())).unwrap();
    assert_eq!(state, State::Diverging { change: None });
}

#[test]
fn the_spectrum_of_every_landscape_is_found() {
    let device = Device::flex().autodiff();
    for landscape in Landscape::ALL {
        for (at, double) in
            [(landscape.start(), true), (landscape.minima()[0], true), (landscape.start(), false)]
        {
            let [[a, b], [_, d]] = landscape.hessian(at);
            let (mean, root) = (f64::midpoint(a, d), (0.25 * (a - d).powi(2) + b * b).sqrt());
            let point = if double { Point::double(at, &device) } else { Point::new(at, &device) };
            let found = curvature(&point, 5, 1, |p| landscape.loss(p.position.val())).unwrap();
            let tolerance = if double { 1e-5 } else { 1e-2 } * (1.0 + mean.abs() + root);
            assert!((found.smallest - (mean - root)).abs() < tolerance, "{landscape} {found:?}");
            assert!((found.largest - (mean + root)).abs() < tolerance, "{landscape} {found:?}");
            assert!(found.resolution < tolerance, "{landscape} {found:?}");
        }
    }
}

#[test]
fn the_ends_of_a_wide_spectrum_are_found_in_few_products() {
    // ½·Σ λ_i·w_i² with λ from −10 to 89 and one outlier of 300.
    let device = Device::flex().autodiff();
    let mut lambda: Vec<f64> = (0..100).map(|i| f64::from(i) - 10.0).collect();
    lambda[50] = 300.0;
    let lambda = Tensor::<2>::from_data(TensorData::new(lambda, [100, 1]), (&device, DType::F32));
    let model = LinearConfig::new(100, 1).with_bias(false).init(&device);
    let loss = |m: &Linear| (m.weight.val().square() * lambda.clone()).sum().mul_scalar(0.5);
    let found = curvature(&model, 20, 3, loss).unwrap();
    assert!((found.largest - 300.0).abs() < 1.0, "{found:?}");
    assert!((-10.0 - 0.1..-8.0).contains(&found.smallest), "{found:?}");
    assert_eq!(found.iterations, 20);
}

#[test]
fn judging_leaves_running_statistics_alone() {
    #[derive(Module, Debug)]
    struct Normed {
        linear: Linear,
        norm: BatchNorm,
    }
    let device = Device::flex().autodiff();
    let model =
        Normed { linear: LinearConfig::new(2, 2).init(&device), norm: BatchNormConfig::new(2).init(&device) };
    let x: Tensor<2> = Tensor::from_data(TensorData::new(Normal::new(4).vector(16), [8, 2]), &device);
    let before = model.norm.running_mean.value().into_data();
    curvature(&model, 3, 0, |m| m.norm.forward(m.linear.forward(x.clone())).square().mean()).unwrap();
    assert_eq!(model.norm.running_mean.value_sync().into_data(), before);
}

#[test]
fn states_survive_json_and_bad_settings_are_named() {
    let state = descend(Landscape::Saddle, [1.5, 0.0], sgd(), 0.1, 300);
    assert_eq!(from_json::<State>(&to_json(&state).unwrap()).unwrap(), state);
    let bad = [
        ("window", DetectorConfig::new().with_window(3)),
        ("iterations", DetectorConfig::new().with_iterations(0)),
        ("tolerance", DetectorConfig::new().with_tolerance(0.0)),
        ("saddle_ratio", DetectorConfig::new().with_saddle_ratio(f64::NAN)),
        ("floor", DetectorConfig::new().with_floor(Some(f64::INFINITY))),
    ];
    for (field, config) in bad {
        assert_eq!(config.init().unwrap_err().field, field);
    }
}
