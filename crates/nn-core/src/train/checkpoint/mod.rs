//! # Checkpoints as generations
//!
//! A checkpoint that is overwritten in place has a moment in which it is neither the old nor the new
//! one, and that moment is when the machine dies. So nothing is ever overwritten: each checkpoint is a
//! **generation**, a directory of its own, and the previous one is deleted only after the new one has
//! been read back and found right.
//!
//! ```text
//! checkpoints/
//!   gen-00000041-step-00012300/     one generation: its number, the step it was taken at
//!     model.bpk  optimizer.bpk      one file a part
//!     run.json                      the kit's own part: position in metrics.csv, sums of the epoch
//!     manifest.json                 progress, seed, metrics; size and SHA-256 of every part
//!     SHA256SUMS                    the same digests and the manifest's (`sha256sum -c SHA256SUMS`)
//!   gen-00000042-step-00012600/
//!   .tmp-gen-00000043-step-…/       being written, or left over from a killed process
//! ```
//!
//! ## What the steps of a save give
//!
//! 1. Every part is written into `.tmp-…` and **fsynced**: `write` alone leaves bytes in memory, which
//!    survives the end of the process (even `kill -9`) but not of the machine.
//! 2. The temporary directory is fsynced, so that the files' *names* are on the disk too.
//! 3. Everything is read back and every digest compared, so that a bad disk or a short write is found
//!    while the previous generation still exists.
//! 4. **One rename** gives the directory its name. A rename within a file system is atomic: a process
//!    that looks sees the whole generation or none, never some of its files. Then the parent directory
//!    is fsynced, because the rename is an entry in it.
//! 5. Only now are generations beyond [`Retain`] deleted, each renamed to `.tmp-…` first, so that a
//!    half-deleted one is never taken for a damaged one.
//!
//! A process killed at any point leaves the old generations, perhaps the new one, and perhaps rubbish
//! named `.tmp-…` that the next [`Store::open`] removes.
//!
//! ## What is detected
//!
//! Any changed bit, in any file, the manifest and `SHA256SUMS` included; missing, added, swapped, cut and
//! grown files; links; a manifest that names files outside its directory, claims sizes that are not there
//! or is of an unknown version. A generation with any of these is skipped, and [`Found::skipped`] says why.

mod loaded;
mod manifest;
mod snapshot;

pub use loaded::Loaded;
pub use manifest::{Invalid, Progress, Reason};
pub use snapshot::Snapshot;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use manifest::{MANIFEST, SUMS, invalid};

use super::Error;
use super::files::{self, TEMPORARY, sync_dir, write_new};

/// Which generations stay.
#[derive(Debug, Clone, PartialEq)]
pub struct Retain {
    /// This many of the newest intact ones, at least 1. Default 2: one to use, one to fall back on.
    pub last: usize,
    /// The one with the best figure, besides the newest. Default none.
    pub best: Option<Best>,
}

impl Default for Retain {
    fn default() -> Self {
        Self { last: 2, best: None }
    }
}

/// The figure by which a generation is the best, and in which direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Best {
    /// The lowest value of this metric, say `validation/loss`.
    Lowest(String),
    /// The highest value of this metric, say `test/accuracy`.
    Highest(String),
}

impl Best {
    /// The figure as a number that is the greater the better.
    pub(super) fn score(&self, metrics: &BTreeMap<String, f64>) -> Option<f64> {
        match self {
            Self::Lowest(name) => metrics.get(name).map(|value| -value),
            Self::Highest(name) => metrics.get(name).copied(),
        }
    }
}

/// What a search for a generation came to.
#[derive(Debug)]
pub struct Found {
    /// The generation, or `None` if there is none at all.
    pub loaded: Option<Loaded>,
    /// Newer ones that were passed over, and why.
    pub skipped: Vec<Invalid>,
}

