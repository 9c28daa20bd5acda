//! `config.json`: what a run was started with, and whether a resumed one is still the same run.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Error;
use super::files::{self, TEMPORARY, read_limited};
use crate::{ConfigError, DeviceChoice};

pub(super) const CONFIG: &str = "config.json";
pub(super) const METRICS: &str = "metrics.csv";
pub(super) const SUMMARY: &str = "summary.json";
pub(super) const CHECKPOINTS: &str = "checkpoints";

/// The Burn this crate is written for; a test compares it with the lock file.
const BURN: &str = "0.22.1";
/// Settings that say how far to go: a resumed run may go further.
const GROWABLE: [&str; 3] = ["epochs", "iterations", "steps"];
/// Far more than any configuration.
const LIMIT: u64 = 16 << 20;

/// The whole of `config.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) example: String,
    pub(super) seed: u64,
    pub(super) device: DeviceChoice,
    pub(super) quick: bool,
    pub(super) config: Value,
    pub(super) build: Build,
}

/// What the program was made of. Results repeat bit for bit only with the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Build {
    pub(super) fornax: String,
    pub(super) burn: String,
    pub(super) os: String,
    pub(super) arch: String,
    pub(super) environment: String,
    pub(super) profile: String,
    pub(super) features: Vec<String>,
}

impl Build {
    pub(super) fn this() -> Self {
        let environment = ["gnu", "musl", "msvc"].into_iter().zip([
            cfg!(target_env = "gnu"),
            cfg!(target_env = "musl"),
            cfg!(target_env = "msvc"),
        ]);
        let features = [
            ("flex", cfg!(feature = "flex")),
            ("ndarray", cfg!(feature = "ndarray")),
            ("wgpu", cfg!(feature = "wgpu")),
            ("wgpu-unfused", cfg!(feature = "wgpu-unfused")),
        ];
        Self {
            fornax: env!("CARGO_PKG_VERSION").to_owned(),
            burn: BURN.to_owned(),
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            environment: environment.filter(|(_, on)| *on).map(|(name, _)| name).collect(),
            profile: if cfg!(debug_assertions) { "dev" } else { "release" }.to_owned(),
            features: features.iter().filter(|(_, on)| *on).map(|(name, _)| (*name).to_owned()).collect(),
        }
    }
}

/// What is in a directory that was given as `--out`.
#[derive(Debug)]
pub(super) enum Occupant {
    Nobody,
    Run { settings: Box<Settings>, finished: bool },
}

/// Looks without touching anything.
pub(super) fn inspect(dir: &Path) -> Result<Occupant, Error> {
    let stranger = |reason: String| Error::NotARun { dir: dir.to_owned(), reason };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Occupant::Nobody),
        Err(error) => return Err(Error::io(dir, "list the directory")(error)),
    };
    let mut foreign = None;
    for entry in entries {
        let name = entry.map_err(Error::io(dir, "list the directory"))?.file_name();
        if name == CONFIG {
            let path = dir.join(CONFIG);
            let text = read_limited(&path, LIMIT).map_err(Error::io(&path, "read"))?.unwrap_or_default();
            let settings =
                serde_json::from_slice(&text).map_err(|error| stranger(format!("{CONFIG}: {error}")))?;
            return Ok(Occupant::Run { settings, finished: dir.join(SUMMARY).exists() });
        }
        if !name.to_string_lossy().starts_with(TEMPORARY) {
            foreign = Some(name);
        }
    }
    match foreign {
        None => Ok(Occupant::Nobody),
        Some(name) => Err(stranger(format!("it holds {} and no {CONFIG}", name.to_string_lossy()))),
    }
}

/// Deletes what a run wrote and nothing else. `config.json` stays until the new run's replaces it, so
/// that a directory half cleared is still known for what it is.
pub(super) fn clear(dir: &Path) -> Result<(), Error> {
    [SUMMARY, METRICS, CHECKPOINTS].iter().try_for_each(|name| files::remove(&dir.join(name)))
}

