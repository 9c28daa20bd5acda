//! A run: its directory, its counters, and what happens between two steps.

mod finish;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::args::{RunArgs, resume_command};
use super::checkpoint::{Best, Loaded, Progress, Retain, Snapshot, Store};
use super::console::{Console, Position};
use super::metrics::{self, Metrics};
use super::settings::{self, Build, CHECKPOINTS, METRICS, Occupant, SUMMARY, Settings};
use super::{Batches, Error, files, rng, signal};
use crate::ConfigError;
use crate::gradient::NonFinite;

/// The kit's own part of every checkpoint.
const STATE: &str = "run";

/// A training run in its directory; the [module page](super) shows the loop it serves.
#[derive(Debug)]
pub struct Run {
    example: String,
    dir: PathBuf,
    args: RunArgs,
    progress: Progress,
    state: State,
    /// Figures logged at this very step, noted with a checkpoint taken now.
    figures: BTreeMap<String, f64>,
    /// The checkpoint gone on from, until the loop takes its state.
    resumed: Option<Loaded>,
    /// Batches of the first epoch after a resume that were trained on before it.
    skip: u64,
    /// Sizes of the current pass: samples, batch, batches.
    pass: Option<(usize, usize, u64)>,
    epochs: u64,
    /// Whether a step was taken in this process.
    stepped: bool,
    every: Every,
    best: Option<Best>,
    missed: Vec<String>,
    store: Store,
    metrics: Metrics,
    console: Console,
    started: Instant,
    /// Held for its lock on the directory.
    _lock: Option<File>,
}

/// How often checkpoints and rows are written.
#[derive(Debug, Clone, Copy)]
struct Every {
    checkpoint_epochs: u64,
    checkpoint_steps: Option<u64>,
    log_steps: u64,
}

/// What a resumed run must know besides the caller's parts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// Time spent training before the checkpoint.
    seconds: f64,
    /// Length of `metrics.csv`.
    metrics_bytes: u64,
    /// Samples in the data set, once known.
    samples: Option<usize>,
    /// Best figure so far, the greater the better.
    best: Option<f64>,
    /// Sum and count of each step metric in this epoch.
    sums: BTreeMap<String, (f64, u64)>,
}

impl Run {
    /// Opens the run directory (`--out`, or `runs/<example>`): writes `config.json` and starts
    /// `metrics.csv`, or with `--resume` goes on from the newest intact checkpoint.
    ///
    /// `config` holds every setting that shapes the result; a run is only resumed with the same ones
    /// (`epochs`, `iterations` and `steps` may grow). The directory is locked against a second process.
    ///
    /// # Errors
    ///
    /// [`Error::Finished`], [`Error::Unfinished`], [`Error::NotARun`], [`Error::Busy`]: the directory is
    /// not free, and nothing in it was touched. [`Error::Changed`], [`Error::NoIntactGeneration`],
    /// [`Error::MetricsLost`]: it cannot be resumed. [`Error::Io`] naming the path.
    pub fn open<C: Serialize>(example: &str, args: &RunArgs, config: &C) -> Result<Self, Error> {
        if args.resume && args.force {
            return Err(ConfigError::new("resume", "cannot be combined with --force").into());
        }
        let dir = args.out.clone().unwrap_or_else(|| Path::new("runs").join(example));
        if args.resume && !dir.exists() {
            return Err(Error::NothingToResume { dir });
        }
        let now = Settings {
            example: example.to_owned(),
            seed: args.seed,
            device: args.device,
            quick: args.quick,
            config: settings::to_value(config)?,
            build: Build::this(),
        };
        // Looked at before anything is created or locked: a stranger's directory stays as it is.
        settings::inspect(&dir)?;
        fs::create_dir_all(&dir).map_err(Error::io(&dir, "create the directory"))?;
        let lock = settings::lock(&dir)?;
        let resuming = match settings::inspect(&dir)? {
            Occupant::Nobody => false,
            Occupant::Run { .. } if args.force => {
                settings::clear(&dir)?;
                false
            }
            Occupant::Run { settings, .. } if args.resume => {
                now.continues(&settings, &dir)?;
                true
            }
            Occupant::Run { finished: true, .. } => return Err(Error::Finished { dir }),
            Occupant::Run { finished: false, .. } => return Err(Error::Unfinished { dir }),
        };
        now.write(&dir)?;
        let console = Console::new();
        let mut store = Store::open(dir.join(CHECKPOINTS), Retain::default())?;
        let resumed = if resuming { newest(&mut store, &console)? } else { None };
        let (progress, state, metrics) = match &resumed {
            None => (Progress::default(), State::default(), Metrics::create(dir.join(METRICS))?),
            Some(loaded) => {
                let state: State = loaded.json(STATE)?;
                let metrics = Metrics::reopen(dir.join(METRICS), state.metrics_bytes)?;
                (loaded.progress(), state, metrics)
            }
        };
        Ok(Self {
            example: example.to_owned(),
            dir,
            args: args.clone(),
            progress,
            state,
            figures: resumed.as_ref().map(|loaded| loaded.metrics().clone()).unwrap_or_default(),
            resumed,
            skip: progress.step_in_epoch,
            pass: None,
            epochs: 0,
            stepped: false,
            every: Every { checkpoint_epochs: 1, checkpoint_steps: None, log_steps: 1 },
            best: None,
            missed: Vec::new(),
            store,
            metrics,
            console,
            started: Instant::now(),
            _lock: lock,
        })
    }

