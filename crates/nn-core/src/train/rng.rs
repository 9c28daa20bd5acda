//! Randomness that follows from a seed and a place in the run, so that a resumed run draws what
//! the uninterrupted one would have drawn.
//!
//! A generator whose position has to be saved is a generator whose position can be lost. Here every
//! use has a stream of its own, found from `(seed, purpose, index)` alone: the shuffle of epoch 7 does
//! not depend on what epochs 0 to 6 drew, nor on how often dropout asked.
//!
//! ```text
//! key    = SHA-256("fornax/1", seed, purpose)        256 bits
//! stream = ChaCha8(key, nonce = index)               2⁶⁴ streams of 2⁶⁸ bytes a key
//! ```
//!
//! ChaCha: D. J. Bernstein, *ChaCha, a variant of Salsa20*, 2008. <https://cr.yp.to/chacha/chacha-20080128.pdf>

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// The generator for `purpose` at `index` (an epoch, a step, an image).
///
/// ```
/// use fornax_nn_core::train::rng;
/// use rand_chacha::rand_core::Rng;
///
/// let draw = |purpose, index| rng::stream(0, purpose, index).next_u64();
/// assert_eq!(draw("augment", 3), draw("augment", 3));
/// assert_ne!(draw("augment", 3), draw("augment", 4));
/// assert_ne!(draw("augment", 3), draw("noise", 3));
/// ```
pub fn stream(seed: u64, purpose: &str, index: u64) -> ChaCha8Rng {
    let key = Sha256::new()
        .chain_update(b"fornax/1")
        .chain_update(seed.to_le_bytes())
        .chain_update(purpose.as_bytes())
        .finalize();
    let mut rng = ChaCha8Rng::from_seed(key.into());
    rng.set_stream(index);
    rng
}

/// The order in which epoch `epoch` visits `n` samples: a uniform permutation of `0..n`.
///
/// Fisher–Yates: position i from the back is swapped with one drawn uniformly from `0..=i`.
///
/// ```
/// use fornax_nn_core::train::rng::permutation;
///
/// let mut order = permutation(0, 5, 100);
/// assert_eq!(order, permutation(0, 5, 100));
/// assert_ne!(order, permutation(0, 6, 100));
/// order.sort_unstable();
/// assert!(order.into_iter().eq(0..100));
/// ```
pub fn permutation(seed: u64, epoch: usize, n: usize) -> Vec<usize> {
    let mut rng = stream(seed, "permutation", epoch as u64);
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        order.swap(last, below(&mut rng, last as u64 + 1) as usize);
    }
    order
}

/// What to seed the tensor generator with at the start of step `step`: `device.seed(step_seed(..))`.
///
/// Dropout, noise and every other draw inside the step then follow from `(seed, step)`.
pub fn step_seed(seed: u64, step: u64) -> u64 {
    stream(seed, "step", step).next_u64()
}

/// Uniform in `0..bound` without the bias of a bare remainder: draws from the incomplete last
/// interval are thrown away.
fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let draw = rng.next_u64();
        if draw < limit {
            return draw % bound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every published result with a seed depends on these: they change only with a new version tag in
    /// the key. The values are those of a separate ChaCha8 and SHA-256, written from the formulas above.
    #[test]
    fn streams_stay_what_they_were() {
        let found = (permutation(0, 0, 8), permutation(1, 2, 8), step_seed(0, 0));
        assert_eq!(found, (PERMUTATION_0_0_8.into(), PERMUTATION_1_2_8.into(), STEP_SEED_0_0));
    }

    const PERMUTATION_0_0_8: [usize; 8] = [0, 5, 6, 7, 3, 4, 1, 2];
    const PERMUTATION_1_2_8: [usize; 8] = [3, 5, 2, 4, 0, 7, 1, 6];
    const STEP_SEED_0_0: u64 = 12905945886959595371;

    #[test]
    fn every_position_is_equally_likely_for_every_sample() {
        // 24,000 shuffles of 4: each (sample, position) count is binomial(24000, 1/4), deviation 67;
        // five deviations leave one chance in a million of a false alarm over the 16 counts.
        let mut counts = [[0i32; 4]; 4];
        for epoch in 0..24_000 {
            for (position, sample) in permutation(7, epoch, 4).into_iter().enumerate() {
                counts[sample][position] += 1;
            }
        }
        for count in counts.as_flattened() {
            assert!((count - 6_000).abs() < 5 * 67, "{counts:?}");
        }
    }

    #[test]
    fn small_sets_have_an_order_too() {
        assert!(permutation(0, 0, 0).is_empty());
        assert_eq!(permutation(0, 0, 1), [0]);
    }

    #[test]
    fn steps_seeds_and_purposes_do_not_collide() {
        let mut seeds: Vec<u64> =
            (0..20).flat_map(|seed| (0..200).map(move |step| step_seed(seed, step))).collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 4_000);
    }
}
