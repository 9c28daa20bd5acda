//! Which samples train and which test, as a function of labels and a seed.
//!
//! A model is judged on samples it has not seen. With few samples the choice of those weighs heavily, so
//! it is **stratified**: every class is spread evenly, or a test part short of eights would praise a
//! model that cannot read them. And it is **fixed**: the same labels, k and seed give the same parts on
//! every machine, or two figures could not be compared.
//!
//! In **k-fold cross-validation** every sample is held out exactly once:
//!
//! ```text
//!            fold 0   fold 1   fold 2   fold 3   fold 4
//! run 0      ░test░   train    train    train    train
//! run 1      train    ░test░   train    train    train         score = mean over the k runs
//! …
//! run 4      train    train    train    train    ░test░
//! ```
//!
//! ## Algorithm
//!
//! Line the samples up class after class, shuffled within the class. The p-th of the line goes to
//!
//! ```text
//! k folds        fold  p mod k
//! hold-out of m  test  if ⌊(p + 1) · m / n⌋ > ⌊p · m / n⌋, else train
//! ```
//!
//! A class is a contiguous stretch of the line, so its counts in any two folds differ by at most one, and
//! so do the sizes of the folds; a hold-out has exactly m samples, and of every class less than one more
//! or less than its share.

mod group;

use crate::{Error, Key};

/// A training and a test part: disjoint, both in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Indices to train on.
    pub train: Vec<usize>,
    /// Indices held out.
    pub test: Vec<usize>,
}

impl Split {
    /// Holds out a stratified fraction: `round(test_fraction · n)` samples, at least one and not all.
    ///
    /// ```
    /// use fornax_prep::Split;
    ///
    /// let labels = [0, 0, 0, 0, 1, 1, 1, 1];
    /// let split = Split::stratified(&labels, 0.25, 42).unwrap();
    /// assert_eq!(split.test.iter().filter(|&&i| labels[i] == 0).count(), 1);
    /// assert_eq!(split.test.iter().filter(|&&i| labels[i] == 1).count(), 1);
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when `test_fraction` is outside (0, 1) or there are fewer than two samples.
    pub fn stratified(labels: &[usize], test_fraction: f64, seed: u64) -> Result<Self, Error> {
        if !(test_fraction > 0.0 && test_fraction < 1.0) {
            return Err(Error::argument("test_fraction", "a fraction between 0 and 1", test_fraction));
        }
        let n = labels.len();
        if n < 2 {
            return Err(Error::argument("labels", "at least two samples", n));
        }
        let m = ((test_fraction * n as f64).round() as usize).clamp(1, n - 1);
        let share = |p: usize| p as u128 * m as u128 / n as u128;
        let mut is_test = vec![false; n];
        for (p, sample) in line_up(labels, seed).into_iter().enumerate() {
            is_test[sample] = share(p + 1) > share(p);
        }
        Ok(Self::from_predicate(n, |sample| is_test[sample]))
    }

    /// The first `boundary` samples train, the rest test: for data that comes divided.
    ///
    /// ```
    /// use fornax_prep::Split;
    ///
    /// let split = Split::at(5, 3).unwrap();
    /// assert_eq!((split.train, split.test), (vec![0, 1, 2], vec![3, 4]));
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when a part would be empty.
    pub fn at(len: usize, boundary: usize) -> Result<Self, Error> {
        if boundary == 0 || boundary >= len {
            return Err(Error::argument(
                "boundary",
                format_args!("a number of training samples that leaves some of {len} for the test"),
                boundary,
            ));
        }
        Ok(Self::from_predicate(len, |sample| sample >= boundary))
    }

    fn from_predicate(len: usize, is_test: impl Fn(usize) -> bool) -> Self {
        let (test, train) = (0..len).partition(|&sample| is_test(sample));
        Self { train, test }
    }
}

/// A division of all samples into k parts of equal size, every class spread evenly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folds {
    fold_of: Vec<usize>,
    k: usize,
}

impl Folds {
    /// Divides samples with these labels; see the [module page](self) for the algorithm.
    ///
    /// ```
    /// use fornax_prep::Folds;
    ///
    /// let labels = [0, 0, 0, 1, 1, 1];
    /// let folds = Folds::stratified(&labels, 3, 0).unwrap();
    /// for fold in 0..3 {
    ///     let split = folds.split(fold);
    ///     assert_eq!((split.train.len(), split.test.len()), (4, 2));
    ///     assert_ne!(labels[split.test[0]], labels[split.test[1]]);
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when k is below 2 or above the number of samples.
    pub fn stratified(labels: &[usize], k: usize, seed: u64) -> Result<Self, Error> {
        if k < 2 {
            return Err(Error::argument("k", "at least 2 folds", k));
        }
        if k > labels.len() {
            let expected = format_args!("at most the number of samples, {}", labels.len()).to_string();
            return Err(Error::argument("k", expected, k));
        }
        Ok(Self::deal(labels, k, seed))
    }