    /// Writes a checkpoint every so many epochs instead of every one; the last epoch's is always written.
    #[must_use]
    pub fn checkpoint_every_epochs(mut self, epochs: u64) -> Self {
        self.every.checkpoint_epochs = epochs.max(1);
        self
    }

    /// Writes a checkpoint within the epoch too, every so many steps. Default: only when interrupted.
    #[must_use]
    pub fn checkpoint_every_steps(mut self, steps: u64) -> Self {
        self.every.checkpoint_steps = Some(steps.max(1));
        self
    }

    /// Writes every n-th step's metrics to `metrics.csv` instead of all.
    #[must_use]
    pub fn log_every_steps(mut self, steps: u64) -> Self {
        self.every.log_steps = steps.max(1);
        self
    }

    /// Keeps this many of the newest checkpoints (default 2).
    #[must_use]
    pub fn keep_last(mut self, last: usize) -> Self {
        self.store.set_retain(Retain { last, best: self.best.clone() });
        self
    }

    /// Keeps the checkpoint with the best figure too, whatever else is deleted. Figures are named
    /// `split/metric`, such as `validation/loss`.
    #[must_use]
    pub fn keep_best(mut self, best: Best) -> Self {
        self.best = Some(best.clone());
        self.store.set_retain(Retain { last: self.store.retain().last, best: Some(best) });
        self
    }

    /// The state to go on from, if this run was resumed: take every part out of it before the first
    /// step.
    pub fn resume(&mut self) -> Option<Loaded> {
        self.resumed.take()
    }

    /// The epochs still to do, of `total`.
    pub fn epochs(&mut self, total: usize) -> Range<usize> {
        self.epochs = total as u64;
        (self.progress.epoch as usize).min(total)..total
    }

    /// One pass over `n` samples in the order of (seed, epoch), as indices of one batch after the other,
    /// the last one smaller if it has to be; without those already trained on before a resume.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `batch_size` when it is zero; [`Error::Changed`] when the data set has
    /// another size than before the resume.
    pub fn batches(&mut self, n: usize, batch_size: usize) -> Result<Batches, Error> {
        self.pass(n, batch_size, n)
    }

    /// As [`batches`](Self::batches), without the smaller last one: for batch normalisation, which has
    /// no variance to take from a single sample. Which samples are left out changes every epoch.
    ///
    /// # Errors
    ///
    /// As for [`batches`](Self::batches).
    pub fn full_batches(&mut self, n: usize, batch_size: usize) -> Result<Batches, Error> {
        self.pass(n, batch_size, n - n.checked_rem(batch_size).unwrap_or(0))
    }

    fn pass(&mut self, n: usize, batch_size: usize, used: usize) -> Result<Batches, Error> {
        if batch_size == 0 {
            return Err(ConfigError::new("batch_size", "must be at least 1, got 0").into());
        }
        if let Some(was) = self.state.samples.filter(|was| *was != n && self.progress.step_in_epoch > 0) {
            let field = "data set (number of samples)".to_owned();
            let (was, now) = (was.to_string(), n.to_string());
            return Err(Error::Changed { dir: self.dir.clone(), field, was, now });
        }
        self.state.samples = Some(n);
        let batches = used.div_ceil(batch_size) as u64;
        self.pass = Some((used, batch_size, batches));
        let skipped = self.skip.min(batches);
        self.skip -= skipped;
        let mut order = rng::permutation(self.args.seed, self.progress.epoch as usize, n);
        order.truncate(used);
        Ok(Batches::new(order, batch_size, skipped as usize))
    }

