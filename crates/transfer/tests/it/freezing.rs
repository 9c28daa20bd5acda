//! Groups, freezing, rates by depth, plans.

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, SgdConfig};
use burn::tensor::{Device, Tensor};
use fornax_cnn::classification::Batch;
use fornax_cnn::registry::{self, Model};
use fornax_cnn::{Classifier, LeNetConfig, Options, create};
use fornax_nn_core::check::fill;
use fornax_nn_core::schedule::ScheduleConfig;
use fornax_transfer::fine_tune::{Phase, PlanError, carry_out, fine_tune, gradual, train_step};
use fornax_transfer::freeze::{GradualUnfreezing, NormPolicy, Trainable, feature_extractor, freeze};
use fornax_transfer::groups::{GroupError, Groups};
use fornax_transfer::rates::Rates;

use crate::pretrained::fixture;

fn resnet(device: &Device) -> Model {
    let options = Options::new(3).with_in_channels(1).with_width(0.0625).with_small_images(true);
    fill::fill(create("resnet18", &options, device).unwrap())
}

fn batch(device: &Device) -> Batch {
    Batch {
        images: fill::input("images", [6, 1, 16, 16], device),
        targets: fill::targets("targets", [6], 3, device),
    }
}

/// Path and bits of everything a module consists of.
fn bits<M: Module>(model: &M) -> Vec<(String, Vec<u32>)> {
    #[derive(Default)]
    struct All(Vec<String>, Vec<(String, Vec<u32>)>);
    impl ModuleVisitor for All {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let values = param.val().into_data().iter::<f32>().map(f32::to_bits).collect();
            self.1.push((self.0.join("."), values));
        }
    }
    let mut all = All::default();
    // Running statistics are brought up to date on the way.
    model.valid().visit(&mut all);
    all.1
}

fn trained(model: Model, steps: usize, device: &Device) -> Model {
    let mut optim = AdamWConfig::new().with_weight_decay(0.1).init();
    let mut model = model;
    for _ in 0..steps {
        model = train_step(model, &mut optim, 1e-2.into(), batch(device)).unwrap().0;
    }
    model
}

#[test]
fn stages_are_found_by_asking_the_network() {
    let device = Device::flex();
    let groups = Groups::by_stages(&resnet(&device));
    let names: Vec<&str> = groups.names().collect();
    assert_eq!(names, ["stage 0", "stage 1", "stage 2", "stage 3", "head"]);
    let of = |path: &str| groups.of(path).unwrap();
    assert_eq!(of("ResNet.conv1.weight"), 0);
    assert_eq!(of("ResNet.bn1.running_mean"), 0);
    assert_eq!(of("ResNet.bn1.training"), 0);
    assert_eq!(of("ResNet.layer1.1.Basic.bn2.gamma"), 0);
    assert_eq!(of("ResNet.layer4.0.Basic.conv1.weight"), 3);
    assert_eq!(of("ResNet.fc.bias"), 4);
    assert!(groups.of("ResNet.none").is_none());

    // The same, whatever device the model is on and whatever is frozen; and nothing of it changed.
    let learning = device.clone().autodiff();
    let model = resnet(&learning).freeze();
    let before = bits(&model);
    assert_eq!(Groups::by_stages(&model), groups);
    assert_eq!(bits(&model), before);
    assert_eq!(Trainable::of(&model, &groups).trainable(), 0);

    // A map without parameters of its own makes no group; sizes that are fixed are kept to.
    let lenet = LeNetConfig::lenet5().init(&device).unwrap();
    let groups = Groups::by_stages(&lenet);
    assert_eq!(groups.names().collect::<Vec<_>>(), ["stage 0", "stage 1", "head"]);
    assert_eq!(groups.paths(1)[..2], ["conv2.weight", "conv2.bias"]);
}

