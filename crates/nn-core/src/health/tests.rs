use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor, TensorData};

use super::*;
use crate::config::{from_json, to_json};
use crate::gradient::gradients;
use crate::noise::Normal;

/// Linear layers of one width, one activation between them.
#[derive(Module, Debug)]
struct Deep {
    layers: Vec<Linear>,
    squash: bool,
}

impl Deep {
    /// Weights of variance `gain`²/n, no biases.
    fn new(depth: usize, width: usize, gain: f64, squash: bool, seed: u64) -> Self {
        let device = Device::flex().autodiff();
        let mut normal = Normal::new(seed);
        let mut layer = || {
            let deviation = gain / (width as f64).sqrt();
            let weight: Vec<f32> =
                normal.by_ref().take(width * width).map(|x| (deviation * x) as f32).collect();
            Linear { weight: Param::from_data(TensorData::new(weight, [width, width]), &device), bias: None }
        };
        Self { layers: (0..depth).map(|_| layer()).collect(), squash }
    }

    /// Output, and the pre-activation of every hidden layer.
    fn forward(&self, mut x: Tensor<2>) -> (Tensor<2>, Vec<Tensor<2>>) {
        let mut hidden = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x);
            if i + 1 < self.layers.len() {
                hidden.push(x.clone());
                x = if self.squash { sigmoid(x) } else { relu(x) };
            }
        }
        (x, hidden)
    }
}

fn noise(rows: usize, columns: usize, seed: u64) -> Tensor<2> {
    let data: Vec<f32> = Normal::new(seed).map(|x| x as f32).take(rows * columns).collect();
    Tensor::from_data(TensorData::new(data, [rows, columns]), &Device::flex().autodiff())
}

/// Learns y = the first coordinates' signs for `steps` steps; stops at the first error.
fn train(
    mut model: Deep,
    mut optim: ModuleOptimizer,
    lr: f64,
    steps: usize,
    config: &HealthConfig,
) -> Monitor {
    let width = model.layers[0].weight.dims()[0];
    let range = if model.squash { LiveRange::SIGMOID } else { LiveRange::RELU };
    let mut monitor = config.init().unwrap();
    for step in 0..steps {
        let x = noise(32, width, step as u64 % 8);
        let y = x.clone().sign();
        let (output, hidden) = model.forward(x);
        for (i, z) in hidden.iter().enumerate() {
            monitor.units(step, &format!("layers.{i}"), z, 1, range);
        }
        let loss = (output - y).square().mean();
        match gradients(loss, &model) {
            Ok((loss, gradients)) => {
                monitor.before(step, loss, &model, &gradients);
                model = optim.step(lr, model, gradients);
                monitor.after(&model);
            }
            Err(error) => {
                monitor.failed(step, &error);
                break;
            }
        }
    }
    monitor
}

fn every(n: usize) -> HealthConfig {
    HealthConfig::new().with_every(n)
}

#[test]
fn norms_of_a_known_step() {
    let device = Device::flex().autodiff();
    let weight = Param::from_data([[3.0], [4.0]], &device);
    let mut model = Linear { weight, bias: Some(Param::from_data([0.0], &device)) };
    let mut monitor = every(1).init().unwrap();
    // loss = w·(2, 1) + b: gradients (2, 1) and 1.
    let loss = model.forward(Tensor::<2>::from_data([[2.0, 1.0]], &device)).sum();
    let (loss, gradients) = gradients(loss, &model).unwrap();
    monitor.before(0, loss, &model, &gradients);
    model = SgdConfig::new().init().step(0.1, model, gradients);
    monitor.after(&model);

    let history = monitor.history();
    let paths: Vec<&str> = history.parameters().iter().map(|p| p.path.as_str()).collect();
    assert_eq!(paths, ["weight", "bias"]);
    let sample = &history.samples()[0];
    assert_eq!((sample.step, sample.loss), (0, 10.0));
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    let weight = sample.norms[0].unwrap();
    close(weight.gradient, 5f64.sqrt());
    close(weight.weight, 5.0);
    close(weight.update, 0.1 * 5f64.sqrt());
    let bias = sample.norms[1].unwrap();
    close(bias.gradient, 1.0);
    close(bias.weight, 0.0);
    close(bias.update, 0.1);
}

