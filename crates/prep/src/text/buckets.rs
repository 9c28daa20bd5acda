//! Batches of sequences of similar length.

use serde::{Deserialize, Serialize};

use crate::{Error, Key};

/// Which sequences go into a batch together; pure data.
///
/// A batch costs its longest sequence times its size. Of lengths spread evenly from 1 to L a random batch's
/// longest is nearly L and the mean L/2: half of the work is padding. So the shuffled sequences are taken in
/// pools of `pool` batches, each pool is sorted by length and cut into batches, and all batches are shuffled
/// again. Within a pool of n batches lengths differ by about 1/n of the spread. With one batch a pool it is
/// the plain shuffle.
///
/// ```
/// use fornax_prep::{Key, text::LengthBuckets};
///
/// let lengths: Vec<usize> = (0..1000).map(|i| 1 + i * 37 % 100).collect();
/// let epoch = Key::new(42).fold(0);
/// let random = LengthBuckets::new(20)?.with_pool(1)?;
/// let bucketed = LengthBuckets::new(20)?;
/// assert!(random.waste(&lengths, epoch) > 0.4);
/// assert!(bucketed.waste(&lengths, epoch) < 0.05);
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct LengthBuckets {
    batch_size: usize,
    pool: usize,
    max_tokens: Option<usize>,
}

/// How it is written down.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    batch_size: usize,
    #[serde(default = "usual_pool")]
    pool: usize,
    #[serde(default)]
    max_tokens: Option<usize>,
}

/// As in torchtext's `pool`: large enough to sort well, small beside an epoch.
fn usual_pool() -> usize {
    100
}

impl TryFrom<Raw> for LengthBuckets {
    type Error = Error;

    fn try_from(raw: Raw) -> Result<Self, Error> {
        let buckets = Self::new(raw.batch_size)?.with_pool(raw.pool)?;
        raw.max_tokens.map_or(Ok(buckets), |max_tokens| buckets.with_max_tokens(max_tokens))
    }
}

impl From<LengthBuckets> for Raw {
    fn from(buckets: LengthBuckets) -> Self {
        Self { batch_size: buckets.batch_size, pool: buckets.pool, max_tokens: buckets.max_tokens }
    }
}

impl LengthBuckets {
    /// Batches of this many sequences, in pools of 100 batches as torchtext's iterators.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when `batch_size` is 0.
    pub fn new(batch_size: usize) -> Result<Self, Error> {
        if batch_size == 0 {
            return Err(Error::argument("batch_size", "at least 1", 0));
        }
        Ok(Self { batch_size, pool: usual_pool(), max_tokens: None })
    }

    /// Sorted within pools of this many batches.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when `pool` is 0.
    pub fn with_pool(self, pool: usize) -> Result<Self, Error> {
        if pool == 0 {
            return Err(Error::argument("pool", "at least 1 batch", 0));
        }
        Ok(Self { pool, ..self })
    }

    /// With at most this many entries in a batch, padding included, so that batches of long sequences hold
    /// fewer; a sequence that is longer by itself is a batch by itself.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when `max_tokens` is 0.
    pub fn with_max_tokens(self, max_tokens: usize) -> Result<Self, Error> {
        if max_tokens == 0 {
            return Err(Error::argument("max_tokens", "at least 1", 0));
        }
        Ok(Self { max_tokens: Some(max_tokens), ..self })
    }

    /// The batches of an epoch, as indices into `lengths`: every index once. A function of lengths and key;
    /// take `Key::new(seed).fold(epoch)`.
    pub fn batches(&self, lengths: &[usize], key: Key) -> Vec<Vec<usize>> {
        let order = key.fold(0).permutation(lengths.len());
        let mut batches: Vec<Vec<usize>> = Vec::new();
        for pool in order.chunks(self.batch_size.saturating_mul(self.pool)) {
            let mut pool = pool.to_vec();
            if self.pool > 1 {
                // Stable: sequences of one length stay in random order.
                pool.sort_by_key(|&index| lengths[index]);
            }
            let mut batch: Vec<usize> = Vec::new();
            let mut longest = 0;
            for index in pool {
                let with_it = longest.max(lengths[index]);
                let over = self.max_tokens.is_some_and(|most| with_it.saturating_mul(batch.len() + 1) > most);
                if batch.len() == self.batch_size || over && !batch.is_empty() {
                    batches.push(std::mem::take(&mut batch));
                    longest = 0;
                }
                longest = longest.max(lengths[index]);
                batch.push(index);
            }
            batches.push(batch);
        }
        key.fold(1).shuffle(&mut batches);
        batches
    }

