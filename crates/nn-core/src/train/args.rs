//! The flags every example takes, and the command that resumes a run.

use std::path::{Path, PathBuf};

use crate::DeviceChoice;

/// Where and how to run. With the feature `cli` these are clap arguments; flatten them into the example's:
/// `#[command(flatten)] run: RunArgs`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct RunArgs {
    /// Device to run on: flex, ndarray, wgpu, wgpu:N or wgpu:cpu
    #[cfg_attr(feature = "cli", arg(long, default_value = "flex"))]
    pub device: DeviceChoice,
    /// Seed that everything random follows from
    #[cfg_attr(feature = "cli", arg(long, default_value_t = 0))]
    pub seed: u64,
    /// Run directory, `runs/` and the example's name by default
    #[cfg_attr(feature = "cli", arg(long, value_name = "DIR"))]
    pub out: Option<PathBuf>,
    /// Go on from the newest intact checkpoint of the run directory
    #[cfg_attr(feature = "cli", arg(long, conflicts_with = "force"))]
    pub resume: bool,
    /// Replace the run that is in the run directory
    #[cfg_attr(feature = "cli", arg(long))]
    pub force: bool,
    /// A run of seconds that writes the same files, to see that everything works
    #[cfg_attr(feature = "cli", arg(long))]
    pub quick: bool,
    /// Exit with 3 when the documented target is missed
    #[cfg_attr(feature = "cli", arg(long))]
    pub check: bool,
}

impl Default for RunArgs {
    fn default() -> Self {
        Self {
            device: DeviceChoice::Flex,
            seed: 0,
            out: None,
            resume: false,
            force: false,
            quick: false,
            check: false,
        }
    }
}

/// The command line of this process, changed so that it goes on in `dir`.
pub(super) fn resume_command(args: impl Iterator<Item = String>, dir: &Path) -> String {
    let mut words = Vec::new();
    let mut args = args;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--resume" | "--force" => {}
            "--out" => drop(args.next()),
            _ if arg.starts_with("--out=") => {}
            _ => words.push(quoted(&arg)),
        }
    }
    words.extend(["--resume".to_owned(), "--out".to_owned(), quoted(&dir.to_string_lossy())]);
    words.join(" ")
}

/// As a POSIX shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_to_resume_keeps_the_settings() {
        let args = ["digits", "--force", "--lr", "0.1", "--out", "old", "--name", "it's"].map(str::to_owned);
        let command = resume_command(args.into_iter(), Path::new("runs/my digits"));
        assert_eq!(command, r"digits --lr 0.1 --name 'it'\''s' --resume --out 'runs/my digits'");
    }
}
