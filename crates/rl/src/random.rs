//! # Random numbers as NumPy draws them
//!
//! Gymnasium seeds every environment with `numpy.random.Generator(PCG64(SeedSequence(seed)))`. The same generator here means
//! that `reset(Some(7))` starts where `env.reset(seed=7)` starts, to the bit, and that every later draw of the environment
//! is the same one too: results can be compared episode by episode, not only on average.
//!
//! ```text
//! state ← state · 0x2360ED051FC65DA44385DF649FCCF645 + increment          (mod 2¹²⁸)
//! output = rotate_right(high(state) xor low(state), state >> 122)         64 bits
//! ```
//!
//! M. E. O'Neill, *PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number Generation*,
//! 2014. <https://www.pcg-random.org/paper.html>. The seeding is O'Neill's `seed_seq` design in NumPy's variant.

use serde::{Deserialize, Serialize};

/// NumPy's default generator; its whole state is data and can be saved.
///
/// ```
/// use fornax_rl::random::Pcg64;
///
/// // numpy.random.default_rng(42).random()
/// assert_eq!(Pcg64::new(42).unit(), 0.7739560485559633);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Saved", from = "Saved")]
pub struct Pcg64 {
    state: u128,
    increment: u128,
    /// The upper half of an output whose lower half was asked for.
    half: Option<u32>,
}

const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;

impl Pcg64 {
    /// As `numpy.random.default_rng(seed)`.
    pub fn new(seed: u64) -> Self {
        let words = seed_sequence(seed);
        let wide = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        let mut rng = Self { state: 0, increment: wide(words[2], words[3]) << 1 | 1, half: None };
        rng.advance();
        rng.state = rng.state.wrapping_add(wide(words[0], words[1]));
        rng.advance();
        rng
    }

    #[inline]
    fn advance(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
    }