#[test]
fn a_deep_sigmoid_network_vanishes() {
    let model = Deep::new(20, 16, 1.0, true, 1);
    let monitor = train(model, SgdConfig::new().init(), 0.1, 60, &every(5));
    let verdict = monitor.verdict();
    assert_eq!(verdict.name(), "vanishing", "{verdict}");
    let Some(Flag::LowLayersStarved { low, high, ratio, per_layer }) = verdict.flags().first() else {
        panic!("{verdict}");
    };
    assert_eq!((low.layer.as_str(), high.layer.as_str()), ("layers.0", "layers.19"));
    assert!(*ratio < 1e-6 && *per_layer < 0.5, "{verdict}");
    assert!(low.relative_update < 1e-9 * high.relative_update, "{verdict}");
    assert!(verdict.remedies().iter().any(|remedy| remedy.contains("ReLU")));
}

#[test]
fn adam_does_not_hide_that_the_gradient_vanishes() {
    let model = Deep::new(20, 16, 1.0, true, 1);
    let monitor = train(model, AdamConfig::new().init(), 1e-3, 60, &every(5));
    assert_eq!(monitor.verdict().name(), "vanishing", "{}", monitor.verdict());
}

#[test]
fn the_same_depth_with_relu_and_he_initialisation_is_healthy() {
    for seed in 0..5 {
        let model = Deep::new(20, 16, 2f64.sqrt(), false, seed);
        let monitor = train(model, AdamConfig::new().init(), 1e-3, 100, &every(5));
        assert_eq!(monitor.verdict(), Verdict::Healthy, "seed {seed}: {}", monitor.verdict());
    }
}

#[test]
fn shallow_networks_are_healthy_with_either_activation() {
    for squash in [false, true] {
        let gain = if squash { 1.0 } else { 2f64.sqrt() };
        let model = Deep::new(3, 16, gain, squash, 3);
        let monitor = train(model, SgdConfig::new().init(), 0.1, 200, &every(5));
        assert_eq!(monitor.verdict(), Verdict::Healthy, "{}", monitor.verdict());
    }
}

#[test]
fn a_badly_initialised_network_explodes() {
    let model = Deep::new(20, 16, 8.0, false, 1);
    let monitor = train(model, SgdConfig::new().init(), 0.1, 60, &every(1));
    let verdict = monitor.verdict();
    assert_eq!(verdict.name(), "exploding", "{verdict}");
    assert!(matches!(verdict.flags()[0], Flag::NotFinite { .. }), "{verdict}");
    assert!(matches!(verdict.causes(), [Cause::LargeFirstGradient { .. }]), "{verdict}");
}

#[test]
fn a_step_beyond_two_over_the_curvature_grows_the_weights_exponentially() {
    // loss = ½·w², so w ← (1 − lr)·w: with lr = 2.2 it multiplies by −1.2 each step.
    let device = Device::flex().autodiff();
    let mut model = LinearConfig::new(1, 1).with_bias(false).init(&device);
    model.weight = model.weight.map(|w| (w * 0.0 + 0.5).detach().require_grad());
    let mut optim = SgdConfig::new().init();
    let mut monitor = every(1).init().unwrap();
    for step in 0..40 {
        let loss = model.forward(Tensor::<2>::ones([1, 1], &device)).square().sum().mul_scalar(0.5);
        let (loss, gradients) = gradients(loss, &model).unwrap();
        monitor.before(step, loss, &model, &gradients);
        model = optim.step(2.2, model, gradients);
        monitor.after(&model);
    }
    let verdict = monitor.verdict();
    let growth = verdict.flags().iter().find_map(|flag| match flag {
        Flag::ExponentialGrowth { rate, fit, .. } => Some((*rate, *fit)),
        _ => None,
    });
    let (rate, fit) = growth.unwrap_or_else(|| panic!("{verdict}"));
    assert!((rate - 1.2f64.ln()).abs() < 1e-4 && fit > 0.9999, "rate {rate}, fit {fit}");
}

