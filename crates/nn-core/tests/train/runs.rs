//! The run directory: whose it is, what is in it, and how a run ends.

use std::fs;
use std::path::Path;

use burn::tensor::Tensor;
use fornax_nn_core::gradient::gradients;
use fornax_nn_core::train::checkpoint::{self, Best};
use fornax_nn_core::train::{Error, Run, RunArgs, Target, saved_config};
use serde_json::{Value, json};

use crate::support::{Training, Wish, generations, train};

fn args(dir: &Path) -> RunArgs {
    RunArgs { out: Some(dir.to_owned()), ..RunArgs::default() }
}

fn short(dir: &Path) -> Result<(), Error> {
    train(dir, false, Wish { epochs: 1, every_steps: None, keep: 2, after_step: &mut |_| {} })
}

#[test]
fn a_finished_run_holds_what_is_promised() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("runs/small");
    short(&out).unwrap();
    let config: Value = serde_json::from_slice(&fs::read(out.join("config.json")).unwrap()).unwrap();
    assert_eq!(
        (&config["example"], &config["seed"], &config["device"]),
        (&json!("small"), &json!(3), &json!("flex"))
    );
    assert_eq!(config["config"], json!({"epochs": 1, "batch_size": 6}));
    assert_eq!(config["build"]["burn"], "0.22.1");
    assert_eq!(saved_config::<Value>(&out).unwrap(), config["config"]);
    let error = saved_config::<Value>(&dir.path().join("elsewhere")).unwrap_err();
    assert!(matches!(error, Error::NotARun { .. }), "{error}");
    let summary: Value = serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
    let keys: Vec<&String> = summary.as_object().unwrap().keys().collect();
    let common = ["example", "seed", "device", "params", "steps", "seconds", "steps_per_second", "test_loss"];
    assert_eq!(keys, common);
    assert_eq!(summary["steps"], 4);
    let metrics = fs::read_to_string(out.join("metrics.csv")).unwrap();
    let lines: Vec<&str> = metrics.lines().collect();
    assert_eq!(lines.len(), 1 + 4 + 2);
    assert_eq!(lines[0], "step,epoch,split,metric,value");
    assert!(lines[1].starts_with("1,0,train,loss,") && lines[6].starts_with("4,0,test,loss,"));
}

#[test]
fn an_occupied_directory_is_left_alone_unless_told_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    drop(Run::open("small", &args(&out), &json!({})).unwrap());
    let error = Run::open("small", &args(&out), &json!({})).unwrap_err();
    assert!(matches!(error, Error::Unfinished { .. }), "{error}");
    assert!(error.to_string().contains("--resume") && error.to_string().contains("--force"), "{error}");

    Run::open("small", &RunArgs { force: true, ..args(&out) }, &json!({}))
        .unwrap()
        .finish(0, json!({}), "")
        .unwrap();
    let error = Run::open("small", &args(&out), &json!({})).unwrap_err();
    assert!(matches!(error, Error::Finished { .. }), "{error}");

    fs::write(out.join("curves.png"), "mine").unwrap();
    drop(Run::open("small", &RunArgs { force: true, ..args(&out) }, &json!({})).unwrap());
    assert!(out.join("curves.png").exists() && !out.join("summary.json").exists());

    // Killed while --force was clearing: it is still known as a run and can be replaced again.
    fs::remove_dir_all(out.join("checkpoints")).unwrap();
    fs::remove_file(out.join("metrics.csv")).unwrap();
    let error = Run::open("small", &args(&out), &json!({})).unwrap_err();
    assert!(matches!(error, Error::Unfinished { .. }), "{error}");
    drop(Run::open("small", &RunArgs { force: true, ..args(&out) }, &json!({})).unwrap());
}

#[test]
fn a_directory_of_something_else_is_not_touched_even_with_force() {
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    fs::create_dir_all(photos.join("checkpoints")).unwrap();
    for name in ["cat.jpg", "config.json"] {
        fs::write(photos.join(name), "not a run").unwrap();
        let error = Run::open("small", &RunArgs { force: true, ..args(&photos) }, &json!({})).unwrap_err();
        assert!(matches!(error, Error::NotARun { .. }), "{error}");
        assert!(photos.join("checkpoints").exists());
        assert_eq!(fs::read_to_string(photos.join(name)).unwrap(), "not a run");
    }
}

#[test]
fn resuming_needs_a_directory_and_the_same_settings() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let resume = RunArgs { resume: true, ..args(&out) };
    let error = Run::open("small", &resume, &json!({})).unwrap_err();
    assert!(matches!(error, Error::NothingToResume { .. }), "{error}");
    drop(Run::open("small", &args(&out), &json!({"lr": 0.1, "epochs": 2})).unwrap());
    let error = Run::open("small", &resume, &json!({"lr": 0.2, "epochs": 2})).unwrap_err();
    assert!(error.to_string().contains("another lr: the run was started with 0.1, now it is 0.2"), "{error}");
    drop(Run::open("small", &resume, &json!({"lr": 0.1, "epochs": 3})).unwrap());
}

#[cfg(unix)]
#[test]
fn two_processes_do_not_train_in_one_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = Run::open("small", &args(dir.path()), &json!({})).unwrap();
    let error = Run::open("small", &RunArgs { resume: true, ..args(dir.path()) }, &json!({})).unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    drop(first);
    Run::open("small", &RunArgs { resume: true, ..args(dir.path()) }, &json!({})).unwrap();
}

#[test]
fn a_resumed_run_whose_state_nobody_took_does_not_train() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    short(&out).unwrap();
    let resume = RunArgs { resume: true, seed: 3, ..args(&out) };
    let mut run = Run::open("small", &resume, &json!({"epochs": 2, "batch_size": 6})).unwrap();
    assert!(matches!(run.step([("loss", 1.0)]), Err(Error::NotRestored)));
}

