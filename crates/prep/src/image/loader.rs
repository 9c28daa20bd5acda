//! Samples in batches, read ahead by other threads.
//!
//! A training step must not wait for files. While one batch is trained on, the next are read, decoded and transformed
//! by `workers` threads, up to `prefetch` of them a worker; then the threads wait, so memory stays bounded.
//!
//! ```text
//!            ┌─ worker ─┐  batch 4 ─┐
//! order ────▶├─ worker ─┤  batch 5  ├─▶ put back in order ─▶ batch 3, 4, 5, …
//! (seed,     └─ worker ─┘  batch 3 ─┘
//!  epoch)      read, transform by key (seed, epoch, sample), collate
//! ```
//!
//! What is in a batch follows from (seed, epoch) alone. A worker decides neither the order (batches are numbered
//! beforehand and delivered by number) nor what happens to a sample (its key names it): 0, 1 or 4 workers give
//! the same bytes.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};

use super::folder::OnBroken;
use super::{Collate, Normalisation, SampleBatch, Samples, Transform};
use crate::balance::WeightedSampler;
use crate::{Error, Key};

/// How a [`Loader`] goes about it; pure data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoaderConfig {
    /// Samples a batch. Default: 32.
    pub batch_size: usize,
    /// Threads that read ahead; 0 reads when asked. Default: 2. No influence on the result.
    pub workers: usize,
    /// Batches read ahead, for each worker. Default: 2, as PyTorch's `prefetch_factor`. No influence on the result.
    pub prefetch: usize,
    /// Whether samples come in a new order each epoch. Default: yes.
    pub shuffle: bool,
    /// Whether a last batch that is not full is left out. Default: no, as in PyTorch.
    pub drop_last: bool,
    /// What all randomness follows from. Default: 0.
    pub seed: u64,
    /// What to do with a sample that cannot be read or transformed. Default: end with its error.
    pub on_broken: OnBroken,
    /// How images come to one size. Default: they have one.
    pub collate: Collate,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        Self {
            batch_size: 32,
            workers: 2,
            prefetch: 2,
            shuffle: true,
            drop_last: false,
            seed: 0,
            on_broken: OnBroken::Fail,
            collate: Collate::Equal,
        }
    }
}

/// Reads, transforms and batches samples; see the [module page](self).
///
/// ```
/// use fornax_prep::Digits;
/// use fornax_prep::image::transform::{Affine, Compose, Resize};
/// use fornax_prep::image::{Loader, LoaderConfig, Normalisation};
///
/// let split = Digits::load().folds().split(0);
/// let config = LoaderConfig { batch_size: 64, seed: 42, ..LoaderConfig::default() };
/// let loader = Loader::new(Digits::load().to_set(), config)
///     .unwrap()
///     .with_indices(split.train)
///     .unwrap()
///     .with_transform(Compose::new().then(Resize::to(16, 16)).then(Affine::default().with_rotation(10.0)))
///     .with_normalisation(Normalisation { mean: vec![0.3], std: vec![0.37] });
///
/// let mut seen = 0;
/// for batch in loader.epoch(0) {
///     let batch = batch.unwrap();
///     assert_eq!(batch.images.shape[1..], [1, 16, 16]);
///     seen += batch.len();
/// }
/// assert_eq!(seen, 1437);
/// ```
pub struct Loader {
    work: Arc<Work>,
    indices: Vec<usize>,
    weights: Option<WeightedSampler>,
    config: LoaderConfig,
}

/// What workers share.
struct Work {
    source: Box<dyn Samples>,
    transform: Box<dyn Transform>,
    normalisation: Option<Normalisation>,
    on_broken: OnBroken,
    collate: Collate,
}

/// Does nothing.
struct Identity;

impl Transform for Identity {
    fn apply(&self, sample: super::Sample, _: Key) -> Result<super::Sample, Error> {
        Ok(sample)
    }
}

impl Loader {
    /// All samples of `source`, without a transformation.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a batch size of 0 or an empty source.
    pub fn new(source: impl Samples + 'static, config: LoaderConfig) -> Result<Self, Error> {
        if config.batch_size == 0 {
            return Err(Error::argument("batch_size", "at least 1", 0));
        }
        if source.is_empty() {
            return Err(Error::argument("source", "at least one sample", "none"));
        }
        let indices = (0..source.len()).collect();
        let work = Work {
            source: Box::new(source),
            transform: Box::new(Identity),
            normalisation: None,
            on_broken: config.on_broken,
            collate: config.collate,
        };
        Ok(Self { work: Arc::new(work), indices, weights: None, config })
    }