/// A run of three layers with the given losses and per-layer (gradient, weight) norms.
fn synthetic(n: usize, loss: impl Fn(usize) -> f64, norms: impl Fn(usize, usize) -> (f64, f64)) -> History {
    let mut history = History::default();
    for layer in 0..3 {
        history.slot(Parameter { path: format!("{layer}.weight"), elements: 4, rank: 2 });
    }
    for i in 0..n {
        let norms = (0..3)
            .map(|layer| {
                let (gradient, weight) = norms(i, layer);
                Some(Norms { gradient, weight, update: 1e-3 * gradient })
            })
            .collect();
        let loss = loss(i);
        history.push(Sample { step: 10 * i, loss, highest_loss: loss, norms, units: Vec::new() });
    }
    history
}

fn judge(history: &History) -> Verdict {
    history.verdict(&HealthConfig::new())
}

#[test]
fn weights_that_fade_away_are_named() {
    let history = synthetic(
        50,
        |i| 1.0 / (1.0 + i as f64),
        |i, layer| (0.1, if layer == 1 { (-(i as f64) / 10.0).exp() } else { 1.0 }),
    );
    let Verdict::Vanishing { flags, .. } = judge(&history) else { panic!("{}", judge(&history)) };
    assert!(
        matches!(&flags[..], [Flag::WeightsReachZero { layer, steps: 490, .. }] if layer == "1"),
        "{flags:?}"
    );
}

#[test]
fn a_flat_loss_is_stalled_only_if_the_gradient_fades_on_the_way_down() {
    let flat = |i: usize| 2.303 + 0.05 * (-(i as f64)).exp();
    let fading = synthetic(40, flat, |_, layer| ([0.001, 0.01, 0.1][layer], 1.0));
    assert!(
        matches!(judge(&fading).flags(), [Flag::Stalled { total, .. }] if *total < 0.1),
        "{}",
        judge(&fading)
    );
    let even = synthetic(40, flat, |_, _| (0.1, 1.0));
    assert_eq!(judge(&even), Verdict::Healthy);
    let dead = synthetic(40, flat, |_, _| (0.0, 1.0));
    assert!(matches!(judge(&dead).flags(), [Flag::Stalled { .. }]), "{}", judge(&dead));
    // A run that has learned and then converged is not stalled.
    let learned = synthetic(40, |i| 0.02 + (-(i as f64)).exp(), |_, layer| ([0.001, 0.01, 0.1][layer], 1.0));
    assert_eq!(judge(&learned), Verdict::Healthy);
}

#[test]
fn a_gradient_that_fades_through_time_is_told_from_one_that_lasts() {
    let device = Device::flex().autodiff();
    let model = LinearConfig::new(1, 1).init(&device);
    let looked = |kept: &dyn Fn(usize) -> f64| {
        let mut monitor = every(1).init().unwrap();
        for step in 0..40 {
            monitor.before(step, 0.9_f32.powi(step as i32), &model, &GradientsParams::new());
            monitor.after(&model);
            let kept = kept(step);
            monitor.through_time(step, &(0..100).map(|lag| 3.0 * kept.powi(lag)).collect::<Vec<_>>());
        }
        assert_eq!(monitor.history().reaches().len(), 20, "the window");
        let text = to_json(monitor.history()).unwrap();
        assert_eq!(&from_json::<History>(&text).unwrap(), monitor.history());
        monitor.verdict()
    };
    let verdict = looked(&|_| 0.6);
    let [Flag::FadesThroughTime { lags: 100, near, far, ratio, per_step }] = verdict.flags() else {
        panic!("{verdict}")
    };
    // 3 · Σ 0.6ᵏ / 33 over 33 lags, once from lag 0 and once from lag 67.
    let mean = 3.0 * (1.0 - 0.6_f64.powi(33)) / (0.4 * 33.0);
    assert!((near / mean - 1.0).abs() < 1e-9, "{near:e}");
    assert!((far / (mean * 0.6_f64.powi(67)) - 1.0).abs() < 1e-9, "{far:e}");
    assert!((ratio * near / far - 1.0).abs() < 1e-9 && (per_step - 0.6).abs() < 1e-9, "{ratio} {per_step}");
    assert_eq!(verdict.name(), "vanishing");
    assert!(verdict.to_string().contains("0.60 per step"), "{verdict}");
    assert!(verdict.remedies()[0].contains("LSTM"));
    assert_eq!(looked(&|_| 0.95).name(), "healthy");
    // What faded at first and does so no longer is healthy: only the latest looks count.
    assert_eq!(looked(&|step| if step < 25 { 0.6 } else { 0.99 }).name(), "healthy");
    assert_eq!(looked(&|_| 0.0).name(), "vanishing");
}

