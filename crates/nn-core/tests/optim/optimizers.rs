//! Optimisers; the reference is `xtask/reference/parity/optim.py`.

use burn::module::{Module, Param, ParamGroup};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::config::from_json;
use fornax_nn_core::gradient::gradients;
use fornax_nn_core::optim::{
    EmaConfig, LookaheadConfig, OptimizerConfig, OptimizerKind, RmsPropConfig, SamConfig, SgdConfig,
};
use serde_json::Value;

/// scale · sin(1.7·i + phase), as `xtask/reference/parity/optim.py` has it.
fn wave(count: usize, phase: f64, scale: f64) -> Vec<f32> {
    (0..count).map(|i| (scale * (1.7 * i as f64 + phase).sin()) as f32).collect()
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::<1>::from_floats(values.as_slice(), device).reshape(shape)
}

fn param<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Param::from_tensor(tensor(values, shape, device))
}

/// The three problems of the reference; a network has all four tensors, the landscapes only `x`.
#[derive(Module, Debug)]
struct Problem {
    x: Option<Param<Tensor<1>>>,
    net: Option<Net>,
}

#[derive(Module, Debug)]
struct Net {
    hidden_weight: Param<Tensor<2>>,
    hidden_bias: Param<Tensor<1>>,
    output_weight: Param<Tensor<2>>,
    output_bias: Param<Tensor<1>>,
}

impl Problem {
    fn new(name: &str, device: &Device) -> Self {
        match name {
            "quadratic" => Self { x: Some(param(wave(6, 0.3, 2.0), [6], device)), net: None },
            "rosenbrock" => Self { x: Some(param(vec![-1.2, 1.0], [2], device)), net: None },
            "network" => Self {
                x: None,
                net: Some(Net {
                    hidden_weight: param(wave(12, 0.1, 0.7), [3, 4], device),
                    hidden_bias: param(wave(4, 0.2, 0.2), [4], device),
                    output_weight: param(wave(8, 0.4, 0.7), [4, 2], device),
                    output_bias: param(wave(2, 0.5, 0.2), [2], device),
                }),
            },
            other => panic!("no such problem: {other}"),
        }
    }

    fn loss(&self, step: usize, batch: usize) -> Tensor<1> {
        if let Some(net) = &self.net {
            let device = net.hidden_weight.device();
            let rows: Vec<usize> = (0..batch).map(|i| (step * batch + i) % 8).collect();
            let pick = |values: Vec<f32>, width: usize| {
                let rows = rows.iter().flat_map(|&row| values[row * width..(row + 1) * width].to_vec());
                tensor(rows.collect(), [batch, width], &device)
            };
            let input = pick(wave(24, 0.6, 1.5), 3);
            let target = pick(wave(16, 0.8, 1.0), 2);
            let hidden = (input.matmul(net.hidden_weight.val()) + net.hidden_bias.val().unsqueeze()).tanh();
            let output = hidden.matmul(net.output_weight.val()) + net.output_bias.val().unsqueeze();
            return (output - target).square().mean();
        }
        let x = self.x.as_ref().unwrap().val();
        if x.dims() == [6] {
            let curvature = Tensor::<1>::from_floats([1.0, 2.5, 6.3, 16.0, 40.0, 100.0], &x.device());
            return (curvature * (x - 1.0).square()).sum() * 0.5;
        }
        let (x, y) = (x.clone().narrow(0, 0, 1), x.narrow(0, 1, 1));
        (x.clone() - 1.0).square() + (y - x.square()).square() * 100.0
    }

    fn gradients(&self, step: usize, batch: usize) -> GradientsParams {
        gradients(self.loss(step, batch), self).unwrap().1
    }

    /// Each tensor's values, in declaration order.
    fn values(&self) -> Vec<Vec<f32>> {
        let list = |tensor: Tensor<1>| tensor.into_data().try_to_vec::<f32>().unwrap();
        match (&self.x, &self.net) {
            (Some(x), _) => vec![list(x.val())],
            (_, Some(net)) => vec![
                list(net.hidden_weight.val().reshape([12])),
                list(net.hidden_bias.val()),
                list(net.output_weight.val().reshape([8])),
                list(net.output_bias.val()),
            ],
            _ => Vec::new(),
        }
    }
}