    /// What to seed the device with before this step, so that dropout draws what it would have drawn
    /// without an interruption: `device.seed(run.step_seed())`.
    pub fn step_seed(&self) -> u64 {
        rng::step_seed(self.args.seed, self.progress.step)
    }

    /// Passes a step's result on, and makes of a NaN an error that says at which step it happened and
    /// where the last good checkpoint is.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`].
    pub fn guard<T>(&self, step: Result<T, NonFinite>) -> Result<T, Error> {
        step.map_err(|source| Error::Diverged {
            step: self.progress.step,
            checkpoint: self.store.last().map(Path::to_owned),
            source,
        })
    }

    /// Counts a step and records its figures as rows of the split `train`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when `metrics.csv` cannot be written; [`Error::NotRestored`] when the run was
    /// resumed but nobody took its state.
    pub fn step<V: Into<f64>, const N: usize>(&mut self, figures: [(&str, V); N]) -> Result<(), Error> {
        if self.resumed.is_some() {
            return Err(Error::NotRestored);
        }
        if !std::mem::replace(&mut self.stepped, true) {
            // A finished run that goes on is not finished any more.
            files::remove(&self.dir.join(SUMMARY))?;
        }
        self.figures.clear();
        self.progress.samples += self.pass.map_or(0, |(used, size, batches)| {
            let batch = self.progress.step_in_epoch.checked_rem(batches).unwrap_or(0) as usize;
            used.saturating_sub(batch * size).min(size) as u64
        });
        self.progress.step += 1;
        self.progress.step_in_epoch += 1;
        for (name, value) in figures {
            let value = value.into();
            if self.progress.step.is_multiple_of(self.every.log_steps) {
                self.metrics.row(self.progress.step, self.progress.epoch, "train", name, value)?;
            }
            if value.is_finite() {
                let (sum, count) = self.state.sums.entry(name.to_owned()).or_default();
                *sum += value;
                *count += 1;
            }
            self.console.figure(name.to_owned(), value);
        }
        self.show();
        Ok(())
    }

    /// Mean of a step figure over this epoch so far; NaN if there is none.
    pub fn epoch_mean(&self, name: &str) -> f64 {
        self.state.sums.get(name).map_or(f64::NAN, |(sum, count)| sum / *count as f64)
    }

    /// Records figures of another split, or of the epoch.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when `metrics.csv` cannot be written, [`ConfigError`] when a name would break it.
    pub fn log<V: Into<f64>, const N: usize>(
        &mut self,
        split: &str,
        figures: [(&str, V); N],
    ) -> Result<(), Error> {
        for (name, value) in figures {
            let value = value.into();
            self.metrics.row(self.progress.step, self.progress.epoch, split, name, value)?;
            self.figures.insert(format!("{split}/{name}"), value);
            self.console.figure(format!("{split} {name}"), value);
        }
        Ok(())
    }

    /// All values of a figure so far, with their steps, those before a resume included: what a curve is
    /// drawn from.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when `metrics.csv` cannot be written or read.
    pub fn history(&mut self, split: &str, metric: &str) -> Result<Vec<(u64, f64)>, Error> {
        self.metrics.flush()?;
        let rows = metrics::read(&self.dir.join(METRICS))?.into_iter();
        Ok(rows
            .filter(|row| row.split == split && row.metric == metric)
            .map(|row| (row.step, row.value))
            .collect())
    }

    /// Writes a checkpoint within the epoch if one is due: every so many steps if asked for, and when a
    /// signal asked to stop.
    ///
    /// # Errors
    ///
    /// As for [`finish_epoch`](Self::finish_epoch).
    pub fn checkpoint_if_due(
        &mut self,
        parts: impl FnOnce(Snapshot) -> Result<Snapshot, Error>,
    ) -> Result<(), Error> {
        let step = self.progress.step;
        let due = self.every.checkpoint_steps.is_some_and(|every| step.is_multiple_of(every));
        if due || signal::interrupted() {
            let checkpoint = self.save(parts)?;
            self.stop_if_asked(checkpoint)?;
        }
        Ok(())
    }