#[test]
fn an_avalanche_is_told_from_a_spike() {
    let even = |_: usize, _: usize| (0.1, 1.0);
    let avalanche = synthetic(40, |i| if i < 30 { 1.0 } else { 50.0 }, even);
    let verdict = judge(&avalanche);
    assert!(matches!(verdict.flags(), [Flag::Avalanche { what: Rising::Loss, step: 300, .. }]), "{verdict}");
    assert_eq!(judge(&synthetic(40, |i| if i == 30 { 50.0 } else { 1.0 }, even)), Verdict::Healthy);
    // Far below where it started, a loss may multiply without harm.
    assert_eq!(
        judge(&synthetic(40, |i| if i < 30 { (-(i as f64)).exp() } else { 0.02 }, even)),
        Verdict::Healthy
    );

    let gradient = synthetic(40, |_| 1.0, |i, _| (if i < 30 { 0.1 } else { 40.0 }, 1.0));
    assert!(
        matches!(judge(&gradient).flags(), [Flag::Avalanche { what: Rising::Gradient, .. }]),
        "{}",
        judge(&gradient)
    );
}

#[test]
fn growth_is_called_exponential_only_if_it_is() {
    let grows = |weight: fn(f64) -> f64| synthetic(20, |_| 1.0, move |i, _| (0.1, weight(i as f64)));
    let verdict = judge(&grows(|i| (0.3 * i).exp()));
    let [Flag::ExponentialGrowth { doubling_steps, .. }] = verdict.flags() else { panic!("{verdict}") };
    assert!((doubling_steps - std::f64::consts::LN_2 / 0.03).abs() < 1e-6);
    // As far, but along a straight line, or from a start near zero that settles.
    assert_eq!(judge(&grows(|i| 1.0 + 15.0 * i)), Verdict::Healthy);
    assert_eq!(judge(&grows(|i| 1.001 - (-i / 3.0).exp())), Verdict::Healthy);
    assert_eq!(judge(&grows(|i| 1.0 + 0.05 * i)), Verdict::Healthy);
}

#[test]
fn nan_weights_are_named_and_survive_json() {
    let history =
        synthetic(12, |_| 1.0, |i, layer| (0.1, if (i, layer) == (11, 2) { f64::NAN } else { 1.0 }));
    let text = to_json(&history).unwrap();
    let back: History = from_json(&text).unwrap();
    for history in [&history, &back] {
        let verdict = judge(history);
        let [Flag::NotFinite { what, tensor, value, step }] = verdict.flags() else { panic!("{verdict}") };
        assert_eq!(
            (what.as_str(), tensor.as_str(), value.as_str(), *step),
            ("parameter", "2.weight", "NaN", 110)
        );
        assert_eq!(verdict.name(), "exploding");
    }
    assert_eq!(to_json(&back).unwrap(), text);
    let verdict = judge(&history);
    assert_eq!(from_json::<Verdict>(&to_json(&verdict).unwrap()).unwrap(), verdict);
}

#[test]
fn few_samples_decide_nothing() {
    let history = synthetic(5, |_| 1.0, |_, layer| ([1e-9, 1e-5, 1.0][layer], 1.0));
    assert_eq!(judge(&history), Verdict::Undecided { samples: 5, needed: 8 });
}