    /// Only these samples, such as a [`Split`](crate::Split)'s training part.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when there is none, or one that the source does not have.
    pub fn with_indices(mut self, indices: Vec<usize>) -> Result<Self, Error> {
        let len = self.work.source.len();
        match indices.iter().find(|&&index| index >= len) {
            Some(index) => Err(Error::argument("indices", format_args!("numbers below {len}"), index)),
            None if indices.is_empty() => Err(Error::argument("indices", "at least one", "none")),
            None => {
                self.indices = indices;
                Ok(self)
            }
        }
    }

    /// Draws samples by weight, with replacement, instead of each once: as many an epoch as there are. A sample drawn
    /// twice is transformed differently.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when there are not as many weights as samples chosen.
    pub fn with_weights(mut self, weights: WeightedSampler) -> Result<Self, Error> {
        if weights.len() != self.indices.len() {
            let expected = format_args!("one for each of {} samples", self.indices.len()).to_string();
            return Err(Error::argument("weights", expected, weights.len()));
        }
        self.weights = Some(weights);
        Ok(self)
    }

    /// Changes every sample.
    #[must_use]
    pub fn with_transform(self, transform: impl Transform + 'static) -> Self {
        self.changed(|work| work.transform = Box::new(transform))
    }

    /// Normalises every image.
    #[must_use]
    pub fn with_normalisation(self, normalisation: Normalisation) -> Self {
        self.changed(|work| work.normalisation = Some(normalisation))
    }

    fn changed(mut self, change: impl FnOnce(&mut Work)) -> Self {
        // No worker runs before the first epoch, and none outlives its epoch: nobody else holds it.
        if let Some(work) = Arc::get_mut(&mut self.work) {
            change(work);
        }
        self
    }

    /// The source.
    pub fn source(&self) -> &dyn Samples {
        &*self.work.source
    }

    /// Batches an epoch; fewer are delivered where all samples of one were skipped.
    pub fn num_batches(&self) -> usize {
        let (samples, size) = (self.indices.len(), self.config.batch_size);
        if self.config.drop_last { samples / size } else { samples.div_ceil(size) }
    }

    /// The batches of an epoch, in their order. With workers, reading begins here.
    pub fn epoch(&self, epoch: u64) -> Epoch {
        let key = Key::new(self.config.seed).fold(epoch);
        let plan = Arc::new(Plan { key, batches: self.batches(key) });
        let queue = Arc::new(Queue::default());
        let window = self.config.prefetch.max(1).saturating_mul(self.config.workers);
        let workers = (0..self.config.workers.min(plan.batches.len()))
            .map(|_| {
                let (work, plan, queue) = (Arc::clone(&self.work), Arc::clone(&plan), Arc::clone(&queue));
                std::thread::spawn(move || queue.fill(&work, &plan, window))
            })
            .collect();
        Epoch {
            work: Arc::clone(&self.work),
            plan,
            queue,
            workers,
            next: 0,
            skipped: Vec::new(),
            failed: false,
        }
    }

    /// Which samples make each batch.
    fn batches(&self, key: Key) -> Vec<Vec<Draw>> {
        let places: Vec<usize> = match &self.weights {
            Some(weights) => weights.draw(self.indices.len(), key),
            None if self.config.shuffle => key.permutation(self.indices.len()),
            None => (0..self.indices.len()).collect(),
        };
        let mut times: HashMap<usize, u64> = HashMap::new();
        let draws: Vec<Draw> = places
            .into_iter()
            .map(|place| {
                let index = self.indices[place];
                let count = times.entry(index).or_default();
                *count += 1;
                Draw { index, repeat: *count - 1 }
            })
            .collect();
        draws.chunks(self.config.batch_size).take(self.num_batches()).map(<[Draw]>::to_vec).collect()
    }
}

/// A sample to come, and how often it came before in this epoch.
#[derive(Debug, Clone, Copy)]
struct Draw {
    index: usize,
    repeat: u64,
}

struct Plan {
    key: Key,
    batches: Vec<Vec<Draw>>,
}

