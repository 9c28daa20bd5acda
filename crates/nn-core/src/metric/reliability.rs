//! Whether beliefs are frequencies.

/// How often a classifier is right, by how sure it is: the data of a reliability diagram.
///
/// Of all samples of which the model says "80 %", 80 % should be right. The samples are sorted into M bins of equal
/// width by their belief, the probability of the class chosen:
///
/// ```text
/// bin m            beliefs in ((m − 1)/M, m/M], n_m of n samples
/// confidence_m     their mean belief
/// accuracy_m       share of them that are right
/// ECE              Σ_m n_m/n · |accuracy_m − confidence_m|          expected calibration error
/// MCE              max over m of |accuracy_m − confidence_m|        over bins that are not empty
/// ```
///
/// What goes wrong: with few samples a bin the ECE is above zero even for a perfect model, because accuracies fluctuate
/// by √(p(1 − p)/n_m); with one bin it only compares the means. Compare values from the same bins and set size.
///
/// Paper: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, *On calibration of modern neural networks*, ICML 2017.
/// <https://arxiv.org/abs/1706.04599>
///
/// ```
/// use fornax_nn_core::metric::Reliability;
///
/// // Four answers given with 90 %, three of them right; two with 50 %, one right.
/// let answers = [(0.9, true), (0.9, true), (0.9, true), (0.9, false), (0.5, true), (0.5, false)];
/// let reliability = Reliability::new(answers, 10);
/// assert!((reliability.ece() - 4.0 / 6.0 * 0.15).abs() < 1e-12);
/// assert!((reliability.mce() - 0.15).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    /// The bins by growing belief, empty ones included.
    pub bins: Vec<Bin>,
}

/// The samples whose belief lies in one interval.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bin {
    /// How many they are.
    pub count: usize,
    /// Their mean belief; zero when there are none.
    pub confidence: f64,
    /// Share of them that are right; zero when there are none.
    pub accuracy: f64,
}

impl Bin {
    fn gap(&self) -> f64 {
        (self.accuracy - self.confidence).abs()
    }
}

impl Reliability {
    /// Sorts answers, each a belief and whether it was right, into `bins` bins.
    ///
    /// # Panics
    ///
    /// When `bins` is zero, or a belief is no probability.
    pub fn new(answers: impl IntoIterator<Item = (f64, bool)>, bins: usize) -> Self {
        assert!(bins > 0, "expected at least one bin, got 0");
        let mut sums = vec![Bin::default(); bins];
        for (belief, right) in answers {
            // Softmax in f32 may end a hair above one.
            assert!((0.0..=1.0 + 1e-5).contains(&belief), "expected a belief in [0, 1], got {belief}");
            let index = ((belief * bins as f64).ceil() as usize).clamp(1, bins) - 1;
            let bin = &mut sums[index];
            bin.count += 1;
            bin.confidence += belief;
            bin.accuracy += f64::from(u8::from(right));
        }
        let mean = |bin: Bin| {
            let n = bin.count.max(1) as f64;
            Bin { count: bin.count, confidence: bin.confidence / n, accuracy: bin.accuracy / n }
        };
        Self { bins: sums.into_iter().map(mean).collect() }
    }

    /// Expected calibration error, in [0, 1]; zero for an empty set.
    pub fn ece(&self) -> f64 {
        let total: usize = self.bins.iter().map(|bin| bin.count).sum();
        self.bins.iter().map(|bin| bin.count as f64 * bin.gap()).sum::<f64>() / total.max(1) as f64
    }

    /// The largest gap between accuracy and confidence.
    pub fn mce(&self) -> f64 {
        self.bins.iter().map(Bin::gap).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fill;

    #[test]
    fn bins_are_closed_above() {
        let reliability = Reliability::new([(0.0, false), (0.5, true), (0.500_001, true), (1.0, true)], 2);
        assert_eq!([reliability.bins[0].count, reliability.bins[1].count], [2, 2]);
        assert_eq!(reliability.bins[0].confidence, 0.25);
    }

    #[test]
    fn one_bin_compares_the_means() {
        let reliability = Reliability::new([(0.6, true), (0.8, false), (1.0, true)], 1);
        assert!((reliability.ece() - (0.8 - 2.0 / 3.0)).abs() < 1e-12);
        assert_eq!(Reliability::new([], 5).ece(), 0.0);
    }

    #[test]
    fn beliefs_that_are_frequencies_have_no_error_but_the_fluctuation() {
        // Right with the probability that is believed: the error is noise of √(p(1 − p)/n_m) ≤ 0.5/√n_m in each bin.
        let n = 20_000;
        let answer = |i: usize| {
            let belief = (fill::uniform("belief", i) + 1.0) / 2.0;
            (belief, (fill::uniform("right", i) + 1.0) / 2.0 < belief)
        };
        let ece = Reliability::new((0..n).map(answer), 10).ece();
        assert!(ece > 0.0 && ece < 2.0 * 0.5 / (n as f64 / 10.0).sqrt(), "{ece}");
        // Twice as sure of being wrong: the error is the excess, 0.1.
        let excess = |(belief, right): (f64, bool)| ((belief + 0.1).min(1.0), right);
        let ece = Reliability::new((0..n).map(|i| excess(answer(i))), 10).ece();
        assert!((ece - 0.095).abs() < 0.012, "{ece}"); // 0.1, less what is cut off above one: 0.1²/2
    }
}