#[test]
fn every_network_falls_into_stages() {
    let device = Device::flex();
    for name in [
        "vgg11_bn",
        "squeezenet1_1",
        "googlenet",
        "densenet121",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "efficientnet_b0",
        "convnext_tiny",
    ] {
        let config = registry::config(name, &Options::new(3).with_width(0.0625)).unwrap();
        let model = config.init(&device).unwrap();
        let groups = Groups::by_stages(&model);
        let stages = config.stages().len();
        assert!(
            groups.len() > 2 && groups.len() <= stages + 1,
            "{name}: {:?}",
            groups.names().collect::<Vec<_>>()
        );
        let counted = Trainable::of(&model, &groups);
        let statistics: usize = counted.groups.iter().map(|group| group.statistics).sum();
        assert_eq!(counted.parameters() + statistics, model.num_params(), "{name}");
        assert!(counted.groups.iter().all(|group| group.parameters > 0), "{name}");
    }
}

#[test]
fn what_is_frozen_is_the_same_to_the_bit_after_training() {
    let device = Device::flex().autodiff();
    let groups = Groups::by_stages(&resnet(&device));
    for frozen in 0..=groups.len() - 1 {
        let model = freeze(resnet(&device), &groups, frozen, NormPolicy::Learning).unwrap();
        let before = bits(&model);
        let after = bits(&trained(model, 3, &device));
        for ((path, before), (_, after)) in before.iter().zip(&after) {
            assert_eq!(before == after, groups.of(path).unwrap() < frozen, "{path} with {frozen} frozen");
        }
    }
    // Even momentum and decay gathered before do not move what is frozen later.
    let mut optim = AdamWConfig::new().with_weight_decay(0.1).init();
    let (model, _) = train_step(resnet(&device), &mut optim, 1e-2.into(), batch(&device)).unwrap();
    let model = feature_extractor(model, &groups).unwrap();
    let before = bits(&model);
    let (model, _) = train_step(model, &mut optim, 1e-2.into(), batch(&device)).unwrap();
    let moved: Vec<String> =
        before.iter().zip(bits(&model)).filter(|(a, b)| a.1 != b.1).map(|(a, _)| a.0.clone()).collect();
    assert_eq!(moved, ["ResNet.fc.weight", "ResNet.fc.bias"]);
    assert_eq!(
        freeze(model, &groups, 6, NormPolicy::Learning).unwrap_err(),
        GroupError::TooMany { asked: 6, groups: 5 }
    );
}

#[test]
fn statistics_run_where_the_policy_says() {
    let device = Device::flex().autodiff();
    let groups = Groups::by_stages(&resnet(&device));
    for (norms, running) in [(NormPolicy::Learning, 3..5), (NormPolicy::None, 0..0), (NormPolicy::All, 0..5)]
    {
        let model = freeze(resnet(&device), &groups, 3, norms).unwrap();
        let before = bits(&model);
        let after = bits(&trained(model, 2, &device));
        for ((path, before), (_, after)) in before.iter().zip(&after) {
            let group = groups.of(path).unwrap();
            let moves = if path.contains("running_") { running.contains(&group) } else { group >= 3 };
            assert_eq!(before != after, moves, "{path} under {norms:?}");
        }
    }
}

#[test]
fn parameters_that_learn_are_counted() {
    let device = Device::flex().autodiff();
    let groups = Groups::by_stages(&resnet(&device));
    let model = feature_extractor(resnet(&device), &groups).unwrap();
    let counted = Trainable::of(&model, &groups);
    // The output layer: 32 features, 3 classes.
    assert_eq!(counted.trainable(), 32 * 3 + 3);
    let text = counted.to_string();
    assert!(text.contains("head                   99 of           99 learn"), "{text}");
    assert!(text.lines().last().unwrap().starts_with("together"), "{text}");
    let all = freeze(model, &groups, 0, NormPolicy::Learning).unwrap();
    let counted = Trainable::of(&all, &groups);
    assert_eq!(counted.trainable(), counted.parameters());
}

