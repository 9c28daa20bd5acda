use burn::tensor::{Device, Int, Tensor};
use serde_json::Value;

use super::*;
use crate::ConfigError;
use crate::differences::{assert_close, assert_gradient, gradient, scattered, tensor, values};
use crate::init::Draw;

const LOGITS: [f64; 12] = [1.5, -0.5, 0.3, 2.0, -1.0, 0.25, 3.0, -2.5, 0.1, 0.2, -0.3, 0.4];
const BINARY: [f64; 12] = [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0];
const SOFT: [f64; 12] = [0.7, 0.1, 0.1, 0.1, 0.0, 0.0, 1.0, 0.0, 0.25, 0.25, 0.25, 0.25];
const CLASSES: [i64; 3] = [3, 0, 1];
const MEAN: [f64; 6] = [0.5, -1.0, 2.0, 0.1, 0.0, 3.0];
const LOG_VAR: [f64; 6] = [0.2, -1.5, 1.0, 0.0, -0.3, 2.0];
const TARGET: [f64; 6] = [0.0, -1.2, 2.5, 0.6, -1.0, 1.0];
const PRIOR: [f64; 6] = [0.0, 0.5, -1.0, 1.0, 0.3, -0.2];
const BOXES: [f64; 28] = [
    0.0, 0.0, 4.0, 3.0, 1.0, 1.0, 6.0, 8.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 2.0, 2.0, 1.0, 2.0, 4.0, 4.0, 0.0,
    0.0, 1.0, 1.0, 0.1, 0.1, 0.2, 0.4,
];
const OTHER: [f64; 28] = [
    1.0, 1.0, 5.0, 4.0, 2.0, 3.0, 4.0, 5.0, 3.0, 2.0, 5.0, 3.0, 2.5, 0.5, 3.0, 2.5, 1.5, 1.0, 4.5, 6.0, 90.0,
    80.0, 95.0, 99.0, 0.15, 0.12, 0.3, 0.3,
];

/// A tensor on the device of another: constants inside a function under test.
fn like<const D: usize, const E: usize>(x: &Tensor<D>, numbers: &[f64], shape: [usize; E]) -> Tensor<E> {
    tensor(numbers, shape, &x.device())
}

fn classes(device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(CLASSES, device)
}

fn focal(gamma: f64, alpha: Option<f64>) -> Focal {
    FocalConfig::new().with_gamma(gamma).with_alpha(alpha).init().unwrap()
}

fn smoothing(epsilon: f64) -> LabelSmoothing {
    LabelSmoothingConfig::new().with_epsilon(epsilon).init().unwrap()
}

fn components(b: impl Fn(f64, f64) -> [f64; 2]) -> Vec<f64> {
    (0..3)
        .flat_map(|i| (0..4).map(move |k| (f64::from(i), f64::from(k))))
        .flat_map(|(i, k)| b(i, k))
        .collect()
}

fn component_mean() -> Vec<f64> {
    components(|b, k| [0.3 * (b + 1.0) - 0.5 * k, 0.7 * k - 0.2 * b])
}

fn component_log_std() -> Vec<f64> {
    components(|b, k| [0.1 * k - 0.2, 0.2 * b - 0.1 * k])
}

/// Value and first gradient of the reference beside ours.
#[track_caller]
fn assert_parity<const D: usize, const E: usize>(
    case: &str,
    f: impl Fn(Tensor<D>) -> Tensor<E>,
    x: &[f64],
    shape: [usize; D],
) {
    let fixture: Value = serde_json::from_str(include_str!("../../tests/fixtures/loss.json")).unwrap();
    let numbers =
        |value: &Value| value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    let case = &fixture["cases"][case];
    let value = values(f(tensor(x, shape, &Device::flex())));
    assert_close(&value, &numbers(&case["value"]), 1e-9, 1e-12);
    let gradient = gradient(|x| f(x).sum(), x, shape);
    assert_close(&gradient, &numbers(&case["gradient"][0]), 1e-7, 1e-12);
}

#[test]
fn classification_losses_equal_pytorchs_and_torchvisions() {
    let soft = |z: Tensor<2>| cross_entropy(z.clone(), like(&z, &SOFT, [3, 4]));
    assert_parity("cross_entropy_soft", soft, &LOGITS, [3, 4]);
    let smooth = |z: Tensor<2>| smoothing(0.1).forward(z.clone(), classes(&z.device()));
    assert_parity("label_smoothing_0.1", smooth, &LOGITS, [3, 4]);
    let retina = |z: Tensor<2>| focal(2.0, Some(0.25)).binary(z.clone(), like(&z, &BINARY, [3, 4]));
    assert_parity("focal_2_0.25", retina, &LOGITS, [3, 4]);
    let plain = |z: Tensor<2>| focal(1.5, None).binary(z.clone(), like(&z, &BINARY, [3, 4]));
    assert_parity("focal_1.5", plain, &LOGITS, [3, 4]);
}