/// A sample that was left out.
#[derive(Debug)]
pub struct Skipped {
    /// Its number in the source.
    pub index: usize,
    /// Why, with its file if it has one.
    pub error: Error,
}

/// A batch, or what became of it.
#[derive(Default)]
struct Made {
    batch: Option<SampleBatch>,
    skipped: Vec<Skipped>,
    error: Option<Error>,
}

impl Work {
    fn make(&self, key: Key, draws: &[Draw]) -> Made {
        let mut made = Made::default();
        let (mut samples, mut indices) = (Vec::with_capacity(draws.len()), Vec::with_capacity(draws.len()));
        for &Draw { index, repeat } in draws {
            let key = key.fold(index as u64).fold(repeat);
            let sample = self.source.get(index).and_then(|sample| self.transform.apply(sample, key));
            match sample {
                Ok(sample) => {
                    samples.push(sample);
                    indices.push(index);
                }
                Err(error) => {
                    let error = self.named(index, error);
                    match self.on_broken {
                        OnBroken::Fail => return Made { error: Some(error), ..made },
                        OnBroken::Skip => made.skipped.push(Skipped { index, error }),
                    }
                }
            }
        }
        if samples.is_empty() {
            return made;
        }
        let places = indices.clone();
        match SampleBatch::collate(samples, indices, self.normalisation.as_ref(), self.collate) {
            Ok(batch) => made.batch = Some(batch),
            // Sizes that differ are a mistake in the pipeline, not in a file: no reason to skip it.
            Err((place, error)) => made.error = Some(self.named(places[place], error)),
        }
        made
    }

    /// The error, with the sample's file if it does not name one.
    fn named(&self, index: usize, error: Error) -> Error {
        match (self.source.path(index), error) {
            (Some(path), Error::Argument { argument, expected, found }) => {
                Error::file(path, crate::Problem::field(argument, expected, found))
            }
            (_, error) => error,
        }
    }
}

/// Batches made and not yet taken.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The next batch to make.
    next: usize,
    /// Batches taken.
    taken: usize,
    ready: BTreeMap<usize, Result<Made, Box<dyn Any + Send>>>,
    stop: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker's life.
    fn fill(&self, work: &Work, plan: &Plan, window: usize) {
        let mut state = self.lock();
        loop {
            while !state.stop
                && state.next < plan.batches.len()
                && state.next >= state.taken.saturating_add(window)
            {
                state = self.wait(state);
            }
            let number = state.next;
            if state.stop || number >= plan.batches.len() {
                return;
            }
            state.next += 1;
            drop(state);
            let made = catch_unwind(AssertUnwindSafe(|| work.make(plan.key, &plan.batches[number])));
            state = self.lock();
            state.ready.insert(number, made);
            self.changed.notify_all();
        }
    }

    /// Waits for a batch.
    fn take(&self, number: usize) -> Result<Made, Box<dyn Any + Send>> {
        let mut state = self.lock();
        loop {
            if let Some(made) = state.ready.remove(&number) {
                state.taken = number + 1;
                self.changed.notify_all();
                return made;
            }
            state = self.wait(state);
        }
    }
}

/// The batches of one epoch. Under [`OnBroken::Fail`] the first error is the last item. Dropping it stops its workers.
pub struct Epoch {
    work: Arc<Work>,
    plan: Arc<Plan>,
    queue: Arc<Queue>,
    workers: Vec<JoinHandle<()>>,
    next: usize,
    skipped: Vec<Skipped>,
    failed: bool,
}

impl Epoch {
    /// What was left out of the batches so far, in their order.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }
}

impl Iterator for Epoch {
    type Item = Result<SampleBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed && self.next < self.plan.batches.len() {
            let number = self.next;
            self.next += 1;
            let made = if self.workers.is_empty() {
                self.work.make(self.plan.key, &self.plan.batches[number])
            } else {
                // A panic in a transformation of the user's is the user's to see.
                self.queue.take(number).unwrap_or_else(|panic| resume_unwind(panic))
            };
            self.skipped.extend(made.skipped);
            if let Some(error) = made.error {
                self.failed = true;
                return Some(Err(error));
            }
            if let Some(batch) = made.batch {
                return Some(Ok(batch));
            }
        }
        None
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        self.queue.lock().stop = true;
        self.queue.changed.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches what its batches throw.
            let _ = worker.join();
        }
    }
}