/// Takes the directory for this process; given back when the process ends, however it ends. `None` where
/// the file system has no locks.
pub(super) fn lock(dir: &Path) -> Result<Option<File>, Error> {
    if !cfg!(unix) {
        return Ok(None);
    }
    let file = File::open(dir).map_err(Error::io(dir, "open the directory"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Error::Busy { dir: dir.to_owned() }),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// The configuration that the run in `dir` was started with, to build its model again: to predict, or to
/// transfer what it learnt.
///
/// # Errors
///
/// [`Error::NotARun`] when there is no run in `dir`; [`ConfigError`] when it was started with another kind
/// of configuration, naming the field.
pub fn saved_config<C: Serialize + DeserializeOwned>(dir: &Path) -> Result<C, Error> {
    match inspect(dir)? {
        Occupant::Run { settings, .. } => {
            Ok(crate::config::from_json(&crate::config::to_json(&settings.config)?)?)
        }
        Occupant::Nobody => {
            Err(Error::NotARun { dir: dir.to_owned(), reason: format!("there is no {CONFIG}") })
        }
    }
}

impl Settings {
    pub(super) fn write(&self, dir: &Path) -> Result<(), Error> {
        let mut text = crate::config::to_json(self)?;
        text.push('\n');
        files::replace(&dir.join(CONFIG), text.as_bytes())
    }

    /// Refuses to go on with what would be another run. The device and the build may differ, and the
    /// number of epochs may grow.
    pub(super) fn continues(&self, was: &Self, dir: &Path) -> Result<(), Error> {
        let pairs = [
            ("example", Value::from(was.example.as_str()), Value::from(self.example.as_str())),
            ("seed", Value::from(was.seed), Value::from(self.seed)),
            ("quick", Value::from(was.quick), Value::from(self.quick)),
            ("", was.config.clone(), self.config.clone()),
        ];
        pairs.iter().try_for_each(|(field, was, now)| match difference(field, Some(was), Some(now)) {
            None => Ok(()),
            Some((field, was, now)) => Err(Error::Changed { dir: dir.to_owned(), field, was, now }),
        })
    }
}

/// The first setting that differs: its path, old and new value.
fn difference(path: &str, was: Option<&Value>, now: Option<&Value>) -> Option<(String, String, String)> {
    if let (Some(Value::Object(was)), Some(Value::Object(now))) = (was, now) {
        let added = now.keys().filter(|key| !was.contains_key(*key));
        return was.keys().chain(added).find_map(|key| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            difference(&path, was.get(key), now.get(key))
        });
    }
    let number = |value: Option<&Value>| value.and_then(Value::as_u64);
    let name = path.rsplit('.').next().unwrap_or_default();
    let grown = GROWABLE.contains(&name) && number(was).zip(number(now)).is_some_and(|(was, now)| now >= was);
    if was == now || grown {
        return None;
    }
    let text = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    Some((path.to_owned(), text(was), text(now)))
}

/// `config` as JSON.
pub(super) fn to_value<C: Serialize>(config: &C) -> Result<Value, Error> {
    Ok(serde_json::to_value(config)
        .map_err(|error| ConfigError::new("(whole configuration)", error.to_string()))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(config: Value) -> Settings {
        Settings {
            example: "digits".to_owned(),
            seed: 0,
            device: DeviceChoice::Flex,
            quick: false,
            config,
            build: Build::this(),
        }
    }

    fn refused(was: Value, now: Value) -> String {
        settings(now).continues(&settings(was), Path::new("runs/x")).unwrap_err().to_string()
    }

    #[test]
    fn a_changed_setting_is_named_with_both_values() {
        let error = refused(
            json!({"model": {"width": 8, "depth": 2}, "epochs": 3}),
            json!({"model": {"width": 8, "depth": 4}, "epochs": 3}),
        );
        assert!(error.contains("model.depth: the run was started with 2, now it is 4"), "{error}");
        let error = refused(json!({"lr": 0.1}), json!({"lr": 0.1, "momentum": 0.9}));
        assert!(error.contains("momentum: the run was started with nothing, now it is 0.9"), "{error}");
    }

    #[test]
    fn epochs_may_grow_but_not_shrink() {
        let (three, four) = (json!({"epochs": 3}), json!({"epochs": 4}));
        settings(four.clone()).continues(&settings(three.clone()), Path::new("x")).unwrap();
        assert!(refused(four, three).contains("another epochs"));
    }

    #[test]
    fn the_device_may_change_and_the_seed_may_not() {
        let was = settings(json!({}));
        let device = "wgpu".parse().unwrap();
        Settings { device, ..was.clone() }.continues(&was, Path::new("x")).unwrap();
        let error = Settings { seed: 1, ..was.clone() }.continues(&was, Path::new("x")).unwrap_err();
        assert!(error.to_string().contains("another seed"), "{error}");
    }

    #[test]
    fn the_burn_noted_is_the_burn_locked() {
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
        // A packaged crate stands alone; there is nothing to compare then.
        if let Ok(lock) = fs::read_to_string(lock) {
            assert!(lock.contains(&format!("name = \"burn\"\nversion = \"{BURN}\"")));
        }
    }
}