#[test]
fn likelihoods_and_divergences_equal_pytorchs_distributions() {
    let nll = |m: Tensor<2>| gaussian_nll(m.clone(), like(&m, &LOG_VAR, [3, 2]), like(&m, &TARGET, [3, 2]));
    assert_parity("gaussian_nll", nll, &MEAN, [3, 2]);
    let mixture = |z: Tensor<2>| {
        let (mean, log_std) = (component_mean(), component_log_std());
        let parameters = (like(&z, &mean, [3, 4, 2]), like(&z, &log_std, [3, 4, 2]));
        mixture_density_nll(z.clone(), parameters.0, parameters.1, like(&z, &TARGET, [3, 2]))
    };
    assert_parity("mixture", mixture, &LOGITS, [3, 4]);
    let kl = |m: Tensor<2>| {
        let prior = (like(&m, &TARGET, [3, 2]), like(&m, &PRIOR, [3, 2]));
        kl_between_normals(m.clone(), like(&m, &LOG_VAR, [3, 2]), prior.0, prior.1)
    };
    assert_parity("kl", kl, &MEAN, [3, 2]);
}

#[test]
fn box_losses_equal_torchvisions() {
    for (name, loss) in
        [("box_giou", BoxLoss::Giou), ("box_diou", BoxLoss::Diou), ("box_ciou", BoxLoss::Ciou)]
    {
        assert_parity(name, |a: Tensor<2>| loss.forward(a.clone(), like(&a, &OTHER, [7, 4])), &BOXES, [7, 4]);
    }
}

#[test]
fn the_bce_game_equals_pytorchs_binary_cross_entropy() {
    let game = GanLoss::Bce { real_label: 0.9 };
    // With the other side's logits at +∞ its part is ln 1 = 0; the mean of the two halves remains.
    let real = |z: Tensor<2>| game.discriminator(z.clone(), like(&z, &[-800.0], [1, 1])) * 2.0;
    assert_parity("bce_real", real, &LOGITS, [3, 4]);
    let whole = GanLoss::Bce { real_label: 1.0 };
    let fake = |z: Tensor<2>| whole.discriminator(like(&z, &[800.0], [1, 1]), z) * 2.0;
    assert_parity("bce_fake", fake, &LOGITS, [3, 4]);
}

#[test]
fn gradients_of_classification_and_overlap_losses_are_the_limit_of_differences() {
    assert_gradient(|z: Tensor<2>| cross_entropy(z.clone(), like(&z, &SOFT, [3, 4])), &LOGITS, [3, 4]);
    assert_gradient(|z: Tensor<2>| smoothing(0.2).forward(z.clone(), classes(&z.device())), &LOGITS, [3, 4]);
    for gamma in [0.0, 0.5, 2.0] {
        let binary = |z: Tensor<2>| {
            focal(gamma, Some(0.3)).binary(z.clone(), like(&z, &BINARY, [3, 4])).sum_dim(1).squeeze_dim(1)
        };
        assert_gradient(binary, &LOGITS, [3, 4]);
        assert_gradient(
            |z: Tensor<2>| focal(gamma, None).forward(z.clone(), classes(&z.device())),
            &LOGITS,
            [3, 4],
        );
    }
    for config in [TverskyConfig::new(), TverskyConfig::dice(), TverskyConfig::jaccard()] {
        let loss = config.init().unwrap();
        let of_probabilities = |p: Tensor<2>| loss.forward(p.clone(), like(&p, &BINARY, [2, 6]));
        assert_gradient(of_probabilities, &scattered(12, 0.05, 0.95), [2, 6]);
    }
}