/// Each value within `rtol` of its tensor's largest.
fn assert_near(actual: &[Vec<f32>], expected: &[f64], rtol: f64, what: &str) {
    assert_eq!(actual.iter().map(Vec::len).sum::<usize>(), expected.len(), "{what}");
    let mut start = 0;
    for tensor in actual {
        let expected = &expected[start..start + tensor.len()];
        start += tensor.len();
        let largest = expected.iter().fold(0f64, |most, value| most.max(value.abs()));
        for (i, (actual, expected)) in tensor.iter().zip(expected).enumerate() {
            let off = (f64::from(*actual) - expected).abs();
            assert!(
                off <= rtol * largest,
                "{what}: element {i} is {actual}, expected {expected} ({:e})",
                off / largest
            );
        }
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// The 162 trajectories of the reference (in f64; ours in f32), at most `RTOL` of a tensor's largest element off.
#[test]
fn every_optimiser_follows_its_reference_for_25_steps() {
    const RTOL: f64 = 1e-5;
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/optim.json")).unwrap();
    let mut seen = std::collections::BTreeMap::new();
    let device = Device::flex().autodiff();
    for (key, entry) in fixture["entries"].as_object().unwrap() {
        let case: Value = serde_json::from_str(key).unwrap();
        let kept = numbers(&case["kept"]);
        let expected = numbers(&entry["values"]);
        let mut rows = expected.chunks(expected.len() / kept.len());
        let config: OptimizerConfig = from_json(&case["optimizer"].to_string()).unwrap();
        let (name, lr) = (case["problem"].as_str().unwrap(), case["lr"].as_f64().unwrap());
        let wrapper = &case["wrapper"];
        let number = |key: &str| wrapper[key].as_f64().unwrap();
        let what = format!("{:?} on {name}, wrapped in {wrapper}", case["optimizer"].to_string());
        let wrapped = wrapper["kind"].as_str().unwrap_or("nothing").to_owned();
        *seen.entry((config.kind().name(), wrapped)).or_insert(0) += 1;
        let batch = match config.kind() {
            OptimizerKind::Sgd => 1,
            OptimizerKind::MiniBatchSgd => 4,
            _ => 8,
        };
        let mut optimizer = config.init().unwrap();
        let mut model = Problem::new(name, &device);
        let kind = wrapper["kind"].as_str().unwrap_or_default();
        let sam = (kind == "sam").then(|| SamConfig::new().with_rho(number("rho")).build().unwrap());
        let mut lookahead = (kind == "lookahead").then(|| {
            let config = LookaheadConfig::new()
                .with_every(wrapper["every"].as_u64().unwrap() as usize)
                .with_alpha(number("alpha"));
            config.init(&model).unwrap()
        });
        let mut ema = (kind == "ema").then(|| {
            let warm_up = wrapper["warm_up"].as_bool().unwrap();
            EmaConfig::new().with_decay(number("decay")).with_warm_up(warm_up).init(&model).unwrap()
        });
        for step in 0..25 {
            let first = model.gradients(step, batch);
            model = match &sam {
                Some(sam) => {
                    let perturbed = sam.ascend(model, &first);
                    let second = perturbed.model().gradients(step, batch);
                    perturbed.descend(&mut optimizer, lr, second)
                }
                None => optimizer.step(lr, model, first),
            };
            if let Some(lookahead) = &mut lookahead {
                model = lookahead.step(model);
            }
            ema = ema.map(|ema| ema.update(&model));
            if kept.contains(&f64::from(step as u32 + 1)) {
                let what = format!("{what}, step {}", step + 1);
                let reached = ema.as_ref().map_or_else(|| model.values(), |ema| ema.model().values());
                assert_near(&reached, rows.next().unwrap(), RTOL, &what);
            }
        }
        assert!(kept.len() >= 3 && rows.next().is_none(), "{what}");
    }
    // Three settings on three problems each, and every wrapper: a truncated fixture is no pass.
    for kind in OptimizerKind::ALL {
        assert_eq!(seen.get(&(kind.name(), "nothing".to_owned())), Some(&9), "{kind}");
    }
    for wrapper in ["sam", "lookahead", "ema"] {
        assert_eq!(seen.get(&("momentum", wrapper.to_owned())), Some(&6), "{wrapper}");
    }
}

/// Settings that use every part of the state.
fn all_states() -> Vec<OptimizerConfig> {
    let mut configs: Vec<OptimizerConfig> = OptimizerKind::ALL.iter().map(|kind| kind.config()).collect();
    configs.push(OptimizerConfig::RmsProp(RmsPropConfig::new().with_centered(true).with_momentum(0.5)));
    configs
}

fn run(model: Problem, optimizer: &mut ModuleOptimizer, steps: std::ops::Range<usize>) -> Problem {
    steps.fold(model, |model, step| {
        let gradients = model.gradients(step, 4);
        optimizer.step(0.01, model, gradients)
    })
}

#[test]
fn a_restart_in_the_middle_changes_no_bit() {
    let device = Device::flex().autodiff();
    for config in all_states() {
        let start = Problem::new("network", &device);
        let straight = run(start.clone(), &mut config.init().unwrap(), 0..12);

        let mut before = config.init().unwrap();
        let half = run(start, &mut before, 0..7);
        let bytes = before.into_bytes().unwrap();
        let mut after = config.init().unwrap().from_bytes(bytes).unwrap();
        let resumed = run(half, &mut after, 7..12);
        assert_eq!(straight.values(), resumed.values(), "{config:?}");
    }
}

#[test]
fn a_state_of_another_optimiser_is_left_out_not_misread() {
    let device = Device::flex().autodiff();
    let start = Problem::new("network", &device);
    let mut sgd = SgdConfig::momentum().init().unwrap();
    let model = run(start, &mut sgd, 0..3);
    let bytes = sgd.into_bytes().unwrap();
    for kind in [OptimizerKind::Nadam, OptimizerKind::RAdam, OptimizerKind::Adamax, OptimizerKind::AdaDelta] {
        let mut fresh = kind.config().init().unwrap();
        let mut foreign = kind.config().init().unwrap().from_bytes(bytes.clone()).unwrap();
        let expected = run(model.clone(), &mut fresh, 3..5);
        assert_eq!(run(model.clone(), &mut foreign, 3..5).values(), expected.values(), "{kind}");
    }
}

/// Steps with one given gradient, `times` over.
fn push(config: &OptimizerConfig, gradient: [f32; 6], times: usize) -> Vec<f32> {
    let device = Device::flex().autodiff();
    let mut model = Problem::new("quadratic", &device);
    let mut optimizer = config.init().unwrap();
    for _ in 0..times {
        let mut gradients = GradientsParams::new();
        let id = model.x.as_ref().unwrap().id;
        gradients.register(id, Tensor::<1>::from_floats(gradient, &Device::flex()));
        model = optimizer.step(1e-4, model, gradients);
    }
    model.values().remove(0)
}

#[test]
fn zero_sparse_constant_and_extreme_gradients_leave_weights_finite() {
    let start = wave(6, 0.3, 2.0);
    for config in all_states() {
        let decays = config.kind() == OptimizerKind::AdamW;
        let still = push(&config, [0.0; 6], 30);
        assert!(still.iter().all(|value| value.is_finite()), "{config:?}: {still:?}");
        assert!(decays || still == start, "a zero gradient moved {config:?}: {still:?}");

        let sparse = push(&config, [0.0, 1.0, 0.0, 0.0, -3.0, 0.0], 30);
        assert!(sparse.iter().all(|value| value.is_finite()), "{config:?}: {sparse:?}");
        assert!(sparse[1] < start[1] && sparse[4] > start[4], "{config:?} went uphill: {sparse:?}");
        assert!(decays || sparse[0] == start[0], "{config:?} moved a weight without gradient");

        // Long enough for the variance of a constant gradient to drown in rounding.
        let constant = push(&config, [0.1, -0.3, 0.7, 1.1, -1.3, 1e-3], 2_500);
        assert!(constant.iter().all(|value| value.is_finite()), "{config:?}: {constant:?}");

        let extreme = push(&config, [1e-30, -1e-20, 1e-10, 1e10, -1e15, 1e-38], 30);
        assert!(extreme.iter().all(|value| value.is_finite()), "{config:?}: {extreme:?}");
    }
}

#[test]
fn a_group_has_its_own_optimiser() {
    let device = Device::flex().autodiff();
    let start = Problem::new("network", &device);
    let base = OptimizerKind::Sgd.config().init().unwrap();
    let lion = OptimizerKind::Lion.config();
    let mut optimizer = lion.add_to(base, ParamGroup::from_predicate("bias")).unwrap();
    let moved = run(start.clone(), &mut optimizer, 0..1);
    let (before, after) = (start.values(), moved.values());
    let step = |tensor: usize| -> Vec<f32> {
        before[tensor].iter().zip(&after[tensor]).map(|(a, b)| (a - b).abs()).collect()
    };
    // Lion moves every weight by exactly the learning rate, 0.01.
    for tensor in [1, 3] {
        assert!(step(tensor).iter().all(|step| (step - 0.01).abs() < 1e-6), "{:?}", step(tensor));
    }
    for tensor in [0, 2] {
        assert!(step(tensor).iter().any(|step| (step - 0.01).abs() > 1e-4), "{:?}", step(tensor));
    }
}

#[test]
fn the_worst_neighbour_lies_at_distance_rho_uphill() {
    let device = Device::flex().autodiff();
    let model = Problem::new("network", &device);
    let before = model.values();
    let gradient = model.gradients(0, 8);
    let loss = model.loss(0, 8).into_scalar::<f32>();
    let perturbed = SamConfig::new().with_rho(0.1).build().unwrap().ascend(model, &gradient);
    let after = perturbed.model().values();
    let squares = before.iter().flatten().zip(after.iter().flatten()).map(|(a, b)| f64::from(a - b).powi(2));
    let distance = squares.sum::<f64>().sqrt();
    assert!((distance - 0.1).abs() < 1e-6, "{distance}");
    assert!(perturbed.model().loss(0, 8).into_scalar::<f32>() > loss);
    assert_eq!(perturbed.into_original().values(), before);

    let model = Problem::new("quadratic", &device);
    let before = model.values();
    let still = SamConfig::new().build().unwrap().ascend(model, &GradientsParams::new());
    assert_eq!(still.model().values(), before);
}

#[test]
fn wrappers_go_on_after_a_restart_as_if_nothing_had_happened() {
    let device = Device::flex().autodiff();
    let follow = |from: usize,
                  to: usize,
                  model: Problem,
                  slow: Option<(Problem, usize)>,
                  average: Option<(Problem, usize)>| {
        let mut optimizer = SgdConfig::new().init().unwrap(); // no state of its own
        let mut lookahead = match slow {
            Some((slow, steps)) => LookaheadConfig::new().resume(slow, steps).unwrap(),
            None => LookaheadConfig::new().init(&model).unwrap(),
        };
        let mut ema = match average {
            Some((average, updates)) => EmaConfig::new().resume(average, updates).unwrap(),
            None => EmaConfig::new().init(&model).unwrap(),
        };
        let mut model = model;
        for step in from..to {
            model = run(model, &mut optimizer, step..step + 1);
            model = lookahead.step(model);
            ema = ema.update(&model);
        }
        (model, lookahead, ema)
    };
    let start = Problem::new("network", &device);
    let (model, lookahead, ema) = follow(0, 13, start.clone(), None, None);
    let (half, slow, average) = follow(0, 7, start, None, None);
    // Through the record, as a checkpoint does it.
    let reload = |module: &Problem| {
        let bytes = module.clone().into_record().into_bytes().unwrap();
        let record = burn::store::ModuleRecord::from_bytes(bytes).unwrap();
        Problem::new("network", &Device::flex()).load_record(record)
    };
    let slow = (reload(slow.slow()), slow.steps());
    let average = (reload(average.model()), average.updates());
    let (again, lookahead_again, ema_again) = follow(7, 13, half, Some(slow), Some(average));
    assert_eq!(model.values(), again.values());
    assert_eq!(lookahead.slow().values(), lookahead_again.slow().values());
    assert_eq!(ema.model().values(), ema_again.model().values());
    assert_eq!((lookahead_again.steps(), ema_again.updates()), (13, 13));
}

#[test]
fn bad_settings_of_wrappers_are_named() {
    let model = Problem::new("quadratic", &Device::flex());
    for rho in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(SamConfig::new().with_rho(rho).build().unwrap_err().field, "rho");
    }
    assert_eq!(LookaheadConfig::new().with_every(0).init(&model).unwrap_err().field, "every");
    for alpha in [0.0, 1.1, f64::NAN] {
        assert_eq!(LookaheadConfig::new().with_alpha(alpha).init(&model).unwrap_err().field, "alpha");
    }
    assert_eq!(EmaConfig::new().with_decay(1.0).init(&model).unwrap_err().field, "decay");
}