    /// 64 uniform bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.advance();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// 32 uniform bits; two of them share one 64-bit output, lower half first.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        if let Some(half) = self.half.take() {
            return half;
        }
        let output = self.next_u64();
        self.half = Some((output >> 32) as u32);
        output as u32
    }

    /// Uniform in [0, 1), a multiple of 2⁻⁵³: NumPy's `random()`.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in [low, high): NumPy's `uniform(low, high)`.
    #[inline]
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..bound` without bias, 0 when `bound` is 0: NumPy's `integers(bound)`. Bounds up to 2³² take 32 bits a try.
    ///
    /// Lemire's method: the upper half of draw · bound, drawn again while the lower half lies in the short interval.
    /// D. Lemire, *Fast Random Integer Generation in an Interval*, 2019. <https://arxiv.org/abs/1805.10941>
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        if bound < 1 << 32 {
            let bound = bound as u32;
            let mut product = u64::from(self.next_u32()) * u64::from(bound);
            if (product as u32) < bound {
                let threshold = bound.wrapping_neg() % bound;
                while (product as u32) < threshold {
                    product = u64::from(self.next_u32()) * u64::from(bound);
                }
            }
            return product >> 32;
        }
        let mut product = u128::from(self.next_u64()) * u128::from(bound);
        if (product as u64) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u64) < threshold {
                product = u128::from(self.next_u64()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }

    /// Exponential with mean 1, by inversion. Not NumPy's stream.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }

    /// Standard normal by Box and Muller. Not NumPy's stream (which is a ziggurat).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// The first index whose cumulated probability exceeds `unit()`: Gymnasium's `categorical_sample`.
    pub fn categorical(&mut self, probabilities: impl IntoIterator<Item = f64>) -> usize {
        categorical(probabilities, self.unit())
    }
}

/// The first index whose cumulated probability exceeds `draw`; 0 when none does, as NumPy's `argmax` answers.
pub(crate) fn categorical(probabilities: impl IntoIterator<Item = f64>, draw: f64) -> usize {
    let mut sum = 0.0;
    for (index, probability) in probabilities.into_iter().enumerate() {
        sum += probability;
        if sum > draw {
            return index;
        }
    }
    0
}

/// NumPy's `SeedSequence(seed).generate_state(4, uint64)`.
fn seed_sequence(seed: u64) -> [u64; 4] {
    const XSHIFT: u32 = 16;
    let mut hash = 0x43b0_d7e5_u32;
    let mut hashed = |mut value: u32| {
        value ^= hash;
        hash = hash.wrapping_mul(0x931e_8875);
        value = value.wrapping_mul(hash);
        value ^ value >> XSHIFT
    };
    // A seed below 2³² is one word of entropy; the words that are missing count as zeros.
    let mut pool = [seed as u32, (seed >> 32) as u32, 0, 0].map(&mut hashed);
    for from in 0..4 {
        for to in 0..4 {
            if from != to {
                let mixed = pool[to]
                    .wrapping_mul(0xca01_f9dd)
                    .wrapping_sub(hashed(pool[from]).wrapping_mul(0x4973_f715));
                pool[to] = mixed ^ mixed >> XSHIFT;
            }
        }
    }
    let mut hash = 0x8b51_f9dd_u32;
    let mut word = |i: usize| {
        let mut value = pool[i % 4] ^ hash;
        hash = hash.wrapping_mul(0x58f3_8ded);
        value = value.wrapping_mul(hash);
        u64::from(value ^ value >> XSHIFT)
    };
    [0, 1, 2, 3].map(|i| word(2 * i) | word(2 * i + 1) << 32)
}

/// The state in words that every serde format can hold.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    state: [u64; 2],
    increment: [u64; 2],
    half: Option<u32>,
}

impl From<Pcg64> for Saved {
    fn from(rng: Pcg64) -> Self {
        let words = |wide: u128| [(wide >> 64) as u64, wide as u64];
        Self { state: words(rng.state), increment: words(rng.increment), half: rng.half }
    }
}

impl From<Saved> for Pcg64 {
    fn from(saved: Saved) -> Self {
        let wide = |[high, low]: [u64; 2]| u128::from(high) << 64 | u128::from(low);
        // An even increment would shorten the period; NumPy's are odd by construction.
        Self { state: wide(saved.state), increment: wide(saved.increment) | 1, half: saved.half }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Draws = (u64, [f64; 3], [u64; 5], f64, u64, f64);

    /// Each row: a seed; three `random()`, five `integers(13)`, `random()`, `integers(2**40)` and `uniform(-0.05, 0.05)` of
    /// NumPy 2.4 in this order. The odd number of 32-bit draws leaves a half that the 64-bit draws must not touch.
    #[test]
    fn draws_are_numpys_to_the_bit() {
        let expected: [Draws; 4] = [
            (
                0,
                [0.6369616873214543, 0.2697867137638703, 0.04097352393619469],
                [0, 0, 2, 10, 8],
                0.6066357757671799,
                802_089_951_224,
                0.004362499146542284,
            ),
            (
                7,
                [0.625095466604667, 0.8972138009695755, 0.7756856902451935],
                [10, 2, 0, 3, 3],
                0.005265304565574724,
                902_950_195_071,
                0.02970694287520463,
            ),
            (
                (1 << 40) + 5,
                [0.004739459374490829, 0.3725845824112115, 0.5872294266977701],
                [11, 1, 0, 5, 11],
                0.36119499827535184,
                55_215_071_012,
                0.02285009085048474,
            ),
            (
                u64::MAX,
                [0.6800266789616931, 0.8453117585624743, 0.007403081599260064],
                [1, 11, 7, 1, 3],
                0.5894743473759847,
                200_867_125_257,
                0.04106503555676262,
            ),
        ];
        for (seed, units, integers, unit, large, uniform) in expected {
            let mut rng = Pcg64::new(seed);
            assert_eq!([rng.unit(), rng.unit(), rng.unit()], units, "seed {seed}");
            assert_eq!([(); 5].map(|()| rng.below(13)), integers, "seed {seed}");
            assert_eq!(rng.unit(), unit, "seed {seed}");
            assert_eq!(rng.below(1 << 40), large, "seed {seed}");
            assert_eq!(rng.uniform(-0.05, 0.05), uniform, "seed {seed}");
        }
    }

    #[test]
    fn a_saved_generator_goes_on_where_it_was() {
        let mut rng = Pcg64::new(3);
        rng.next_u32();
        let text = serde_json::to_string(&rng).unwrap();
        let mut back: Pcg64 = serde_json::from_str(&text).unwrap();
        assert_eq!(back, rng);
        assert_eq!((back.next_u32(), back.next_u64()), (rng.next_u32(), rng.next_u64()));
    }

    #[test]
    fn normal_and_exponential_draws_have_their_moments() {
        let mut rng = Pcg64::new(1);
        let n = 40_000;
        let moments = |draws: Vec<f64>| {
            let mean = draws.iter().sum::<f64>() / n as f64;
            (mean, draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64)
        };
        let (mean, variance) = moments((0..n).map(|_| rng.normal()).collect());
        // Deviations of the two estimates: 0.005 and 0.007 (normal), 0.005 and 0.014 (exponential).
        assert!(mean.abs() < 0.025 && (variance - 1.0).abs() < 0.035, "{mean} {variance}");
        let (mean, variance) = moments((0..n).map(|_| rng.exponential()).collect());
        assert!((mean - 1.0).abs() < 0.025 && (variance - 1.0).abs() < 0.07, "{mean} {variance}");
    }

    #[test]
    fn the_first_index_over_the_draw_is_chosen() {
        let third = [1.0 / 3.0; 3];
        assert_eq!(categorical(third, 0.0), 0);
        assert_eq!(categorical(third, 1.0 / 3.0), 1, "strictly over");
        assert_eq!(categorical(third, 0.999), 2);
        // Three thirds of f64 sum to 1; probabilities that fall short of a draw choose the first, as argmax does.
        assert_eq!(categorical([0.25, 0.25], 0.75), 0);
    }
}