#[test]
fn gradients_of_likelihoods_games_and_boxes_are_the_limit_of_differences() {
    let target = |x: &Tensor<2>| like(x, &TARGET, [3, 2]);
    let rows = |x: Tensor<2>| x.sum_dim(1).squeeze_dim(1);
    assert_gradient(|m| rows(gaussian_nll(m.clone(), like(&m, &LOG_VAR, [3, 2]), target(&m))), &MEAN, [3, 2]);
    assert_gradient(|v| rows(gaussian_nll(like(&v, &MEAN, [3, 2]), v.clone(), target(&v))), &LOG_VAR, [3, 2]);
    let (mean, log_std) = (component_mean(), component_log_std());
    let mixture = |logits: Tensor<2>, mean: Tensor<3>, log_std: Tensor<3>| {
        let target = like(&logits, &TARGET, [3, 2]);
        mixture_density_nll(logits, mean, log_std, target)
    };
    let shape = [3, 4, 2];
    assert_gradient(
        |m: Tensor<3>| mixture(like(&m, &LOGITS, [3, 4]), m.clone(), like(&m, &log_std, shape)),
        &mean,
        shape,
    );
    assert_gradient(
        |s: Tensor<3>| mixture(like(&s, &LOGITS, [3, 4]), like(&s, &mean, shape), s.clone()),
        &log_std,
        shape,
    );
    assert_gradient(|m| kl_to_standard_normal(m.clone(), like(&m, &LOG_VAR, [3, 2])), &MEAN, [3, 2]);
    assert_gradient(|v| kl_to_standard_normal(like(&v, &MEAN, [3, 2]), v), &LOG_VAR, [3, 2]);
    assert_gradient(
        |v: Tensor<2>| {
            let others = [&MEAN, &LOG_VAR, &TARGET].map(|numbers| like(&v, numbers, [3, 2]));
            let [mean_q, log_var_q, mean_p] = others;
            kl_between_normals(mean_q, log_var_q, mean_p, v)
        },
        &PRIOR,
        [3, 2],
    );
    for game in [
        GanLoss::Minimax,
        GanLoss::NonSaturating,
        GanLoss::Wasserstein,
        GanLoss::Hinge,
        GanLoss::Bce { real_label: 0.9 },
    ] {
        assert_gradient(|z: Tensor<2>| game.discriminator(z.clone(), z * -0.7), &LOGITS, [3, 4]);
        assert_gradient(|z: Tensor<2>| game.generator(z), &LOGITS, [3, 4]);
    }
    // Boxes without shared edges: there, minimum and maximum have a kink.
    let pairs = [0, 8, 20, 24].map(|i| (BOXES[i..i + 4].to_vec(), OTHER[i..i + 4].to_vec()));
    for (mut a, b) in pairs {
        a.iter_mut().for_each(|x| *x += 0.01);
        for loss in [BoxLoss::Iou, BoxLoss::Giou, BoxLoss::Diou] {
            assert_gradient(|a: Tensor<2>| loss.forward(a.clone(), like(&a, &b, [1, 4])), &a, [1, 4]);
        }
    }
}

#[test]
fn the_gradient_of_ciou_treats_its_weight_as_a_constant() {
    let (a, b) = (&BOXES[..4], &[1.0, 1.0, 3.0, 4.5]);
    let at = |a: &Tensor<2>| like(a, b, [1, 4]);
    // α is frozen at its value here, by the definition of the paper.
    let angle = |w: f64, h: f64| (w / h).atan();
    let v = (4.0 / std::f64::consts::PI.powi(2)) * (angle(2.0, 3.5) - angle(4.0, 3.0)).powi(2);
    let flex = Device::flex();
    let iou =
        1.0 - BoxLoss::Iou.forward(tensor(a, [1, 4], &flex), tensor(b, [1, 4], &flex)).into_scalar::<f64>();
    let alpha = v / (1.0 - iou + v + 1e-7);
    let frozen = |x: Tensor<2>| {
        let side = |i: usize| x.clone().narrow(1, i, 1);
        let angle = ((side(2) - side(0)) / (side(3) - side(1))).atan();
        let v = (-angle + (2.0f64 / 3.5).atan()).square() * (4.0 / std::f64::consts::PI.powi(2));
        BoxLoss::Diou.forward(x.clone(), at(&x)) + v.squeeze_dim::<1>(1) * alpha
    };
    assert_gradient(frozen, a, [1, 4]);
    let ciou = gradient(|x: Tensor<2>| BoxLoss::Ciou.forward(x.clone(), at(&x)), a, [1, 4]);
    assert_close(&ciou, &gradient(frozen, a, [1, 4]), 1e-7, 1e-10);
}

