//! Partitions that keep together what belongs together.

use std::collections::BTreeMap;

use super::{Folds, Split};
use crate::{Error, Key};

impl Split {
    /// Holds out about `test_fraction` of the samples, whole groups only, every class about in its share.
    ///
    /// # Why
    ///
    /// Ten pictures of one patient, frames of one film, crops of one scan are nearly the same sample. With some of them
    /// on either side of the split, a model that has learned the patient by heart is praised for it, and fails on the
    /// next patient. `groups[i]` says what sample i belongs to; no group is on both sides.
    ///
    /// # Algorithm
    ///
    /// Groups are taken in turn, large ones first, equal ones in the order of the seed; each goes to the test part if
    /// that brings the classes' shares closer to the fraction, in the sum of squares:
    ///
    /// ```text
    /// Σ_c ((test_c + group_c) / n_c − f)² < Σ_c (test_c / n_c − f)²
    /// ```
    ///
    /// So the fraction is met as well as the groups allow: not at all where one group is half of the data.
    ///
    /// ```
    /// use fornax_prep::Split;
    ///
    /// let labels = [0, 0, 1, 1, 0, 0, 1, 1];
    /// let patients = [5, 5, 5, 5, 9, 9, 9, 9];
    /// let split = Split::grouped(&labels, &patients, 0.5, 0).unwrap();
    /// assert!(split.test == [0, 1, 2, 3] || split.test == [4, 5, 6, 7]);
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when `test_fraction` is outside (0, 1), when there are not as many groups as labels, or
    /// fewer than two different ones.
    pub fn grouped(labels: &[usize], groups: &[usize], test_fraction: f64, seed: u64) -> Result<Self, Error> {
        if !(test_fraction > 0.0 && test_fraction < 1.0) {
            return Err(Error::argument("test_fraction", "a fraction between 0 and 1", test_fraction));
        }
        let line = line_up(labels, groups, 2, seed)?;
        let totals = totals(&line);
        let mut test: BTreeMap<usize, f64> = BTreeMap::new();
        let mut chosen = vec![false; line.len()];
        for (group, is_chosen) in line.iter().zip(&mut chosen) {
            // (a + g)² − a² for a = test/n − f and g = group/n.
            let change: f64 = group
                .classes
                .iter()
                .map(|(class, &count)| {
                    let share = test.get(class).copied().unwrap_or(0.0) / totals[class] - test_fraction;
                    let more = count / totals[class];
                    more * (2.0 * share + more)
                })
                .sum();
            if change < 0.0 {
                *is_chosen = true;
                group.classes.iter().for_each(|(class, count)| *test.entry(*class).or_default() += count);
            }
        }
        // One group at least on either side: the smallest, which comes last.
        let (none, all) = (chosen.iter().all(|&chosen| !chosen), chosen.iter().all(|&chosen| chosen));
        if let Some(last) = chosen.last_mut()
            && (none || all)
        {
            *last = none;
        }
        let mut is_test = vec![false; labels.len()];
        for (group, chosen) in line.iter().zip(chosen) {
            group.samples.iter().for_each(|&sample| is_test[sample] = chosen);
        }
        Ok(Self::from_predicate(labels.len(), |sample| is_test[sample]))
    }
}

impl Folds {
    /// Divides whole groups into k parts, every class about evenly; see [`Split::grouped`] for the reason.
    ///
    /// Groups are taken as there; each goes to the fold that the squares of the classes' shares grow least in, the
    /// one of fewest samples among equals.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when there are not as many groups as labels, or when k is below 2 or above the number of
    /// different groups.
    pub fn grouped(labels: &[usize], groups: &[usize], k: usize, seed: u64) -> Result<Self, Error> {
        if k < 2 {
            return Err(Error::argument("k", "at least 2 folds", k));
        }
        let line = line_up(labels, groups, k, seed)?;
        let totals = totals(&line);
        let mut folds: Vec<(BTreeMap<usize, f64>, usize)> = vec![Default::default(); k];
        let mut fold_of = vec![0; labels.len()];
        for (place, group) in line.iter().enumerate() {
            let growth = |(counts, _): &(BTreeMap<usize, f64>, usize)| -> f64 {
                let of = |(class, count): (&usize, &f64)| {
                    let before = counts.get(class).copied().unwrap_or(0.0);
                    count * (2.0 * before + count) / (totals[class] * totals[class])
                };
                group.classes.iter().map(of).sum()
            };
            // When only as many groups are left as there are empty folds, those come first.
            let left = line.len() - place;
            let empty = folds.iter().filter(|fold| fold.1 == 0).count();
            let allowed = |fold: &&usize| left > empty || folds[**fold].1 == 0;
            let all: Vec<usize> = (0..k).collect();
            let best = all.iter().filter(allowed).min_by(|&&a, &&b| {
                let (a, b) = (&folds[a], &folds[b]);
                growth(a).total_cmp(&growth(b)).then(a.1.cmp(&b.1))
            });
            let fold = best.copied().unwrap_or(0);
            let (counts, size) = &mut folds[fold];
            group.classes.iter().for_each(|(class, count)| *counts.entry(*class).or_default() += count);
            *size += group.samples.len();
            group.samples.iter().for_each(|&sample| fold_of[sample] = fold);
        }
        Ok(Self { fold_of, k })
    }
}

struct Group {
    samples: Vec<usize>,
    /// How many of each class.
    classes: BTreeMap<usize, f64>,
}