    /// Ends the epoch, its evaluation included, and writes a checkpoint if one is due: by default after
    /// every epoch, always after the last, the best so far, and when a signal asked to stop.
    ///
    /// `parts` adds to the snapshot whatever the loop needs to go on.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] after the checkpoint was written, if a signal asked to stop.
    /// [`Error::CheckpointFailed`] when it could not be written; older ones are still there.
    pub fn finish_epoch(
        &mut self,
        parts: impl FnOnce(Snapshot) -> Result<Snapshot, Error>,
    ) -> Result<(), Error> {
        self.progress.epoch += 1;
        self.progress.step_in_epoch = 0;
        self.skip = 0;
        self.state.sums.clear();
        self.show();
        let score = self.best.as_ref().and_then(|best| best.score(&self.figures));
        let improved =
            score.filter(|score| score.is_finite() && self.state.best.is_none_or(|best| *score > best));
        self.state.best = improved.or(self.state.best);
        let due = self.progress.epoch.is_multiple_of(self.every.checkpoint_epochs)
            || self.progress.epoch >= self.epochs;
        if due || improved.is_some() || signal::interrupted() {
            let checkpoint = self.save(parts)?;
            self.stop_if_asked(checkpoint)?;
        }
        Ok(())
    }

    fn save(&mut self, parts: impl FnOnce(Snapshot) -> Result<Snapshot, Error>) -> Result<PathBuf, Error> {
        let state = State { seconds: self.seconds(), ..self.state.clone() };
        let mut snapshot = Snapshot::new(self.progress).seed(self.args.seed);
        for (name, value) in &self.figures {
            snapshot = snapshot.metric(name, *value);
        }
        let snapshot = parts(snapshot)?;
        // Rows first: a checkpoint must never know of rows that are not on the disk.
        let flushed = self.metrics.flush();
        let saved = flushed.and_then(|metrics_bytes| {
            self.store.save(snapshot.json(STATE, &State { metrics_bytes, ..state })?)
        });
        saved.map_err(|source| Error::CheckpointFailed {
            step: self.progress.step,
            last: self.store.last().map(Path::to_owned),
            source: Box::new(source),
        })
    }

    fn stop_if_asked(&self, checkpoint: PathBuf) -> Result<(), Error> {
        if !signal::interrupted() {
            return Ok(());
        }
        let command = resume_command(std::env::args(), &self.dir);
        Err(Error::Interrupted { step: self.progress.step, checkpoint, command })
    }

    /// The run directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A file in the run directory, say `run.path("curves.png")`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// How far training is.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Adds to the samples seen what did not come from [`batches`](Self::batches), say frames of an
    /// environment.
    pub fn count_samples(&mut self, samples: u64) {
        self.progress.samples += samples;
    }

    /// Whether a signal asked to stop: for what takes long between two checkpoints, such as a rollout.
    pub fn interrupted(&self) -> bool {
        signal::interrupted()
    }

    /// The seed everything random follows from.
    pub fn seed(&self) -> u64 {
        self.args.seed
    }

    /// Time spent training, before a resume included.
    pub fn seconds(&self) -> f64 {
        self.state.seconds + self.started.elapsed().as_secs_f64()
    }

    fn show(&mut self) {
        let batches = self.pass.map_or(0, |(_, _, batches)| batches);
        let fraction = self.progress.step_in_epoch as f64 / batches.max(1) as f64;
        let Progress { step, epoch, .. } = self.progress;
        let fraction = if batches == 0 { 0.0 } else { fraction.min(1.0) };
        self.console.progress(Position { step, epoch, epochs: self.epochs, fraction });
    }
}

/// The checkpoint to go on from; says which ones were passed over, and why.
fn newest(store: &mut Store, console: &Console) -> Result<Option<Loaded>, Error> {
    let found = store.newest()?;
    for invalid in &found.skipped {
        console.note(format_args!("skipped a damaged checkpoint: {invalid}"));
    }
    if let Some(loaded) = &found.loaded {
        let Progress { step, epoch, .. } = loaded.progress();
        console.note(format_args!(
            "going on from {} (epoch {}, step {step})",
            loaded.path().display(),
            epoch + 1
        ));
    }
    Ok(found.loaded)
}