#[test]
fn hand_computed_values() {
    let device = Device::flex();
    // Two equal logits: p = ½. Focal: (½)²·ln 2; cross-entropy: ln 2.
    let even = tensor(&[0.0, 0.0], [1, 2], &device);
    let zero = Tensor::<1, Int>::from_data([0], &device);
    let ln2 = std::f64::consts::LN_2;
    assert_close(&values(focal(2.0, None).forward(even.clone(), zero.clone())), &[ln2 / 4.0], 1e-12, 0.0);
    assert_close(&values(smoothing(0.3).forward(even, zero)), &[ln2], 1e-12, 0.0);
    // One hit, one false alarm, one miss: dice 1 − 2/4; Jaccard 1 − 1/3 (smoothing aside).
    let (p, t) = (tensor(&[1.0, 1.0, 0.0], [1, 3], &device), tensor(&[1.0, 0.0, 1.0], [1, 3], &device));
    let loss = |config: TverskyConfig| {
        values(config.with_smooth(1e-12).init().unwrap().forward(p.clone(), t.clone()))[0]
    };
    assert!((loss(TverskyConfig::dice()) - 0.5).abs() < 1e-9);
    assert!((loss(TverskyConfig::jaccard()) - 2.0 / 3.0).abs() < 1e-9);
    assert!((loss(TverskyConfig::new()) - 0.5).abs() < 1e-9, "1/(1 + 0.3 + 0.7)");
    // N(1; 0, 1): ½(ln 2π + 1). KL(N(1, 1) ‖ N(0, 1)) = ½.
    let one = tensor(&[1.0], [1, 1], &device);
    let nll = gaussian_nll(one.zeros_like(), one.zeros_like(), one.clone());
    assert_close(&values(nll), &[1.418_938_533_204_672_7], 1e-12, 0.0);
    assert_close(&values(kl_to_standard_normal(one.clone(), one.zeros_like())), &[0.5], 1e-12, 0.0);
    // Hinge: real 0.5 misses the margin by 0.5, fake −2 is beyond it.
    let hinge = GanLoss::Hinge.discriminator(one.clone() * 0.5, one * -2.0);
    assert_close(&values(hinge), &[0.5], 1e-12, 0.0);
}

#[test]
fn focal_loss_without_focus_is_cross_entropy_and_two_classes_are_one_question() {
    let device = Device::flex();
    let z = tensor(&LOGITS, [3, 4], &device);
    let plain = focal(0.0, None).forward(z.clone(), classes(&device));
    assert_close(&values(plain), &values(smoothing(0.0).forward(z.clone(), classes(&device))), 1e-12, 0.0);
    // Classes (no, yes) with logits (0, z) are a sigmoid of z.
    let column = z.reshape([12, 1]);
    let pair = Tensor::cat(vec![column.zeros_like(), column.clone()], 1);
    let yes: Vec<i64> = BINARY.iter().map(|t| *t as i64).collect();
    let yes = Tensor::<1, Int>::from_data(yes.as_slice(), &device);
    let two = focal(2.0, None).forward(pair, yes);
    let one = focal(2.0, None).binary(column, tensor(&BINARY, [12, 1], &device));
    assert_close(&values(two), &values(one), 1e-12, 1e-15);
}

#[test]
fn focus_discounts_the_easy_example_a_hundredfold_at_nine_tenths() {
    let device = Device::flex();
    let logit = (0.9f64 / 0.1).ln();
    let z = tensor(&[logit], [1, 1], &device);
    let ratio = |gamma| values(focal(gamma, None).binary(z.clone(), z.ones_like()))[0];
    assert!((ratio(2.0) / ratio(0.0) - 0.01).abs() < 1e-12);
}

#[test]
fn cross_entropy_is_least_at_the_target_itself_where_it_is_the_entropy() {
    let device = Device::flex();
    let targets = smoothing(0.1).targets(classes(&device), 4);
    let entropy = values(-(targets.clone() * targets.clone().log()).sum_dim(1));
    let at_target = values(cross_entropy(targets.clone().log(), targets.clone()));
    assert_close(&at_target, &entropy, 1e-5, 1e-6);
    for shift in [-0.3, 0.2, 1.0] {
        let moved = targets.clone().log() + Tensor::<2>::from_data([[shift, 0.0, 0.1, 0.0]], &device);
        let there = values(cross_entropy(moved, targets.clone()));
        assert!(there.iter().zip(&entropy).all(|(there, least)| there > least));
    }
}

#[test]
fn smoothed_labels_are_cross_entropy_against_the_smoothed_targets() {
    let device = Device::flex();
    let z = Tensor::<2>::from_data(
        [[1.5, -0.5, 0.3, 2.0], [-1.0, 0.25, 3.0, -2.5], [0.1, 0.2, -0.3, 0.4]],
        &device,
    );
    let smooth = smoothing(0.1);
    let targets = smooth.targets(classes(&device), 4);
    assert_close(&values(targets.clone().sum_dim(1)), &[1.0; 3], 1e-6, 0.0);
    let against = cross_entropy(z.clone(), targets);
    assert_close(&values(against), &values(smooth.forward(z, classes(&device))), 1e-5, 1e-6);
}

