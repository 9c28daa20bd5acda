//! k steps, a resume and N − k steps leave the same bits as N steps.

use std::fs;

use crate::support::{Wish, copy_dir, final_state, generations, train};

fn wish(after_step: &mut dyn FnMut(&fornax_nn_core::train::Run)) -> Wish<'_> {
    Wish { epochs: 3, every_steps: Some(1), keep: 100, after_step }
}

#[test]
fn a_run_resumed_after_any_step_ends_in_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    train(&whole, false, wish(&mut |_| {})).unwrap();
    let expected = final_state(&whole);
    let weights = ["fc1.bias", "fc1.weight", "fc2.bias", "fc2.weight"];
    let norm = ["norm.beta", "norm.gamma", "norm.running_mean", "norm.running_var"];
    let files = ["echo.json", "metrics.csv", "optimizer.bpk", "schedule.bpk"];
    assert!(weights.iter().chain(&norm).chain(&files).all(|part| expected.contains_key(*part)));
    assert_eq!(expected.len(), 12, "{:?}", expected.keys());
    let all = generations(&whole);
    assert_eq!(all.len(), 3 * 4 + 3, "one after each step and one at the end of each epoch");

    for generation in &all {
        let name = generation.file_name().unwrap();
        let part = dir.path().join(name);
        copy_dir(generation, &part.join("checkpoints").join(name));
        fs::copy(whole.join("config.json"), part.join("config.json")).unwrap();
        fs::copy(whole.join("metrics.csv"), part.join("metrics.csv")).unwrap();
        train(&part, true, wish(&mut |_| {})).unwrap();
        let resumed = final_state(&part);
        for (file, bytes) in &expected {
            assert!(resumed.get(file) == Some(bytes), "{file} differs when resumed from {name:?}");
        }
    }
}

#[test]
fn more_epochs_than_at_first_end_where_they_would_have_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, grown) = (dir.path().join("whole"), dir.path().join("grown"));
    train(&whole, false, wish(&mut |_| {})).unwrap();
    train(&grown, false, Wish { epochs: 1, ..wish(&mut |_| {}) }).unwrap();
    assert!(grown.join("summary.json").exists());
    train(&grown, true, wish(&mut |_| {})).unwrap();
    assert!(final_state(&whole) == final_state(&grown));
}

#[test]
fn the_same_seed_gives_the_same_bits_and_dropout_really_draws() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    train(&a, false, wish(&mut |_| {})).unwrap();
    train(&b, false, wish(&mut |_| {})).unwrap();
    assert!(final_state(&a) == final_state(&b));
    // Twelve batches with dropout and shuffling have twelve different losses.
    let metrics = fs::read_to_string(a.join("metrics.csv")).unwrap();
    let mut losses: Vec<&str> = metrics
        .lines()
        .filter(|line| line.contains(",train,loss,"))
        .map(|l| l.rsplit(',').next().unwrap())
        .collect();
    losses.sort_unstable();
    losses.dedup();
    assert_eq!(losses.len(), 12);
}