/// The groups, large ones first.
fn line_up(labels: &[usize], groups: &[usize], at_least: usize, seed: u64) -> Result<Vec<Group>, Error> {
    if labels.len() != groups.len() {
        return Err(Error::argument(
            "groups",
            format_args!("one for each of {} labels", labels.len()),
            groups.len(),
        ));
    }
    let mut by_group: BTreeMap<usize, Group> = BTreeMap::new();
    for (sample, (&label, &group)) in labels.iter().zip(groups).enumerate() {
        let empty = || Group { samples: Vec::new(), classes: BTreeMap::new() };
        let group = by_group.entry(group).or_insert_with(empty);
        group.samples.push(sample);
        *group.classes.entry(label).or_default() += 1.0;
    }
    if by_group.len() < at_least {
        let expected = format_args!("at least {at_least} different ones").to_string();
        return Err(Error::argument("groups", expected, by_group.len()));
    }
    let mut line: Vec<Group> = by_group.into_values().collect();
    Key::new(seed).shuffle(&mut line);
    line.sort_by_key(|group| std::cmp::Reverse(group.samples.len()));
    Ok(line)
}

fn totals(line: &[Group]) -> BTreeMap<usize, f64> {
    let mut totals = BTreeMap::new();
    for (class, count) in line.iter().flat_map(|group| &group.classes) {
        *totals.entry(*class).or_default() += count;
    }
    totals
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn groups_of(groups: &[usize], part: &[usize]) -> std::collections::BTreeSet<usize> {
        part.iter().map(|&sample| groups[sample]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn no_group_is_on_both_sides_and_both_have_some(
            samples in prop::collection::vec((0usize..4, 0usize..12), 2..120), fraction in 0.05f64..0.95, seed: u64,
        ) {
            let (labels, groups): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
            prop_assume!(groups.iter().any(|&group| group != groups[0]));
            let split = Split::grouped(&labels, &groups, fraction, seed).unwrap();
            prop_assert!(groups_of(&groups, &split.train).is_disjoint(&groups_of(&groups, &split.test)));
            prop_assert!(!split.train.is_empty() && !split.test.is_empty());
            prop_assert_eq!(split.train.len() + split.test.len(), labels.len());
            prop_assert_eq!(&split, &Split::grouped(&labels, &groups, fraction, seed).unwrap());
        }

        #[test]
        fn grouped_folds_hold_out_every_sample_once(
            samples in prop::collection::vec((0usize..4, 0usize..12), 4..120), k in 2usize..5, seed: u64,
        ) {
            let (labels, groups): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
            let all: Vec<usize> = (0..labels.len()).collect();
            prop_assume!(groups_of(&groups, &all).len() >= k);
            let folds = Folds::grouped(&labels, &groups, k, seed).unwrap();
            let mut covered = Vec::new();
            for fold in 0..k {
                let split = folds.split(fold);
                prop_assert!(!split.test.is_empty(), "fold {fold} is empty");
                prop_assert!(groups_of(&groups, &split.train).is_disjoint(&groups_of(&groups, &split.test)));
                covered.extend(split.test);
            }
            covered.sort_unstable();
            prop_assert_eq!(covered, all);
        }
    }

    #[test]
    fn with_many_small_groups_every_class_has_its_share() {
        // 300 groups of 1 to 5 samples, mostly of one class, three classes of very different size.
        let (mut labels, mut groups) = (Vec::new(), Vec::new());
        let mut stream = Key::new(5).stream();
        for group in 0..300 {
            let class = [0, 0, 0, 0, 0, 0, 0, 1, 1, 2][stream.below(10) as usize];
            for _ in 0..=stream.below(5) {
                labels.push(if stream.below(10) == 0 { stream.below(3) as usize } else { class });
                groups.push(group);
            }
        }
        let share = |part: &[usize], class: usize| {
            let count =
                |samples: &mut dyn Iterator<Item = usize>| samples.filter(|&s| labels[s] == class).count();
            count(&mut part.iter().copied()) as f64 / count(&mut (0..labels.len())) as f64
        };
        let split = Split::grouped(&labels, &groups, 0.2, 1).unwrap();
        let folds = Folds::grouped(&labels, &groups, 5, 1).unwrap();
        for class in 0..3 {
            assert!((share(&split.test, class) - 0.2).abs() < 0.02, "{class}: {}", share(&split.test, class));
            for fold in 0..5 {
                let found = share(&folds.split(fold).test, class);
                assert!((found - 0.2).abs() < 0.03, "class {class}, fold {fold}: {found}");
            }
        }
    }

    #[test]
    fn what_cannot_be_divided_is_refused_by_name() {
        let refused = |labels: &[usize], groups: &[usize], fraction| {
            Split::grouped(labels, groups, fraction, 0).unwrap_err().to_string()
        };
        assert!(
            refused(&[0, 1], &[0], 0.5).starts_with("groups: expected one for each of 2 labels; found 1")
        );
        assert!(
            refused(&[0, 1], &[3, 3], 0.5).starts_with("groups: expected at least 2 different ones; found 1")
        );
        assert!(refused(&[0, 1], &[3, 4], 1.0).starts_with("test_fraction"));
        assert!(
            Folds::grouped(&[0, 1], &[1, 2], 3, 0).is_err()
                && Folds::grouped(&[0, 1], &[1, 2], 1, 0).is_err()
        );
    }
}