#[test]
fn smoothed_logits_stop_growing_at_the_documented_lead() {
    let (epsilon, count) = (0.1, 4.0);
    let lead = ((1.0 - epsilon) * count / epsilon + 1.0f64).ln();
    let slope = |lead: f64| {
        let class = |z: &Tensor<2>| Tensor::<1, Int>::from_data([0], &z.device());
        gradient(
            |z: Tensor<2>| smoothing(epsilon).forward(z.clone(), class(&z)),
            &[lead, 0.0, 0.0, 0.0],
            [1, 4],
        )
    };
    assert_close(&slope(lead), &[0.0; 4], 0.0, 1e-8);
    assert!(slope(lead - 0.1)[0] < 0.0 && slope(lead + 0.1)[0] > 0.0);
}

#[test]
fn a_hinge_discriminator_is_content_beyond_its_margin() {
    let slope =
        |z: f64| gradient(|z: Tensor<2>| GanLoss::Hinge.discriminator(z.clone(), z * -1.0), &[z], [1, 1])[0];
    assert_eq!((slope(0.5), slope(1.5)), (-2.0, 0.0));
}

#[test]
fn huge_logits_give_large_finite_losses_with_finite_gradients() {
    let device = Device::flex().autodiff();
    let z =
        Tensor::<2>::from_data([[1e4, -1e4, 0.0, 5.0], [-1e4, 1e4, 300.0, -300.0]], &device).require_grad();
    let no = Tensor::<2>::from_data([[0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]], &device);
    let wrong = Tensor::<1, Int>::from_data([1, 1], &device);
    let games = [GanLoss::Minimax, GanLoss::NonSaturating, GanLoss::Hinge, GanLoss::Bce { real_label: 0.9 }];
    let mut losses = vec![
        cross_entropy(z.clone(), no.clone()),
        smoothing(0.1).forward(z.clone(), wrong.clone()),
        focal(2.0, None).forward(z.clone(), wrong.clone()),
        focal(0.5, None).forward(z.clone(), wrong),
        focal(0.5, Some(0.25)).binary(z.clone(), no).sum(),
    ];
    losses.extend(games.map(|game| game.discriminator(z.clone(), -z.clone())));
    losses.extend(games.map(|game| game.generator(z.clone())));
    for (i, loss) in losses.into_iter().enumerate() {
        let total = loss.sum();
        assert!(total.clone().into_scalar::<f64>().is_finite(), "loss {i}");
        let gradients = total.backward();
        let gradient = values(z.grad(&gradients).unwrap());
        assert!(gradient.iter().all(|g| g.is_finite()), "gradient of loss {i}: {gradient:?}");
    }
}

#[test]
fn a_confidently_wrong_answer_costs_its_logit() {
    let device = Device::flex();
    let z = Tensor::<2>::from_data([[1e4, 0.0]], &device);
    let wrong = Tensor::<1, Int>::from_data([1], &device);
    let loss = focal(2.0, None).forward(z, wrong).into_scalar::<f32>();
    assert!((loss - 1e4).abs() < 1e-2, "{loss}");
}

#[test]
fn overlap_of_empty_masks_is_perfect_and_background_does_not_count() {
    let device = Device::flex();
    let empty = tensor(&[0.0; 4], [1, 4], &device);
    let (p, t) =
        (tensor(&[0.8, 0.3, 0.0, 0.6], [1, 4], &device), tensor(&[1.0, 0.0, 0.0, 1.0], [1, 4], &device));
    for config in [TverskyConfig::new(), TverskyConfig::dice(), TverskyConfig::jaccard()] {
        let loss = config.init().unwrap();
        assert_eq!(values(loss.forward(empty.clone(), empty.clone())), [0.0]);
        assert_eq!(values(loss.forward(t.clone(), t.clone())), [0.0]);
        let wrong = values(loss.forward(empty.ones_like(), empty.clone()))[0];
        assert!(wrong > 0.4 && wrong < 1.0, "{wrong}");
        let wide = |x: &Tensor<2>| Tensor::cat(vec![x.clone(), Tensor::zeros_like(&empty)], 1);
        let with_background = loss.forward(wide(&p), wide(&t));
        assert_close(&values(with_background), &values(loss.forward(p.clone(), t.clone())), 1e-12, 0.0);
    }
}

#[test]
fn dice_and_jaccard_rank_alike() {
    // D = 2J/(1 + J) between the coefficients, so both losses order predictions the same way.
    let device = Device::flex();
    let (p, t) =
        (tensor(&[0.8, 0.3, 0.1, 0.6], [1, 4], &device), tensor(&[1.0, 0.0, 0.0, 1.0], [1, 4], &device));
    let index = |config: TverskyConfig| {
        1.0 - values(config.with_smooth(1e-12).init().unwrap().forward(p.clone(), t.clone()))[0]
    };
    let (dice, jaccard) = (index(TverskyConfig::dice()), index(TverskyConfig::jaccard()));
    assert!((dice - 2.0 * jaccard / (1.0 + jaccard)).abs() < 1e-9);
}