#[test]
fn dead_units_and_saturation_are_counted() {
    let mut monitor = every(1).init().unwrap();
    let device = Device::flex();
    // Units: dead (never above 0), alive, alive in one of two rows.
    let z = Tensor::<2>::from_data([[-1.0, 2.0, 3.0], [-2.0, 1.0, -5.0]], &device);
    monitor.units(0, "relu", &z, 1, LiveRange::RELU);
    // Saturated low twice, high once; only unit 0 is on the same side in both rows.
    let z = Tensor::<2>::from_data([[-5.0, 0.0, 6.0], [-9.0, 1.0, 0.0]], &device);
    monitor.units(0, "sigmoid", &z, 1, LiveRange::SIGMOID);
    // Channels of a [batch, channels, height, width] map: channel 1 is dead.
    let z = Tensor::<4>::from_data([[[[1.0, -1.0]], [[-1.0, -1.0]]]], &device);
    monitor.units(0, "conv", &z, 1, LiveRange::RELU);
    let model = LinearConfig::new(1, 1).init(&Device::flex().autodiff());
    monitor.before(0, 1.0, &model, &GradientsParams::new());
    monitor.after(&model);
    let units = &monitor.history().samples()[0].units;
    let expect = [("relu", 1.0 / 3.0, 0.5), ("sigmoid", 1.0 / 3.0, 0.5), ("conv", 0.5, 0.75)];
    for (units, (layer, stuck, saturated)) in units.iter().zip(expect) {
        assert_eq!(units.layer, layer);
        assert!((units.stuck - stuck).abs() < 1e-6, "{units:?}");
        assert!((units.saturated - saturated).abs() < 1e-6, "{units:?}");
    }
    let map = monitor.history().heat_map(Quantity::Stuck);
    assert_eq!(map.layers, ["relu", "sigmoid", "conv"]);
}

#[test]
fn at_the_ends_of_the_live_range_the_derivative_is_a_twentieth() {
    let sigma = |z: f64| 1.0 / (1.0 + (-z).exp());
    let z = LiveRange::SIGMOID.high;
    assert!((sigma(z) * (1.0 - sigma(z)) / 0.25 - 0.05).abs() < 1e-4);
    assert!((1.0 - LiveRange::TANH.high.tanh().powi(2) - 0.05).abs() < 1e-4);
    for (activation, constant) in [
        (Activation::Sigmoid, LiveRange::SIGMOID),
        (Activation::Tanh, LiveRange::TANH),
        (Activation::Relu, LiveRange::RELU),
    ] {
        let range = LiveRange::of(&activation).unwrap();
        assert!((range.low - constant.low).abs() < 1e-3, "{activation:?}: {range:?}");
        assert!(range.high == constant.high || (range.high - constant.high).abs() < 1e-3, "{range:?}");
    }
    assert_eq!(LiveRange::of(&Activation::Linear), None);
}

#[test]
fn the_history_stays_bounded_and_spans_the_run() {
    let device = Device::flex().autodiff();
    let model = LinearConfig::new(1, 1).init(&device);
    let mut monitor = every(1).with_capacity(16).init().unwrap();
    for step in 0..1000 {
        let loss = if step == 501 { 9.0 } else { 1.0 };
        monitor.before(step, loss, &model, &GradientsParams::new());
        monitor.after(&model);
        assert!(monitor.history().samples().len() < 16);
    }
    let samples = monitor.history().samples();
    assert_eq!(samples[0].step, 0);
    assert!(samples.last().unwrap().step > 900 && samples.len() >= 8);
    assert!(samples.windows(2).all(|pair| pair[0].step < pair[1].step));
    // No loss is lost, only its place is blurred.
    assert!(samples.iter().any(|sample| sample.highest_loss == 9.0));
}

#[test]
fn a_monitor_restored_from_json_goes_on_as_if_nothing_had_happened() {
    let model = LinearConfig::new(1, 1).init(&Device::flex().autodiff());
    let config = every(3).with_capacity(16);
    let run = |interrupt: Option<usize>| {
        let mut monitor = config.init().unwrap();
        for step in 0..200 {
            if interrupt == Some(step) {
                let text = to_json(monitor.history()).unwrap();
                monitor = config.resume(from_json(&text).unwrap()).unwrap();
            }
            monitor.before(step, (step as f32).sin(), &model, &GradientsParams::new());
            monitor.after(&model);
        }
        monitor.history().clone()
    };
    let whole = run(None);
    for step in [1, 100, 151] {
        assert_eq!(run(Some(step)), whole, "interrupted before step {step}");
    }
    assert_eq!(every(5).resume(whole).unwrap_err().field, "every");
}

#[test]
fn running_statistics_and_frozen_layers_are_not_judged() {
    #[derive(Module, Debug)]
    struct Normed {
        linear: Linear,
        norm: BatchNorm,
    }
    let device = Device::flex().autodiff();
    let model = Normed {
        linear: LinearConfig::new(2, 2).init(&device).no_grad(),
        norm: BatchNormConfig::new(2).init(&device),
    };
    let mut monitor = every(1).init().unwrap();
    monitor.before(0, 1.0, &model, &GradientsParams::new());
    monitor.after(&model);
    let paths: Vec<&str> = monitor.history().parameters().iter().map(|p| p.path.as_str()).collect();
    assert_eq!(paths, ["norm.gamma", "norm.beta"]);
}

