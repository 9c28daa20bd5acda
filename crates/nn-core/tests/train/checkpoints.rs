//! What goes into a generation comes out of it, and only into what it fits.

use std::fs;
use std::path::Path;

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::nn::BatchNormConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, SgdConfig};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::train::checkpoint::{self, Best, Loaded, Progress, Retain, Snapshot, Store};
use fornax_nn_core::train::{Error, PartProblem, Run, RunArgs};
use serde_json::json;

use crate::support::{Net, Training, Wish, cosine, generations, train, values};

/// The last generation of a short real training: its optimiser and schedule have state.
fn trained(dir: &Path) -> Loaded {
    let run = dir.join("run");
    train(&run, false, Wish { epochs: 1, every_steps: None, keep: 2, after_step: &mut |_| {} }).unwrap();
    checkpoint::newest(&run.join("checkpoints")).unwrap().loaded.unwrap()
}

fn problem(error: Error) -> PartProblem {
    match error {
        Error::Part { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

#[test]
fn a_model_of_another_shape_is_refused_with_parameter_and_shapes() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = trained(dir.path());
    let error = loaded.module("model", Net::new(5, &Device::flex())).unwrap_err();
    let text = error.to_string();
    for part in ["part \"model\"", "fc1.weight", "5", "8", loaded.path().to_str().unwrap()] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert!(matches!(problem(error), PartProblem::Mismatch(_)));
}

#[test]
fn state_of_another_optimiser_is_refused_instead_of_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = trained(dir.path());
    loaded.optimizer("optimizer", AdamConfig::new().init()).unwrap();
    let momentum = SgdConfig::new().with_momentum(Some(MomentumConfig::new()));
    for optim in [SgdConfig::new().init(), momentum.init()] {
        let error = loaded.optimizer("optimizer", optim).err().unwrap();
        assert_eq!(problem(error), PartProblem::Incomplete("optimiser"));
    }
}

#[test]
fn the_position_of_another_schedule_is_refused_instead_of_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = trained(dir.path());
    loaded.scheduler("schedule", cosine()).unwrap();
    let error = loaded.scheduler("schedule", ModuleLrScheduler::new(0.1)).err().unwrap();
    assert_eq!(problem(error), PartProblem::Incomplete("schedule"));
}

#[test]
fn a_missing_part_says_which_there_are_and_a_wrong_kind_which_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = trained(dir.path());
    let error = loaded.json::<u64>("state").unwrap_err().to_string();
    assert!(error.contains("echo, model, optimizer, run, schedule"), "{error}");
    let error = loaded.bytes("model").unwrap_err().to_string();
    assert!(error.contains("is a module, not a byte string"), "{error}");
    assert!(matches!(problem(loaded.json::<String>("echo").unwrap_err()), PartProblem::Decode(_)));
}

#[test]
fn part_names_are_kept_to_what_every_file_system_takes() {
    let empty = || Snapshot::new(Progress::default());
    for name in ["", "Model", "a/b", "..", "a.b", "manifest", "ä", &"x".repeat(65)] {
        let error = empty().bytes(name, Vec::new()).unwrap_err();
        assert!(matches!(error, Error::Snapshot { .. }), "{name:?}");
    }
    let error = empty().bytes("a", Vec::new()).unwrap().json("a", &1).unwrap_err();
    assert!(error.to_string().contains("already a part"), "{error}");
}

#[test]
fn numbers_come_back_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path().join("checkpoints"), Retain::default()).unwrap();
    let numbers = [0.1f64, 1.0 / 3.0, 1e300, 5e-324, -0.0];
    let singles = [0.1f32, 1.0 / 3.0, 1e38, 1e-45];
    let snapshot = Snapshot::new(Progress::default()).seed(9).json("f64", &numbers).unwrap();
    store.save(snapshot.json("f32", &singles).unwrap()).unwrap();
    let loaded = store.newest().unwrap().loaded.unwrap();
    assert_eq!(loaded.json::<[f64; 5]>("f64").unwrap().map(f64::to_bits), numbers.map(f64::to_bits));
    assert_eq!(loaded.json::<[f32; 4]>("f32").unwrap().map(f32::to_bits), singles.map(f32::to_bits));
    assert_eq!(loaded.seed(), 9);
}

#[test]
fn the_newest_and_the_best_stay() {
    let dir = tempfile::tempdir().unwrap();
    let retain = Retain { last: 2, best: Some(Best::Highest("test/accuracy".to_owned())) };
    let mut store = Store::open(dir.path().join("checkpoints"), retain).unwrap();
    for (step, accuracy) in [(1, 0.2), (2, 0.9), (3, 0.9), (4, 0.5), (5, f64::NAN), (6, 0.1)] {
        let snapshot = Snapshot::new(Progress { step, ..Default::default() });
        store.save(snapshot.metric("test/accuracy", accuracy)).unwrap();
    }
    let steps: Vec<String> = generations(dir.path())
        .iter()
        .map(|path| path.to_str().unwrap().rsplit_once("step-").unwrap().1.to_owned())
        .collect();
    assert_eq!(steps, ["00000002", "00000005", "00000006"], "the earliest of equals is the best");
    let best = Best::Highest("test/accuracy".to_owned());
    let best = checkpoint::best(&dir.path().join("checkpoints"), &best).unwrap().loaded.unwrap();
    assert_eq!(best.progress().step, 2);
}

