//! Schedules; the reference is `xtask/reference/parity/schedule.py`.

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use fornax_nn_core::config::{from_json, to_json};
use fornax_nn_core::schedule::{Goal, PlateauConfig, ScheduleConfig, Threshold};
use serde_json::Value;

/// Both in f64: within 1e-12 of the schedule's largest value at each of 200 steps.
fn assert_rates(actual: impl Iterator<Item = f64>, expected: &[f64], what: &str) {
    const RTOL: f64 = 1e-12;
    assert_eq!(expected.len(), 200);
    let largest = expected.iter().copied().fold(0.0, f64::max);
    for (step, (actual, expected)) in actual.zip(expected).enumerate() {
        assert!(
            (actual - expected).abs() <= RTOL * largest,
            "{what}, step {step}: {actual}, expected {expected}"
        );
    }
}

/// The metric of the reference.
fn metric(i: usize) -> f64 {
    let i = i as f64;
    1.0 / (1.0 + i.min(40.0) / 10.0) - if i > 120.0 { 0.05 } else { 0.0 } + 0.002 * (1.7 * i).sin()
}

#[test]
fn every_schedule_follows_its_reference_for_200_steps() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/schedule.json")).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for (key, entry) in fixture["entries"].as_object().unwrap() {
        let case: Value = serde_json::from_str(key).unwrap();
        let lr = case["lr"].as_f64().unwrap();
        let expected: Vec<f64> =
            entry["values"].as_array().unwrap().iter().map(|rate| rate.as_f64().unwrap()).collect();
        if let Some(settings) = case.get("plateau") {
            let config: PlateauConfig = from_json(&settings.to_string()).unwrap();
            let sign = if config.goal == Goal::Higher { -1.0 } else { 1.0 };
            let mut plateau = config.init(lr).unwrap();
            assert_rates(
                (0..200).map(|i| plateau.observe(sign * metric(i))),
                &expected,
                &settings.to_string(),
            );
            assert!(plateau.lr() < lr, "the case must reach a plateau");
            names.insert("plateau".to_owned());
            continue;
        }
        let settings = &case["schedule"];
        let config: ScheduleConfig = from_json(&settings.to_string()).unwrap();
        let schedule = config.init(lr).unwrap();
        assert_rates((0..200).map(|step| schedule.lr(step)), &expected, &settings.to_string());
        let mut scheduler = schedule.scheduler(0);
        assert_rates((0..200).map(|_| scheduler.step()), &expected, &settings.to_string());
        names.insert(settings["name"].as_str().unwrap().to_owned());
    }
    let all = "constant cosine cosine_restarts exponential multi_step noam one_cycle plateau polynomial step warm_up";
    assert_eq!(names.into_iter().collect::<Vec<_>>().join(" "), all);
}

#[test]
fn past_its_end_a_schedule_holds_its_last_value() {
    let last = |config: ScheduleConfig| {
        let schedule = config.init(0.1).unwrap();
        assert_eq!(schedule.lr(1_000_000), schedule.lr(usize::MAX));
        schedule.lr(1_000_000)
    };
    assert_eq!(last(ScheduleConfig::Cosine { steps: 10, min_lr: 0.01 }), 0.01);
    assert_eq!(last(ScheduleConfig::Polynomial { steps: 10, power: 0.5 }), 0.0);
    assert!((last(ScheduleConfig::one_cycle(10)) - 0.1 / 25.0 / 1e4).abs() < 1e-18);
    assert!((last(ScheduleConfig::cosine(10).with_warm_up(5))).abs() < 1e-18);
    // Restarts of growing cycles must neither loop for ever nor overflow.
    let restarts = ScheduleConfig::CosineRestarts { first: 1, multiplier: 2, min_lr: 0.0 }.init(1.0).unwrap();
    assert!((0.0..=1.0).contains(&restarts.lr(usize::MAX)));
    let restarts = ScheduleConfig::CosineRestarts { first: 3, multiplier: 1, min_lr: 0.0 }.init(1.0).unwrap();
    assert_eq!(restarts.lr(3_000_000_000), 1.0);
}

#[test]
fn a_scheduler_goes_on_where_its_record_stopped() {
    let schedule = ScheduleConfig::one_cycle(50).with_warm_up(7).init(0.1).unwrap();
    let mut straight = schedule.clone().scheduler(0);
    for _ in 0..13 {
        straight.step();
    }
    let bytes = straight.to_record().into_bytes().unwrap();
    let mut resumed = schedule.clone().scheduler(0);
    resumed.load_record(LrSchedulerRecord::from_bytes(bytes).unwrap());
    for step in 13..60 {
        let rate = straight.step();
        assert_eq!(rate, resumed.step());
        assert_eq!(rate, schedule.lr(step));
    }
}