    /// The share of an epoch's entries that is padding, from 0 to 1.
    pub fn waste(&self, lengths: &[usize], key: Key) -> f64 {
        let (mut all, mut real) = (0, 0);
        for batch in self.batches(lengths, key) {
            all += batch.len() * batch.iter().map(|&index| lengths[index]).max().unwrap_or_default();
            real += batch.iter().map(|&index| lengths[index]).sum::<usize>();
        }
        if all == 0 { 0.0 } else { 1.0 - real as f64 / all as f64 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_waste_is_that_of_the_theory() {
        // n evenly spread lengths up to L: the longest of B is L·B/(B + 1) on average, the mean L/2.
        let lengths: Vec<usize> = (0..20_000).map(|i| 1 + i % 1000).collect();
        for size in [4, 16, 64] {
            let random = LengthBuckets::new(size).unwrap().with_pool(1).unwrap().waste(&lengths, Key::new(1));
            let expected = 1.0 - (size as f64 + 1.0) / (2.0 * size as f64);
            assert!((random - expected).abs() < 0.02, "{size}: {random} for {expected}");
            let bucketed = LengthBuckets::new(size).unwrap().waste(&lengths, Key::new(1));
            // A pool of n batches spans L in n steps: about half a step of L/2 is lost, and the first batches' more.
            assert!(bucketed < 0.02, "{size}: {bucketed}");
        }
    }

    #[test]
    fn an_epoch_can_be_repeated_and_the_next_differs() {
        let lengths: Vec<usize> = (0..500).map(|i| i * 7 % 93).collect();
        let buckets = LengthBuckets::new(8).unwrap().with_pool(4).unwrap();
        let epoch = |seed, epoch| buckets.batches(&lengths, Key::new(seed).fold(epoch));
        assert_eq!(epoch(1, 0), epoch(1, 0));
        assert_ne!(epoch(1, 0), epoch(1, 1));
        assert_ne!(epoch(1, 0), epoch(2, 0));
        // Not sorted over all: short batches come early and late.
        let firsts: Vec<usize> = epoch(1, 0).iter().map(|batch| lengths[batch[0]]).collect();
        let rising = firsts.windows(2).filter(|pair| pair[0] <= pair[1]).count();
        assert!((20..45).contains(&rising), "{rising} of {}", firsts.len());
    }

    #[test]
    fn sizes_of_nothing_are_refused() {
        assert!(LengthBuckets::new(0).is_err());
        assert!(LengthBuckets::new(1).unwrap().with_pool(0).is_err());
        assert!(LengthBuckets::new(1).unwrap().with_max_tokens(0).is_err());
        assert!(serde_json::from_str::<LengthBuckets>(r#"{"batch_size": 0}"#).is_err());
        assert!(LengthBuckets::new(5).unwrap().batches(&[], Key::new(0)).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn every_sequence_comes_once_and_batches_keep_their_bounds(
            lengths in prop::collection::vec(0usize..50, 0..200),
            size in 1usize..20, pool in 1usize..6, most in prop::option::of(1usize..200), seed: u64,
        ) {
            let mut buckets = LengthBuckets::new(size).unwrap().with_pool(pool).unwrap();
            if let Some(most) = most {
                buckets = buckets.with_max_tokens(most).unwrap();
            }
            let batches = buckets.batches(&lengths, Key::new(seed));
            let mut seen = batches.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in batches {
                prop_assert!(!batch.is_empty() && batch.len() <= size);
                let longest = batch.iter().map(|&index| lengths[index]).max().unwrap();
                prop_assert!(batch.len() == 1 || most.is_none_or(|most| longest * batch.len() <= most));
            }
        }
    }
}