#[test]
fn densities_integrate_to_one() {
    let device = Device::flex();
    let (count, step) = (4001, 0.01);
    let x: Vec<f64> = (0..count).map(|i| -20.0 + step * f64::from(i)).collect();
    let n = x.len();
    let x = tensor(&x, [n, 1], &device);
    let constant = |numbers: &[f64]| tensor(numbers, [1, numbers.len()], &device).repeat_dim(0, n);
    let gauss = gaussian_nll(constant(&[0.7]), constant(&[-0.4]), x.clone());
    assert!(((-gauss).exp().sum().into_scalar::<f64>() * step - 1.0).abs() < 1e-9);
    let of_three = |numbers: [f64; 3]| constant(&numbers).unsqueeze_dim::<3>(2);
    let mixture = mixture_density_nll(
        constant(&[0.2, -1.0, 2.0]),
        of_three([-3.0, 0.5, 4.0]),
        of_three([0.0, -1.0, 0.4]),
        x,
    );
    assert!(((-mixture).exp().sum().into_scalar::<f64>() * step - 1.0).abs() < 1e-9);
}

#[test]
fn a_mixture_of_equal_components_is_one_gaussian_and_order_does_not_matter() {
    let device = Device::flex();
    let (mean, log_std) = (component_mean(), component_log_std());
    let (mean, log_std) = (tensor(&mean, [3, 4, 2], &device), tensor(&log_std, [3, 4, 2], &device));
    let (z, target) = (tensor(&LOGITS, [3, 4], &device), tensor(&TARGET, [3, 2], &device));
    let forward = mixture_density_nll(z.clone(), mean.clone(), log_std.clone(), target.clone());
    let backward = mixture_density_nll(
        z.clone().flip([1]),
        mean.clone().flip([1]),
        log_std.clone().flip([1]),
        target.clone(),
    );
    assert_close(&values(forward), &values(backward), 1e-12, 1e-14);
    let one = |x: Tensor<3>| x.narrow(1, 0, 1);
    let equal = mixture_density_nll(
        z,
        one(mean.clone()).repeat_dim(1, 4),
        one(log_std.clone()).repeat_dim(1, 4),
        target.clone(),
    );
    let single = gaussian_nll(one(mean).squeeze_dim(1), one(log_std).squeeze_dim(1) * 2.0, target).sum_dim(1);
    assert_close(&values(equal), &values(single), 1e-12, 1e-14);
}

#[test]
fn far_targets_do_not_overflow_a_mixture() {
    let device = Device::flex();
    let (z, mean) = (Tensor::<2>::zeros([1, 2], &device), Tensor::<3>::zeros([1, 2, 1], &device));
    let far = Tensor::<2>::from_data([[1e4]], &device);
    let nll = mixture_density_nll(z, mean.clone(), mean, far).into_scalar::<f32>();
    assert!((nll - 5e7).abs() < 10.0, "{nll}");
}

#[test]
fn the_best_variance_is_the_squared_error() {
    let slope = gradient(
        |log_var: Tensor<1>| {
            let zero = log_var.zeros_like();
            gaussian_nll(zero.clone(), log_var, zero + 3.0)
        },
        &[9f64.ln()],
        [1],
    );
    assert!(slope[0].abs() < 1e-12, "{slope:?}");
}

#[test]
fn kl_closed_forms_agree_with_monte_carlo() {
    let (mut draw, n) = (Draw::new(17, 0), 200_000);
    let (mean_q, log_var_q, mean_p, log_var_p) = (0.8f64, -0.6f64, -0.3f64, 0.5f64);
    let log_density = |x: f64, mean: f64, log_var: f64| -0.5 * (log_var + (x - mean).powi(2) / log_var.exp());
    let (mut to_p, mut to_standard) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let x = mean_q + (0.5 * log_var_q).exp() * draw.normal();
        let q = log_density(x, mean_q, log_var_q);
        to_p.push(q - log_density(x, mean_p, log_var_p));
        to_standard.push(q - log_density(x, 0.0, 0.0));
    }
    let device = Device::flex();
    let one = |x: f64| tensor(&[x], [1, 1], &device);
    let closed = [
        kl_between_normals(one(mean_q), one(log_var_q), one(mean_p), one(log_var_p)),
        kl_to_standard_normal(one(mean_q), one(log_var_q)),
    ];
    for (samples, closed) in [to_p, to_standard].into_iter().zip(closed) {
        let mean = samples.iter().sum::<f64>() / f64::from(n);
        let variance = samples.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / f64::from(n);
        let error = 5.0 * (variance / f64::from(n)).sqrt();
        let closed = closed.into_scalar::<f64>();
        assert!((mean - closed).abs() < error, "{mean} is not {closed} within {error}");
    }
}