#[test]
fn a_plateau_goes_on_from_its_record_and_from_its_json() {
    let config = PlateauConfig::new().with_patience(2).with_factor(0.5).with_cooldown(1);
    let mut straight = config.init(0.1).unwrap();
    // Before any observation there is no best value to save.
    let mut from_record = config.init(0.1).unwrap();
    from_record.load_record(straight.to_record());
    assert_eq!(from_record, straight);
    for i in 0..50 {
        straight.observe(metric(i));
    }
    from_record
        .load_record(LrSchedulerRecord::from_bytes(straight.to_record().into_bytes().unwrap()).unwrap());
    let mut from_text: fornax_nn_core::schedule::Plateau = from_json(&to_json(&straight).unwrap()).unwrap();
    assert_eq!(from_record, straight);
    assert_eq!(from_text, straight);
    for i in 50..100 {
        let rate = straight.observe(metric(i));
        assert_eq!((from_record.observe(metric(i)), from_text.observe(metric(i))), (rate, rate));
    }
    from_record.load_record(LrSchedulerRecord::new());
    assert_eq!(from_record, straight, "an empty record is no state");
}

#[test]
fn a_metric_that_is_nan_counts_as_no_improvement() {
    let mut plateau = PlateauConfig::new().with_patience(1).init(0.1).unwrap();
    let rates: Vec<f64> = (0..3).map(|_| plateau.observe(f64::NAN)).collect();
    assert_eq!(rates[0], 0.1);
    assert!(rates[2] < 0.02);
    assert_eq!(plateau.best(), None);
}

#[test]
fn every_bad_setting_is_named_by_its_field() {
    use ScheduleConfig::*;
    let cycle = |warm_up, three_phases| OneCycle {
        steps: 10,
        warm_up,
        start_divisor: 25.0,
        end_divisor: 1e4,
        linear: false,
        three_phases,
    };
    let cases = [
        ("every", Step { every: 0, factor: 0.1 }),
        ("factor", Step { every: 1, factor: 0.0 }),
        ("milestones", MultiStep { milestones: vec![3, 3], factor: 0.1 }),
        ("factor", Exponential { factor: f64::NAN }),
        ("steps", Polynomial { steps: 0, power: 1.0 }),
        ("power", Polynomial { steps: 1, power: -1.0 }),
        ("min_lr", Cosine { steps: 1, min_lr: 0.2 }),
        ("first", CosineRestarts { first: 0, multiplier: 1, min_lr: 0.0 }),
        ("multiplier", CosineRestarts { first: 1, multiplier: 0, min_lr: 0.0 }),
        ("start", WarmUp { steps: 5, start: 0.0, then: Box::new(Constant) }),
        ("then.then.steps", ScheduleConfig::cosine(0).with_warm_up(1).with_warm_up(2)),
        ("warm_up", cycle(0.1, false)),
        ("warm_up", cycle(1.0, false)),
        ("warm_up", cycle(0.6, true)),
        ("steps", ScheduleConfig::one_cycle(0)),
        ("warm_up", Noam { model_size: 8, warm_up: 0 }),
    ];
    for (field, config) in cases {
        assert_eq!(config.init(0.1).unwrap_err().field, field, "{config:?}");
    }
    for lr in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        assert_eq!(Constant.init(lr).unwrap_err().field, "lr");
        assert_eq!(PlateauConfig::new().init(lr).unwrap_err().field, "lr");
    }
    assert_eq!(PlateauConfig::new().with_factor(1.0).init(0.1).unwrap_err().field, "factor");
    let threshold = Threshold::Absolute(-1.0);
    assert_eq!(PlateauConfig::new().with_threshold(threshold).init(0.1).unwrap_err().field, "threshold");
    assert_eq!(PlateauConfig::new().with_min_lr(1.0).init(0.1).unwrap_err().field, "min_lr");
}

#[test]
fn unknown_schedules_and_fields_are_refused() {
    let config = ScheduleConfig::cosine(5).with_warm_up(3);
    assert_eq!(from_json::<ScheduleConfig>(&to_json(&config).unwrap()).unwrap(), config);
    let error = from_json::<ScheduleConfig>(r#"{"name": "cosin", "steps": 5, "min_lr": 0.0}"#).unwrap_err();
    assert!(error.to_string().contains("cosine"), "{error}");
    let error = from_json::<ScheduleConfig>(
        r#"{"name": "warm_up", "steps": 5, "start": 0.1, "then": {"name": "step", "every": 3, "factor": 0.1, "gamma": 1}}"#,
    )
    .unwrap_err();
    assert_eq!(error.field, "then.gamma");
}