#[test]
fn a_damaged_generation_does_not_push_out_an_intact_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoints");
    let save = |step| {
        let mut store = Store::open(&path, Retain::default()).unwrap();
        store.save(Snapshot::new(Progress { step, ..Default::default() }).json("x", &step).unwrap()).unwrap()
    };
    let first = save(1);
    let second = save(2);
    fs::write(second.join("x.json"), "3").unwrap();
    let third = save(3);
    assert_eq!(generations(dir.path()), [first, second, third.clone()]);
    let fourth = save(4);
    assert_eq!(generations(dir.path()), [third, fourth]);
}

#[test]
fn leftovers_of_killed_writers_are_removed_and_never_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoints");
    let mut store = Store::open(&path, Retain::default()).unwrap();
    let saved = store.save(Snapshot::new(Progress::default()).json("x", &1).unwrap()).unwrap();
    let leftover = path.join(".tmp-gen-00000002-step-00000001");
    crate::support::copy_dir(&saved, &leftover);
    assert_eq!(checkpoint::newest(&path).unwrap().loaded.unwrap().path(), saved);
    Store::open(&path, Retain::default()).unwrap();
    assert!(!leftover.exists() && saved.exists());
}

#[test]
fn a_full_disk_leaves_the_previous_generation_intact() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let Some(_mounted) = Mounted::tmpfs(&disk, "size=512k") else {
        use std::io::Write;
        writeln!(std::io::stderr(), "skipped: mounting a tmpfs is not permitted here").unwrap();
        return;
    };
    let args = RunArgs { out: Some(disk.join("run")), ..RunArgs::default() };
    let mut run = Run::open("full", &args, &json!({})).unwrap();
    run.epochs(3);
    run.finish_epoch(|s| s.bytes("ballast", vec![1; 100 << 10])).unwrap();
    let error = run.finish_epoch(|s| s.bytes("ballast", vec![2; 400 << 10])).unwrap_err();
    let Error::CheckpointFailed { last: Some(last), source, .. } = &error else { panic!("{error}") };
    let Error::Io { path, cause, .. } = source.as_ref() else { panic!("{source}") };
    assert_eq!(cause.kind(), std::io::ErrorKind::StorageFull);
    assert!(path.ends_with("ballast.bin"), "{}", path.display());
    let found = checkpoint::newest(&disk.join("run/checkpoints")).unwrap();
    assert!(found.skipped.is_empty());
    let loaded = found.loaded.unwrap();
    assert_eq!(loaded.path(), last);
    assert_eq!(loaded.bytes("ballast").unwrap(), vec![1; 100 << 10]);
    // The remains of the failed one are gone, so the next, smaller one finds room.
    run.finish_epoch(|s| s.bytes("ballast", vec![3; 100 << 10])).unwrap();
}

/// Unmounted when dropped, so that the directory around it can be deleted.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        let mut mount = std::process::Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
        mount.output().is_ok_and(|done| done.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).output();
    }
}

#[test]
fn a_restored_module_has_every_parameter_and_running_statistic() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = trained(dir.path());
    let first = loaded.module("model", Net::new(8, &Device::flex())).unwrap();
    let again = Snapshot::new(loaded.progress()).module("model", &first).unwrap();
    let mut store = Store::open(dir.path().join("again"), Retain::default()).unwrap();
    store.save(again).unwrap();
    let second = store.newest().unwrap().loaded.unwrap().module("model", Training::new(77).net).unwrap();
    assert_eq!(values(&first).len(), 8);
    assert!(values(&first) == values(&second));
}

#[test]
fn running_statistics_are_saved_and_restored_with_their_last_update() {
    // Burn keeps the update of the last batch aside until the next one: a record taken between two steps
    // lacks it, and a module that is loaded over an update still aside forgets what was loaded.
    let dir = tempfile::tempdir().unwrap();
    let device = Device::flex().autodiff();
    let norm = BatchNormConfig::new(1).with_momentum(1.0).init(&device);
    norm.forward(Tensor::<2>::from_data([[2.0], [4.0]], &device));
    let mut store = Store::open(dir.path().join("checkpoints"), Retain::default()).unwrap();
    store.save(Snapshot::new(Progress::default()).module("norm", &norm).unwrap()).unwrap();
    norm.forward(Tensor::<2>::from_data([[10.0], [20.0]], &device));
    let restored = store.newest().unwrap().loaded.unwrap().module("norm", norm).unwrap();
    assert_eq!(restored.running_mean.value_sync().into_scalar::<f32>(), 3.0);
    assert_eq!(restored.running_var.value_sync().into_scalar::<f32>(), 1.0);
}
