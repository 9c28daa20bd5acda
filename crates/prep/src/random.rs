//! Randomness as a value: a [`Key`] names a stream of random numbers, and keys make more keys.
//!
//! A generator that is passed along remembers how often it was asked, so what one image gets depends on
//! how many came before it, on the thread that was faster, on the resume. A key remembers nothing. What
//! is drawn for sample 17 of epoch 3 follows from `Key::new(seed).fold(3).fold(17)` and from nothing
//! else, whoever computes it and when.

use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_chacha::{ChaCha8Rng, ChaCha20Rng};

/// A name for a stream of random numbers, 256 bits wide.
///
/// ```
/// use fornax_prep::Key;
///
/// let epoch = Key::new(7).fold(3);
/// assert_eq!(epoch.fold(17), Key::new(7).fold(3).fold(17));
/// assert_ne!(epoch.fold(17), epoch.fold(18));
/// assert_eq!(epoch.permutation(5), epoch.permutation(5));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of a seed.
    pub fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(bytes)
    }

    /// The key of the `number`-th thing below this one: an epoch, a step, a sample.
    ///
    /// The first 32 bytes of ChaCha20 keyed by this key, on stream `number`: as independent of its
    /// siblings as a stream cipher can make it. ([`stream`](Self::stream) is ChaCha8, another function of
    /// the key, so a key may serve for both.)
    #[must_use]
    pub fn fold(self, number: u64) -> Self {
        let mut rng = ChaCha20Rng::from_seed(self.0);
        rng.set_stream(number);
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The random numbers this key names, from the first.
    pub fn stream(self) -> Stream {
        Stream(ChaCha8Rng::from_seed(self.0))
    }

    /// The numbers below `len` in random order: Fisher and Yates's shuffle on this key's stream.
    pub fn permutation(self, len: usize) -> Vec<usize> {
        let mut items: Vec<usize> = (0..len).collect();
        self.shuffle(&mut items);
        items
    }

    /// Puts `items` in random order.
    pub fn shuffle<T>(self, items: &mut [T]) {
        let mut stream = self.stream();
        for last in (1..items.len()).rev() {
            items.swap(last, stream.below(last as u64 + 1) as usize);
        }
    }
}

/// The random numbers of a [`Key`]: ChaCha8, with conversions fixed here, so that a seed means the same
/// on every platform and in every later version.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// Uniform on [0, 1): 24 random bits.
    pub fn uniform(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * (1.0 / (1 << 24) as f32)
    }

    /// Uniform on [low, high).
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Uniform on 0, 1, …, bound − 1, without bias; 0 when `bound` is 0.
    ///
    /// The high half of random · bound, drawn again where the low half falls among the
    /// 2⁶⁴ mod bound values that would favour some results. D. Lemire, *Fast random integer generation in
    /// an interval*, 2019. <https://arxiv.org/abs/1805.10941>
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        let favoured = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(bound);
            if product as u64 >= favoured {
                return (product >> 64) as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_the_same_for_ever() {
        // Computed once by this code: partitions and augmentations of old runs depend on them.
        let mut stream = Key::new(1).stream();
        let drawn: Vec<u64> = (0..4).map(|_| stream.below(1000)).collect();
        assert_eq!(drawn, [381, 294, 798, 916]);
        assert_eq!(Key::new(1).permutation(8), [6, 1, 0, 7, 5, 4, 2, 3]);
        assert_eq!(Key::new(1).fold(2).permutation(8), [4, 7, 1, 0, 5, 2, 3, 6]);
    }

    #[test]
    fn below_reaches_every_number_about_equally_often() {
        let mut stream = Key::new(3).stream();
        let mut seen = [0u32; 7];
        for _ in 0..70_000 {
            seen[stream.below(7) as usize] += 1;
        }
        // Each count is binomial with mean 10,000 and deviation 93; five deviations.
        assert!(seen.iter().all(|&count| count.abs_diff(10_000) < 465), "{seen:?}");
        assert_eq!(stream.below(0), 0);
    }

    #[test]
    fn uniform_stays_below_one_and_has_the_right_mean() {
        let mut stream = Key::new(4).stream();
        let drawn: Vec<f32> = (0..10_000).map(|_| stream.uniform()).collect();
        assert!(drawn.iter().all(|value| (0.0..1.0).contains(value)));
        let mean: f32 = drawn.iter().sum::<f32>() / 10_000.0;
        // Deviation of the mean: 1/√12/100 = 0.0029; five of them.
        assert!((mean - 0.5).abs() < 0.0145, "{mean}");
    }

    #[test]
    fn keys_of_siblings_and_generations_differ() {
        let key = Key::new(0);
        let mut all =
            vec![key, key.fold(0), key.fold(1), key.fold(0).fold(0), key.fold(u64::MAX), Key::new(1)];
        all.sort_by_key(|key| key.0);
        all.dedup();
        assert_eq!(all.len(), 6);
    }
}
