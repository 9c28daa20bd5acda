use burn::module::{Module, Param, ParamGroup};
use burn::nn::conv::Conv2dConfig;
use burn::nn::{DropoutConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Int, Tensor};
use serde_json::Value;

use super::*;
use crate::ConfigError;
use crate::differences::{assert_close, assert_gradient, gradient, scattered, tensor, values};
use crate::loss::cross_entropy;

/// A model that is one weight.
#[derive(Module, Debug)]
struct Holder {
    weight: Param<Tensor<2>>,
}

fn hold(weight: Tensor<2>) -> Holder {
    Holder { weight: Param::from_tensor(weight) }
}

fn training() -> Device {
    Device::flex().autodiff()
}

fn fixture() -> (Value, Vec<f64>, Vec<f64>) {
    let fixture: Value =
        serde_json::from_str(include_str!("../../tests/fixtures/regularization.json")).unwrap();
    let (weight, upstream) = (numbers(&fixture["weight"]), numbers(&fixture["upstream"]));
    (fixture, weight, upstream)
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

// Penalties

#[test]
fn penalties_have_the_value_and_gradient_of_their_formula() {
    let w = [0.5, -2.0, 0.0, 1.5];
    for (config, l1, l2) in [
        (PenaltyConfig::l1(0.3), 0.3, 0.0),
        (PenaltyConfig::l2(0.2), 0.0, 0.2),
        (PenaltyConfig::elastic_net(0.4, 0.25), 0.1, 0.3),
    ] {
        let penalty = config.init(weights()).unwrap();
        let of = |w: Tensor<2>| {
            penalty.value(&Holder { weight: Param::initialized(Default::default(), w) }).unwrap()
        };
        let value = of(tensor(&w, [2, 2], &Device::flex())).into_scalar::<f64>();
        assert!((value - (l1 * 4.0 + 0.5 * l2 * 6.5)).abs() < 1e-12, "{config}");
        let sign = |w: f64| if w == 0.0 { 0.0 } else { w.signum() };
        let expected = w.map(|w| l1 * sign(w) + l2 * w);
        assert_close(&gradient(of, &w, [2, 2]), &expected, 1e-12, 1e-15);
        // Away from the kink of |w| at 0.
        assert_gradient(of, &[0.5, -2.0, 0.1, 1.5], [2, 2]);
    }
}

#[test]
fn a_penalty_reaches_its_group_and_names_a_group_that_matches_nothing() {
    let layer: Linear = LinearConfig::new(3, 2).init(&training());
    let loss = PenaltyConfig::l2(1.0).init(weights()).unwrap().value(&layer).unwrap();
    let gradients = loss.backward();
    assert_close(
        &values(layer.weight.val().grad(&gradients).unwrap()),
        &values(layer.weight.val()),
        1e-6,
        1e-7,
    );
    assert!(layer.bias.as_ref().unwrap().val().grad(&gradients).is_none());
    let misspelt = PenaltyConfig::l2(1.0).init(ParamGroup::from_path("wieght")).unwrap();
    assert_eq!(misspelt.value(&layer).unwrap_err().field, "group");
}

#[test]
fn l2_shrinks_every_weight_and_l1_zeroes_the_small_ones() {
    // ½(w − t)² + penalty has its minimum at t/(1 + λ) under L2, at sign(t)·max(0, |t| − λ) under L1.
    let (targets, rate) = ([2.0, -1.0, 0.2, -0.1], 0.02);
    let settle = |config: PenaltyConfig| {
        let (penalty, device) = (config.init(weights()).unwrap(), training());
        let targets = tensor(&targets, [2, 2], &device);
        let (mut model, mut optim) = (hold(targets.zeros_like() + 0.5), SgdConfig::new().init());
        for _ in 0..600 {
            let loss = (model.weight.val() - targets.clone()).square().sum() * 0.5;
            let loss = loss + penalty.value(&model).unwrap();
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optim.step(rate, model, gradients);
        }
        values(model.weight.val())
    };
    let shrunk = targets.map(|t| t / 1.4);
    assert_close(&settle(PenaltyConfig::l2(0.4)), &shrunk, 1e-4, 1e-6);
    // A subgradient step hovers about the kink, within rate·λ of it and the pull of the target.
    assert_close(&settle(PenaltyConfig::l1(0.4)), &[1.6, -0.6, 0.0, 0.0], 1e-4, rate * 0.6);
}

fn step(model: Holder, optim: &mut ModuleOptimizer, penalty: Option<&Penalty>) -> Holder {
    let mut loss = (model.weight.val() * model.weight.val().exp()).sum();
    if let Some(penalty) = penalty {
        loss = loss + penalty.value(&model).unwrap();
    }
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    optim.step(0.1, model, gradients)
}

#[test]
fn l2_is_weight_decay_for_gradient_descent_and_is_not_for_adam() {
    let penalty = PenaltyConfig::l2(0.5).init(weights()).unwrap();
    let difference = |mut optim: ModuleOptimizer| {
        let model = hold(tensor(&[0.5, -2.0, 0.3, 1.5], [2, 2], &training()));
        let penalised = step(model.clone(), &mut optim, Some(&penalty));
        // w ← (1 − ηλ)·w − η·g(w): the gradient is taken where the penalised step takes it.
        let mut optim = optim.clone();
        let plain = step(model.clone(), &mut optim, None);
        let moved = plain.weight.val() - model.weight.val();
        let decayed = penalty::decay(model, &weights(), 0.1 * 0.5).weight.val() + moved;
        (penalised.weight.val() - decayed).abs().max().into_scalar::<f64>()
    };
    assert!(difference(SgdConfig::new().init()) < 1e-12);
    assert!(difference(AdamConfig::new().init()) > 1e-3);
}

#[test]
fn decay_shrinks_its_group_only_and_leaves_it_trainable() {
    let layer: Linear = LinearConfig::new(2, 2).init(&training());
    let (weight, bias) = (values(layer.weight.val()), values(layer.bias.as_ref().unwrap().val()));
    let layer = penalty::decay(layer, &weights(), 0.25);
    let expected: Vec<f64> = weight.iter().map(|w| 0.75 * w).collect();
    assert_close(&values(layer.weight.val()), &expected, 1e-6, 1e-9);
    assert_eq!(values(layer.bias.as_ref().unwrap().val()), bias);
    assert!(layer.weight.val().is_require_grad());
}

// Max-norm

#[test]
fn max_norm_shortens_long_units_and_leaves_short_ones_alone() {
    let mut layer: Linear = LinearConfig::new(2, 3).init(&training());
    // Columns of length 5, 0.5 and 0.
    let weight = Tensor::<2>::from_data([[3.0, 0.3, 0.0], [4.0, 0.4, 0.0]], &training());
    layer.weight = Param::from_tensor(weight);
    let rule = MaxNormConfig::new().with_limit(1.0).init(weights()).unwrap();
    let layer = rule.project(layer);
    assert_close(&values(layer.weight.val()), &[0.6, 0.3, 0.0, 0.8, 0.4, 0.0], 1e-6, 0.0);
    assert!(layer.weight.val().is_require_grad());
    let loose = MaxNormConfig::new().with_limit(49.0).init(weights()).unwrap();
    let same = (0..10).fold(layer.clone(), |layer, _| loose.project(layer));
    assert_eq!(values(same.weight.val()), values(layer.weight.val()), "to the bit");
}

#[test]
fn units_of_a_convolution_are_its_output_channels() {
    let conv = Conv2dConfig::new([3, 4], [3, 3]).init(&Device::flex());
    let rule = MaxNormConfig::new().with_limit(0.1).init(weights()).unwrap();
    let conv = rule.project(conv);
    let lengths = values(conv.weight.val().square().sum_dims(&[1, 2, 3]).sqrt());
    assert_close(&lengths, &[0.1; 4], 1e-5, 0.0);
}

#[test]
fn the_projection_has_the_gradient_of_its_formula() {
    // Columns (3, 4), outside of the limit 2, and (0.6, 0.8), inside.
    let w = [3.0, 0.6, 4.0, 0.8];
    let upstream = [0.5, 1.0, -1.0, 2.0];
    let f = |w: Tensor<2>| {
        let upstream = tensor(&upstream, [2, 2], &w.device());
        (max_norm::project(w, 1, 2.0) * upstream).sum()
    };
    assert_gradient(f, &w, [2, 2]);
    let gradient = gradient(f, &w, [2, 2]);
    // Outside: c/‖w‖·(g − ŵ⟨ŵ, g⟩) with ŵ = (0.6, 0.8) and g = (0.5, −1): ⟨ŵ, g⟩ = −0.5.
    let expected = [0.4 * (0.5 + 0.6 * 0.5), 1.0, 0.4 * (-1.0 + 0.8 * 0.5), 2.0];
    assert_close(&gradient, &expected, 1e-12, 1e-14);
}

// Dropout and drop-path

#[test]
fn dropout_keeps_the_expectation_and_its_gradient_is_its_mask() {
    let (device, n, p) = (training(), 20_000, 0.3);
    let dropout = DropoutConfig::new(p).init();
    let x = Tensor::<1>::ones([n], &device).require_grad();
    let y = dropout.forward(x.clone());
    let gradients = y.clone().sum().backward();
    let y = values(y);
    assert_eq!(values(x.grad(&gradients).unwrap()), y, "for x = 1, output and gradient are the mask");
    let kept = 1.0 / (1.0 - p);
    assert!(y.iter().all(|y| *y == 0.0 || (y - kept).abs() < 1e-6));
    // Five standard errors of a mean of n Bernoulli masks, each of variance p/(1 − p).
    let mean = y.iter().sum::<f64>() / n as f64;
    assert!((mean - 1.0).abs() < 5.0 * (p / (1.0 - p) / n as f64).sqrt(), "{mean}");
    assert_eq!(values(dropout.valid().forward(x.clone().without_autodiff())), vec![1.0; n]);
}

#[test]
fn drop_path_drops_whole_examples_keeps_the_expectation_and_its_gradient_is_its_mask() {
    let drop = DropPathConfig::new(0.25).init().unwrap();
    let keep = [1.0, 0.0, 1.0];
    let f = |x: Tensor<2>| drop.apply(x.clone(), tensor(&keep, [3], &x.device())).sum_dim(1).squeeze_dim(1);
    let x = scattered(6, -1.0, 1.0);
    assert_gradient(f, &x, [3, 2]);
    let kept = 1.0 / 0.75;
    assert_close(&gradient(f, &x, [3, 2]), &[kept, kept, 0.0, 0.0, kept, kept], 1e-12, 0.0);

    let (n, device) = (20_000, training());
    let y = drop.forward(Tensor::<2>::ones([n, 2], &device), 5);
    let rows: Vec<f64> = values(y);
    assert!(rows.chunks(2).all(|row| row[0] == row[1]), "both features go or stay");
    let mean = rows.iter().step_by(2).sum::<f64>() / n as f64;
    assert!((mean - 1.0).abs() < 5.0 * (0.25 / 0.75 / n as f64).sqrt(), "{mean}");
}

#[test]
fn drop_path_follows_its_seed_and_rests_at_inference() {
    let drop = DropPathConfig::new(0.5).init().unwrap();
    let x = Tensor::<3>::ones([64, 2, 2], &training());
    let at = |seed| values(drop.forward(x.clone(), seed));
    assert_eq!(at(1), at(1));
    assert_ne!(at(1), at(2));
    assert_eq!(values(drop.valid().forward(x.clone(), 1)), values(x.clone()));
    assert_eq!(values(drop.forward(x.clone().without_autodiff(), 1)), values(x));
}

#[test]
fn deeper_blocks_drop_more() {
    let probs: Vec<f64> = DropPathConfig::by_depth(4, 0.2).into_iter().map(|config| config.prob).collect();
    assert_close(&probs, &[0.05, 0.1, 0.15, 0.2], 1e-12, 0.0);
}

// Mixup

#[test]
fn the_gradient_at_mixed_targets_is_the_mixture_of_gradients() {
    let z = scattered(12, -2.0, 2.0);
    let mix = Mix { lambda: 0.3, partners: vec![2, 0, 1] };
    let one_hot = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
    let targets = |device: &Device| tensor(&one_hot, [3, 4], device);
    let partners = |device: &Device| {
        let order = Tensor::<1, Int>::from_data([2, 0, 1], device);
        targets(device).select(0, order)
    };
    let mixed = |z: Tensor<2>| cross_entropy(z.clone(), mix.apply(targets(&z.device())));
    assert_gradient(mixed, &z, [3, 4]);
    let own = gradient(|z: Tensor<2>| cross_entropy(z.clone(), targets(&z.device())), &z, [3, 4]);
    let other = gradient(|z: Tensor<2>| cross_entropy(z.clone(), partners(&z.device())), &z, [3, 4]);
    let expected: Vec<f64> = own.iter().zip(other).map(|(a, b)| 0.3 * a + 0.7 * b).collect();
    assert_close(&gradient(mixed, &z, [3, 4]), &expected, 1e-12, 1e-14);
}

#[test]
fn a_mixture_follows_its_seed_and_keeps_the_batch_mean() {
    let mixup = MixupConfig::new().with_alpha(1.0).init().unwrap();
    let mix = mixup.draw(8, 3);
    assert_eq!(mix, mixup.draw(8, 3));
    assert_ne!(mix, mixup.draw(8, 4));
    assert!((0.0..=1.0).contains(&mix.lambda));
    let x = tensor(&scattered(16, -1.0, 1.0), [8, 2], &Device::flex());
    let (before, after) = (x.clone().mean_dim(0), mix.apply(x).mean_dim(0));
    assert_close(&values(after), &values(before), 1e-12, 1e-14);
}

// Early stopping

#[test]
fn stopping_waits_for_its_patience_after_every_improvement() {
    let mut stopping = EarlyStoppingConfig::new().with_patience(3).with_min_delta(0.1).init().unwrap();
    let losses = [2.0, 1.5, 1.45, 1.41, 1.3, f64::NAN, 1.25, f64::NEG_INFINITY];
    let seen: Vec<Progress> = (0u64..).zip(losses).map(|(step, loss)| stopping.observe(step, loss)).collect();
    let waiting = |left| Progress::Waiting { left };
    let expected = [
        Progress::Improved,
        Progress::Improved,
        waiting(2), // 1.45 is better, but not by more than 0.1
        waiting(1),
        Progress::Improved,
        waiting(2), // NaN never is an improvement
        waiting(1),
        Progress::Stop, // nor is −∞
    ];
    assert_eq!(seen, expected);
    assert_eq!(stopping.best(), Some((4, 1.3)));
}

#[test]
fn stopping_early_on_a_quadratic_acts_like_l2() {
    // Descent on ½h(w − 1)² from 0 is at 1 − (1 − ηh)ᵗ after t steps; with L2 of strength 1/(ηt) the
    // minimum is h/(h + 1/(ηt)). Both are near ηth where curvature is low and near 1 where it is high.
    let (rate, steps) = (0.01, 100);
    for (curvature, tolerance) in [(0.01, 0.006), (0.1, 0.05), (20.0, 0.06), (90.0, 0.02)] {
        let stopped = (0..steps).fold(0.0, |w, _| w - rate * curvature * (w - 1.0));
        let penalised = curvature / (curvature + 1.0 / (rate * f64::from(steps)));
        assert!((stopped / penalised - 1.0).abs() < tolerance, "{curvature}: {stopped} and {penalised}");
    }
}

#[test]
fn a_score_is_better_when_larger() {
    let mut stopping = EarlyStoppingConfig::new().with_patience(1).with_mode(Mode::Max).init().unwrap();
    assert_eq!(stopping.observe(0, 0.5), Progress::Improved);
    assert_eq!(stopping.observe(1, 0.6), Progress::Improved);
    assert_eq!(stopping.observe(2, 0.6), Progress::Stop);
}

#[test]
fn the_state_goes_on_from_a_checkpoint_as_if_nothing_had_happened() {
    let losses = [1.0, 0.9, 0.95, 0.97, 0.85, 0.9, 0.9, 0.9];
    let mut whole = EarlyStoppingConfig::new().with_patience(3).init().unwrap();
    let expected: Vec<Progress> = (0u64..).zip(losses).map(|(s, l)| whole.observe(s, l)).collect();
    for cut in 0..losses.len() {
        let mut part = EarlyStoppingConfig::new().with_patience(3).init().unwrap();
        let mut seen = Vec::new();
        for (step, loss) in (0u64..).zip(losses) {
            if step == cut as u64 {
                part = serde_json::from_str(&serde_json::to_string(&part).unwrap()).unwrap();
            }
            seen.push(part.observe(step, loss));
        }
        assert_eq!((seen, &part), (expected.clone(), &whole), "cut before step {cut}");
    }
}

#[test]
fn the_best_model_comes_back() {
    let stopping = EarlyStoppingConfig::new().with_patience(2).init().unwrap();
    let mut keep = RestoreBest::new(stopping);
    let model = |x: f64| hold(tensor(&[x], [1, 1], &training()));
    for (step, loss) in (0u64..).zip([0.9, 0.4, 0.6, 0.7]) {
        keep.observe(step, loss, &model(loss));
    }
    assert_eq!(keep.stopping().best(), Some((1, 0.4)));
    assert_eq!(values(keep.restore(model(0.7)).weight.val()), [0.4]);
    let never = RestoreBest::new(EarlyStoppingConfig::new().init().unwrap());
    assert_eq!(values(never.restore(model(0.7)).weight.val()), [0.7]);
}

// Reparameterisations

#[test]
fn spectral_norm_equals_pytorchs_in_value_and_gradient() {
    let (fixture, weight, upstream) = fixture();
    let model = spectral_norm::spectral_norm(hold(tensor(&weight, [4, 3], &training())), weights(), 1);
    let model = spectral_norm::power_iteration(model, 500);
    let effective = model.weight.val();
    let case = &fixture["spectral_norm"];
    assert_close(&values(effective.clone()), &numbers(&case["value"]), 1e-9, 1e-12);
    let gradients = (effective * tensor(&upstream, [4, 3], &training())).sum().backward();
    let gradient = values(model.weight.base().grad(&gradients).unwrap());
    assert_close(&gradient, &numbers(&case["gradient"]), 1e-8, 1e-11);
}

#[test]
fn the_gradient_of_spectral_norm_is_its_formula_and_the_limit_of_differences() {
    let (_, weight, upstream) = fixture();
    let u = [0.5, -0.5, 0.5, 0.5];
    let norm = spectral_norm::SpectralNorm { u: Param::from_tensor(tensor(&u, [4], &training())) };
    let apply = |w: Tensor<2>| {
        use burn::module::Reparameterization;
        let norm = if w.is_autodiff() { norm.clone() } else { norm.valid() };
        let upstream = tensor(&upstream, [4, 3], &w.device());
        (norm.apply(w) * upstream).sum()
    };
    assert_gradient(apply, &weight, [4, 3]);
    // (G − ⟨G, W̄⟩·u·vᵀ)/σ with v = Wᵀu/‖Wᵀu‖ and σ = ‖Wᵀu‖.
    let wtu: Vec<f64> = (0..3).map(|c| (0..4).map(|r| weight[3 * r + c] * u[r]).sum()).collect();
    let sigma = dot(&wtu, &wtu).sqrt();
    let overlap = dot(&upstream, &weight) / sigma;
    let expected: Vec<f64> =
        (0..12).map(|i| (upstream[i] - overlap * u[i / 3] * wtu[i % 3] / sigma) / sigma).collect();
    assert_close(&gradient(apply, &weight, [4, 3]), &expected, 1e-10, 1e-12);
}

#[test]
fn power_iteration_finds_the_largest_singular_value_and_keeps_up_with_training() {
    // Singular values 3 and 1.
    let model = hold(tensor(&[0.0, 3.0, 1.0, 0.0], [2, 2], &training()));
    let mut model = spectral_norm::power_iteration(spectral_norm::spectral_norm(model, weights(), 7), 40);
    assert_close(&values(model.weight.val()), &[0.0, 1.0, 1.0 / 3.0, 0.0], 1e-9, 1e-9);
    let mut optim = SgdConfig::new().init();
    for _ in 0..20 {
        let loss = (model.weight.val() - 0.3).square().sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = spectral_norm::power_iteration(optim.step(0.1, model, gradients), 1);
        // ‖W̄‖₂ from the two invariants of a 2 × 2 matrix: σ₁² + σ₂² = Σw², σ₁σ₂ = |det|.
        let w = values(model.weight.val());
        let (square, det) = (dot(&w, &w), (w[0] * w[3] - w[1] * w[2]).abs());
        let largest = ((square + (square * square - 4.0 * det * det).max(0.0).sqrt()) / 2.0).sqrt();
        assert!((largest - 1.0).abs() < 1e-3, "{largest}");
    }
}

#[test]
fn spectral_norm_survives_saving_and_is_the_same_at_inference() {
    let attach = |seed| {
        let layer = Conv2dConfig::new([2, 3], [3, 3]).init(&training());
        spectral_norm::spectral_norm(layer, weights(), seed)
    };
    let model = attach(1);
    let before = values(model.weight.val());
    let loaded = attach(2).load_record(model.clone().into_record());
    assert_close(&values(loaded.weight.val()), &before, 1e-6, 1e-7);
    assert_close(&values(model.valid().weight.val()), &before, 1e-6, 1e-7);
    // The vector u is no learned parameter.
    let gradients = model.weight.val().sum().backward();
    let state = model.weight.reparameterization::<spectral_norm::SpectralNorm>().unwrap();
    assert!(state.u.val().grad(&gradients).is_none());
}

#[test]
fn weight_norm_equals_pytorchs_in_value_and_gradients() {
    let (fixture, weight, upstream) = fixture();
    let case = &fixture["weight_norm"];
    // PyTorch's units are rows, a Linear's of Burn columns.
    let turned = |x: &[f64]| tensor(x, [4, 3], &training()).transpose();
    let model = weight_norm::weight_norm(hold(turned(&weight).detach()), weights());
    assert_close(&values(model.weight.val().transpose()), &weight, 1e-12, 1e-14);

    let base = model.weight.base().detach().require_grad();
    let g = tensor(&numbers(&fixture["lengths"]), [4], &training());
    let norm = weight_norm::WeightNorm { g: Param::from_tensor(g), axis: 1 };
    let effective = burn::module::Reparameterization::apply(&norm, base.clone());
    assert_close(&values(effective.clone().transpose()), &numbers(&case["value"]), 1e-12, 1e-14);
    let gradients = (effective * turned(&upstream)).sum().backward();
    assert_close(&values(norm.g.val().grad(&gradients).unwrap()), &numbers(&case["g"]), 1e-10, 1e-12);
    let of_v = base.grad(&gradients).unwrap();
    assert_close(&values(of_v.clone().transpose()), &numbers(&case["v"]), 1e-10, 1e-12);
    let along = (of_v * base.without_autodiff()).sum_dim(0);
    assert_close(&values(along), &[0.0; 4], 0.0, 1e-12);
}

#[test]
fn gradients_of_weight_norm_are_the_limit_of_differences() {
    let (_, weight, upstream) = fixture();
    let g = [2.0, 0.5, 1.0];
    let through = |v: Tensor<2>, g: Tensor<1>| {
        let upstream = tensor(&upstream, [4, 3], &v.device());
        let norm = weight_norm::WeightNorm { g: Param::initialized(Default::default(), g), axis: 1 };
        (burn::module::Reparameterization::apply(&norm, v) * upstream).sum()
    };
    assert_gradient(|v: Tensor<2>| through(v.clone(), tensor(&g, [3], &v.device())), &weight, [4, 3]);
    assert_gradient(|g: Tensor<1>| through(tensor(&weight, [4, 3], &g.device()), g), &g, [3]);
}

#[test]
fn weight_norm_changes_no_output_and_folds_back() {
    let conv = Conv2dConfig::new([2, 3], [3, 3]).init(&training());
    let x = Tensor::<4>::ones([1, 2, 5, 5], &training());
    let before = values(conv.forward(x.clone()));
    let count = conv.num_params();
    let normed = weight_norm::weight_norm(conv, weights());
    assert_eq!(normed.num_params(), count + 3, "one length for each of 3 output channels");
    assert_close(&values(normed.forward(x.clone())), &before, 1e-5, 1e-6);
    let folded = normed.materialize();
    assert_eq!(folded.num_params(), count);
    assert_close(&values(folded.forward(x)), &before, 1e-5, 1e-6);
}

#[test]
fn a_unit_of_zeros_keeps_finite_gradients_under_weight_norm() {
    let model = weight_norm::weight_norm(hold(Tensor::zeros([2, 2], &training())), weights());
    let gradients = model.weight.val().sum().backward();
    assert!(values(model.weight.base().grad(&gradients).unwrap()).iter().all(|g| g.is_finite()));
}

// Gradient noise

fn gradients_of(model: &Linear) -> GradientsParams {
    let x = Tensor::<2>::ones([1, 100], &training());
    GradientsParams::from_grads(model.forward(x).sum().backward(), model)
}

#[test]
fn gradient_noise_has_the_announced_variance_and_fades() {
    let noise = GradientNoiseConfig::new().with_eta(0.3).with_seed(4).init().unwrap();
    assert!((noise.std(0).powi(2) - 0.3).abs() < 1e-12);
    assert!((noise.std(99).powi(2) - 0.3 / 100f64.powf(0.55)).abs() < 1e-12);
    let model: Linear = LinearConfig::new(100, 200).init(&training());
    let clean = values(gradients_of(&model).get::<2>(model.weight.id).unwrap());
    for step in [0, 99] {
        let noisy = noise.apply(&model, gradients_of(&model), step);
        let noisy = values(noisy.get::<2>(model.weight.id).unwrap());
        let noise_only: Vec<f64> = noisy.iter().zip(&clean).map(|(a, b)| a - b).collect();
        let (n, variance) = (20_000f64, noise.std(step).powi(2));
        let mean = noise_only.iter().sum::<f64>() / n;
        assert!(mean.abs() < 5.0 * (variance / n).sqrt(), "{mean}");
        let measured = dot(&noise_only, &noise_only) / n;
        assert!((measured / variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "step {step}: {measured}");
    }
}

#[test]
fn gradient_noise_follows_seed_and_step_and_reaches_every_parameter() {
    let model: Linear = LinearConfig::new(100, 3).init(&training());
    let at = |seed, step| {
        let noise = GradientNoiseConfig::new().with_seed(seed).init().unwrap();
        let noisy = noise.apply(&model, gradients_of(&model), step);
        let bias = model.bias.as_ref().unwrap().id;
        (values(noisy.get::<2>(model.weight.id).unwrap()), values(noisy.get::<1>(bias).unwrap()))
    };
    assert_eq!(at(1, 5), at(1, 5));
    assert_ne!(at(1, 5), at(1, 6));
    assert_ne!(at(1, 5), at(2, 5));
    let (weight, bias) = at(1, 5);
    assert!(weight.iter().chain(&bias).all(|g| *g != 1.0), "the clean gradient is 1 everywhere");
    assert_ne!(weight[..3], bias[..], "each parameter has its own stream");
}

#[test]
fn settings_out_of_range_are_named() {
    let errors: [(ConfigError, &str); 13] = [
        (PenaltyConfig::l1(-0.1).init(weights()).unwrap_err(), "l1"),
        (PenaltyConfig::l2(f64::NAN).init(weights()).unwrap_err(), "l2"),
        (PenaltyConfig::elastic_net(1.0, 1.5).init(weights()).unwrap_err(), "l2"),
        (MaxNormConfig::new().with_limit(0.0).init(weights()).unwrap_err(), "limit"),
        (DropPathConfig::new(1.0).init().unwrap_err(), "prob"),
        (DropPathConfig::new(-0.1).init().unwrap_err(), "prob"),
        (MixupConfig::new().with_alpha(0.0).init().unwrap_err(), "alpha"),
        (MixupConfig::new().with_alpha(f64::INFINITY).init().unwrap_err(), "alpha"),
        (EarlyStoppingConfig::new().with_patience(0).init().unwrap_err(), "patience"),
        (EarlyStoppingConfig::new().with_min_delta(-1.0).init().unwrap_err(), "min_delta"),
        (GradientNoiseConfig::new().with_eta(-1.0).init().unwrap_err(), "eta"),
        (GradientNoiseConfig::new().with_gamma(f64::NAN).init().unwrap_err(), "gamma"),
        (DropPathConfig::new(f64::NAN).init().unwrap_err(), "prob"),
    ];
    for (error, field) in errors {
        assert_eq!(error.field, field, "{error}");
    }
}

#[test]
#[should_panic(expected = "a mixture of 2 examples was given a batch of 3")]
fn a_mixture_for_another_batch_is_refused() {
    let mix = Mix { lambda: 0.5, partners: vec![1, 0] };
    mix.apply(Tensor::<2>::zeros([3, 1], &Device::flex()));
}