#[test]
fn groups_by_name_are_checked() {
    #[derive(Module, Debug)]
    struct Two {
        first: Linear,
        second: Linear,
    }
    let device = Device::flex();
    let linear = || LinearConfig::new(2, 2).init(&device);
    let model = Two { first: linear(), second: linear() };
    let groups = Groups::by_prefix(&model, &[("low", &["first"]), ("high", &["second"])]).unwrap();
    assert_eq!(groups.paths(1), ["second.weight", "second.bias"]);
    let error = |groups: &[(&str, &[&str])]| Groups::by_prefix(&model, groups).unwrap_err();
    assert_eq!(error(&[("low", &["first"])]), GroupError::Unassigned { parameter: "second.weight".into() });
    let twice = error(&[("low", &["first"]), ("all", &["first", "second"])]);
    assert_eq!(twice.to_string(), "parameter first.weight is in groups \"low\" and \"all\"");
    let empty = error(&[("low", &["first"]), ("high", &["second"]), ("none", &["sec"])]);
    assert_eq!(empty.to_string(), "group \"none\" has no parameters: none begins with sec");
}

#[test]
fn one_cycle_by_groups_is_pytorchs() {
    let rates = Rates::Discriminative { lowest: 1e-4, highest: 1e-2 };
    let schedules = rates.schedules(3, &ScheduleConfig::one_cycle(40)).unwrap();
    let ours: Vec<f64> = (0..40)
        .flat_map(|step| schedules.iter().map(|schedule| schedule.lr(step)).collect::<Vec<_>>())
        .collect();
    let entry = fixture().entry("one_cycle").unwrap().clone();
    fornax_nn_core::check::compare(&ours, &entry.values, 1e-12, 0.0).unwrap();

    assert_eq!(Rates::Uniform { lr: 0.5 }.of(3).unwrap(), [0.5; 3]);
    assert_eq!(Rates::LayerWise { lr: 1.0, decay: 0.5 }.of(3).unwrap(), [0.25, 0.5, 1.0]);
    assert_eq!(rates.of(1).unwrap(), [1e-2]);
    for (field, rates) in [
        ("lr", Rates::Uniform { lr: 0.0 }),
        ("decay", Rates::LayerWise { lr: 1.0, decay: 1.5 }),
        ("decay", Rates::LayerWise { lr: 1.0, decay: f64::NAN }),
        ("lowest", Rates::Discriminative { lowest: -1.0, highest: 1.0 }),
        ("highest", Rates::Discriminative { lowest: 1.0, highest: 0.0 }),
    ] {
        assert_eq!(rates.of(3).unwrap_err().field, field);
    }
}

#[test]
fn the_rates_act_on_the_groups_they_are_for() {
    // Under plain descent an update is rate times gradient: two runs that differ in rates alone differ by the ratio, group by group.
    let device = Device::flex().autodiff();
    let groups = Groups::by_stages(&resnet(&device));
    let update = |rates: Rates| -> Vec<(usize, f64)> {
        let model = freeze(resnet(&device), &groups, 0, NormPolicy::Learning).unwrap();
        let before = bits(&model);
        let mut scheduler = rates.scheduler(&groups, &ScheduleConfig::Constant, 0).unwrap();
        let mut optim = SgdConfig::new().init();
        let (model, _) = train_step(model, &mut optim, scheduler.step(), batch(&device)).unwrap();
        let mut norms = vec![0.0; groups.len()];
        for ((path, before), (_, after)) in before.iter().zip(bits(&model)) {
            if !path.contains("running_") {
                let square = |(a, b): (&u32, u32)| f64::from(f32::from_bits(*a) - f32::from_bits(b)).powi(2);
                norms[groups.of(path).unwrap()] += before.iter().zip(after).map(square).sum::<f64>();
            }
        }
        norms.into_iter().map(f64::sqrt).enumerate().collect()
    };
    let (uniform, by_depth) =
        (update(Rates::Uniform { lr: 0.5 }), update(Rates::LayerWise { lr: 0.5, decay: 0.5 }));
    for ((group, uniform), (_, by_depth)) in uniform.into_iter().zip(by_depth) {
        let ratio = by_depth / uniform;
        let expected = 0.5_f64.powi(4 - group as i32);
        assert!((ratio / expected - 1.0).abs() < 1e-3, "group {group}: {ratio}, expected {expected}");
    }
}