/// Loads the newest intact generation in `dir` and changes nothing there: for programs that only read,
/// say to predict.
///
/// # Errors
///
/// [`Error::NoIntactGeneration`] when there are generations but all are damaged; [`Error::Io`] when `dir`
/// cannot be listed.
pub fn newest(dir: &Path) -> Result<Found, Error> {
    let mut skipped = Vec::new();
    for generation in list(dir)?.into_iter().rev() {
        match generation.load() {
            Ok(loaded) => return Ok(Found { loaded: Some(loaded), skipped }),
            Err(invalid) => skipped.push(invalid),
        }
    }
    if skipped.is_empty() {
        return Ok(Found { loaded: None, skipped });
    }
    Err(Error::NoIntactGeneration { dir: dir.to_owned(), skipped })
}

/// Loads the best intact generation in `dir`; the earliest of equals. Changes nothing there.
///
/// # Errors
///
/// As for [`newest`].
pub fn best(dir: &Path, by: &Best) -> Result<Found, Error> {
    let mut best: Option<(f64, Loaded)> = None;
    let mut skipped = Vec::new();
    for generation in list(dir)? {
        match generation.load() {
            Ok(loaded) => {
                if let Some(score) = by.score(loaded.metrics())
                    && best.as_ref().is_none_or(|(so_far, _)| score > *so_far)
                {
                    best = Some((score, loaded));
                }
            }
            Err(invalid) => skipped.push(invalid),
        }
    }
    if best.is_none() && !skipped.is_empty() {
        return Err(Error::NoIntactGeneration { dir: dir.to_owned(), skipped });
    }
    Ok(Found { loaded: best.map(|(_, loaded)| loaded), skipped })
}

/// A directory of generations, and the right to add to it: one writer at a time
/// ([`Run`](super::Run) holds a lock for that).
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    retain: Retain,
    next: u64,
    /// The newest generation known to be intact.
    last: Option<PathBuf>,
    /// Metrics of the generations looked at so far, by number; `None` for damaged ones.
    seen: BTreeMap<u64, Option<BTreeMap<String, f64>>>,
}

impl Store {
    /// Opens `dir`, creates it if its parent exists, and removes what killed processes left behind.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the path.
    pub fn open(dir: impl Into<PathBuf>, retain: Retain) -> Result<Self, Error> {
        let dir = dir.into();
        match fs::create_dir(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            created => {
                created.map_err(Error::io(&dir, "create the directory"))?;
                if let Some(parent) = dir.parent() {
                    sync_dir(parent)?;
                }
            }
        }
        for entry in fs::read_dir(&dir).map_err(Error::io(&dir, "list the directory"))? {
            let entry = entry.map_err(Error::io(&dir, "list the directory"))?;
            if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                files::remove(&entry.path())?;
            }
        }
        let next = list(&dir)?.last().map_or(1, |newest| newest.number.saturating_add(1));
        Ok(Self { dir, retain, next, last: None, seen: BTreeMap::new() })
    }

    /// Which generations stay.
    pub fn retain(&self) -> &Retain {
        &self.retain
    }

    /// Changes which generations stay, from the next save on.
    pub fn set_retain(&mut self, retain: Retain) {
        self.retain = retain;
    }

    /// Loads the newest intact generation; see [`newest`].
    ///
    /// # Errors
    ///
    /// As for [`newest`].
    pub fn newest(&mut self) -> Result<Found, Error> {
        let found = newest(&self.dir)?;
        self.last = found.loaded.as_ref().map(|loaded| loaded.path().to_owned());
        Ok(found)
    }

    /// The directory of the newest generation that this store wrote or loaded.
    pub fn last(&self) -> Option<&Path> {
        self.last.as_deref()
    }

    /// Writes a generation, verifies it, gives it its name, then deletes those that need not stay.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::NoIntactGeneration`] (what was written does not read back). All earlier
    /// generations are still there.
    pub fn save(&mut self, snapshot: Snapshot) -> Result<PathBuf, Error> {
        let name = format!("gen-{:08}-step-{:08}", self.next, snapshot.manifest.progress.step);
        let temporary = self.dir.join(format!("{TEMPORARY}{name}"));
        let generation = self.dir.join(name);
        let written = write(&temporary, &snapshot).and_then(|()| {
            fs::rename(&temporary, &generation).map_err(Error::io(&generation, "rename the new generation"))
        });
        if let Err(error) = written {
            // The cause matters more than whether the remains could be removed.
            let _ = files::remove(&temporary);
            return Err(error);
        }
        sync_dir(&self.dir)?;
        self.seen.insert(self.next, Some(snapshot.manifest.metrics));
        self.next = self.next.saturating_add(1);
        self.last = Some(generation.clone());
        self.prune()?;
        Ok(generation)
    }

    /// Deletes what [`Retain`] does not keep. Damaged generations do not count as kept ones, and go
    /// when enough intact ones are newer.
    fn prune(&mut self) -> Result<(), Error> {
        let generations = list(&self.dir)?;
        let keep = self.retain.last.max(1);
        if generations.len() <= keep {
            return Ok(());
        }
        self.seen.retain(|number, _| generations.iter().any(|generation| generation.number == *number));
        for generation in &generations {
            self.seen
                .entry(generation.number)
                .or_insert_with(|| manifest::verify(&generation.path).ok().map(|manifest| manifest.metrics));
        }
        let best = self.best_number();
        let mut intact = 0;
        for generation in generations.iter().rev() {
            if intact < keep {
                intact += usize::from(matches!(self.seen.get(&generation.number), Some(Some(_))));
            } else if Some(generation.number) != best {
                let doomed = self.dir.join(format!("{TEMPORARY}old-{:08}", generation.number));
                fs::rename(&generation.path, &doomed)
                    .map_err(Error::io(&generation.path, "delete the old generation"))?;
                files::remove(&doomed)?;
            }
        }
        Ok(())
    }

    /// The number of the best intact generation; the earliest of equals.
    fn best_number(&self) -> Option<u64> {
        let by = self.retain.best.as_ref()?;
        let mut best: Option<(f64, u64)> = None;
        for (number, metrics) in &self.seen {
            if let Some(score) = metrics.as_ref().and_then(|metrics| by.score(metrics))
                && best.is_none_or(|(so_far, _)| score > so_far)
            {
                best = Some((score, *number));
            }
        }
        best.map(|(_, number)| number)
    }
}