#[test]
fn heat_maps_have_a_row_a_layer_and_a_column_a_sample() {
    let history = synthetic(4, |_| 1.0, |i, layer| (layer as f64, if i == 2 { f64::NAN } else { 2.0 }));
    let map = history.heat_map(Quantity::UpdateRatio);
    assert_eq!(map.layers, ["0", "1", "2"]);
    assert_eq!(map.steps, [0, 10, 20, 30]);
    assert_eq!(map.values[2], [Some(1e-3), Some(1e-3), None, Some(1e-3)]);
}

#[test]
fn bad_settings_are_named() {
    let bad = [
        ("every", HealthConfig::new().with_every(0)),
        ("capacity", HealthConfig::new().with_capacity(1)),
        ("window", HealthConfig::new().with_window(2)),
        ("starved_ratio", HealthConfig::new().with_starved_ratio(-0.1)),
        ("growth_fit", HealthConfig::new().with_growth_fit(1.1)),
        ("loss_jump", HealthConfig::new().with_loss_jump(f64::NAN)),
    ];
    for (field, config) in bad {
        assert_eq!(config.init().unwrap_err().field, field);
    }
}

/// ‖∂(output · error)/∂z‖ for the pre-activation z of one layer.
fn error_at(model: &Deep, z: &Tensor<2>, layer: usize, error: &Tensor<2>) -> f64 {
    // A tracked copy: the weights' own gradients would mix the activations in.
    let z = z.clone().detach().require_grad();
    let activate = |z| if model.squash { sigmoid(z) } else { relu(z) };
    let mut x = activate(z.clone());
    for (i, linear) in model.layers.iter().enumerate().skip(layer + 1) {
        x = linear.forward(x);
        if i + 1 < model.layers.len() {
            x = activate(x);
        }
    }
    let gradients = (x * error.clone()).sum().backward();
    square_sum(z.grad(&gradients).unwrap()).into_scalar::<f64>().sqrt()
}

/// E‖δ_l‖² = s² · E[φ'²] · E‖δ_(l+1)‖²: ReLU has E[φ'²] = ½.
#[test]
fn the_gradient_of_random_layers_scales_as_the_page_says() {
    let (depth, width) = (10, 256);
    for factor in [0.5, 1.0, 2.0] {
        let model = Deep::new(depth, width, f64::sqrt(2.0 * factor), false, 11);
        let (_, hidden) = model.forward(noise(16, width, 12));
        let error = noise(16, width, 13);
        let (bottom, top) = (
            error_at(&model, &hidden[0], 0, &error),
            error_at(&model, &hidden[depth - 2], depth - 2, &error),
        );
        // s²/2 = factor; over 8 layers of width 256 the mean is within a few per cent of it.
        let measured = (bottom / top).powi(2).powf(1.0 / (depth - 2) as f64);
        assert!((measured / factor - 1.0).abs() < 0.1, "{measured} per layer instead of {factor}");
    }
}

/// ‖δ_l‖ ≤ ‖δ_L‖ · Π ‖W_k‖ · max|φ'|, with σ' ≤ ¼.
#[test]
fn the_product_of_jacobians_bounds_the_gradient() {
    let (depth, width) = (8, 12);
    for (seed, gain) in [(1, 0.5), (2, 1.0), (3, 4.0)] {
        let model = Deep::new(depth, width, gain, true, seed);
        let (_, hidden) = model.forward(noise(4, width, 12));
        let error = noise(4, width, 13);
        let norms: Vec<f64> =
            (0..depth - 1).map(|layer| error_at(&model, &hidden[layer], layer, &error)).collect();
        for low in 0..depth - 2 {
            // The Frobenius norm is at least the spectral one.
            let bound: f64 = model.layers[low + 1..depth - 1]
                .iter()
                .map(|layer| 0.25 * square_sum(layer.weight.val().inner()).into_scalar::<f64>().sqrt())
                .product();
            assert!(norms[low] <= norms[depth - 2] * bound, "layer {low} at gain {gain}");
        }
    }
}
