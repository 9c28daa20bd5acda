//! Every kind of damage to a generation is found, named, and passed over.

use std::fs;
use std::path::{Path, PathBuf};

use fornax_nn_core::train::checkpoint::{self, Invalid, Progress, Reason, Snapshot, Store};
use fornax_nn_core::train::{Error, rng};
use rand_chacha::rand_core::Rng;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Training, copy_dir};

/// Two generations of a real training's state, steps 1 and 2.
struct Pair {
    _dir: tempfile::TempDir,
    store: PathBuf,
    older: PathBuf,
    newer: PathBuf,
}

impl Pair {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoints");
        let mut store = Store::open(&path, Default::default()).unwrap();
        let mut save = |step| {
            let training = Training::new(step);
            let snapshot = Snapshot::new(Progress { step, ..Default::default() }).metric("test/loss", 0.5);
            store
                .save(training.parts(snapshot).unwrap().bytes("replay", vec![step as u8; 64]).unwrap())
                .unwrap()
        };
        Self { older: save(1), newer: save(2), store: path, _dir: dir }
    }

    /// Loads, expecting the newer generation to be passed over for the older; returns why.
    fn refused(&self) -> Invalid {
        let found = checkpoint::newest(&self.store).unwrap();
        assert_eq!(found.loaded.unwrap().path(), self.older);
        assert_eq!(found.skipped.len(), 1);
        found.skipped.into_iter().next().unwrap()
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn two_thousand_flipped_bits_are_all_detected() {
    let pair = Pair::new();
    assert!(checkpoint::newest(&pair.store).unwrap().skipped.is_empty());
    let mut random = rng::stream(0, "flips", 0);
    let files: Vec<PathBuf> = fs::read_dir(&pair.newer).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 7, "four parts, a replay buffer, the manifest, the sums");
    let mut flips = 0;
    for file in &files {
        let original = fs::read(file).unwrap();
        for _ in 0..300 {
            let bit = (random.next_u64() % (original.len() as u64 * 8)) as usize;
            let mut flipped = original.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(file, &flipped).unwrap();
            pair.refused();
            flips += 1;
        }
        fs::write(file, &original).unwrap();
    }
    assert!(flips >= 2_000, "{flips}");
    assert!(checkpoint::newest(&pair.store).unwrap().skipped.is_empty(), "the original is intact again");
}

