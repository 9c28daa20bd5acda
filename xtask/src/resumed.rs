//! An example that is stopped on its way and goes on must end where one that is not ends.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Map, Value};

/// Runs `program` into `out`, stops it as Ctrl-C does as soon as there is a checkpoint, resumes it, and returns in what its summary
/// differs from that of `whole`, a run that was not stopped.
pub fn differences(
    mut command: impl FnMut() -> Command,
    out: &Path,
    whole: &Path,
) -> Result<Vec<String>, String> {
    let said = |error: std::io::Error| format!("{}: {error}", out.display());
    // The checkpoints of an earlier time are none of this one.
    match fs::remove_dir_all(out) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(said(error)),
        _ => {}
    }
    let mut child = command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(said)?;
    let finished = loop {
        if let Some(status) = child.try_wait().map_err(said)? {
            break status;
        }
        if has_checkpoint(out) {
            // A child that has just ended is waited for below all the same.
            let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
            break child.wait().map_err(said)?;
        }
        sleep(Duration::from_millis(5));
    };
    if !finished.success() && !has_checkpoint(out) {
        return Err(format!("{}: ended without a checkpoint", out.display()));
    }
    let resumed = command().arg("--resume").stdout(Stdio::null()).status().map_err(said)?;
    if !resumed.success() {
        return Err(format!("{}: --resume failed", out.display()));
    }
    let (found, expected) = (summary(out)?, summary(whole)?);
    let mut names: Vec<&String> = found.keys().chain(expected.keys()).collect();
    names.sort();
    names.dedup();
    let differ = |name: &&&String| !is_time(name) && found.get(**name) != expected.get(**name);
    let show = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    let line =
        |name: &String| format!("{name}: {}, expected {}", show(found.get(name)), show(expected.get(name)));
    Ok(names.iter().filter(differ).map(|name| line(name)).collect())
}

fn has_checkpoint(out: &Path) -> bool {
    let listed = fs::read_dir(out.join("checkpoints"));
    listed.is_ok_and(|mut listed| {
        listed.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("gen-")))
    })
}

fn summary(run: &Path) -> Result<Map<String, Value>, String> {
    let path = run.join("summary.json");
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| said(&error))?;
    serde_json::from_str(&text).map_err(|error| said(&error))
}

/// Measured times, in which no two runs agree.
fn is_time(name: &str) -> bool {
    name.contains("second") || name == "cores_per_worker"
}