#[test]
fn kl_is_zero_at_home_positive_elsewhere_and_agrees_between_its_two_forms() {
    let device = Device::flex();
    let (mean, log_var) = (tensor(&MEAN, [3, 2], &device), tensor(&LOG_VAR, [3, 2], &device));
    let (other, prior) = (tensor(&TARGET, [3, 2], &device), tensor(&PRIOR, [3, 2], &device));
    let home = kl_between_normals(mean.clone(), log_var.clone(), mean.clone(), log_var.clone());
    assert_close(&values(home), &[0.0; 3], 0.0, 1e-14);
    let there = kl_between_normals(mean.clone(), log_var.clone(), other.clone(), prior.clone());
    let back = kl_between_normals(other, prior, mean.clone(), log_var.clone());
    assert!(values(there.clone()).iter().all(|kl| *kl > 0.0));
    assert_ne!(values(there), values(back), "KL is not symmetric");
    let zero = mean.zeros_like();
    let general = kl_between_normals(mean.clone(), log_var.clone(), zero.clone(), zero);
    assert_close(&values(general), &values(kl_to_standard_normal(mean, log_var)), 1e-12, 1e-14);
}

#[test]
fn a_discriminator_that_cannot_tell_pays_two_ln_two_and_the_best_one_knows_the_odds() {
    let device = Device::flex();
    let none = tensor(&[0.0], [1, 1], &device);
    let two_ln_two = 2.0 * std::f64::consts::LN_2;
    let loss = values(GanLoss::Minimax.discriminator(none.clone(), none));
    assert_close(&loss, &[two_ln_two], 1e-12, 0.0);
    // At one x that is real 3 times of 4: the optimal D is ¾, its logit ln 3 (Goodfellow, prop. 1).
    let slope = gradient(
        |z: Tensor<1>| {
            let z: Tensor<2> = z.unsqueeze_dim(1);
            let weighted = |sign: f64| GanLoss::NonSaturating.generator(z.clone() * sign);
            weighted(1.0) * 0.75 + weighted(-1.0) * 0.25
        },
        &[3f64.ln()],
        [1],
    );
    assert!(slope[0].abs() < 1e-12, "{slope:?}");
}

#[test]
fn the_minimax_generator_starves_where_the_non_saturating_one_learns() {
    let slope = |game: GanLoss| gradient(|z: Tensor<2>| game.generator(z), &[-20.0], [1, 1])[0];
    assert!(slope(GanLoss::Minimax).abs() < 1e-8);
    assert!((slope(GanLoss::NonSaturating) + 1.0).abs() < 1e-8);
    // Both want the same: a higher logit.
    assert!(slope(GanLoss::Minimax) < 0.0 && slope(GanLoss::Wasserstein) == -1.0);
    // The two players of minimax share one value up to sign and the real part.
    let z = tensor(&[0.3, -1.2], [2, 1], &Device::flex());
    let real = tensor(&[800.0], [1, 1], &Device::flex());
    let sum = GanLoss::Minimax.discriminator(real, z.clone()) + GanLoss::Minimax.generator(z);
    assert_close(&values(sum), &[0.0], 0.0, 1e-14);
}

#[test]
fn intersection_over_union_is_the_share_of_grid_cells() {
    // Corners on a grid of halves: counting cells is exact.
    let device = Device::flex();
    for (a, b) in BOXES.chunks(4).zip(OTHER.chunks(4)).take(5) {
        let inside = |b: &[f64], x: f64, y: f64| x > b[0] && x < b[2] && y > b[1] && y < b[3];
        let (mut both, mut either) = (0.0, 0.0);
        for i in 0..400 {
            let (x, y) = (f64::from(i % 20) * 0.5 + 0.25, f64::from(i / 20) * 0.5 + 0.25);
            both += f64::from(inside(a, x, y) && inside(b, x, y));
            either += f64::from(inside(a, x, y) || inside(b, x, y));
        }
        let loss = BoxLoss::Iou.forward(tensor(a, [1, 4], &device), tensor(b, [1, 4], &device));
        assert!((loss.into_scalar::<f64>() - (1.0 - both / either)).abs() < 1e-7, "{a:?} {b:?}");
    }
}