#[test]
fn damaged_files_are_named_with_what_is_wrong() {
    type Case = (&'static str, fn(&Pair), fn(&Reason) -> bool);
    let cases: [Case; 12] = [
        ("model.bpk", |p| truncate(&p.newer.join("model.bpk")), |r| matches!(r, Reason::Size { .. })),
        (
            "optimizer.bpk",
            |p| drop(fs::write(p.newer.join("optimizer.bpk"), [])),
            |r| matches!(r, Reason::Size { found: 0, .. }),
        ),
        ("model.bpk", |p| append(&p.newer.join("model.bpk")), |r| matches!(r, Reason::Size { .. })),
        ("manifest.json", |p| drop(fs::write(p.newer.join("manifest.json"), "")), |r| *r == Reason::Digest),
        ("manifest.json", |p| truncate(&p.newer.join("manifest.json")), |r| *r == Reason::Digest),
        (
            "manifest.json",
            |p| fs::remove_file(p.newer.join("manifest.json")).unwrap(),
            |r| *r == Reason::Missing,
        ),
        ("SHA256SUMS", |p| fs::remove_file(p.newer.join("SHA256SUMS")).unwrap(), |r| *r == Reason::Missing),
        ("echo.json", |p| fs::remove_file(p.newer.join("echo.json")).unwrap(), |r| *r == Reason::Missing),
        ("notes.txt", |p| fs::write(p.newer.join("notes.txt"), "hi").unwrap(), |r| *r == Reason::Unexpected),
        ("replay.bin", |p| swap(p, "replay.bin"), |r| *r == Reason::Digest),
        ("manifest.json", |p| swap(p, "manifest.json"), |r| *r == Reason::Digest),
        (
            "model.bpk",
            |p| {
                fs::remove_file(p.newer.join("model.bpk")).unwrap();
                fs::create_dir(p.newer.join("model.bpk")).unwrap();
            },
            |r| *r == Reason::Irregular("file"),
        ),
    ];
    for (i, (file, harm, expected)) in cases.into_iter().enumerate() {
        let pair = Pair::new();
        harm(&pair);
        let invalid = pair.refused();
        assert_eq!(invalid.file, pair.newer.join(file), "case {i}");
        assert!(expected(&invalid.reason), "case {i}: {invalid}");
        assert!(invalid.to_string().contains(file), "case {i}: {invalid}");
    }
}

fn truncate(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn append(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes.push(0);
    fs::write(path, bytes).unwrap();
}

/// Puts the older generation's file, of the same length, in the newer one's place.
fn swap(pair: &Pair, file: &str) {
    fs::copy(pair.older.join(file), pair.newer.join(file)).unwrap();
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    use std::os::unix::fs::symlink;
    let pair = Pair::new();
    let model = pair.newer.join("model.bpk");
    let elsewhere = pair.store.join("elsewhere.bpk");
    fs::rename(&model, &elsewhere).unwrap();
    symlink(&elsewhere, &model).unwrap();
    let refused = pair.refused();
    assert_eq!((refused.file, refused.reason), (model, Reason::Irregular("file")));

    let pair = Pair::new();
    let moved = pair.store.join("moved");
    fs::rename(&pair.newer, &moved).unwrap();
    symlink(&moved, &pair.newer).unwrap();
    let refused = pair.refused();
    assert_eq!((refused.file, refused.reason), (pair.newer, Reason::Irregular("directory")));
}

/// Replaces the manifest by `text` and makes every digest fit, as an attacker would.
fn forge(pair: &Pair, text: &[u8]) {
    let files: Value = serde_json::from_slice(text).unwrap_or_default();
    let mut sums = String::new();
    for entry in files["files"].as_array().into_iter().flatten() {
        sums += &format!("{}  {}\n", entry["sha256"].as_str().unwrap(), entry["file"].as_str().unwrap());
    }
    sums += &format!("{}  manifest.json\n", sha256(text));
    fs::write(pair.newer.join("manifest.json"), text).unwrap();
    fs::write(pair.newer.join("SHA256SUMS"), sums).unwrap();
}

#[test]
fn hostile_manifests_are_refused_without_harm() {
    type Edit = (&'static str, fn(&mut Value));
    let edits: [Edit; 13] = [
        ("\"../x.bpk\" is no file", |m| m["files"][0]["file"] = json!("../x.bpk")),
        ("\"/etc/passwd\" is no file", |m| m["files"][0]["file"] = json!("/etc/passwd")),
        ("is no file of a part \"../x\"", |m| {
            m["files"][0]["part"] = json!("../x");
            m["files"][0]["file"] = json!("../x.bpk");
        }),
        ("is no file of a part \"manifest\"", |m| {
            let entry =
                json!({"part": "manifest", "kind": "json", "file": "manifest.json", "size": 1, "sha256": ""});
            m["files"].as_array_mut().unwrap().push(entry);
        }),
        ("listed twice", |m| {
            let first = m["files"][0].clone();
            m["files"].as_array_mut().unwrap().push(first);
        }),
        ("invalid type", |m| m["files"] = json!("all of them")),
        ("invalid type", |m| m["progress"]["step"] = json!("two")),
        ("invalid value", |m| m["files"][0]["size"] = json!(-1)),
        ("unknown variant", |m| m["files"][0]["kind"] = json!("pickle")),
        ("unknown field `exec`", |m| m["exec"] = json!("rm -rf /")),
        ("missing field `progress`", |m| drop(m.as_object_mut().unwrap().remove("progress"))),
        ("has format 2, this build reads format 1", |m| m["format"] = json!(2)),
        ("missing field `format`", |m| *m = json!({})),
    ];
    for (expected, edit) in edits {
        let pair = Pair::new();
        let text = fs::read(pair.newer.join("manifest.json")).unwrap();
        let mut manifest: Value = serde_json::from_slice(&text).unwrap();
        edit(&mut manifest);
        forge(&pair, &serde_json::to_vec(&manifest).unwrap());
        let invalid = pair.refused();
        assert_eq!(invalid.file, pair.newer.join("manifest.json"));
        assert!(invalid.to_string().contains(expected), "{expected}: {invalid}");
    }
}

#[test]
fn deep_nesting_and_endless_text_are_refused_without_harm() {
    let nested = format!("{{\"format\": 1, \"x\": {}", "[".repeat(200_000));
    let long = format!("{{\"format\": 1, \"x\": \"{}\"}}", "a".repeat(2 << 20));
    for (expected, text) in [("is not a valid manifest", nested), ("longer than", long)] {
        let pair = Pair::new();
        forge(&pair, text.as_bytes());
        let invalid = pair.refused();
        assert_eq!(invalid.file, pair.newer.join("manifest.json"));
        assert!(invalid.to_string().contains(expected), "{invalid}");
    }
}

#[test]
fn a_claim_of_ten_gibibytes_is_compared_with_the_file_before_anything_is_read() {
    let pair = Pair::new();
    let text = fs::read(pair.newer.join("manifest.json")).unwrap();
    let mut manifest: Value = serde_json::from_slice(&text).unwrap();
    let file = manifest["files"][0]["file"].as_str().unwrap().to_owned();
    manifest["files"][0]["size"] = json!(10u64 << 30);
    forge(&pair, &serde_json::to_vec(&manifest).unwrap());
    let invalid = pair.refused();
    assert_eq!(invalid.file, pair.newer.join(file));
    assert!(matches!(invalid.reason, Reason::Size { expected: 0x2_8000_0000, .. }), "{invalid}");
}

#[test]
fn a_generation_under_another_ones_name_is_refused() {
    let pair = Pair::new();
    fs::remove_dir_all(&pair.newer).unwrap();
    copy_dir(&pair.older, &pair.newer);
    assert_eq!(pair.refused().reason, Reason::Misnamed { named: 2, found: 1 });
}

#[test]
fn when_nothing_is_intact_every_generation_is_listed_with_its_fault() {
    let pair = Pair::new();
    truncate(&pair.newer.join("model.bpk"));
    fs::remove_file(pair.older.join("manifest.json")).unwrap();
    let error = checkpoint::newest(&pair.store).unwrap_err();
    let Error::NoIntactGeneration { skipped, .. } = &error else { panic!("{error}") };
    assert_eq!(skipped.len(), 2);
    assert!(error.to_string().contains("manifest.json: missing"), "{error}");
}