#[test]
fn rows_that_were_lost_are_missed() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    short(&out).unwrap();
    fs::write(out.join("metrics.csv"), "step,epoch,split,metric,value\n").unwrap();
    let resume = RunArgs { resume: true, seed: 3, ..args(&out) };
    let error = Run::open("small", &resume, &json!({"epochs": 2, "batch_size": 6})).unwrap_err();
    assert!(matches!(error, Error::MetricsLost { .. }), "{error}");
}

#[test]
fn a_path_through_a_file_and_a_vanished_directory_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for out in [file.clone(), file.join("run")] {
        let error = Run::open("small", &args(&out), &json!({})).unwrap_err().to_string();
        assert!(error.contains(out.to_str().unwrap()), "{error}");
    }

    let out = dir.path().join("run");
    let mut run = Run::open("small", &args(&out), &json!({})).unwrap();
    run.epochs(2);
    run.finish_epoch(Ok).unwrap();
    fs::remove_dir_all(&out).unwrap();
    let error = run.finish_epoch(Ok).unwrap_err();
    let Error::CheckpointFailed { source, .. } = &error else { panic!("{error}") };
    assert!(source.to_string().contains(out.to_str().unwrap()), "{source}");
    assert!(!out.exists(), "nothing is put back where someone removed it");
    assert!(matches!(run.finish(0, json!({}), ""), Err(Error::Io { .. })));
}

#[test]
fn a_nan_stops_at_its_step_and_keeps_the_last_good_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut run = Run::open("small", &args(&out), &json!({})).unwrap();
    let mut training = Training::new(0);
    run.epochs(2);
    for indices in run.batches(22, 6).unwrap() {
        let loss = training.step(&run, &indices).unwrap();
        run.step([("loss", loss)]).unwrap();
    }
    run.finish_epoch(|s| training.parts(s)).unwrap();
    let nan = Tensor::<1>::from_data([f32::NAN], &burn::tensor::Device::flex().autodiff());
    let error = run.guard(gradients(nan, &training.net)).unwrap_err();
    let Error::Diverged { step: 4, checkpoint: Some(checkpoint), source } = &error else { panic!("{error}") };
    assert_eq!(checkpoint, generations(&out).last().unwrap());
    assert!(source.to_string().contains("loss of the batch is not finite (NaN)"), "{source}");
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn a_missed_target_fails_only_under_check_and_after_the_summary_is_written() {
    let dir = tempfile::tempdir().unwrap();
    for check in [false, true] {
        let out = dir.path().join(check.to_string());
        let mut run = Run::open("small", &RunArgs { check, ..args(&out) }, &json!({})).unwrap();
        run.check("test_accuracy", 0.97, Target::at_least(0.98));
        run.check("test_loss", 0.1, Target::at_most(0.2));
        let finished = run.finish(1, json!({"test_accuracy": 0.97}), "Done.");
        assert!(out.join("summary.json").exists());
        assert_eq!(finished.is_err(), check);
        if let Err(error) = finished {
            assert_eq!(error.exit_code(), 3);
            assert_eq!(error.to_string(), "missed target: test_accuracy is 0.97, documented at least 0.98");
        }
    }
}

#[test]
fn a_summary_is_flat_and_keeps_the_common_keys() {
    let dir = tempfile::tempdir().unwrap();
    for (i, (figures, field)) in
        [(json!([1]), "summary"), (json!({"a": {"b": 1}}), "a"), (json!({"steps": 1}), "steps")]
            .into_iter()
            .enumerate()
    {
        let run = Run::open("small", &args(&dir.path().join(i.to_string())), &json!({})).unwrap();
        let Err(Error::Config(error)) = run.finish(0, figures, "") else { panic!("case {i}") };
        assert_eq!(error.field, field);
    }
}

#[test]
fn batches_count_samples_and_a_size_of_zero_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::open("small", &args(dir.path()), &json!({})).unwrap();
    let Err(Error::Config(error)) = run.batches(10, 0) else { panic!() };
    assert_eq!(error.field, "batch_size");
    for _epoch in run.epochs(2) {
        for batch in run.batches(10, 4).unwrap() {
            assert!(batch.len() == 4 || batch.len() == 2);
            run.step([("loss", 0.0)]).unwrap();
        }
        run.finish_epoch(Ok).unwrap();
    }
    run.count_samples(5);
    assert_eq!((run.progress().samples, run.progress().step, run.progress().epoch), (25, 6, 2));
    assert!(run.full_batches(10, 4).unwrap().all(|batch| batch.len() == 4));
    assert_eq!(run.full_batches(3, 4).unwrap().len(), 0);
}

#[test]
fn the_best_epoch_is_kept_although_checkpoints_are_rare() {
    let dir = tempfile::tempdir().unwrap();
    let best = Best::Highest("test/accuracy".to_owned());
    let run = Run::open("small", &args(dir.path()), &json!({})).unwrap();
    let mut run = run.checkpoint_every_epochs(100).keep_last(1).keep_best(best.clone());
    for epoch in run.epochs(6) {
        run.log("test", [("accuracy", [f64::NAN, 0.3, 0.8, 0.5, 0.8, 0.1][epoch])]).unwrap();
        run.finish_epoch(|s| s.json("of", &epoch)).unwrap();
    }
    assert_eq!(generations(dir.path()).len(), 2, "the best and the last");
    let best = checkpoint::best(&run.path("checkpoints"), &best).unwrap().loaded.unwrap();
    assert_eq!(best.json::<usize>("of").unwrap(), 2);
    let last = checkpoint::newest(&run.path("checkpoints")).unwrap().loaded.unwrap();
    assert_eq!(last.json::<usize>("of").unwrap(), 5);
}