#[test]
fn box_losses_are_zero_at_home_and_ignore_position_and_scale() {
    let device = Device::flex();
    let (a, b) = (tensor(&BOXES[..20], [5, 4], &device), tensor(&OTHER[..20], [5, 4], &device));
    for loss in [BoxLoss::Iou, BoxLoss::Giou, BoxLoss::Diou, BoxLoss::Ciou] {
        let at_home = values(loss.forward(a.clone(), a.clone()));
        assert_close(&at_home, &[0.0; 5], 0.0, 1e-6);
        let here = values(loss.forward(a.clone(), b.clone()));
        assert!(here.iter().all(|l| *l > 0.0), "{loss}");
        let moved = loss.forward(a.clone() * 3.0 + 17.0, b.clone() * 3.0 + 17.0);
        assert_close(&values(moved), &here, 0.0, 1e-5);
        if loss != BoxLoss::Ciou {
            assert_close(&values(loss.forward(b.clone(), a.clone())), &here, 1e-12, 1e-14);
        }
    }
}

#[test]
fn boxes_that_do_not_touch_still_attract_each_other() {
    let (a, b) = (&BOXES[20..24], &OTHER[20..24]);
    let pull =
        |loss: BoxLoss| gradient(|a: Tensor<2>| loss.forward(a.clone(), like(&a, b, [1, 4])), a, [1, 4]);
    assert!(pull(BoxLoss::Iou).iter().all(|g| *g == 0.0), "IoU is blind");
    for loss in [BoxLoss::Diou, BoxLoss::Ciou] {
        let pull = pull(loss);
        // Descending moves the centre right and down, to where the target is.
        assert!(pull[0] + pull[2] < 0.0 && pull[1] + pull[3] < 0.0, "{loss}: {pull:?}");
        let far =
            values(loss.forward(tensor(a, [1, 4], &Device::flex()), tensor(b, [1, 4], &Device::flex())));
        assert!(far[0] > 1.0 && far[0] < 2.5);
    }
    assert!(pull(BoxLoss::Giou).iter().any(|g| *g != 0.0));
}

#[test]
fn empty_boxes_give_finite_losses_and_gradients() {
    let device = Device::flex().autodiff();
    let empty = Tensor::<2>::from_data([[1.0, 1.0, 1.0, 1.0], [2.0, 3.0, 2.0, 5.0]], &device);
    let target = Tensor::<2>::from_data([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 4.0, 4.0]], &device);
    for loss in [BoxLoss::Iou, BoxLoss::Giou, BoxLoss::Diou, BoxLoss::Ciou] {
        let predicted = empty.clone().require_grad();
        let value = loss.forward(predicted.clone(), target.clone());
        let gradients = value.clone().sum().backward();
        assert!(values(value).iter().all(|l| l.is_finite()), "{loss}");
        assert!(values(predicted.grad(&gradients).unwrap()).iter().all(|g| g.is_finite()), "{loss}");
    }
}

#[test]
fn names_round_trip_and_settings_out_of_range_are_named() {
    for game in ["minimax", "non_saturating", "wasserstein", "hinge", "bce(0.9)"] {
        assert_eq!(game.parse::<GanLoss>().unwrap().to_string(), game);
    }
    for loss in ["iou", "giou", "diou", "ciou"] {
        let parsed: BoxLoss = serde_json::from_str(&format!("\"{loss}\"")).unwrap();
        assert_eq!(parsed.to_string(), loss);
    }
    let focal = FocalConfig::new();
    let tversky = TverskyConfig::new();
    let errors: [(ConfigError, &str); 10] = [
        (focal.clone().with_gamma(-1.0).init().unwrap_err(), "gamma"),
        (focal.clone().with_gamma(f64::NAN).init().unwrap_err(), "gamma"),
        (focal.with_alpha(Some(1.5)).init().unwrap_err(), "alpha"),
        (tversky.clone().with_alpha(-0.1).init().unwrap_err(), "alpha"),
        (tversky.clone().with_beta(f64::INFINITY).init().unwrap_err(), "beta"),
        (tversky.with_smooth(0.0).init().unwrap_err(), "smooth"),
        (LabelSmoothingConfig::new().with_epsilon(1.0).init().unwrap_err(), "epsilon"),
        ("bce(0)".parse::<GanLoss>().unwrap_err(), "gan_loss.real_label"),
        ("wassertein".parse::<GanLoss>().unwrap_err(), "gan_loss"),
        ("goiu".parse::<BoxLoss>().unwrap_err(), "box_loss"),
    ];
    for (error, field) in errors {
        assert_eq!(error.field, field, "{error}");
    }
    assert!("wassertein".parse::<GanLoss>().unwrap_err().reason.contains("did you mean \"wasserstein\""));
}

#[test]
#[should_panic(expected = "logits [1, 2] and targets [1, 3] must have the same shape")]
fn shapes_that_differ_are_refused_with_both() {
    let device = Device::flex();
    cross_entropy(Tensor::zeros([1, 2], &device), Tensor::zeros([1, 3], &device));
}
