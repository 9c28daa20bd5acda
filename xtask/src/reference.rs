//! The Python that runs the PyTorch side.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell;

/// Scripts, models and requirements of the reference side.
pub fn folder(root: &Path) -> PathBuf {
    root.join("xtask/reference")
}

/// `FORNAX_PYTHON`, or the project's own environment if it was made.
pub fn python(root: &Path) -> Option<PathBuf> {
    match std::env::var_os("FORNAX_PYTHON") {
        Some(python) => Some(PathBuf::from(python)),
        None => Some(own_python(root)).filter(|python| python.exists()),
    }
}

/// As [`python`], making `xtask/reference/.venv` from `requirements.txt` when there is none.
pub fn python_or_install(root: &Path) -> Result<PathBuf, String> {
    if let Some(python) = python(root) {
        return Ok(python);
    }
    println!("making xtask/reference/.venv from requirements.txt (set FORNAX_PYTHON to use another Python)");
    let venv = folder(root).join(".venv");
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let python = own_python(root);
    let installed = run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "-r"])
        .arg(folder(root).join("requirements.txt")));
    if installed.is_err() {
        // Half an environment would be taken for a whole one next time.
        std::fs::remove_dir_all(&venv).map_err(|error| format!("{}: {error}", venv.display()))?;
    }
    installed.map(|()| python)
}

/// `script` with the reference modules on its path.
pub fn script(root: &Path, python: &Path, script: &Path) -> Command {
    let mut command = Command::new(python);
    command.current_dir(root).arg(script).env("PYTHONPATH", folder(root)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn own_python(root: &Path) -> PathBuf {
    let venv = folder(root).join(".venv");
    if cfg!(windows) { venv.join("Scripts/python.exe") } else { venv.join("bin/python") }
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match shell::capture(command) {
        Ok(finished) if finished.success => Ok(()),
        Ok(finished) => Err(format!("{name} failed\n{}", finished.output)),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
