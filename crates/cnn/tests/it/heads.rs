//! Regression, control, navigation: three heads on one backbone. What they compute against PyTorch
//! (`xtask/reference/parity/cnn_heads.py`), and what they claim against sums, samples and entropies.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor};
use fornax_cnn::block::SummaryConfig;
use fornax_cnn::control::{self, ControllerConfig, Density, Mixture, MixtureHead};
use fornax_cnn::navigation::{self, GoalError, NavigatorConfig};
use fornax_cnn::regression::{
    self, Gaussian, GaussianHead, Prediction, RegressorConfig, TargetError, check_targets,
};
use fornax_cnn::{Backbone, ResNet, ResNetConfig};
use fornax_nn_core::ConfigError;
use fornax_nn_core::calibration::Calibration;
use fornax_nn_core::check::{Fixture, GradCheck, Place, assert_close, fill};
use fornax_nn_core::optim::AdamConfig;
use fornax_prep::Key;

const LAYER: (f64, f64) = (1e-5, 1e-6);
const GRADIENT: (f64, f64) = (1e-4, 1e-6);

/// One block a stage; its coarsest map has ten channels.
fn backbone(device: &Device) -> ResNet {
    let narrow = ResNetConfig { blocks: [1; 4], ..ResNetConfig::resnet18_digits() };
    narrow.with_channels([4, 6, 8, 10]).init(device).unwrap()
}

fn regressor() -> RegressorConfig {
    RegressorConfig::new(3).with_summary(SummaryConfig::new().with_grid([2, 3]).with_hidden(12))
}

fn controller() -> ControllerConfig {
    let summary = SummaryConfig::new().with_grid([2, 3]).with_hidden(12);
    ControllerConfig::new(2).with_components(4).with_summary(summary)
}

fn fixture() -> Fixture {
    Fixture::parse(include_str!("../fixtures/heads.json")).unwrap()
}

#[test]
fn regression_computes_what_pytorch_does() {
    let device = Device::flex().autodiff();
    let head: GaussianHead = fill::fill(regressor().head(&backbone(&device), &device).unwrap());
    let map = fill::input("map", [3, 10, 4, 5], &device);
    let predicted = head.forward(map.clone());
    fixture().check("gaussian.mean", &predicted.mean, LAYER.0, LAYER.1).unwrap();
    fixture().check("gaussian.log_var", &predicted.log_var, LAYER.0, LAYER.1).unwrap();
    for (name, beta) in [("nll", 0.0), ("beta_nll", 0.5)] {
        let loss = regression::loss(head.forward(map.clone()), fill::input("targets", [3, 3], &device), beta);
        fixture().check(&format!("gaussian.{name}"), &loss, LAYER.0, LAYER.1).unwrap();
        let gradients = GradientsParams::from_grads(loss.backward(), &head);
        let prefix = format!("gaussian.{name}.gradients");
        fixture().check_gradients(&prefix, &head, &gradients, Place::from, GRADIENT).unwrap();
    }
}

#[test]
fn control_computes_what_pytorch_does() {
    let device = Device::flex().autodiff();
    let head: MixtureHead = fill::fill(controller().head(&backbone(&device), &device).unwrap());
    let mixture = head.mixture(head.forward(fill::input("map", [3, 10, 4, 5], &device)));
    let commands = fill::input("commands", [3, 2], &device);
    let nll = mixture.nll(commands.clone());
    fixture().check("mixture.nll", &nll, LAYER.0, LAYER.1).unwrap();
    fixture().check("mixture.mean", &mixture.mean(), LAYER.0, LAYER.1).unwrap();
    fixture().check("mixture.variance", &mixture.variance(), LAYER.0, LAYER.1).unwrap();
    let given: Vec<f64> = commands.into_data().iter::<f64>().collect();
    for d in 0..2 {
        let cdf: Vec<f64> = mixture
            .densities()
            .iter()
            .enumerate()
            .map(|(i, density)| density.cdf(d, given[2 * i + d]))
            .collect();
        fixture().check(&format!("mixture.cdf{d}"), cdf.as_slice(), LAYER.0, LAYER.1).unwrap();
    }
    // Host and device agree on the density.
    let on_host: Vec<f64> = mixture
        .densities()
        .iter()
        .zip(given.chunks(2))
        .map(|(density, at)| -density.log_density(at))
        .collect();
    assert_close(&nll, on_host.as_slice(), 1e-5, 1e-6);
    let gradients = GradientsParams::from_grads(nll.mean().backward(), &head);
    fixture().check_gradients("mixture.gradients", &head, &gradients, Place::from, GRADIENT).unwrap();
}