/// Writes all files of a generation, makes them durable and reads them back.
fn write(dir: &Path, snapshot: &Snapshot) -> Result<(), Error> {
    let json = serde_json::to_vec_pretty(&snapshot.manifest)
        .map_err(|error| Error::io(&dir.join(MANIFEST), "write")(error.into()))?;
    fs::create_dir(dir).map_err(Error::io(dir, "create the directory"))?;
    for (entry, bytes) in snapshot.manifest.files.iter().zip(&snapshot.contents) {
        write_new(&dir.join(&entry.file), bytes)?;
    }
    write_new(&dir.join(MANIFEST), &json)?;
    write_new(&dir.join(SUMS), snapshot.manifest.sums(&json).as_bytes())?;
    sync_dir(dir)?;
    manifest::verify(dir)
        .map_err(|invalid| Error::NoIntactGeneration { dir: dir.to_owned(), skipped: vec![invalid] })?;
    Ok(())
}

/// A directory that is named like a generation; nothing is known of what it holds.
struct Candidate {
    number: u64,
    step: u64,
    path: PathBuf,
}

impl Candidate {
    fn parse(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (number, step) = name.strip_prefix("gen-")?.split_once("-step-")?;
        let digits = |text: &str| (8..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(number) || !digits(step) {
            return None;
        }
        let (number, step) = (number.parse().ok()?, step.parse().ok()?);
        Some(Self { number, step, path })
    }

    fn load(&self) -> Result<Loaded, Invalid> {
        let contents = manifest::read(&self.path)?;
        let found = contents.manifest.progress.step;
        if found != self.step {
            return Err(invalid(&self.path, Reason::Misnamed { named: self.step, found }));
        }
        Ok(Loaded::new(self.path.clone(), contents))
    }
}

/// Everything named like a generation, oldest first.
fn list(dir: &Path) -> Result<Vec<Candidate>, Error> {
    let mut candidates = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io(dir, "list the directory"))? {
        let entry = entry.map_err(Error::io(dir, "list the directory"))?;
        candidates.extend(Candidate::parse(entry.path()));
    }
    candidates.sort_by_key(|candidate| (candidate.number, candidate.step));
    Ok(candidates)
}