    /// The division itself, for a k known to be good.
    pub(crate) fn deal(labels: &[usize], k: usize, seed: u64) -> Self {
        let mut fold_of = vec![0; labels.len()];
        for (p, sample) in line_up(labels, seed).into_iter().enumerate() {
            fold_of[sample] = p % k;
        }
        Self { fold_of, k }
    }

    /// The number of folds.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The fold each sample belongs to.
    pub fn fold_of(&self) -> &[usize] {
        &self.fold_of
    }

    /// Holds out one fold and trains on the others.
    ///
    /// # Panics
    ///
    /// When `fold` is not below [`k`](Self::k).
    pub fn split(&self, fold: usize) -> Split {
        assert!(fold < self.k, "fold {fold} of {} folds (counted from 0)", self.k);
        Split::from_predicate(self.fold_of.len(), |sample| self.fold_of[sample] == fold)
    }
}

/// All samples, class after class, in random order within a class.
fn line_up(labels: &[usize], seed: u64) -> Vec<usize> {
    // A shuffle followed by a stable sort: within a class the shuffle's order stays.
    let mut line = Key::new(seed).permutation(labels.len());
    line.sort_by_key(|&sample| labels[sample]);
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(labels: &[usize], part: &[usize], class: usize) -> usize {
        part.iter().filter(|&&sample| labels[sample] == class).count()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn folds_are_disjoint_covering_and_balanced(
            labels in prop::collection::vec(0usize..6, 2..200), k in 2usize..8, seed: u64,
        ) {
            prop_assume!(k <= labels.len());
            let folds = Folds::stratified(&labels, k, seed).unwrap();
            let splits: Vec<Split> = (0..k).map(|fold| folds.split(fold)).collect();

            let mut covered: Vec<usize> = splits.iter().flat_map(|split| split.test.clone()).collect();
            covered.sort_unstable();
            prop_assert_eq!(covered, (0..labels.len()).collect::<Vec<_>>());
            for split in &splits {
                let mut both = [split.train.clone(), split.test.clone()].concat();
                both.sort_unstable();
                prop_assert_eq!(both, (0..labels.len()).collect::<Vec<_>>());
            }
            let spread = |sizes: Vec<usize>| sizes.iter().max().unwrap() - sizes.iter().min().unwrap();
            prop_assert!(spread(splits.iter().map(|split| split.test.len()).collect()) <= 1);
            for class in 0..6 {
                prop_assert!(spread(splits.iter().map(|s| counts(&labels, &s.test, class)).collect()) <= 1);
            }
        }

        #[test]
        fn a_hold_out_has_its_size_and_every_class_its_share(
            labels in prop::collection::vec(0usize..5, 2..200), fraction in 0.01f64..0.99, seed: u64,
        ) {
            let n = labels.len();
            let split = Split::stratified(&labels, fraction, seed).unwrap();
            let m = ((fraction * n as f64).round() as usize).clamp(1, n - 1);
            prop_assert_eq!(split.test.len(), m);
            let mut both = [split.train.clone(), split.test.clone()].concat();
            both.sort_unstable();
            prop_assert_eq!(both, (0..n).collect::<Vec<_>>());
            for class in 0..5 {
                let of_class = labels.iter().filter(|&&label| label == class).count();
                let share = of_class as f64 * m as f64 / n as f64;
                prop_assert!((counts(&labels, &split.test, class) as f64 - share).abs() < 1.0 + 1e-9);
            }
        }
    }

    #[test]
    fn the_same_seed_divides_the_same_way_and_another_differently() {
        let labels: Vec<usize> = (0..100).map(|i| i % 3).collect();
        let folds = |seed| Folds::stratified(&labels, 5, seed).unwrap();
        assert_eq!(folds(1), folds(1));
        assert_ne!(folds(1), folds(2));
    }

    #[test]
    fn what_cannot_be_divided_is_refused_by_name() {
        for (k, expected) in
            [(0, "at least 2 folds"), (1, "at least 2 folds"), (4, "at most the number of samples, 3")]
        {
            let error = Folds::stratified(&[0, 1, 1], k, 0).unwrap_err();
            assert_eq!(error.to_string(), format!("k: expected {expected}; found {k}"));
        }
        for fraction in [0.0, 1.0, -0.5, f64::NAN, f64::INFINITY] {
            let error = Split::stratified(&[0, 1, 1], fraction, 0).unwrap_err();
            assert!(
                error.to_string().starts_with("test_fraction: expected a fraction between 0 and 1"),
                "{error}"
            );
        }
        assert!(Split::stratified(&[0], 0.5, 0).is_err());
        assert!(Split::at(3, 0).is_err() && Split::at(3, 3).is_err() && Split::at(0, 0).is_err());
    }

    #[test]
    #[should_panic(expected = "fold 5 of 5 folds")]
    fn a_fold_that_is_not_there_panics() {
        let _ = Folds::stratified(&[0; 10], 5, 0).unwrap().split(5);
    }
}