fn images(batch: usize, device: &Device) -> Tensor<4> {
    Tensor::from_data(fill::data("images", &[batch, 1, 12, 12]), (device, DType::F64))
}

fn numbers(name: &str, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(fill::data(name, &shape), (device, DType::F64))
}

#[test]
fn heads_have_the_gradient_of_their_loss() {
    let device = Device::flex().autodiff();
    // The stem's three, six a block, three for each of the blocks that halve the map, and the two of the classifier,
    // which is not used: its derivative is zero.
    let shared = 3 + 4 * 6 + 3 * 3 + 2;
    let model = fill::fill(regressor().with_beta(0.0).init(backbone(&device), &device).unwrap());
    let batch =
        regression::Batch { images: images(4, &device), targets: numbers("targets", [4, 3], &device) };
    let report = GradCheck::new().model(model, |model| model.training_loss(batch.clone())).unwrap();
    assert_eq!((report.compared, report.excepted), (shared + 4, 0));

    let model = fill::fill(controller().init(backbone(&device), &device).unwrap());
    let commands = numbers("commands", [4, 2], &device);
    let batch = control::Batch { images: images(4, &device), commands: commands.clone() };
    let report = GradCheck::new().model(model, |model| model.training_loss(batch.clone())).unwrap();
    assert_eq!((report.compared, report.excepted), (shared + 4, 0));

    let model = fill::fill(NavigatorConfig::new(controller()).init(backbone(&device), &device).unwrap());
    let batch = navigation::Batch { images: images(4, &device), goals: vec![2, 0, 1, 2], commands };
    let report = GradCheck::new().model(model, |model| model.training_loss(batch.clone())).unwrap();
    assert_eq!((report.compared, report.excepted), (shared + 3 * 4, 0));
}

#[test]
fn beta_gives_the_mean_the_gradient_between_likelihood_and_squared_error() {
    let device = Device::flex().autodiff();
    let slope = |beta: f64| {
        let mean = Tensor::<2>::from_data([[0.5]], &device).require_grad();
        let log_var = Tensor::<2>::from_data([[0.25f64.ln()]], &device);
        let predicted = Gaussian { mean: mean.clone(), log_var };
        let loss = regression::loss(predicted, Tensor::from_data([[2.0]], &device), beta);
        mean.grad(&loss.backward()).unwrap().into_scalar::<f64>()
    };
    // (μ − y)/σ² · σ^2β with μ − y = −1.5 and σ² = ¼.
    for (beta, expected) in [(0.0, -6.0), (0.5, -3.0), (1.0, -1.5)] {
        assert!((slope(beta) - expected).abs() < 1e-5, "β = {beta}: {}", slope(beta));
    }
}

/// The same mixture `batch` times.
fn mixture(weights: &[f64], mean: &[f64], std: &[f64], batch: usize) -> Mixture {
    let device = Device::flex();
    let (components, commands) = (weights.len(), mean.len() / weights.len());
    let logs = |values: &[f64]| values.iter().map(|value| value.ln()).collect::<Vec<f64>>();
    let logits = Tensor::<1>::from_data(logs(weights).as_slice(), (&device, DType::F64));
    let part = |values: &[f64]| {
        let values = Tensor::<1>::from_data(values, (&device, DType::F64));
        values.reshape([1, components, commands]).repeat_dim(0, batch)
    };
    Mixture {
        logits: logits.reshape([1, components]).repeat_dim(0, batch),
        mean: part(mean),
        log_std: part(&logs(std)),
    }
}