#[test]
fn plans_are_fastais_and_ulmfits() {
    let device = Device::flex().autodiff();
    let groups = Groups::by_stages(&resnet(&device));
    let plan = fine_tune(&groups, 3, 2e-3);
    assert_eq!(plan.iter().map(|phase| (phase.epochs, phase.frozen)).collect::<Vec<_>>(), [(1, 4), (3, 0)]);
    assert_eq!(plan[1].rates, Rates::Discriminative { lowest: 1e-5, highest: 1e-3 });
    // fastai: from η/div up to η at pct_start, down to η/1e5.
    let schedule = plan[1].schedule(10).init(1e-3).unwrap();
    assert!((schedule.lr(0) - 1e-3 / 5.0).abs() < 1e-12);
    assert!((schedule.lr(8) - 1e-3).abs() < 1e-12);
    assert!((schedule.lr(29) - 1e-8).abs() < 1e-12);
    // Too short for a cycle.
    assert_eq!(plan[0].schedule(1), ScheduleConfig::Constant);

    let unfreezing = GradualUnfreezing::default();
    let frozen: Vec<usize> = (0..7).map(|epoch| unfreezing.frozen(epoch, 5)).collect();
    assert_eq!(frozen, [4, 3, 2, 1, 0, 0, 0]);
    let plan = gradual(&groups, &unfreezing, 7, Rates::LayerWise { lr: 1e-2, decay: 0.5 }).unwrap();
    let phases: Vec<(usize, usize)> = plan.iter().map(|phase| (phase.epochs, phase.frozen)).collect();
    assert_eq!(phases, [(1, 4), (1, 3), (1, 2), (1, 1), (3, 0)]);
    let none = GradualUnfreezing { every: 0, first: 1 };
    assert_eq!(gradual(&groups, &none, 7, Rates::Uniform { lr: 1.0 }).unwrap_err().field, "every");
}

#[test]
fn a_plan_is_carried_out_phase_by_phase() {
    let device = Device::flex().autodiff();
    let groups = Groups::by_stages(&resnet(&device));
    let mut optim = AdamWConfig::new().with_weight_decay(0.0).init();
    let plan = fine_tune(&groups, 8, 3e-2);
    let mut asked = Vec::new();
    let batches = |epoch: usize| {
        asked.push(epoch);
        vec![batch(&device), batch(&device)]
    };
    let (model, losses) = carry_out(resnet(&device), &groups, &plan, &mut optim, batches).unwrap();
    assert_eq!(asked, (0..9).collect::<Vec<_>>());
    assert_eq!(losses.len(), 18);
    assert!(losses[17] < 0.5 * losses[0], "{losses:?}");
    let counted = Trainable::of(&model, &groups);
    assert_eq!(counted.trainable(), counted.parameters());
    assert_eq!(model.num_classes(), 3);

    let wrong = |phase: Phase| match carry_out(
        resnet(&device),
        &groups,
        &[phase],
        &mut AdamWConfig::new().init(),
        |_| vec![],
    ) {
        Err(PlanError::Config(error)) => error.field,
        other => panic!("{:?}", other.map(|(_, losses)| losses)),
    };
    let phase = Phase::head(&groups, 2, 0.1);
    assert_eq!(wrong(Phase { epochs: 0, ..phase.clone() }), "epochs");
    assert_eq!(wrong(Phase { warm_up: 1.0, ..phase.clone() }), "warm_up");
    assert_eq!(wrong(Phase { rates: Rates::Uniform { lr: -1.0 }, ..phase }), "rates.lr");
}
