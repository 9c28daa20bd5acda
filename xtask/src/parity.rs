//! Makes the fixtures again and shows how far PyTorch's results moved.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{reference, report, shell};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scripts of xtask/reference/parity to run, by name; all without
    names: Vec<String>,
    /// Show the drift and leave the committed fixtures as they are
    #[arg(long)]
    dry_run: bool,
}

/// What of `nn_core::check::Fixture` the drift needs.
#[derive(Debug, Deserialize)]
struct Fixture {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    shape: Vec<usize>,
    norm: f64,
    values: Vec<f64>,
}

pub fn run(root: &Path, args: &Args) -> Result<bool, String> {
    let scripts = scripts(root, &args.names)?;
    let python = reference::python_or_install(root)?;
    let fresh = shell::target_dir(root).join("xtask/parity");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(|error| format!("{}: {error}", fresh.display()))?;
    }
    for script in &scripts {
        let mut command = reference::script(root, &python, script);
        let finished =
            shell::capture(command.arg(&fresh)).map_err(|error| format!("{}: {error}", python.display()))?;
        if !finished.success {
            return Err(format!("{} failed\n{}", script.display(), finished.output));
        }
    }

    let mut rows = Vec::new();
    for (from, to) in made(root, &fresh)? {
        let text = read(&from)?;
        let now = parse(&from, &text)?;
        let before = if to.exists() { Some(parse(&to, &read(&to)?)?) } else { None };
        let shown = to.strip_prefix(root).unwrap_or(&to).display().to_string();
        let (change, worst) = drift(before.as_ref(), &now);
        rows.push(vec![shown, now.entries.len().to_string(), change, worst]);
        if !args.dry_run {
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            }
            fs::write(&to, text).map_err(|error| format!("{}: {error}", to.display()))?;
        }
    }
    print!("{}", report::table(&["fixture", "entries", "drift", "worst entry"], &rows));
    println!("drift: largest change of an element, as a fraction of the entry's root mean square");
    Ok(true)
}

fn scripts(root: &Path, names: &[String]) -> Result<Vec<PathBuf>, String> {
    let folder = reference::folder(root).join("parity");
    let mut all = Vec::new();
    for path in list(&folder)? {
        if path.extension().is_some_and(|extension| extension == "py")
            && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
        {
            all.push((name.to_owned(), path.clone()));
        }
    }
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|(known, _)| known == *name)) {
        let known: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        return Err(format!("no parity script {unknown:?}; there are: {}", known.join(", ")));
    }
    let wanted = all.into_iter().filter(|(name, _)| names.is_empty() || names.contains(name));
    Ok(wanted.map(|(_, path)| path).collect())
}

/// Pairs of `<fresh>/<crate>/<name>.json` and where it belongs.
fn made(root: &Path, fresh: &Path) -> Result<Vec<(PathBuf, PathBuf)>, String> {
    let mut pairs = Vec::new();
    for folder in list(fresh)? {
        let Some(name) = folder.file_name() else { continue };
        let home = root.join("crates").join(name).join("tests/fixtures");
        for file in list(&folder)? {
            let Some(name) = file.file_name() else { continue };
            pairs.push((file.clone(), home.join(name)));
        }
    }
    Ok(pairs)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn parse(path: &Path, text: &str) -> Result<Fixture, String> {
    serde_json::from_str(text).map_err(|error| format!("{}: {error}", path.display()))
}

/// The largest drift over all entries, and the entry it is in.
fn drift(before: Option<&Fixture>, now: &Fixture) -> (String, String) {
    let Some(before) = before else { return ("new".to_owned(), String::new()) };
    let mut worst = (0.0, String::new());
    for (name, new) in &now.entries {
        let Some(old) = before.entries.get(name) else { return ("new entries".to_owned(), name.clone()) };
        if old.shape != new.shape || old.values.len() != new.values.len() {
            return ("other shape".to_owned(), name.clone());
        }
        let count: usize = old.shape.iter().product();
        let rms = old.norm / (count.max(1) as f64).sqrt();
        let norms = [(old.norm, new.norm)];
        let pairs = old.values.iter().copied().zip(new.values.iter().copied());
        for (old, new) in pairs.chain(norms) {
            let change = if old == new { 0.0 } else { (old - new).abs() / rms };
            if change > worst.0 {
                worst = (change, name.clone());
            }
        }
    }
    if let Some(lost) = before.entries.keys().find(|name| !now.entries.contains_key(*name)) {
        return ("lost entries".to_owned(), lost.clone());
    }
    if worst.0 == 0.0 { ("none".to_owned(), String::new()) } else { (format!("{:.1e}", worst.0), worst.1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(entries: &[(&str, &[f64])]) -> Fixture {
        let entries = entries.iter().map(|(name, values)| {
            let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
            ((*name).to_owned(), Entry { shape: vec![values.len()], norm, values: values.to_vec() })
        });
        Fixture { entries: entries.collect() }
    }

    #[test]
    fn drift_is_measured_against_the_size_of_the_entry() {
        let old = fixture(&[("a", &[3.0, 4.0]), ("b", &[100.0, -100.0])]);
        assert_eq!(drift(Some(&old), &old), ("none".to_owned(), String::new()));
        let new = fixture(&[("a", &[3.0, 4.0]), ("b", &[101.0, -100.0])]);
        assert_eq!(drift(Some(&old), &new), ("1.0e-2".to_owned(), "b".to_owned()));
    }

    #[test]
    fn entries_that_come_go_or_change_shape_are_named() {
        let old = fixture(&[("a", &[1.0])]);
        let more = fixture(&[("a", &[1.0]), ("b", &[1.0])]);
        assert_eq!(drift(None, &old).0, "new");
        assert_eq!(drift(Some(&old), &more), ("new entries".to_owned(), "b".to_owned()));
        assert_eq!(drift(Some(&more), &old), ("lost entries".to_owned(), "b".to_owned()));
        let longer = fixture(&[("a", &[1.0, 2.0])]);
        assert_eq!(drift(Some(&old), &longer).0, "other shape");
    }
}