/// One uniform and two normal numbers for each of `n` draws.
fn noise(n: usize) -> (Tensor<1>, Tensor<2>) {
    let mut stream = Key::new(21).stream();
    let mut normal = || {
        let (u, v) = (1.0 - f64::from(stream.uniform()), f64::from(stream.uniform()));
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    let epsilon: Vec<f64> = (0..2 * n).map(|_| normal()).collect();
    let choice: Vec<f64> = (0..n).map(|_| f64::from(stream.uniform())).collect();
    let device = Device::flex();
    let choice = Tensor::from_data(choice.as_slice(), (&device, DType::F64));
    let epsilon = Tensor::<1>::from_data(epsilon.as_slice(), (&device, DType::F64)).reshape([n, 2]);
    (choice, epsilon)
}

const WEIGHTS: [f64; 3] = [0.5, 0.2, 0.3];
const MEAN: [f64; 6] = [-0.8, 0.5, 0.1, -0.4, 1.2, 0.9];
const STD: [f64; 6] = [0.2, 0.3, 0.4, 0.1, 0.25, 0.5];

/// Means of p and of p · (−ln p) over the plane, by the midpoint rule.
fn integrals(density: &Density) -> (f64, f64) {
    let (step, reach) = (0.02, 4.0);
    let steps = (2.0 * reach / step) as i32;
    let place = |i: i32| -reach + step * (f64::from(i) + 0.5);
    let (mut mass, mut entropy) = (0.0, 0.0);
    for i in 0..steps * steps {
        let log = density.log_density(&[place(i % steps), place(i / steps)]);
        mass += log.exp() * step * step;
        entropy -= log.exp() * log * step * step;
    }
    (mass, entropy)
}

#[test]
fn a_mixture_integrates_to_one_and_the_likelihood_of_its_samples_is_its_entropy() {
    let n = 40_000;
    let mixture = mixture(&WEIGHTS, &MEAN, &STD, n);
    let (mass, entropy) = integrals(&mixture.densities()[0]);
    assert!((mass - 1.0).abs() < 1e-9, "{mass}");
    let (choice, epsilon) = noise(n);
    let nll: Vec<f64> = mixture.nll(mixture.sample(choice, epsilon)).into_data().iter::<f64>().collect();
    let mean = nll.iter().sum::<f64>() / n as f64;
    let deviation = (nll.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
    let bound = 5.0 * deviation / (n as f64).sqrt();
    assert!((mean - entropy).abs() < bound, "{mean} is not {entropy} within {bound}");
}

#[test]
fn samples_have_the_mean_the_variance_and_the_coverage_of_their_mixture() {
    let n = 40_000;
    let mixture = mixture(&WEIGHTS, &MEAN, &STD, n);
    let (choice, epsilon) = noise(n);
    let samples: Vec<f64> = mixture.sample(choice, epsilon).into_data().iter::<f64>().collect();
    let (mean, variance) = (mixture.mean().into_data(), mixture.variance().into_data());
    let density = &mixture.densities()[0];
    for d in 0..2 {
        let (mean, variance) = (mean.iter::<f64>().nth(d).unwrap(), variance.iter::<f64>().nth(d).unwrap());
        let column: Vec<f64> = samples.iter().copied().skip(d).step_by(2).collect();
        let moment = |k: i32, about: f64| column.iter().map(|x| (x - about).powi(k)).sum::<f64>() / n as f64;
        assert!((moment(1, 0.0) - mean).abs() < 5.0 * (variance / n as f64).sqrt(), "mean {d}");
        // The deviation of a sample variance: √((μ₄ − σ⁴)/n).
        let bound = 5.0 * ((moment(4, mean) - variance.powi(2)) / n as f64).sqrt();
        assert!((moment(2, mean) - variance).abs() < bound, "variance {d}");
        let calibration = Calibration::new(column.iter().map(|x| density.cdf(d, *x)).collect()).unwrap();
        for level in [0.5f64, 0.9, 0.95] {
            let bound = 5.0 * (level * (1.0 - level) / n as f64).sqrt();
            assert!((calibration.coverage(level) - level).abs() < bound, "{d} at {level}");
        }
    }
}

#[test]
fn the_law_of_total_variance_holds_for_an_ensemble() {
    let device = Device::flex();
    let tensor = |values: [f64; 2]| Tensor::<2>::from_data([values], (&device, DType::F64));
    let part = |mean, var: [f64; 2]| Gaussian { mean: tensor(mean), log_var: tensor(var.map(f64::ln)) };
    let parts = [part([0.0, 1.0], [0.5, 0.1]), part([1.0, 1.0], [0.2, 0.3]), part([-0.5, 1.0], [1.0, 0.2])];
    let prediction = Prediction::mixture(&parts);
    // By hand: means 0, 1, −½ average to 1/6 and spread by (1/36 + 25/36 + 16/36)/3.
    assert_close(&prediction.mean, &[1.0 / 6.0, 1.0], 1e-12, 1e-12);
    assert_close(&prediction.epistemic, &[42.0 / 108.0, 0.0], 1e-12, 1e-12);
    assert_close(&prediction.aleatoric, &[1.7 / 3.0, 0.2], 1e-12, 1e-12);
    // And by drawing from the members in turn.
    let n = 39_999;
    let (_, epsilon) = noise(n);
    let epsilon: Vec<f64> = epsilon.into_data().iter::<f64>().step_by(2).collect();
    let members = [(0.0, 0.5f64), (1.0, 0.2), (-0.5, 1.0)];
    let draws: Vec<f64> =
        epsilon.iter().enumerate().map(|(i, z)| members[i % 3].0 + members[i % 3].1.sqrt() * z).collect();
    let mean = draws.iter().sum::<f64>() / n as f64;
    let moment = |k: i32| draws.iter().map(|x| (x - mean).powi(k)).sum::<f64>() / n as f64;
    let variance = prediction.variance().into_data().iter::<f64>().next().unwrap();
    let bound = 5.0 * ((moment(4) - variance.powi(2)) / f64::from(n as u32)).sqrt();
    assert!((moment(2) - variance).abs() < bound, "{} is not {variance}", moment(2));
}

#[test]
fn modes_are_where_the_density_is_highest() {
    let density = |weights: &[f64], mean: &[f64], std: &[f64]| {
        mixture(weights, mean, std, 1).densities().pop().unwrap()
    };
    // Two of them far apart: each its own mode, the heavier first.
    let apart = density(&[0.3, 0.7], &[-1.0, 1.0], &[0.2, 0.2]);
    let modes = apart.modes();
    assert_eq!(modes.len(), 2);
    assert!((modes[0].command[0] - 1.0).abs() < 1e-6 && (modes[1].command[0] + 1.0).abs() < 1e-6);
    assert!(modes[0].log_density > modes[1].log_density);
    // Equal and less than two deviations apart: one, in the middle.
    let close = density(&[0.5, 0.5], &[-0.15, 0.15], &[0.2, 0.2]).modes();
    assert_eq!(close.len(), 1);
    assert!(close[0].command[0].abs() < 1e-3, "{close:?}");
    // Found by a search of the plane.
    let plane = density(&WEIGHTS, &MEAN, &STD);
    let found = plane.modes();
    let grid = (0..160_000).map(|i| [-2.0 + 0.01 * f64::from(i % 400), -2.0 + 0.01 * f64::from(i / 400)]);
    let best = grid.max_by(|a, b| plane.log_density(a).total_cmp(&plane.log_density(b))).unwrap();
    for d in 0..2 {
        assert!((found[0].command[d] - best[d]).abs() < 0.011, "{found:?} beside {best:?}");
    }
    // At a mode every step leads down.
    for mode in &found {
        for (dx, dy) in [(0.01, 0.0), (-0.01, 0.0), (0.0, 0.01), (0.0, -0.01)] {
            assert!(plane.log_density(&[mode.command[0] + dx, mode.command[1] + dy]) < mode.log_density);
        }
    }
}

#[test]
fn the_deviation_has_a_floor_and_far_commands_no_infinity() {
    let device = Device::flex().autodiff();
    let mut head = controller().with_min_std(0.05).head(&backbone(&device), &device).unwrap();
    head.fc.bias = head.fc.bias.map(|bias| bias.map(|bias| bias.detach() - 1e4));
    let mixture = head.mixture(head.forward(Tensor::zeros([1, 10, 4, 5], &device)));
    let std: Vec<f64> = mixture.log_std.clone().exp().into_data().iter::<f64>().collect();
    assert!(std.iter().all(|std| (std - 0.05).abs() < 1e-6), "{std:?}");
    let nll = mixture.nll(Tensor::from_data([[1e6, -1e6]], &device)).into_scalar::<f64>();
    assert!(nll.is_finite() && nll > 1e12);
}

#[test]
fn masks_of_ones_are_no_dropout_and_a_seed_repeats_the_masks() {
    let device = Device::flex();
    let config = regressor();
    let summary = config.summary.clone().with_dropout(0.25);
    let model = config.with_summary(summary).init(backbone(&device), &device).unwrap().valid();
    let images = fill::input("images", [5, 1, 12, 12], &device);
    let all = model.forward_with_masks(images.clone(), Tensor::ones([1, 5, 12], &device) * 0.75);
    assert_close(&all[0].mean, &model.forward(images.clone()).mean, 1e-5, 1e-6);
    let draw = |seed| {
        device.seed(seed);
        let parts = model.sample_dropout(images.clone(), 64);
        (Prediction::mixture(&parts).epistemic.into_data(), parts.len())
    };
    assert_eq!(draw(1), draw(1));
    let (epistemic, samples) = draw(2);
    assert_eq!(samples, 64);
    assert!(epistemic.iter::<f64>().all(|variance| variance > 0.0));
}

#[test]
fn a_goal_chooses_its_branch_and_trains_no_other() {
    let device = Device::flex().autodiff();
    let model = NavigatorConfig::new(controller()).init(backbone(&device), &device).unwrap();
    let images: Tensor<4> = fill::input("images", [4, 1, 12, 12], &device);
    let goals = [0, 2, 2, 0];
    let chosen = model.forward(images.clone(), &goals).mean.into_data().iter::<f64>().collect::<Vec<_>>();
    let map = model.backbone.forward_features(images.clone()).pop().unwrap();
    for (i, goal) in goals.into_iter().enumerate() {
        let branch = &model.branches[goal];
        let alone = branch.mixture(branch.forward(map.clone())).mean.narrow(0, i, 1);
        assert_close(&chosen[8 * i..8 * (i + 1)], &alone.reshape([8]), 1e-6, 1e-7);
    }
    let commands = fill::input("commands", [4, 2], &device);
    let loss = model.training_loss(navigation::Batch { images, goals: goals.to_vec(), commands });
    let gradients = loss.backward();
    let norm = |goal: usize| {
        let weight = model.branches[goal].fc.weight.val();
        weight.grad(&gradients).map_or(0.0, |gradient| gradient.square().sum().into_scalar::<f64>())
    };
    assert!(norm(0) > 0.0 && norm(2) > 0.0);
    assert_eq!(norm(1), 0.0);
}

/// What is learnt from images that say nothing and commands that go left or right: the mixture comes close to the
/// entropy and not below, the single normal distribution to its own bound and not below.
#[test]
fn two_ways_are_learnt_by_two_components_and_not_by_one() {
    let device = Device::flex().autodiff();
    let n = 2048;
    let truth = mixture(&[0.5, 0.5], &[-1.0, 0.3, 1.0, 0.3], &[0.1, 0.2, 0.1, 0.2], n);
    let (choice, epsilon) = noise(2 * n);
    let half =
        |i: usize| truth.sample(choice.clone().narrow(0, i * n, n), epsilon.clone().narrow(0, i * n, n));
    let to = |data: Tensor<2>| Tensor::<2>::from_data(data.into_data().convert::<f32>(), &device);
    let (train, test) = (to(half(0)), to(half(1)));
    let learn = |components: usize| {
        device.seed(3);
        let summary = SummaryConfig::new().with_hidden(8);
        let config = ControllerConfig::new(2).with_components(components).with_summary(summary);
        let mut model = config.init(backbone(&device), &device).unwrap();
        let mut optim = AdamConfig::new().init().unwrap();
        let mut noise = Key::new(22).stream();
        let mut image = |batch: usize| {
            let pixels: Vec<f32> = (0..batch * 16).map(|_| noise.between(-1.0, 1.0)).collect();
            Tensor::<1>::from_data(pixels.as_slice(), &device).reshape([batch, 1, 4, 4])
        };
        for step in 0..400 {
            let commands = train.clone().narrow(0, step % 16 * 128, 128);
            let batch = control::Batch { images: image(128), commands };
            (model, _) =
                control::train_step(model, &mut optim, if step < 300 { 1e-2 } else { 1e-3 }, batch).unwrap();
        }
        let mixture = model.valid().forward(image(n).inner());
        mixture.nll(test.clone().inner()).mean().into_scalar::<f64>()
    };
    let log_tau_e = (std::f64::consts::TAU * std::f64::consts::E).ln();
    let (across, along) = (0.1f64.ln() + 0.5 * log_tau_e, 0.2f64.ln() + 0.5 * log_tau_e);
    let entropy = across + along + 2f64.ln(); // the ways do not overlap
    let single = 0.5 * 1.01f64.ln() + 0.5 * log_tau_e + along;
    // −ln p of a command has deviation 1: five standard errors of 2,048 are 0.11.
    let (two, one) = (learn(2), learn(1));
    assert!(two > entropy - 0.11 && two < entropy + 0.25, "{two}, entropy {entropy}");
    assert!(one > single - 0.11 && one < single + 0.25, "{one}, bound {single}");
}

#[test]
fn what_cannot_be_used_is_named() {
    let device = Device::flex();
    let field = |error: ConfigError| error.field;
    let regressor = |config: RegressorConfig| field(config.init(backbone(&device), &device).err().unwrap());
    assert_eq!(regressor(RegressorConfig::new(0)), "outputs");
    assert_eq!(regressor(RegressorConfig::new(1).with_beta(1.5)), "beta");
    assert_eq!(regressor(RegressorConfig::new(1).with_min_std(0.0)), "min_std");
    let bad = SummaryConfig::new().with_dropout(1.0);
    assert_eq!(regressor(RegressorConfig::new(1).with_summary(bad)), "summary.dropout");
    let controller = |config: ControllerConfig| field(config.init(backbone(&device), &device).err().unwrap());
    assert_eq!(controller(ControllerConfig::new(0)), "commands");
    assert_eq!(controller(ControllerConfig::new(1).with_components(0)), "components");
    assert_eq!(controller(ControllerConfig::new(1).with_min_std(f64::NAN)), "min_std");
    let bad = SummaryConfig::new().with_grid([0, 2]);
    assert_eq!(controller(ControllerConfig::new(1).with_summary(bad)), "summary.grid");
    let navigator = |config: NavigatorConfig| field(config.init(backbone(&device), &device).err().unwrap());
    assert_eq!(navigator(NavigatorConfig::new(ControllerConfig::new(1)).with_goals(0)), "goals");
    assert_eq!(navigator(NavigatorConfig::new(ControllerConfig::new(0))), "head.commands");

    let model = NavigatorConfig::new(ControllerConfig::new(1)).init(backbone(&device), &device).unwrap();
    assert_eq!(model.check_goals(3, &[0, 1, 2]), Ok(()));
    let error = model.check_goals(3, &[0, 3, 1]).unwrap_err();
    assert_eq!(error, GoalError::OutOfRange { sample: 1, goal: 3, goals: 3 });
    assert_eq!(model.check_goals(2, &[0]), Err(GoalError::Count { goals: 1, images: 2 }));

    let targets = Tensor::<2>::from_data([[0.0, 1.0], [2.0, f32::NAN]], &device);
    assert_eq!(check_targets(&targets, 3), Err(TargetError::Columns { actual: 2, expected: 3 }));
    let error = check_targets(&targets, 2).unwrap_err();
    assert!(matches!(error, TargetError::NotFinite { sample: 1, column: 1, value } if value.is_nan()));
    assert_eq!(check_targets(&targets.narrow(0, 0, 1), 2), Ok(()));
}

#[test]
#[should_panic(expected = "goal 5 of sample 0 is out of range, expected one below 3")]
fn forward_says_which_goals_there_are() {
    let device = Device::flex();
    let model = NavigatorConfig::new(ControllerConfig::new(1)).init(backbone(&device), &device).unwrap();
    model.forward(Tensor::zeros([1, 1, 12, 12], &device), &[5]);
}

#[test]
fn a_command_that_is_no_number_stops_before_the_update() {
    let device = Device::flex().autodiff();
    let model = ControllerConfig::new(1).init(backbone(&device), &device).unwrap();
    let commands = Tensor::<2>::from_data([[f32::NAN], [0.0]], &device);
    let batch = control::Batch { images: fill::input("images", [2, 1, 12, 12], &device), commands };
    let mut optim = AdamConfig::new().init().unwrap();
    let error = control::train_step(model, &mut optim, 1e-3, batch).err().unwrap();
    assert!(error.to_string().contains("NaN"), "{error}");
}
